#include "dhcpd/engine/edit.h"

#include "dhcpd/engine/quota.h"

static bool is_over(const struct dhcp_engine *e, const struct dhcp_lease *lease)
{
    return lease->expires <= dhcp_engine_now(e) || lease->state == DHCP_LEASE_RELEASED ||
           lease->state == DHCP_LEASE_EXPIRED;
}

static struct dhcp_pool *pool_of(struct dhcp_engine *e, uint32_t address)
{
    const struct dhcp_subnet *s = dhcp_config_by_address(e->env.config, address);
    return s ? dhcp_engine_find_pool(e, s, address) : NULL;
}

static void tell(struct dhcp_engine *e, enum dhcp_event_type type, const struct dhcp_lease *lease)
{
    if (e->env.events && dhcp_events_room(e->env.events) > 0)
        dhcp_events_add(e->env.events, type, lease, NULL);
}

/* Whether the client has another address in the subnet. */
static int check_client(struct dhcp_engine *e, const struct dhcp_lease *lease, uint32_t *other)
{
    struct dhcp_store *store = e->env.store;
    struct dhcp_lease old;
    int err = store->find(store, &lease->client, other);
    if (err == KEEL_ENOENT || (!err && *other == lease->address))
        return 0;
    if (!err)
        err = store->get(store, *other, &old);
    if (err)
        return err == KEEL_ENOENT || err == KEEL_EINVAL ? 0 : err;
    bool same = dhcp_bytes_equal(old.client.identity, lease->client.identity);
    return same && !is_over(e, &old) ? KEEL_EBUSY : 0;
}

/* In the store and in the pool. */
static int write_lease(struct dhcp_engine *e, const struct dhcp_lease *lease)
{
    struct dhcp_store *store = e->env.store;
    int err = store->put(store, lease);
    struct dhcp_pool *pool = pool_of(e, lease->address);
    if (!err && !pool)
        return dhcp_engine_note_outside(e, lease->address);
    if (err)
        return err;
    dhcp_pool_bind(pool, lease->address, lease->expires);
    if (is_over(e, lease))
        dhcp_pool_expire(pool, lease->address, dhcp_engine_now(e));
    return 0;
}

int dhcp_engine_add_lease(struct dhcp_engine *e, struct dhcp_lease *lease, uint32_t *other)
{
    struct dhcp_store *store = e->env.store;
    const struct dhcp_subnet *s = dhcp_config_by_address(e->env.config, lease->address);
    bool live = !is_over(e, lease) && lease->state == DHCP_LEASE_ACTIVE;
    if (!s)
        return KEEL_ENOENT;
    if (lease->client.identity.n == 0 && lease->state != DHCP_LEASE_DECLINED)
        return KEEL_EINVAL;
    lease->client.network = s->network;
    lease->client.length = s->length;
    struct dhcp_lease old;
    int err = store->get(store, lease->address, &old);
    if (err && err != KEEL_ENOENT)
        return err;
    bool fresh = err || !dhcp_bytes_equal(old.client.identity, lease->client.identity);
    if (!err && fresh && !is_over(e, &old))
        return KEEL_EEXIST;
    bool ends = !err && fresh && old.state == DHCP_LEASE_ACTIVE; /* and was not told of yet */
    int conflict = lease->client.identity.n ? check_client(e, lease, other) : 0;
    if (conflict && (conflict != KEEL_EBUSY || live))
        return conflict;
    if (ends) {
        old.state = DHCP_LEASE_EXPIRED;
        tell(e, DHCP_EVENT_EXPIRED, &old);
    }
    err = write_lease(e, lease);
    if (err)
        return err;
    dhcp_quota_note(e, lease);
    if (live)
        tell(e, fresh ? DHCP_EVENT_GRANTED : DHCP_EVENT_RENEWED, lease);
    return 0;
}

int dhcp_engine_delete_lease(struct dhcp_engine *e, uint32_t address)
{
    struct dhcp_store *store = e->env.store;
    struct dhcp_lease lease;
    int err = store->get(store, address, &lease);
    if (err && err != KEEL_EINVAL)
        return err;
    if (!err && lease.state == DHCP_LEASE_ACTIVE)
        tell(e, DHCP_EVENT_DELETED, &lease);
    err = store->del(store, address);
    struct dhcp_pool *pool = pool_of(e, address);
    if (!err && pool)
        dhcp_pool_forget(pool, address);
    return err;
}
