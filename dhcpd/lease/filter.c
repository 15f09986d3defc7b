#include "dhcpd/lease/filter.h"

#include "common/base/addr.h"

#define UNREADABLE 1u /* the bit of `states` */

void dhcp_lease_filter_init(struct dhcp_lease_filter *filter)
{
    *filter = (struct dhcp_lease_filter){.last = UINT32_MAX};
}

struct dhcp_bytes dhcp_lease_client_id(const struct dhcp_lease *lease)
{
    struct dhcp_bytes id = lease->client.identity;
    if (id.n < 2 || id.p[0] != 1)
        return (struct dhcp_bytes){NULL, 0};
    return (struct dhcp_bytes){id.p + 1, (uint16_t)(id.n - 1)};
}

static int add_prefix(struct dhcp_lease_filter *f, struct keel_str value, struct keel_diag *diag)
{
    struct keel_prefix prefix;
    int err = keel_prefix_parse(&prefix, value, diag);
    if (err)
        return err;
    if (prefix.family != AF_INET)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is not of IPv4", (int)value.n, value.p);
    uint32_t first = keel_get_u32(prefix.bytes);
    uint32_t last = first | (prefix.length ? ~(UINT32_MAX << (32 - prefix.length)) : UINT32_MAX);
    f->first = first > f->first ? first : f->first;
    f->last = last < f->last ? last : f->last;
    return 0;
}

static int add_state(struct dhcp_lease_filter *f, struct keel_str value, struct keel_diag *diag)
{
    if (keel_str_equal(value, KEEL_STR("unreadable"))) {
        f->states |= UNREADABLE;
        return 0;
    }
    for (unsigned s = DHCP_LEASE_ACTIVE; s <= DHCP_LEASE_EXPIRED; s++) {
        if (keel_str_equal(value, keel_str(dhcp_lease_state_name((enum dhcp_lease_state)s)))) {
            f->states |= 1u << s;
            return 0;
        }
    }
    return keel_diag_set(diag, KEEL_EINVAL,
                         "no state \"%.*s\": active, released, declined, expired or unreadable",
                         (int)value.n, value.p);
}

static int add_hex(struct keel_str value, uint8_t *out, size_t room, uint8_t *size,
                   struct keel_diag *diag)
{
    int n = keel_parse_hex(value, out, room);
    if (n <= 0)
        return keel_diag_set(diag, KEEL_EINVAL,
                             "\"%.*s\" is no hexadecimal text of 1 to %zu octets", (int)value.n,
                             value.p, room);
    *size = (uint8_t)n;
    return 0;
}

static int add_hostname(struct dhcp_lease_filter *f, struct keel_str value, struct keel_diag *diag)
{
    f->hostname_begins = value.n > 0 && value.p[value.n - 1] == '*';
    value.n -= f->hostname_begins;
    if (value.n >= sizeof f->hostname || (value.n == 0 && !f->hostname_begins))
        return keel_diag_set(diag, KEEL_EINVAL, "a host name expected");
    memcpy(f->hostname, value.p, value.n);
    f->hostname[value.n] = '\0';
    return 0;
}

static int add_time(struct dhcp_lease_filter *f, struct keel_str value, uint64_t now,
                    struct keel_diag *diag)
{
    uint64_t n;
    bool absolute = value.n > 0 && value.p[0] == '@';
    struct keel_str rest = {value.p + absolute, value.n - absolute};
    if ((absolute ? keel_parse_u64(rest, UINT32_MAX, &n) : keel_parse_duration(rest, &n)) != 0)
        return keel_diag_set(
            diag, KEEL_EINVAL,
            "\"%.*s\" is no time: \"2h\" from now, or \"@\" and seconds since 1970", (int)value.n,
            value.p);
    f->expires_before = absolute ? n : now + n / 1000000000;
    return 0;
}

int dhcp_lease_filter_add(struct dhcp_lease_filter *f, struct keel_str key, struct keel_str value,
                          uint64_t now, struct keel_diag *diag)
{
    if (keel_str_equal(key, KEEL_STR("subnet")) || keel_str_equal(key, KEEL_STR("address")))
        return add_prefix(f, value, diag);
    if (keel_str_equal(key, KEEL_STR("state")))
        return add_state(f, value, diag);
    if (keel_str_equal(key, KEEL_STR("hardware")))
        return add_hex(value, f->chaddr, sizeof f->chaddr, &f->hlen, diag);
    if (keel_str_equal(key, KEEL_STR("client")))
        return add_hex(value, f->client, DHCP_IDENTITY_MAX - 1, &f->client_size, diag);
    if (keel_str_equal(key, KEEL_STR("hostname")))
        return add_hostname(f, value, diag);
    if (keel_str_equal(key, KEEL_STR("expires-before")))
        return add_time(f, value, now, diag);
    return KEEL_ENOENT;
}

static bool has_hostname(const struct dhcp_lease_filter *f, struct dhcp_bytes name)
{
    struct keel_str wanted = keel_str(f->hostname), have = {(const char *)name.p, name.n};
    if (have.n == 0)
        return false;
    if (f->hostname_begins && have.n > wanted.n)
        have.n = wanted.n;
    return keel_str_equal_nocase(wanted, have);
}

bool dhcp_lease_filter_match(const struct dhcp_lease_filter *f, const struct dhcp_lease *lease,
                             uint64_t now)
{
    bool any =
        f->hlen || f->client_size || f->expires_before || f->hostname[0] || f->hostname_begins;
    if (!lease)
        return !any && (f->states == 0 || f->states & UNREADABLE);
    if (f->states && !(f->states & 1u << dhcp_lease_state_now(lease, now)))
        return false;
    struct dhcp_bytes id = dhcp_lease_client_id(lease), client = {f->client, f->client_size};
    if (f->client_size && !dhcp_bytes_equal(id, client))
        return false;
    if (f->hlen && (f->hlen != lease->hlen || memcmp(f->chaddr, lease->chaddr, f->hlen) != 0))
        return false;
    if (f->expires_before && lease->expires >= f->expires_before)
        return false;
    return !(f->hostname[0] || f->hostname_begins) || has_hostname(f, lease->hostname);
}
