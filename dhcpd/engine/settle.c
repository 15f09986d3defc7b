#include "dhcpd/engine/state.h"

/* Reservations outside of the pools looked at in one sweep, and as many leases outside of both: no
 * reaper sees those. */
#define SWEEP_BUDGET 64

/* The lease of an address, when it is over and nobody was told; else KEEL_ENOENT. */
static int find_over(struct dhcp_engine *e, uint32_t address, struct dhcp_lease *lease)
{
    int err = e->env.store->get(e->env.store, address, lease);
    if (err == KEEL_EINVAL)
        return KEEL_ENOENT; /* a record that cannot be read has no client to tell of */
    if (!err && (lease->state != DHCP_LEASE_ACTIVE || lease->expires > dhcp_engine_now(e)))
        return KEEL_ENOENT;
    return err;
}

/* Writes that the lease is over, so that it is told once, also across restarts. */
static int settle_one(struct dhcp_engine *e, uint32_t address)
{
    struct dhcp_lease lease;
    uint8_t record[DHCP_LEASE_MAX];
    int err = find_over(e, address, &lease);
    if (err)
        return err == KEEL_ENOENT ? 0 : err;
    lease.state = DHCP_LEASE_EXPIRED;
    /* what the record borrows of the store has to outlive the change */
    size_t size = dhcp_lease_encode(&lease, record);
    err = dhcp_lease_decode(&lease, record, size);
    if (!err)
        err = e->env.store->put(e->env.store, &lease);
    if (!err)
        dhcp_events_add(e->env.events, DHCP_EVENT_EXPIRED, &lease, NULL);
    return err;
}

static bool has_room(const struct dhcp_engine *e)
{
    return dhcp_events_room(e->env.events) > 0;
}

/* The reservations outside of the pools, a few at a time, round and round. */
static int sweep(struct dhcp_engine *e)
{
    const struct dhcp_config *config = e->env.config;
    for (unsigned budget = SWEEP_BUDGET; budget > 0 && has_room(e); budget--) {
        if (e->sweep_subnet >= config->subnet_count) {
            e->sweep_subnet = e->sweep_reservation = 0;
            return 0;
        }
        const struct dhcp_subnet *s = &config->subnets[e->sweep_subnet];
        if (e->sweep_reservation >= s->reservation_count) {
            e->sweep_subnet++;
            e->sweep_reservation = 0;
            continue;
        }
        uint32_t address = s->reservations[e->sweep_reservation++].address;
        int err = dhcp_engine_find_pool(e, s, address) ? 0 : settle_one(e, address);
        if (err)
            return err;
    }
    return 0;
}

/* Leases of addresses that no pool or reservation has any more; those that are over leave the list.
 */
static int sweep_outside(struct dhcp_engine *e)
{
    for (unsigned budget = SWEEP_BUDGET;
         budget > 0 && e->sweep_outside < e->outside_count && has_room(e); budget--) {
        uint32_t *address = &e->outside[e->sweep_outside];
        struct dhcp_lease lease;
        int err = e->env.store->get(e->env.store, *address, &lease);
        bool goes_on =
            !err && lease.state == DHCP_LEASE_ACTIVE && lease.expires > dhcp_engine_now(e);
        if (!goes_on)
            err = settle_one(e, *address);
        if (err)
            return err;
        if (goes_on)
            e->sweep_outside++;
        else
            *address = e->outside[--e->outside_count];
    }
    if (e->sweep_outside >= e->outside_count)
        e->sweep_outside = 0;
    return 0;
}

bool dhcp_engine_unsettled(const struct dhcp_engine *e)
{
    return e->reaped_count > 0;
}

int dhcp_engine_settle(struct dhcp_engine *e, bool all)
{
    unsigned done = 0;
    int err = 0;
    if (!e->env.events)
        return 0;
    while (done < e->reaped_count && has_room(e)) {
        err = settle_one(e, e->reaped[done]);
        if (err)
            break; /* the next time again: no event says that it is to be told */
        done++;
    }
    e->reaped_count -= done;
    memmove(e->reaped, e->reaped + done, e->reaped_count * sizeof *e->reaped);
    if (!err && all)
        err = sweep(e);
    return err || !all ? err : sweep_outside(e);
}
