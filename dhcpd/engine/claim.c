#include "dhcpd/engine/exchange.h"

static bool is_reserved_for(const struct dhcp_exchange *x, uint32_t address)
{
    return x->reservation && x->reservation->address == address;
}

/* What the record of an address makes of it, for this client. */
static enum dhcp_claim claim_by_record(struct dhcp_exchange *x, uint32_t address)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    int err = store->get(store, address, &lease);
    if (err == KEEL_ENOENT)
        return DHCP_CLAIM_FREE;
    if (err == KEEL_EINVAL) /* a record that cannot be read: it may be somebody's */
        return DHCP_CLAIM_TAKEN;
    if (err)
        return DHCP_CLAIM_ERROR;
    bool over = lease.expires <= x->now || lease.state == DHCP_LEASE_RELEASED ||
                lease.state == DHCP_LEASE_EXPIRED;
    if (lease.state == DHCP_LEASE_DECLINED)
        return over ? DHCP_CLAIM_FREE : DHCP_CLAIM_TAKEN;
    if (dhcp_same_identity(x, &lease))
        return DHCP_CLAIM_MINE;
    return over ? DHCP_CLAIM_FREE : DHCP_CLAIM_TAKEN;
}

enum dhcp_claim dhcp_claim(struct dhcp_exchange *x, uint32_t address)
{
    if (!dhcp_subnet_has(x->subnet, address))
        return DHCP_CLAIM_WRONG;
    bool reserved = is_reserved_for(x, address);
    struct dhcp_pool *pool = dhcp_engine_find_pool(x->engine, x->subnet, address);
    const struct dhcp_slot *slot = pool ? dhcp_pool_slot(pool, address) : NULL;
    if (!reserved && (!slot || slot->reserved))
        return DHCP_CLAIM_WRONG;
    enum dhcp_claim by_record = claim_by_record(x, address);
    if (by_record == DHCP_CLAIM_ERROR || by_record == DHCP_CLAIM_TAKEN)
        return by_record;
    if (dhcp_engine_offered(x->engine, x->hash) == address)
        return DHCP_CLAIM_MINE;
    if (slot && slot->offered)
        return DHCP_CLAIM_TAKEN;
    return by_record;
}

enum dhcp_claim dhcp_claim_as_client(struct dhcp_exchange *x, uint32_t address)
{
    enum dhcp_claim c = dhcp_claim(x, address);
    if (dhcp_claim_usable(c) && x->reservation && !is_reserved_for(x, address) &&
        dhcp_claim_usable(dhcp_claim(x, x->reservation->address)))
        return DHCP_CLAIM_WRONG;
    return c;
}

int dhcp_choose(struct dhcp_exchange *x, uint32_t *address)
{
    struct dhcp_store *store = x->engine->env.store;
    uint32_t candidates[4];
    unsigned count = 0;
    if (x->reservation)
        candidates[count++] = x->reservation->address;
    int err = store->find(store, &x->client, &candidates[count]);
    if (err == 0)
        count++;
    else if (err != KEEL_ENOENT)
        return err;
    candidates[count++] = dhcp_engine_offered(x->engine, x->hash);
    candidates[count++] = dhcp_message_u32(x->request, DHCP_OPTION_REQUESTED_ADDRESS);
    for (unsigned i = 0; i < count; i++) {
        enum dhcp_claim c = candidates[i] ? dhcp_claim(x, candidates[i]) : DHCP_CLAIM_WRONG;
        if (c == DHCP_CLAIM_ERROR)
            return KEEL_ESYS;
        if (dhcp_claim_usable(c)) {
            *address = candidates[i];
            return 0;
        }
    }
    return dhcp_engine_pick(x->engine, x->subnet, &x->client, address);
}
