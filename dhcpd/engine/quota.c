#include "dhcpd/engine/quota.h"

/* Leases that are over stay in the table until somebody counts: room for them. */
#define ROOM 2
#define CAPACITY_MAX (1u << 21)

/* What is counted by. */
enum kind { BY_CIRCUIT = 1, BY_HARDWARE, KINDS };

int dhcp_quota_init(struct dhcp_engine *e, uint32_t addresses)
{
    const struct dhcp_config *config = e->env.config;
    unsigned kinds = (config->per_circuit > 0) + (config->per_hardware > 0);
    uint64_t capacity = (uint64_t)addresses * ROOM * kinds;
    if (kinds == 0)
        return 0;
    return dhcp_limits_init(&e->limits,
                            capacity < CAPACITY_MAX ? (uint32_t)capacity : CAPACITY_MAX);
}

static unsigned limit(const struct dhcp_engine *e, enum kind kind)
{
    return kind == BY_CIRCUIT ? e->env.config->per_circuit : e->env.config->per_hardware;
}

/* The key of a circuit, which is known by its relay's identifier too, or of hardware; 0: none. */
static uint64_t key_of(const struct dhcp_engine *e, enum kind kind, struct dhcp_bytes info,
                       const uint8_t *chaddr, uint8_t hlen)
{
    uint8_t bytes[2 + 2 * 255] = {(uint8_t)kind};
    size_t n = 1;
    struct dhcp_relay relay;
    if (kind == BY_HARDWARE) {
        memcpy(bytes + n, chaddr, hlen);
        return hlen ? keel_hash(&e->secret, bytes, n + hlen) : 0;
    }
    if (dhcp_relay_parse(&relay, info) != 0 || relay.circuit_id.n == 0)
        return 0;
    bytes[n++] = (uint8_t)relay.circuit_id.n;
    memcpy(bytes + n, relay.circuit_id.p, relay.circuit_id.n);
    n += relay.circuit_id.n;
    if (relay.remote_id.n)
        memcpy(bytes + n, relay.remote_id.p, relay.remote_id.n);
    return keel_hash(&e->secret, bytes, n + relay.remote_id.n);
}

static uint64_t lease_key(const struct dhcp_engine *e, enum kind kind,
                          const struct dhcp_lease *lease)
{
    return key_of(e, kind, lease->relay, lease->chaddr, lease->hlen);
}

void dhcp_quota_note(struct dhcp_engine *e, const struct dhcp_lease *lease)
{
    if (!e->limits.entries || lease->state != DHCP_LEASE_ACTIVE)
        return;
    for (enum kind kind = BY_CIRCUIT; kind < KINDS; kind++) {
        uint64_t key = limit(e, kind) ? lease_key(e, kind, lease) : 0;
        if (key)
            dhcp_limits_note(&e->limits, key, lease->address);
    }
}

struct count {
    struct dhcp_exchange *x;
    enum kind kind;
};

/* What the store says of an address that the table has. */
static int counts(void *arg, uint64_t key, uint32_t address)
{
    struct count *count = arg;
    struct dhcp_exchange *x = count->x;
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    int err = store->get(store, address, &lease);
    if (err && err != KEEL_ENOENT)
        return 0; /* it cannot be read now */
    if (err || lease.state != DHCP_LEASE_ACTIVE || lease.expires <= x->now ||
        lease_key(x->engine, count->kind, &lease) != key)
        return -1;
    return !dhcp_same_identity(x, &lease);
}

bool dhcp_quota_exceeded(struct dhcp_exchange *x)
{
    const struct dhcp_message *m = x->request;
    struct dhcp_engine *e = x->engine;
    if (!e->limits.entries)
        return false;
    for (enum kind kind = BY_CIRCUIT; kind < KINDS; kind++) {
        struct count count = {x, kind};
        uint64_t key = limit(e, kind) ? key_of(e, kind, x->facts.relay, m->chaddr, m->hlen) : 0;
        if (key && dhcp_limits_count(&e->limits, key, counts, &count) >= limit(e, kind))
            return true;
    }
    return false;
}
