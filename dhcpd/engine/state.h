/*
 * What the engine remembers between messages: pools and offers. Private to engine/.
 */
#ifndef DHCPD_ENGINE_STATE_H
#define DHCPD_ENGINE_STATE_H

#include "common/base/hash.h"
#include "dhcpd/engine/engine.h"
#include "dhcpd/engine/limit.h"
#include "dhcpd/lease/offer.h"
#include "dhcpd/lease/pool.h"

#define DHCP_REAPED_MAX 1024

struct dhcp_engine {
    struct dhcp_env env;
    struct dhcp_pool *pools; /* of all subnets, in the order of the configuration */
    unsigned *first_pool;    /* of subnet i; [subnet_count]: all */
    unsigned pool_count, reap_next;
    struct dhcp_offers offers;
    struct dhcp_limits limits;   /* see quota.h */
    struct keel_hash_key secret; /* for offers and limits */
    struct dhcp_message message; /* the one being worked at: too big for a stack of handlers */
    struct dhcp_levels levels;   /* likewise */
    struct dhcp_engine_load load;
    struct dhcp_counters *pool_counters, *subnet_counters;
    /* Expired addresses whose end was not told yet. */
    uint32_t reaped[DHCP_REAPED_MAX];
    unsigned reaped_count;
    unsigned sweep_subnet, sweep_reservation; /* where the next sweep goes on */
    /* Addresses that have a lease and may be in no pool and no reservation: of an older
     * configuration, or given by hand. Somebody waits to hear of their end. */
    uint32_t *outside;
    size_t outside_count, outside_room, sweep_outside;
};

static inline uint64_t dhcp_engine_now(const struct dhcp_engine *e)
{
    return e->env.clock->realtime(e->env.clock) / KEEL_NS_PER_S;
}
/* The pool that holds an address of this subnet; NULL: none does. */
struct dhcp_pool *dhcp_engine_find_pool(struct dhcp_engine *e, const struct dhcp_subnet *subnet,
                                        uint32_t address);
/* The address of a lease that only a sweep of `outside` finds when it is over. 0 or KEEL_ENOMEM. */
int dhcp_engine_note_outside(struct dhcp_engine *e, uint32_t address);
/* Counts what came of a message of a client of this subnet. */
void dhcp_engine_count(struct dhcp_engine *e, const struct dhcp_subnet *subnet,
                       const struct dhcp_decision *decision);
/* Offers. `client` is what dhcp_engine_client_hash says. */
uint64_t dhcp_engine_client_hash(const struct dhcp_engine *e, const struct dhcp_client *client);
/* The address offered to the client, 0 when none. */
uint32_t dhcp_engine_offered(const struct dhcp_engine *e, uint64_t client);
void dhcp_engine_offer(struct dhcp_engine *e, uint64_t client, uint32_t address, bool probed);
void dhcp_engine_withdraw(struct dhcp_engine *e, uint64_t client);
/* The range of the configuration that a pool of this subnet was made from. */
static inline const struct dhcp_range *dhcp_engine_range(const struct dhcp_engine *e,
                                                         const struct dhcp_subnet *subnet,
                                                         const struct dhcp_pool *pool)
{
    return &subnet->ranges[pool - &e->pools[e->first_pool[subnet - e->env.config->subnets]]];
}
/* Picks an address for somebody new to the subnet, from its pools that are for these classes: a
 * free one, or with `expired` the one that has been over for longest. KEEL_ENOENT: there is none.
 */
struct dhcp_pick {
    const struct dhcp_client *client;
    const struct dhcp_class_set *classes;
    bool known; /* it has a reservation */
    bool expired;
};
int dhcp_engine_pick(struct dhcp_engine *e, const struct dhcp_subnet *subnet,
                     const struct dhcp_pick *pick, uint32_t *address);

#endif
