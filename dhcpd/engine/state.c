#include "dhcpd/engine/state.h"

#include "dhcpd/engine/quota.h"

/* Most offers held at a time; a flood of DISCOVERs pushes out the oldest. */
#define OFFERS_MAX 65536
/* Expired addresses looked at in a tick: bounds the time a batch waits. */
#define REAP_BUDGET 512
/* ... and for a client that finds no address. */
#define URGENT_BUDGET 4096

static struct dhcp_pool *pool_of(struct dhcp_engine *e, uint32_t address)
{
    const struct dhcp_subnet *s = dhcp_config_by_address(e->env.config, address);
    return s ? dhcp_engine_find_pool(e, s, address) : NULL;
}

static void fill_pool(struct dhcp_engine *e, struct dhcp_pool *pool, const struct dhcp_lease *lease)
{
    uint64_t now = dhcp_engine_now(e);
    dhcp_pool_bind(pool, lease->address, lease->expires);
    bool over = lease->expires <= now;
    if (over && lease->state == DHCP_LEASE_ACTIVE && e->env.events)
        return; /* the reaper finds it, and then it is told */
    if (over || lease->state == DHCP_LEASE_RELEASED || lease->state == DHCP_LEASE_EXPIRED)
        dhcp_pool_expire(pool, lease->address, now);
}

int dhcp_engine_note_outside(struct dhcp_engine *e, uint32_t address)
{
    if (!e->env.events)
        return 0;
    if (e->outside_count == e->outside_room) {
        size_t room = e->outside_room ? 2 * e->outside_room : 64;
        uint32_t *outside = keel_realloc(e->outside, room * sizeof *outside);
        if (!outside)
            return KEEL_ENOMEM;
        e->outside = outside;
        e->outside_room = room;
    }
    e->outside[e->outside_count++] = address;
    return 0;
}

/* One record of the store into the pools. */
static int fill(void *arg, uint32_t address, const struct dhcp_lease *lease)
{
    struct dhcp_engine *e = arg;
    struct dhcp_pool *pool = pool_of(e, address);
    if (!lease)
        e->load.unreadable++;
    else if (pool)
        e->load.leases++;
    else
        e->load.outside++;
    if (lease)
        dhcp_quota_note(e, lease);
    if (pool && lease)
        fill_pool(e, pool, lease);
    else if (pool)
        dhcp_pool_bind(pool, address, DHCP_POOL_FOR_EVER);
    return !pool && lease && lease->state == DHCP_LEASE_ACTIVE
               ? dhcp_engine_note_outside(e, address)
               : 0;
}

static int init_pools(struct dhcp_engine *e)
{
    const struct dhcp_config *config = e->env.config;
    unsigned total = 0;
    for (unsigned i = 0; i < config->subnet_count; i++)
        total += config->subnets[i].range_count;
    e->pools = keel_calloc(total ? total : 1, sizeof *e->pools);
    e->first_pool = keel_calloc(config->subnet_count + 1, sizeof *e->first_pool);
    e->pool_counters = keel_calloc(total ? total : 1, sizeof *e->pool_counters);
    e->subnet_counters = keel_calloc(config->subnet_count + 1, sizeof *e->subnet_counters);
    if (!e->pools || !e->first_pool || !e->pool_counters || !e->subnet_counters)
        return KEEL_ENOMEM;
    uint64_t now = dhcp_engine_now(e);
    for (unsigned i = 0; i < config->subnet_count; i++) {
        const struct dhcp_subnet *s = &config->subnets[i];
        e->first_pool[i] = e->pool_count;
        for (unsigned k = 0; k < s->range_count; k++) {
            int err = dhcp_pool_init(&e->pools[e->pool_count], s->ranges[k].first,
                                     s->ranges[k].last, now);
            if (err)
                return err;
            e->pool_count++;
        }
        e->first_pool[i + 1] = e->pool_count;
        for (unsigned k = 0; k < s->reservation_count; k++) {
            uint32_t address = s->reservations[k].address;
            struct dhcp_pool *pool = address ? dhcp_engine_find_pool(e, s, address) : NULL;
            if (pool)
                dhcp_pool_reserve(pool, address);
        }
    }
    return 0;
}

/* Of all pools and reservations; at least 1. */
static uint32_t address_count(const struct dhcp_engine *e)
{
    uint64_t addresses = 0;
    for (unsigned i = 0; i < e->pool_count; i++)
        addresses += e->pools[i].size;
    for (unsigned i = 0; i < e->env.config->subnet_count; i++)
        addresses += e->env.config->subnets[i].reservation_count;
    if (addresses == 0)
        addresses = 1;
    return addresses < UINT32_MAX ? (uint32_t)addresses : UINT32_MAX;
}

static uint32_t offer_capacity(const struct dhcp_engine *e)
{
    uint32_t addresses = address_count(e);
    return addresses < OFFERS_MAX ? addresses : OFFERS_MAX;
}

int dhcp_engine_new(const struct dhcp_env *env, struct dhcp_engine **out)
{
    struct dhcp_engine *e = keel_calloc(1, sizeof *e);
    if (!e)
        return KEEL_ENOMEM;
    e->env = *env;
    e->secret.k0 = keel_prng_next(env->prng);
    e->secret.k1 = keel_prng_next(env->prng);
    int err = init_pools(e);
    if (!err)
        err = dhcp_offers_init(&e->offers, offer_capacity(e));
    if (!err)
        err = dhcp_quota_init(e, address_count(e));
    if (!err)
        err = env->store->each(env->store, fill, e);
    if (err) {
        dhcp_engine_free(e);
        return err;
    }
    *out = e;
    return 0;
}

void dhcp_engine_free(struct dhcp_engine *e)
{
    if (!e)
        return;
    for (unsigned i = 0; i < e->pool_count; i++)
        dhcp_pool_fini(&e->pools[i]);
    dhcp_offers_fini(&e->offers);
    dhcp_limits_fini(&e->limits);
    keel_free(e->outside);
    keel_free(e->pools);
    keel_free(e->first_pool);
    keel_free(e->pool_counters);
    keel_free(e->subnet_counters);
    keel_free(e);
}

struct dhcp_pool *dhcp_engine_find_pool(struct dhcp_engine *e, const struct dhcp_subnet *subnet,
                                        uint32_t address)
{
    unsigned i = (unsigned)(subnet - e->env.config->subnets);
    for (unsigned p = e->first_pool[i]; p < e->first_pool[i + 1]; p++)
        if (dhcp_pool_has(&e->pools[p], address))
            return &e->pools[p];
    return NULL;
}

uint64_t dhcp_engine_client_hash(const struct dhcp_engine *e, const struct dhcp_client *client)
{
    uint8_t key[DHCP_CLIENT_KEY_MAX];
    return keel_hash(&e->secret, key, dhcp_client_key(client, key));
}

uint32_t dhcp_engine_offered(const struct dhcp_engine *e, uint64_t client)
{
    const struct dhcp_offer *offer = dhcp_offers_find(&e->offers, client);
    return offer ? offer->address : 0;
}

static void mark_offered(struct dhcp_engine *e, uint32_t address, bool offered)
{
    struct dhcp_pool *pool = pool_of(e, address);
    if (pool)
        dhcp_pool_offer(pool, address, offered);
}

void dhcp_engine_withdraw(struct dhcp_engine *e, uint64_t client)
{
    uint32_t address = dhcp_engine_offered(e, client);
    if (!address)
        return;
    dhcp_offers_remove(&e->offers, client);
    mark_offered(e, address, false);
}

void dhcp_engine_offer(struct dhcp_engine *e, uint64_t client, uint32_t address, bool probed)
{
    dhcp_engine_withdraw(e, client);
    if (dhcp_offers_full(&e->offers))
        dhcp_engine_withdraw(e, dhcp_offers_oldest(&e->offers)->client);
    uint64_t deadline =
        e->env.clock->monotonic(e->env.clock) + e->env.config->offer_time * KEEL_NS_PER_S;
    dhcp_offers_add(&e->offers, client, address, deadline, probed);
    mark_offered(e, address, true);
}

/* When somebody listens, no more than can be told of. */
static void reap(struct dhcp_engine *e, struct dhcp_pool *pool, unsigned budget)
{
    unsigned room = DHCP_REAPED_MAX - e->reaped_count;
    if (!e->env.events)
        dhcp_pool_reap(pool, dhcp_engine_now(e), budget, NULL);
    else
        e->reaped_count += dhcp_pool_reap(pool, dhcp_engine_now(e), room < budget ? room : budget,
                                          e->reaped + e->reaped_count);
}

int dhcp_engine_pick(struct dhcp_engine *e, const struct dhcp_subnet *subnet,
                     const struct dhcp_pick *pick, uint32_t *address)
{
    /* not secret: a client finds its address again although its record was lost */
    static const struct keel_hash_key stable = {0x6b65656c2d646863ull, 0x702d61646472ull};
    uint8_t key[DHCP_CLIENT_KEY_MAX];
    uint64_t hash = keel_hash(&stable, key, dhcp_client_key(pick->client, key));
    struct dhcp_pool *pools = &e->pools[e->first_pool[subnet - e->env.config->subnets]];
    uint64_t now = dhcp_engine_now(e);
    if (!dhcp_access_allows(&subnet->access, pick->classes, pick->known))
        return KEEL_ENOENT;
    for (unsigned i = 0; i < subnet->range_count; i++) {
        if (!dhcp_access_allows(&subnet->ranges[i].access, pick->classes, pick->known))
            continue;
        if (!pick->expired) {
            if (!dhcp_pool_pick_free(&pools[i], hash, address))
                return 0;
            continue;
        }
        if (!dhcp_pool_pick_expired(&pools[i], now, address))
            return 0;
        /* what the reaper has not come to yet: a client that waits is worth a longer look */
        reap(e, &pools[i], URGENT_BUDGET);
        if (!dhcp_pool_pick_expired(&pools[i], now, address))
            return 0;
    }
    return KEEL_ENOENT;
}

void dhcp_engine_tick(struct dhcp_engine *e)
{
    uint64_t monotonic = e->env.clock->monotonic(e->env.clock);
    const struct dhcp_offer *offer;
    while ((offer = dhcp_offers_oldest(&e->offers)) && offer->deadline <= monotonic)
        dhcp_engine_withdraw(e, offer->client);
    if (e->pool_count == 0)
        return;
    e->reap_next = (e->reap_next + 1) % e->pool_count;
    reap(e, &e->pools[e->reap_next], REAP_BUDGET);
}

void dhcp_engine_resync(struct dhcp_engine *e, uint32_t address)
{
    struct dhcp_pool *pool = pool_of(e, address);
    struct dhcp_lease lease;
    int err = e->env.store->get(e->env.store, address, &lease);
    if (err == 0)
        dhcp_quota_note(e, &lease); /* it may have been passed over as over, and forgotten */
    if (!pool && err == 0 && lease.state == DHCP_LEASE_ACTIVE)
        dhcp_engine_note_outside(e, address); /* without memory its end is told after a restart */
    if (!pool)
        return;
    if (err == 0)
        fill_pool(e, pool, &lease);
    else if (err == KEEL_ENOENT)
        dhcp_pool_forget(pool, address);
    /* else it stays as it is: taken, which promises nothing to anybody */
}

const struct dhcp_engine_load *dhcp_engine_loaded(const struct dhcp_engine *e)
{
    return &e->load;
}

unsigned dhcp_engine_pool_count(const struct dhcp_engine *e)
{
    return e->pool_count;
}

void dhcp_engine_pool(const struct dhcp_engine *e, unsigned i, struct dhcp_pool_view *view)
{
    const struct dhcp_pool *pool = &e->pools[i];
    *view = (struct dhcp_pool_view){
        .subnet = dhcp_config_by_address(e->env.config, pool->first),
        .first = pool->first,
        .last = pool->first + pool->size - 1,
        .size = pool->size,
        .bound = pool->bound,
        .expired = pool->expired,
        .free = pool->map.free,
        .counters = &e->pool_counters[i],
    };
}

const struct dhcp_counters *dhcp_engine_subnet_counters(const struct dhcp_engine *e,
                                                        unsigned subnet)
{
    return &e->subnet_counters[subnet];
}

static void count(struct dhcp_counters *c, const struct dhcp_decision *d)
{
    c->discovers += d->received == DHCP_DISCOVER;
    c->releases += d->received == DHCP_RELEASE && d->outcome == DHCP_DONE;
    c->declines += d->received == DHCP_DECLINE && d->outcome == DHCP_DONE;
    c->offers += d->sent == DHCP_OFFER;
    c->acks += d->sent == DHCP_ACK;
    c->naks += d->sent == DHCP_NAK;
    c->exhausted += d->outcome == DHCP_NO_ADDRESS;
}

void dhcp_engine_count(struct dhcp_engine *e, const struct dhcp_subnet *subnet,
                       const struct dhcp_decision *decision)
{
    struct dhcp_pool *pool = decision->lease ? pool_of(e, decision->lease) : NULL;
    count(&e->subnet_counters[subnet - e->env.config->subnets], decision);
    if (pool)
        count(&e->pool_counters[pool - e->pools], decision);
}

unsigned dhcp_engine_offers(const struct dhcp_engine *e)
{
    return e->offers.count;
}
