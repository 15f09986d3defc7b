/*
 * A pool: one range of addresses, and what is known of each in memory. Everything here can be
 * built again from the store; only offers cannot, and those are never a promise on disk.
 *
 *   free ──offer──▶ offered ──bind──▶ bound ──expire──▶ expired ──take back──▶ offered
 *     ▲               │ lapse                            (oldest first)
 *     └───────────────┘
 *
 * Expiry is lazy: a bound address is filed in the bucket of the time at which it would expire when
 * it was bound first. A renewal only writes the new time; when the bucket's time has come, the
 * reaper looks and files it again. No step allocates.
 */
#ifndef DHCPD_LEASE_POOL_H
#define DHCPD_LEASE_POOL_H

#include "dhcpd/lease/bitmap.h"

#define DHCP_NO_SLOT UINT32_MAX
#define DHCP_BUCKETS 1024
#define DHCP_BUCKET_SECONDS 16

enum dhcp_slot_state {
    DHCP_SLOT_FREE,    /* nobody has it and nobody had it */
    DHCP_SLOT_BOUND,   /* leased or quarantined until `expires`; in a bucket */
    DHCP_SLOT_EXPIRED, /* its time has passed; in the queue, oldest first */
};

struct dhcp_slot {
    uint32_t expires;    /* seconds since 1970 */
    uint32_t next, prev; /* in its bucket or in the queue of expired ones */
    uint32_t list : 11;  /* which bucket; DHCP_BUCKETS: the queue */
    uint32_t state : 2;
    uint32_t reserved : 1; /* for one hardware address: never allocated to others */
    uint32_t offered : 1;  /* an offer is out; see offer.h for whom */
};

struct dhcp_slot_list {
    uint32_t head, tail;
};

struct dhcp_pool {
    uint32_t first, size;
    struct dhcp_bitmap map; /* set: neither bound, expired, offered nor reserved */
    struct dhcp_slot *slots;
    struct dhcp_slot_list lists[DHCP_BUCKETS + 1];
    uint64_t reaped; /* buckets before this one (seconds / DHCP_BUCKET_SECONDS) are done */
    uint32_t bound, expired;
};

/* first..last, host order; at most DHCP_BITMAP_MAX. 0 or KEEL_ENOMEM. */
int dhcp_pool_init(struct dhcp_pool *pool, uint32_t first, uint32_t last, uint64_t now);
void dhcp_pool_fini(struct dhcp_pool *pool);
static inline bool dhcp_pool_has(const struct dhcp_pool *pool, uint32_t address)
{
    return address - pool->first < pool->size;
}
static inline struct dhcp_slot *dhcp_pool_slot(struct dhcp_pool *pool, uint32_t address)
{
    return &pool->slots[address - pool->first];
}

/* Takes the address out of allocation for good. */
void dhcp_pool_reserve(struct dhcp_pool *pool, uint32_t address);
/* Marks or clears an offer. */
void dhcp_pool_offer(struct dhcp_pool *pool, uint32_t address, bool offered);
/* The address is bound until `expires` (also when it was already). */
void dhcp_pool_bind(struct dhcp_pool *pool, uint32_t address, uint64_t expires);
/* Its lease is over now. */
void dhcp_pool_expire(struct dhcp_pool *pool, uint32_t address, uint64_t now);
/* Nothing is known of it: as if it had never been bound. */
void dhcp_pool_forget(struct dhcp_pool *pool, uint32_t address);

/* Moves what expired before `now` to the queue; looks at no more than `budget` addresses. Returns
 * how many were moved, and which in moved[budget], which may be NULL. */
unsigned dhcp_pool_reap(struct dhcp_pool *pool, uint64_t now, unsigned budget, uint32_t *moved);
/* Picks an address for somebody new, and changes nothing of it. Free: as near behind the preferred
 * index as there is one. Expired: the one that expired first. KEEL_ENOENT when there is none. */
int dhcp_pool_pick_free(const struct dhcp_pool *pool, uint32_t preferred, uint32_t *address);
int dhcp_pool_pick_expired(const struct dhcp_pool *pool, uint64_t now, uint32_t *address);

#endif
