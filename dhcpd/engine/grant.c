#include "dhcpd/engine/quota.h"

static void changed(struct dhcp_exchange *x, uint32_t address)
{
    struct dhcp_decision *d = x->decision;
    for (unsigned i = 0; i < d->changes; i++)
        if (d->changed[i] == address)
            return;
    KEEL_ASSERT(d->changes < DHCP_CHANGES_MAX, "a message changes few leases");
    d->changed[d->changes++] = address;
}

/* Copies what borrows of the store, so that it outlives a change; to has 255 octets. */
static void keep(struct dhcp_bytes *value, uint8_t *to)
{
    if (value->n > 0)
        memcpy(to, value->p, value->n);
    value->p = to;
}

/* The time of this one was over, and nobody was told. */
static void tell_end(struct dhcp_exchange *x, struct dhcp_lease *old)
{
    if (old->state != DHCP_LEASE_ACTIVE)
        return;
    old->state = DHCP_LEASE_EXPIRED;
    dhcp_events_add(x->engine->env.events, DHCP_EVENT_EXPIRED, old, NULL);
}

/* What can be said of an address when this client has it. */
static struct dhcp_lease lease_of(const struct dhcp_exchange *x, uint32_t address)
{
    struct dhcp_lease lease = {
        .address = address,
        .granted = x->now,
        .htype = x->request->htype,
        .hlen = x->request->hlen,
        .client = x->client,
    };
    memcpy(lease.chaddr, x->request->chaddr, sizeof lease.chaddr);
    return lease;
}

/* Whoever had the address before loses it. *renewed: it is this client's, and its lease goes on;
 * where it is connected then stays known: a client renews without the relay. relay has 255 octets.
 */
static int end_previous(struct dhcp_exchange *x, uint32_t address, struct dhcp_lease *lease,
                        uint8_t *relay, bool *renewed)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease old;
    *renewed = false;
    int err = store->get(store, address, &old);
    if (err)
        return err == KEEL_ENOENT ? 0 : err;
    if (dhcp_same_identity(x, &old)) {
        *renewed = old.state == DHCP_LEASE_ACTIVE;
        if (*renewed && lease->relay.n == 0 && x->request->giaddr == 0) {
            lease->relay = old.relay;
            keep(&lease->relay, relay);
        }
        return 0;
    }
    tell_end(x, &old);
    return 0;
}

int dhcp_lease_end(struct dhcp_exchange *x, uint32_t address, enum dhcp_lease_state state,
                   uint64_t expires)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    uint8_t identity[255], hostname[255];
    int err = store->get(store, address, &lease);
    if (err && err != KEEL_ENOENT)
        return err;
    if (!err && !dhcp_same_identity(x, &lease)) {
        tell_end(x, &lease); /* it was only offered to this one */
        err = KEEL_ENOENT;
    }
    if (err)
        lease = lease_of(x, address);
    lease.state = state;
    lease.expires = expires;
    lease.relay.n = 0;
    dhcp_events_add(x->engine->env.events,
                    state == DHCP_LEASE_DECLINED ? DHCP_EVENT_DECLINED : DHCP_EVENT_RELEASED,
                    &lease, NULL);
    if (state == DHCP_LEASE_DECLINED)
        lease.client.identity.n = lease.hostname.n = 0;
    keep(&lease.client.identity, identity);
    keep(&lease.hostname, hostname);
    changed(x, address);
    err = store->put(store, &lease);
    const struct dhcp_subnet *s = dhcp_config_by_address(x->engine->env.config, address);
    struct dhcp_pool *pool = s ? dhcp_engine_find_pool(x->engine, s, address) : NULL;
    if (err || !pool)
        return err;
    if (expires > x->now)
        dhcp_pool_bind(pool, address, expires);
    else
        dhcp_pool_expire(pool, address, x->now);
    return 0;
}

/* Gives back an address that the client has in the subnet that was entered. */
static int end_other(struct dhcp_exchange *x, uint32_t address)
{
    struct dhcp_store *store = x->engine->env.store;
    uint32_t before;
    struct dhcp_lease old;
    int err = store->find(store, &x->client, &before);
    if (!err && before != address)
        err = store->get(store, before, &old);
    /* an old record that cannot be read stays: it only keeps its own address from others */
    if (err || before == address)
        return err == KEEL_ENOENT || err == KEEL_EINVAL ? 0 : err;
    if (!dhcp_same_identity(x, &old) || old.state != DHCP_LEASE_ACTIVE ||
        x->decision->changes == DHCP_CHANGES_MAX)
        return 0;
    return dhcp_lease_end(x, before, DHCP_LEASE_RELEASED, x->now);
}

/* What else the client has on this link is given back. */
static int end_others(struct dhcp_exchange *x, uint32_t address)
{
    const struct dhcp_subnet *own = x->subnet, *s = own;
    int err = 0;
    do {
        dhcp_enter(x, s);
        err = end_other(x, address);
        s = s->next;
    } while (!err && s != own);
    dhcp_enter(x, own);
    return err;
}

int dhcp_lease_grant(struct dhcp_exchange *x, uint32_t address, uint32_t seconds)
{
    struct dhcp_store *store = x->engine->env.store;
    dhcp_enter(x, dhcp_subnet_on_link(x->link, address));
    struct dhcp_lease lease = lease_of(x, address);
    lease.state = DHCP_LEASE_ACTIVE;
    lease.expires = x->now + seconds;
    lease.hostname = dhcp_message_option(x->request, DHCP_OPTION_HOST_NAME);
    lease.relay = dhcp_message_option(x->request, DHCP_OPTION_RELAY_INFO);
    changed(x, address);
    bool renewed;
    uint8_t relay[255];
    int err = end_previous(x, address, &lease, relay, &renewed);
    if (!err)
        err = end_others(x, address);
    if (!err)
        err = store->put(store, &lease);
    if (err)
        return err;
    dhcp_events_add(x->engine->env.events, renewed ? DHCP_EVENT_RENEWED : DHCP_EVENT_GRANTED,
                    &lease, &x->fqdn);
    struct dhcp_pool *pool = dhcp_engine_find_pool(x->engine, x->subnet, address);
    if (pool)
        dhcp_pool_bind(pool, address, lease.expires);
    dhcp_quota_note(x->engine, &lease);
    dhcp_engine_withdraw(x->engine, x->hash);
    return 0;
}
