#include "dhcpd/engine/exchange.h"

void dhcp_exchange_levels(struct dhcp_exchange *x, uint32_t address)
{
    const struct dhcp_config *config = x->engine->env.config;
    const struct dhcp_subnet *s = dhcp_subnet_on_link(x->link, address);
    struct dhcp_levels *levels = x->levels;
    if (s)
        dhcp_enter(x, s);
    levels->count = 0;
    if (x->reservation)
        dhcp_levels_add(levels, x->reservation->policy);
    for (unsigned i = 0; i < config->class_count; i++)
        if (dhcp_class_has(&x->facts.classes, i))
            dhcp_levels_add(levels, &config->classes[i].policy);
    const struct dhcp_pool *pool = s ? dhcp_engine_find_pool(x->engine, s, address) : NULL;
    x->scarce = pool && config->adaptive &&
                (uint64_t)pool->bound * 100 >= (uint64_t)pool->size * config->adaptive;
    if (pool)
        dhcp_levels_add(levels, dhcp_engine_range(x->engine, s, pool)->policy);
    dhcp_levels_add(levels, &x->subnet->policy);
    dhcp_levels_add(levels, x->subnet->link);
    dhcp_levels_add(levels, &config->policy);
    dhcp_fqdn_decide(config->naming, x->request, x->reservation, address, &x->fqdn);
}

static bool is_reserved_for(const struct dhcp_exchange *x, uint32_t address)
{
    return x->reservation && x->reservation->address == address;
}

/* True when the record's client is one that the reservation is for too: the same machine that
 * starts with another system, the next of several keys, or what is plugged in there now. */
static bool is_reserved_for_both(const struct dhcp_exchange *x, const struct dhcp_lease *lease)
{
    const struct dhcp_reservation *r = x->reservation;
    struct dhcp_bytes id = lease->client.identity;
    struct dhcp_relay relay;
    if (!is_reserved_for(x, lease->address))
        return false;
    if (dhcp_reservation_has_key(x->reserved, r, DHCP_KEY_HARDWARE,
                                 (struct dhcp_bytes){lease->chaddr, lease->hlen}))
        return true;
    /* its first octet says what the identity is: see lease.h */
    if (id.n > 1 && id.p[0] == 1 &&
        dhcp_reservation_has_key(x->reserved, r, DHCP_KEY_CLIENT_ID,
                                 (struct dhcp_bytes){id.p + 1, (uint16_t)(id.n - 1)}))
        return true;
    return dhcp_relay_parse(&relay, lease->relay) == 0 &&
           dhcp_reservation_has_key(x->reserved, r, DHCP_KEY_CIRCUIT_ID, relay.circuit_id);
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
    return over || is_reserved_for_both(x, &lease) ? DHCP_CLAIM_FREE : DHCP_CLAIM_TAKEN;
}

enum dhcp_claim dhcp_claim(struct dhcp_exchange *x, uint32_t address)
{
    const struct dhcp_subnet *s = dhcp_subnet_on_link(x->link, address);
    if (!s)
        return DHCP_CLAIM_WRONG;
    bool reserved = is_reserved_for(x, address);
    struct dhcp_pool *pool = dhcp_engine_find_pool(x->engine, s, address);
    if (!reserved && (!pool || dhcp_pool_is_reserved(pool, address) ||
                      !dhcp_access_allows(&s->access, &x->facts.classes, x->reservation != NULL) ||
                      !dhcp_access_allows(&dhcp_engine_range(x->engine, s, pool)->access,
                                          &x->facts.classes, x->reservation != NULL)))
        return DHCP_CLAIM_WRONG;
    enum dhcp_claim by_record = claim_by_record(x, address);
    /* The pool may say otherwise: the clock went back, or a batch was lost and the store could not
     * be read to see which. It is not to offer the address again and again. */
    if (by_record == DHCP_CLAIM_TAKEN && pool && dhcp_pool_state(pool, address) != DHCP_SLOT_BOUND)
        dhcp_engine_resync(x->engine, address);
    if (by_record == DHCP_CLAIM_ERROR || by_record == DHCP_CLAIM_TAKEN)
        return by_record;
    if (dhcp_engine_offered(x->engine, x->hash) == address)
        return DHCP_CLAIM_MINE;
    if (pool && dhcp_pool_is_offered(pool, address))
        return DHCP_CLAIM_TAKEN;
    return by_record;
}

enum dhcp_claim dhcp_claim_as_client(struct dhcp_exchange *x, uint32_t address)
{
    enum dhcp_claim c = dhcp_claim(x, address);
    if (dhcp_claim_usable(c) && x->reservation && x->reservation->address &&
        !is_reserved_for(x, address) && dhcp_claim_usable(dhcp_claim(x, x->reservation->address)))
        return DHCP_CLAIM_WRONG;
    return c;
}

/* 1 when the client can have it, 0 when not, or an error. */
static int try(struct dhcp_exchange *x, uint32_t address, uint32_t *out)
{
    enum dhcp_claim c = address ? dhcp_claim(x, address) : DHCP_CLAIM_WRONG;
    if (c == DHCP_CLAIM_ERROR)
        return KEEL_ESYS;
    if (!dhcp_claim_usable(c))
        return 0;
    *out = address;
    return 1;
}

/* The address that the client has or had last, in any subnet of its link. */
static int try_known(struct dhcp_exchange *x, uint32_t *out)
{
    struct dhcp_store *store = x->engine->env.store;
    const struct dhcp_subnet *s = x->link;
    do {
        uint32_t address;
        dhcp_enter(x, s);
        int err = store->find(store, &x->client, &address);
        if (err && err != KEEL_ENOENT)
            return err;
        int found = err ? 0 : try(x, address, out);
        if (found)
            return found;
        s = s->next;
    } while (s != x->link);
    return 0;
}

/* One that nobody has: free ones of the whole link before expired ones. */
static int pick(struct dhcp_exchange *x, uint32_t *out)
{
    struct dhcp_pick how = {
        .client = &x->client,
        .classes = &x->facts.classes,
        .known = x->reservation != NULL,
    };
    for (unsigned pass = 0; pass < 2; pass++) {
        const struct dhcp_subnet *s = x->link;
        how.expired = pass == 1;
        do {
            dhcp_enter(x, s);
            if (dhcp_engine_pick(x->engine, s, &how, out) == 0)
                return 0;
            s = s->next;
        } while (s != x->link);
    }
    return KEEL_ENOENT;
}

int dhcp_choose(struct dhcp_exchange *x, uint32_t *address)
{
    int found = x->reservation ? try(x, x->reservation->address, address) : 0;
    if (!found)
        found = try_known(x, address);
    if (!found)
        found = try(x, dhcp_engine_offered(x->engine, x->hash), address);
    if (!found)
        found = try(x, dhcp_message_u32(x->request, DHCP_OPTION_REQUESTED_ADDRESS), address);
    if (found)
        return found < 0 ? found : 0;
    return pick(x, address);
}
