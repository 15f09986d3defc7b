#include "dhcpd/lease/lease.h"

#define RECORD_VERSION 2

/* See lease.h; the order is that of the record. */
enum field { FIELD_HARDWARE = 1, FIELD_IDENTITY, FIELD_HOSTNAME, FIELD_RELAY };

const char *dhcp_lease_state_name(enum dhcp_lease_state state)
{
    switch (state) {
    case DHCP_LEASE_ACTIVE:
        return "active";
    case DHCP_LEASE_RELEASED:
        return "released";
    case DHCP_LEASE_DECLINED:
        return "declined";
    case DHCP_LEASE_EXPIRED:
        return "expired";
    }
    return "unknown";
}

int dhcp_identity(const struct dhcp_message *m, uint8_t *out)
{
    struct dhcp_bytes id = dhcp_message_option(m, DHCP_OPTION_CLIENT_ID);
    if (id.n > 0) {
        /* one octet of the key says which kind it is, so that the kinds never collide */
        if (id.n > DHCP_IDENTITY_MAX - 1)
            return KEEL_EINVAL;
        out[0] = 1;
        memcpy(out + 1, id.p, id.n);
        return id.n + 1;
    }
    if (m->hlen == 0)
        return KEEL_EINVAL;
    out[0] = 0;
    out[1] = m->htype;
    memcpy(out + 2, m->chaddr, m->hlen);
    return m->hlen + 2;
}

bool dhcp_client_equal(const struct dhcp_client *a, const struct dhcp_client *b)
{
    return a->network == b->network && a->length == b->length &&
           dhcp_bytes_equal(a->identity, b->identity);
}

/* The identity that a client without an identifier has says its hardware address too. */
static bool identity_has_hardware(const struct dhcp_lease *lease)
{
    struct dhcp_bytes id = lease->client.identity;
    return id.n == lease->hlen + 2u && id.p[0] == 0 && id.p[1] == lease->htype &&
           memcmp(id.p + 2, lease->chaddr, lease->hlen) == 0;
}

static void write_field(struct keel_writer *w, uint8_t number, const void *p, size_t n)
{
    if (n == 0)
        return;
    KEEL_ASSERT(n <= UINT8_MAX, "a field of a lease record fits its length");
    keel_write_u8(w, number);
    keel_write_u8(w, (uint8_t)n);
    keel_write_bytes(w, p, n);
}

size_t dhcp_lease_encode(const struct dhcp_lease *lease, uint8_t *out)
{
    struct keel_writer w;
    keel_writer_init(&w, out, DHCP_LEASE_MAX);
    keel_write_u8(&w, RECORD_VERSION);
    keel_write_u8(&w, (uint8_t)lease->state);
    keel_write_u8(&w, lease->htype);
    keel_write_u8(&w, lease->client.length);
    keel_write_u32(&w, lease->address);
    keel_write_u32(&w, lease->client.network);
    keel_write_u64(&w, lease->granted);
    keel_write_u64(&w, lease->expires);
    if (!identity_has_hardware(lease))
        write_field(&w, FIELD_HARDWARE, lease->chaddr, lease->hlen);
    write_field(&w, FIELD_IDENTITY, lease->client.identity.p, lease->client.identity.n);
    write_field(&w, FIELD_HOSTNAME, lease->hostname.p, lease->hostname.n);
    write_field(&w, FIELD_RELAY, lease->relay.p, lease->relay.n);
    KEEL_ASSERT(!w.bad, "a lease record fits its largest size");
    return keel_writer_offset(&w);
}

static int set_hardware(struct dhcp_lease *lease, const uint8_t *p, size_t n)
{
    if (n > sizeof lease->chaddr)
        return KEEL_EINVAL;
    memcpy(lease->chaddr, p, n);
    lease->hlen = (uint8_t)n;
    return 0;
}

static int read_field(struct dhcp_lease *lease, uint8_t number, const uint8_t *p, uint8_t n)
{
    struct dhcp_bytes value = {p, n};
    switch (number) {
    case FIELD_HARDWARE:
        return set_hardware(lease, p, n);
    case FIELD_IDENTITY:
        lease->client.identity = value;
        /* no hardware address before it: the identity has it */
        return lease->hlen == 0 && n > 2 && p[0] == 0 ? set_hardware(lease, p + 2, n - 2u) : 0;
    case FIELD_HOSTNAME:
        lease->hostname = value;
        return 0;
    case FIELD_RELAY:
        lease->relay = value;
        return 0;
    default:
        return 0;
    }
}

static int decode_2(struct dhcp_lease *lease, struct keel_reader *r)
{
    lease->htype = keel_read_u8(r);
    lease->client.length = keel_read_u8(r);
    lease->address = keel_read_u32(r);
    lease->client.network = keel_read_u32(r);
    lease->granted = keel_read_u64(r);
    lease->expires = keel_read_u64(r);
    int err = 0;
    for (uint8_t before = 0; !err && !r->bad && keel_reader_left(r) > 0;) {
        uint8_t number = keel_read_u8(r), n = keel_read_u8(r);
        const uint8_t *p = keel_read_bytes(r, n);
        if (r->bad || number <= before)
            return KEEL_EINVAL;
        err = read_field(lease, number, p, n);
        before = number;
    }
    return err;
}

static int decode_1(struct dhcp_lease *lease, struct keel_reader *r)
{
    lease->htype = keel_read_u8(r);
    uint8_t hlen = keel_read_u8(r);
    lease->address = keel_read_u32(r);
    lease->client.network = keel_read_u32(r);
    lease->client.length = keel_read_u8(r);
    lease->client.identity.n = keel_read_u8(r);
    lease->hostname.n = keel_read_u8(r);
    lease->relay.n = keel_read_u8(r);
    lease->granted = keel_read_u64(r);
    lease->expires = keel_read_u64(r);
    const uint8_t *chaddr = keel_read_bytes(r, 16);
    keel_read_u32(r);
    lease->client.identity.p = keel_read_bytes(r, lease->client.identity.n);
    lease->hostname.p = keel_read_bytes(r, lease->hostname.n);
    lease->relay.p = keel_read_bytes(r, lease->relay.n);
    return r->bad || keel_reader_left(r) > 0 ? KEEL_EINVAL : set_hardware(lease, chaddr, hlen);
}

int dhcp_lease_decode(struct dhcp_lease *lease, const void *record, size_t size)
{
    struct keel_reader r;
    keel_reader_init(&r, record, size);
    uint8_t version = keel_read_u8(&r), state = keel_read_u8(&r);
    *lease = (struct dhcp_lease){.state = (enum dhcp_lease_state)state};
    int err = version == 2 ? decode_2(lease, &r) : version == 1 ? decode_1(lease, &r) : KEEL_EINVAL;
    if (err || r.bad || lease->client.length > 32 || state < DHCP_LEASE_ACTIVE ||
        state > DHCP_LEASE_EXPIRED)
        return KEEL_EINVAL;
    return 0;
}

size_t dhcp_client_key(const struct dhcp_client *client, uint8_t *out)
{
    KEEL_ASSERT(client->identity.n <= DHCP_IDENTITY_MAX, "an identity fits its largest size");
    keel_put_u32(out, client->network);
    out[4] = client->length;
    memcpy(out + 5, client->identity.p, client->identity.n);
    return 5u + client->identity.n;
}
