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
 *
 *   index    a word an address: the number of its entry, and two marks     4 octets an address
 *   entries  one for each address that is bound or expired                20 octets a lease
 *
 * Entries are used in order, so that of both only the pages that are needed cost memory: a /8 with
 * a million leases anywhere in it takes 66 MB for the index and 20 MB for the entries.
 */
#ifndef DHCPD_LEASE_POOL_H
#define DHCPD_LEASE_POOL_H

#include "dhcpd/lease/bitmap.h"

#define DHCP_NO_ENTRY 0u /* entry 0 is nobody's */
#define DHCP_BUCKETS 1024
#define DHCP_BUCKET_SECONDS 16
/* Lists: the buckets, then the expired ones that may be taken, oldest first, then those that may
 * not: they are offered or reserved. */
#define DHCP_LIST_EXPIRED DHCP_BUCKETS
#define DHCP_LIST_ASIDE (DHCP_BUCKETS + 1)
#define DHCP_LISTS (DHCP_BUCKETS + 2)

enum dhcp_slot_state {
    DHCP_SLOT_FREE,    /* nobody has it and nobody had it */
    DHCP_SLOT_BOUND,   /* leased or quarantined until `expires`; in a bucket */
    DHCP_SLOT_EXPIRED, /* its time has passed; in a list of expired ones */
};

/* An address that is bound or expired. */
struct dhcp_entry {
    uint32_t offset;     /* of the address in the pool */
    uint32_t expires;    /* seconds since 1970 */
    uint32_t next, prev; /* in its list; next: also in the chain of unused entries */
    uint16_t list;
    uint8_t state; /* enum dhcp_slot_state */
};

struct dhcp_entry_list {
    uint32_t head, tail;
};

struct dhcp_pool {
    uint32_t first, size;
    struct dhcp_bitmap map; /* set: neither bound, expired, offered nor reserved */
    uint32_t *index;
    struct dhcp_entry *entries;
    uint32_t used, unused; /* entries ever used; the first one given back */
    struct dhcp_entry_list lists[DHCP_LISTS];
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
/* Of an address that the pool has. */
enum dhcp_slot_state dhcp_pool_state(const struct dhcp_pool *pool, uint32_t address);
bool dhcp_pool_is_reserved(const struct dhcp_pool *pool, uint32_t address);
/* An offer is out; see offer.h for whom. */
bool dhcp_pool_is_offered(const struct dhcp_pool *pool, uint32_t address);

/* Takes the address out of allocation for good. */
void dhcp_pool_reserve(struct dhcp_pool *pool, uint32_t address);
/* Marks or clears an offer. */
void dhcp_pool_offer(struct dhcp_pool *pool, uint32_t address, bool offered);
/* The address is bound until `expires` (also when it was already). */
#define DHCP_POOL_FOR_EVER UINT64_MAX
void dhcp_pool_bind(struct dhcp_pool *pool, uint32_t address, uint64_t expires);
/* Its lease is over now. */
void dhcp_pool_expire(struct dhcp_pool *pool, uint32_t address, uint64_t now);
/* Nothing is known of it: as if it had never been bound. */
void dhcp_pool_forget(struct dhcp_pool *pool, uint32_t address);

/* Moves what expired before `now` to the queue; looks at no more than `budget` addresses. Returns
 * how many were moved, and which in moved[budget], which may be NULL. */
unsigned dhcp_pool_reap(struct dhcp_pool *pool, uint64_t now, unsigned budget, uint32_t *moved);
/* Picks an address for somebody new, and changes nothing of it. KEEL_ENOENT when there is none.
 * Takes the same few steps at any fill.
 * Free: from the first block that has one, where in it the hash of the client says, or behind: in a
 * small pool a client finds its address again although its record was lost, and in a large one new
 * leases stand side by side, in few pages of the store and of memory. A page more to be written
 * costs more than all else that a lease costs.
 * Expired: the one that expired first. */
#define DHCP_POOL_BLOCK 256
int dhcp_pool_pick_free(const struct dhcp_pool *pool, uint64_t hash, uint32_t *address);
int dhcp_pool_pick_expired(const struct dhcp_pool *pool, uint64_t now, uint32_t *address);

#endif
