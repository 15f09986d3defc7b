#include "dhcpd/lease/pool.h"

#include "common/base/mem.h"

/* A word of the index: marks above the number of the entry. */
#define OFFERED (1u << 31)
#define RESERVED (1u << 30)
#define MARKS (OFFERED | RESERVED)

static uint32_t *word_of(struct dhcp_pool *pool, uint32_t address)
{
    KEEL_ASSERT(dhcp_pool_has(pool, address), "an address of this pool");
    return &pool->index[address - pool->first];
}

static uint32_t value_of(const struct dhcp_pool *pool, uint32_t address)
{
    KEEL_ASSERT(dhcp_pool_has(pool, address), "an address of this pool");
    return pool->index[address - pool->first];
}

static uint32_t entry_of(const struct dhcp_pool *pool, uint32_t address)
{
    return value_of(pool, address) & ~MARKS;
}

/* --- lists ----------------------------------------------------------------------------------- */

static void list_remove(struct dhcp_pool *pool, uint32_t n)
{
    struct dhcp_entry *e = &pool->entries[n];
    struct dhcp_entry_list *list = &pool->lists[e->list];
    if (e->prev == DHCP_NO_ENTRY)
        list->head = e->next;
    else
        pool->entries[e->prev].next = e->next;
    if (e->next == DHCP_NO_ENTRY)
        list->tail = e->prev;
    else
        pool->entries[e->next].prev = e->prev;
}

static void list_append(struct dhcp_pool *pool, uint32_t n, uint32_t which)
{
    struct dhcp_entry *e = &pool->entries[n];
    struct dhcp_entry_list *list = &pool->lists[which];
    e->list = (uint16_t)which;
    e->next = DHCP_NO_ENTRY;
    e->prev = list->tail;
    if (list->tail == DHCP_NO_ENTRY)
        list->head = n;
    else
        pool->entries[list->tail].next = n;
    list->tail = n;
}

static void list_prepend(struct dhcp_pool *pool, uint32_t n, uint32_t which)
{
    struct dhcp_entry *e = &pool->entries[n];
    struct dhcp_entry_list *list = &pool->lists[which];
    e->list = (uint16_t)which;
    e->prev = DHCP_NO_ENTRY;
    e->next = list->head;
    if (list->head == DHCP_NO_ENTRY)
        list->tail = n;
    else
        pool->entries[list->head].prev = n;
    list->head = n;
}

/* --- entries --------------------------------------------------------------------------------- */

/* There is one for every address, so that none is ever missing. */
static uint32_t take_entry(struct dhcp_pool *pool, uint32_t address)
{
    uint32_t n = pool->unused;
    if (n != DHCP_NO_ENTRY)
        pool->unused = pool->entries[n].next;
    else
        n = ++pool->used;
    pool->entries[n] = (struct dhcp_entry){.offset = address - pool->first};
    *word_of(pool, address) |= n;
    return n;
}

static void drop_entry(struct dhcp_pool *pool, uint32_t address)
{
    uint32_t *word = word_of(pool, address), n = *word & ~MARKS;
    *word &= MARKS;
    pool->entries[n].next = pool->unused;
    pool->unused = n;
}

/* Out of its list and its count; the entry stays. */
static void unfile(struct dhcp_pool *pool, uint32_t n)
{
    struct dhcp_entry *e = &pool->entries[n];
    list_remove(pool, n);
    if (e->state == DHCP_SLOT_BOUND)
        pool->bound--;
    else
        pool->expired--;
}

int dhcp_pool_init(struct dhcp_pool *pool, uint32_t first, uint32_t last, uint64_t now)
{
    *pool = (struct dhcp_pool){.first = first, .size = last - first + 1};
    int err = dhcp_bitmap_init(&pool->map, pool->size);
    if (err)
        return err;
    /* zeros: pages that no client touches cost nothing */
    pool->index = keel_calloc(pool->size, sizeof *pool->index);
    pool->entries = keel_calloc((size_t)pool->size + 1, sizeof *pool->entries);
    if (!pool->index || !pool->entries) {
        dhcp_pool_fini(pool);
        return KEEL_ENOMEM;
    }
    pool->reaped = now / DHCP_BUCKET_SECONDS;
    return 0;
}

void dhcp_pool_fini(struct dhcp_pool *pool)
{
    dhcp_bitmap_fini(&pool->map);
    keel_free(pool->index);
    keel_free(pool->entries);
    pool->index = NULL;
    pool->entries = NULL;
}

enum dhcp_slot_state dhcp_pool_state(const struct dhcp_pool *pool, uint32_t address)
{
    uint32_t n = entry_of(pool, address);
    return n == DHCP_NO_ENTRY ? DHCP_SLOT_FREE : (enum dhcp_slot_state)pool->entries[n].state;
}

bool dhcp_pool_is_reserved(const struct dhcp_pool *pool, uint32_t address)
{
    return value_of(pool, address) & RESERVED;
}

bool dhcp_pool_is_offered(const struct dhcp_pool *pool, uint32_t address)
{
    return value_of(pool, address) & OFFERED;
}

/* Free to be allocated only when nothing speaks against it. */
static void update_map(struct dhcp_pool *pool, uint32_t address)
{
    if (value_of(pool, address) == 0)
        dhcp_bitmap_release(&pool->map, address - pool->first);
    else
        dhcp_bitmap_take(&pool->map, address - pool->first);
}

/* Files an expired one after its marks were changed. What comes back was mostly taken for being the
 * oldest, and stands in front again. */
static void refile_expired(struct dhcp_pool *pool, uint32_t address)
{
    uint32_t word = value_of(pool, address), n = word & ~MARKS;
    if (n == DHCP_NO_ENTRY || pool->entries[n].state != DHCP_SLOT_EXPIRED)
        return;
    uint32_t which = word & MARKS ? DHCP_LIST_ASIDE : DHCP_LIST_EXPIRED;
    if (pool->entries[n].list == which)
        return;
    list_remove(pool, n);
    uint32_t tail = pool->lists[which].tail;
    if (which == DHCP_LIST_ASIDE || tail == DHCP_NO_ENTRY ||
        pool->entries[tail].expires <= pool->entries[n].expires)
        list_append(pool, n, which);
    else
        list_prepend(pool, n, which);
}

void dhcp_pool_reserve(struct dhcp_pool *pool, uint32_t address)
{
    *word_of(pool, address) |= RESERVED;
    update_map(pool, address);
    refile_expired(pool, address);
}

void dhcp_pool_offer(struct dhcp_pool *pool, uint32_t address, bool offered)
{
    uint32_t *word = word_of(pool, address);
    *word = offered ? *word | OFFERED : *word & ~OFFERED;
    update_map(pool, address);
    refile_expired(pool, address);
}

/* The bucket of a time. One that lies behind the reaper goes to where it looks next. One that lies
 * beyond the wheel goes to a bucket of the wheel's far half and is filed again there: to one by its
 * own time, so that a million leases of a day do not all come up in the same 16 seconds. */
static uint32_t bucket_of(const struct dhcp_pool *pool, uint64_t seconds)
{
    uint64_t b = seconds / DHCP_BUCKET_SECONDS;
    if (b < pool->reaped)
        b = pool->reaped;
    if (b > pool->reaped + DHCP_BUCKETS - 1)
        b = pool->reaped + DHCP_BUCKETS / 2 + b % (DHCP_BUCKETS / 2);
    return (uint32_t)(b % DHCP_BUCKETS);
}

void dhcp_pool_bind(struct dhcp_pool *pool, uint32_t address, uint64_t expires)
{
    uint32_t n = entry_of(pool, address);
    uint32_t at = expires > UINT32_MAX ? UINT32_MAX : (uint32_t)expires;
    struct dhcp_entry *e = &pool->entries[n];
    if (n == DHCP_NO_ENTRY) {
        e = &pool->entries[n = take_entry(pool, address)];
        update_map(pool, address);
    } else if (e->state == DHCP_SLOT_BOUND && at >= e->expires) {
        e->expires = at;
        return; /* the reaper will see it */
    } else {
        unfile(pool, n);
    }
    e->expires = at;
    e->state = DHCP_SLOT_BOUND;
    pool->bound++;
    list_append(pool, n, bucket_of(pool, at));
}

void dhcp_pool_expire(struct dhcp_pool *pool, uint32_t address, uint64_t now)
{
    uint32_t n = entry_of(pool, address);
    if (n == DHCP_NO_ENTRY) {
        n = take_entry(pool, address);
        pool->entries[n].expires = UINT32_MAX;
        update_map(pool, address);
    } else {
        unfile(pool, n);
    }
    struct dhcp_entry *e = &pool->entries[n];
    if (e->expires > now)
        e->expires = (uint32_t)now;
    e->state = DHCP_SLOT_EXPIRED;
    pool->expired++;
    list_append(pool, n, value_of(pool, address) & MARKS ? DHCP_LIST_ASIDE : DHCP_LIST_EXPIRED);
}

void dhcp_pool_forget(struct dhcp_pool *pool, uint32_t address)
{
    uint32_t n = entry_of(pool, address);
    if (n == DHCP_NO_ENTRY)
        return;
    unfile(pool, n);
    drop_entry(pool, address);
    update_map(pool, address);
}

unsigned dhcp_pool_reap(struct dhcp_pool *pool, uint64_t now, unsigned budget, uint32_t *moved)
{
    uint64_t current = now / DHCP_BUCKET_SECONDS;
    unsigned count = 0;
    /* after a longer sleep than the wheel is round, one round sees everything */
    if (current > pool->reaped + DHCP_BUCKETS)
        pool->reaped = current - DHCP_BUCKETS;
    while (pool->reaped < current) {
        uint32_t n = pool->lists[pool->reaped % DHCP_BUCKETS].head;
        if (n == DHCP_NO_ENTRY) {
            pool->reaped++;
            continue;
        }
        if (budget-- == 0)
            return count;
        struct dhcp_entry *e = &pool->entries[n];
        if (e->expires <= now) {
            dhcp_pool_expire(pool, pool->first + e->offset, now);
            if (moved)
                moved[count] = pool->first + e->offset;
            count++;
            continue;
        }
        /* renewed meanwhile: its new bucket lies ahead, this one is about to be done */
        list_remove(pool, n);
        list_append(pool, n, bucket_of(pool, e->expires));
    }
    return count;
}

int dhcp_pool_pick_free(const struct dhcp_pool *pool, uint64_t hash, uint32_t *address)
{
    uint32_t first, i;
    int err = dhcp_bitmap_next(&pool->map, 0, &first);
    if (err)
        return err;
    uint32_t block = first - first % DHCP_POOL_BLOCK, left = pool->size - block;
    uint32_t size = left < DHCP_POOL_BLOCK ? left : DHCP_POOL_BLOCK;
    err = dhcp_bitmap_next(&pool->map, block + (uint32_t)(hash % size), &i);
    /* none is free from there to the end of the block: one before it is */
    *address = pool->first + (!err && i - block < size ? i : first);
    return 0;
}

int dhcp_pool_pick_expired(const struct dhcp_pool *pool, uint64_t now, uint32_t *address)
{
    uint32_t n = pool->lists[DHCP_LIST_EXPIRED].head;
    /* the clock may have gone back since: then it has not expired yet */
    if (n == DHCP_NO_ENTRY || pool->entries[n].expires > now)
        return KEEL_ENOENT;
    *address = pool->first + pool->entries[n].offset;
    return 0;
}
