#include "dhcpd/lease/pool.h"

#include "common/base/mem.h"

/* How many of the oldest expired addresses are looked at for one that nobody was offered. */
#define EXPIRED_TRIES 64

static void list_remove(struct dhcp_pool *pool, uint32_t i)
{
    struct dhcp_slot *s = &pool->slots[i];
    struct dhcp_slot_list *list = &pool->lists[s->list];
    if (s->prev == DHCP_NO_SLOT)
        list->head = s->next;
    else
        pool->slots[s->prev].next = s->next;
    if (s->next == DHCP_NO_SLOT)
        list->tail = s->prev;
    else
        pool->slots[s->next].prev = s->prev;
}

static void list_append(struct dhcp_pool *pool, uint32_t i, uint32_t which)
{
    struct dhcp_slot *s = &pool->slots[i];
    struct dhcp_slot_list *list = &pool->lists[which];
    s->list = which & 0x7ff;
    s->next = DHCP_NO_SLOT;
    s->prev = list->tail;
    if (list->tail == DHCP_NO_SLOT)
        list->head = i;
    else
        pool->slots[list->tail].next = i;
    list->tail = i;
}

int dhcp_pool_init(struct dhcp_pool *pool, uint32_t first, uint32_t last, uint64_t now)
{
    *pool = (struct dhcp_pool){.first = first, .size = last - first + 1};
    int err = dhcp_bitmap_init(&pool->map, pool->size);
    if (err)
        return err;
    /* zeros: pages that no client touches cost nothing */
    pool->slots = keel_calloc(pool->size, sizeof *pool->slots);
    if (!pool->slots) {
        dhcp_bitmap_fini(&pool->map);
        return KEEL_ENOMEM;
    }
    for (unsigned i = 0; i <= DHCP_BUCKETS; i++)
        pool->lists[i] = (struct dhcp_slot_list){DHCP_NO_SLOT, DHCP_NO_SLOT};
    pool->reaped = now / DHCP_BUCKET_SECONDS;
    return 0;
}

void dhcp_pool_fini(struct dhcp_pool *pool)
{
    dhcp_bitmap_fini(&pool->map);
    keel_free(pool->slots);
    pool->slots = NULL;
}

/* Free to be allocated only when nothing speaks against it. */
static void update_map(struct dhcp_pool *pool, uint32_t i)
{
    const struct dhcp_slot *s = &pool->slots[i];
    if (s->state == DHCP_SLOT_FREE && !s->offered && !s->reserved)
        dhcp_bitmap_release(&pool->map, i);
    else
        dhcp_bitmap_take(&pool->map, i);
}

static void unlink_slot(struct dhcp_pool *pool, uint32_t i)
{
    struct dhcp_slot *s = &pool->slots[i];
    if (s->state == DHCP_SLOT_FREE)
        return;
    list_remove(pool, i);
    if (s->state == DHCP_SLOT_BOUND)
        pool->bound--;
    else
        pool->expired--;
    s->state = DHCP_SLOT_FREE;
}

void dhcp_pool_reserve(struct dhcp_pool *pool, uint32_t address)
{
    dhcp_pool_slot(pool, address)->reserved = 1;
    update_map(pool, address - pool->first);
}

void dhcp_pool_offer(struct dhcp_pool *pool, uint32_t address, bool offered)
{
    dhcp_pool_slot(pool, address)->offered = offered;
    update_map(pool, address - pool->first);
}

/* The bucket of a time; one that lies beyond the wheel goes to its last and is filed again there,
 * one that lies behind the reaper goes to where it looks next. */
static uint32_t bucket_of(const struct dhcp_pool *pool, uint64_t seconds)
{
    uint64_t b = seconds / DHCP_BUCKET_SECONDS;
    if (b < pool->reaped)
        b = pool->reaped;
    if (b > pool->reaped + DHCP_BUCKETS - 1)
        b = pool->reaped + DHCP_BUCKETS - 1;
    return (uint32_t)(b % DHCP_BUCKETS);
}

void dhcp_pool_bind(struct dhcp_pool *pool, uint32_t address, uint64_t expires)
{
    uint32_t i = address - pool->first;
    struct dhcp_slot *s = &pool->slots[i];
    uint32_t at = expires > UINT32_MAX ? UINT32_MAX : (uint32_t)expires;
    bool later = s->state == DHCP_SLOT_BOUND && at >= s->expires;
    s->expires = at;
    if (later)
        return; /* the reaper will see it */
    unlink_slot(pool, i);
    s->state = DHCP_SLOT_BOUND;
    pool->bound++;
    list_append(pool, i, bucket_of(pool, at));
    update_map(pool, i);
}

void dhcp_pool_expire(struct dhcp_pool *pool, uint32_t address, uint64_t now)
{
    uint32_t i = address - pool->first;
    struct dhcp_slot *s = &pool->slots[i];
    unlink_slot(pool, i);
    if (s->expires > now)
        s->expires = (uint32_t)now;
    s->state = DHCP_SLOT_EXPIRED;
    pool->expired++;
    list_append(pool, i, DHCP_BUCKETS);
    update_map(pool, i);
}

void dhcp_pool_forget(struct dhcp_pool *pool, uint32_t address)
{
    uint32_t i = address - pool->first;
    unlink_slot(pool, i);
    update_map(pool, i);
}

unsigned dhcp_pool_reap(struct dhcp_pool *pool, uint64_t now, unsigned budget, uint32_t *moved)
{
    uint64_t current = now / DHCP_BUCKET_SECONDS;
    unsigned count = 0;
    /* after a long sleep one round of the wheel sees everything */
    if (current > pool->reaped + DHCP_BUCKETS)
        pool->reaped = current - DHCP_BUCKETS;
    while (pool->reaped < current) {
        struct dhcp_slot_list *list = &pool->lists[pool->reaped % DHCP_BUCKETS];
        if (list->head == DHCP_NO_SLOT) {
            pool->reaped++;
            continue;
        }
        if (budget-- == 0)
            return count;
        uint32_t i = list->head;
        struct dhcp_slot *s = &pool->slots[i];
        if (s->expires <= now) {
            dhcp_pool_expire(pool, pool->first + i, now);
            if (moved)
                moved[count] = pool->first + i;
            count++;
            continue;
        }
        /* renewed meanwhile: its new bucket lies ahead, this one is about to be done */
        list_remove(pool, i);
        uint64_t b = s->expires / DHCP_BUCKET_SECONDS;
        uint64_t last = pool->reaped + DHCP_BUCKETS - 1;
        b = b > last ? last : b;
        list_append(pool, i, (uint32_t)(b % DHCP_BUCKETS));
    }
    return count;
}

int dhcp_pool_pick_free(const struct dhcp_pool *pool, uint32_t preferred, uint32_t *address)
{
    uint32_t i;
    int err = dhcp_bitmap_next(&pool->map, preferred, &i);
    if (!err)
        *address = pool->first + i;
    return err;
}

int dhcp_pool_pick_expired(const struct dhcp_pool *pool, uint64_t now, uint32_t *address)
{
    uint32_t i = pool->lists[DHCP_BUCKETS].head;
    for (unsigned tries = 0; i != DHCP_NO_SLOT && tries < EXPIRED_TRIES; tries++) {
        const struct dhcp_slot *s = &pool->slots[i];
        /* the clock may have gone back since: then it has not expired yet */
        if (!s->offered && !s->reserved && s->expires <= now) {
            *address = pool->first + i;
            return 0;
        }
        i = s->next;
    }
    return KEEL_ENOENT;
}
