#include "dhcpd/engine/admit.h"

#define CLIENTS 16384
#define RELAYS 1024
/* How many messages may come at once, beside those of a second: an exchange, and it again. */
#define BURST 10

/* Where fields of the header stand (RFC 2131, 2). */
enum { HLEN_AT = 2, GIADDR_AT = 24, CHADDR_AT = 28, CHADDR_SIZE = 16 };

static struct keel_rate rate_of(uint32_t per_second, uint32_t rule)
{
    struct keel_rate rate = {.rule = rule};
    if (per_second) {
        rate.interval_ns = KEEL_NS_PER_S / per_second;
        rate.burst_ns = KEEL_NS_PER_S + BURST * rate.interval_ns;
    }
    return rate;
}

int dhcp_admission_init(struct dhcp_admission *a, uint32_t client_rate, uint32_t relay_rate,
                        struct keel_hash_key secret)
{
    *a = (struct dhcp_admission){
        .client = rate_of(client_rate, 1), .relay = rate_of(relay_rate, 2), .secret = secret};
    int err = client_rate ? keel_clients_init(&a->clients, CLIENTS) : 0;
    if (!err && relay_rate)
        err = keel_clients_init(&a->relays, RELAYS);
    if (err)
        dhcp_admission_fini(a);
    return err;
}

void dhcp_admission_fini(struct dhcp_admission *a)
{
    if (a->clients.items)
        keel_clients_fini(&a->clients);
    if (a->relays.items)
        keel_clients_fini(&a->relays);
    *a = (struct dhcp_admission){.client = {0}};
}

/* Option 53, when it is the first or stands among the first few, as every client has it. */
static unsigned glance_type(const uint8_t *bytes, size_t size)
{
    size_t at = DHCP_OPTIONS_AT;
    for (unsigned i = 0; i < 8 && at + 2 < size && bytes[at] != DHCP_OPTION_END; i++) {
        if (bytes[at] == DHCP_OPTION_MESSAGE_TYPE)
            return bytes[at + 2];
        at += bytes[at] == DHCP_OPTION_PAD ? 1 : 2u + bytes[at + 1];
    }
    return DHCP_NONE;
}

/* The table knows clients by 64 bits of an address: those of a hash do as well. */
static struct keel_addr client_addr(const struct dhcp_admission *a, const uint8_t *bytes)
{
    struct keel_addr addr;
    uint8_t key[1 + CHADDR_SIZE];
    key[0] = bytes[HLEN_AT];
    memcpy(key + 1, bytes + CHADDR_AT, CHADDR_SIZE);
    uint64_t hash = keel_hash(&a->secret, key, sizeof key);
    keel_addr_any(&addr, AF_INET6, 0);
    memcpy(&addr.in6.sin6_addr, &hash, sizeof hash);
    return addr;
}

enum dhcp_admit dhcp_admit(struct dhcp_admission *a, const uint8_t *bytes, size_t size,
                           uint32_t peer, uint64_t now)
{
    uint64_t wait;
    if (size < DHCP_OPTIONS_AT)
        return DHCP_ADMIT_FIRST;
    if (a->client.interval_ns) {
        struct keel_addr client = client_addr(a, bytes);
        if (!keel_clients_take(&a->clients, &client, &a->client, now, &wait))
            return DHCP_REFUSE_CLIENT;
    }
    if (a->relay.interval_ns && keel_get_u32(bytes + GIADDR_AT)) {
        struct keel_addr relay;
        keel_addr_set4(&relay, peer, 0);
        if (!keel_clients_take(&a->relays, &relay, &a->relay, now, &wait))
            return DHCP_REFUSE_RELAY;
    }
    return glance_type(bytes, size) == DHCP_DISCOVER ? DHCP_ADMIT_LATER : DHCP_ADMIT_FIRST;
}
