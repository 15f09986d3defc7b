#include "dnsd/transfer/refresh.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

void dns_refresher_init(struct dns_refresher *r, unsigned most_checks, unsigned most_transfers,
                        uint64_t seed)
{
    *r = (struct dns_refresher){.most_checks = most_checks, .most_transfers = most_transfers};
    keel_prng_seed(&r->prng, seed);
    keel_list_init(&r->ready);
    keel_list_init(&r->waiting);
}

void dns_refresher_fini(struct dns_refresher *r)
{
    keel_free(r->heap);
    r->heap = NULL;
    r->count = r->room = 0;
}

/* --- the heap, by what comes first of a zone --- */

static uint64_t due_of(const struct dns_refresh_zone *zone)
{
    uint64_t check = zone->state == DNS_REFRESH_IDLE ? zone->check_ns : UINT64_MAX;
    uint64_t expire = zone->have && !zone->expired ? zone->expire_ns : UINT64_MAX;
    return check < expire ? check : expire;
}

static void place(struct dns_refresher *r, size_t at, struct dns_refresh_zone *zone)
{
    r->heap[at] = zone;
    zone->heap_at = at + 1;
}

static void sift_up(struct dns_refresher *r, size_t at)
{
    struct dns_refresh_zone *zone = r->heap[at];
    for (; at > 0 && due_of(r->heap[(at - 1) / 2]) > due_of(zone); at = (at - 1) / 2)
        place(r, at, r->heap[(at - 1) / 2]);
    place(r, at, zone);
}

static void sift_down(struct dns_refresher *r, size_t at)
{
    struct dns_refresh_zone *zone = r->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= r->count)
            break;
        if (child + 1 < r->count && due_of(r->heap[child + 1]) < due_of(r->heap[child]))
            child++;
        if (due_of(r->heap[child]) >= due_of(zone))
            break;
        place(r, at, r->heap[child]);
        at = child;
    }
    place(r, at, zone);
}

/* Its times or its state have changed. */
static void moved(struct dns_refresher *r, struct dns_refresh_zone *zone)
{
    sift_up(r, zone->heap_at - 1);
    sift_down(r, zone->heap_at - 1);
}

uint64_t dns_refresher_due(const struct dns_refresher *r)
{
    if ((!keel_list_empty(&r->ready) && r->checks < r->most_checks) ||
        (!keel_list_empty(&r->waiting) && r->transfers < r->most_transfers))
        return 0;
    return r->count > 0 ? due_of(r->heap[0]) : UINT64_MAX;
}

/* --- times --- */

static uint64_t bounded(uint64_t seconds, uint64_t least, uint64_t most)
{
    return seconds < least ? least : seconds > most ? most : seconds;
}

/* Up to an eighth sooner, so that many zones do not stay in step. */
static uint64_t jittered(struct dns_refresher *r, uint64_t seconds)
{
    uint64_t ns = seconds * KEEL_NS_PER_S, eighth = ns / 8;
    return ns - keel_prng_next(&r->prng) % (eighth + 1);
}

/* For zones that all come at once. */
static uint64_t spread(struct dns_refresher *r, uint64_t refresh)
{
    uint64_t most = refresh < DNS_REFRESH_SPREAD ? refresh : DNS_REFRESH_SPREAD;
    return keel_prng_next(&r->prng) % (most * KEEL_NS_PER_S);
}

static uint64_t refresh_of(const struct dns_refresh_zone *zone)
{
    return bounded(zone->soa.refresh, DNS_REFRESH_LEAST, DNS_REFRESH_MOST);
}

static uint64_t expire_of(const struct dns_refresh_zone *zone)
{
    return bounded(zone->soa.expire, DNS_EXPIRE_LEAST, DNS_EXPIRE_MOST);
}

static uint64_t retry_of(const struct dns_refresh_zone *zone)
{
    if (zone->have)
        return bounded(zone->soa.retry, DNS_RETRY_LEAST, DNS_RETRY_MOST);
    uint64_t backoff = zone->failures < 10 ? 1u << zone->failures : DNS_BACKOFF_MOST;
    return bounded(backoff, 1, DNS_BACKOFF_MOST);
}

/* --- coming and going --- */

int dns_refresher_add(struct dns_refresher *r, struct dns_refresh_zone *zone, unsigned primaries,
                      const struct dns_refresh_known *known, uint64_t now_ns)
{
    if (r->count == r->room) {
        size_t room = r->room ? 2 * r->room : 64;
        struct dns_refresh_zone **heap =
            keel_realloc(r->heap, room * sizeof(struct dns_refresh_zone *));
        if (!heap)
            return KEEL_ENOMEM;
        r->heap = heap;
        r->room = room;
    }
    *zone = (struct dns_refresh_zone){.primaries = primaries,
                                      .notifier = primaries,
                                      .have = known->have,
                                      .soa = known->soa,
                                      .check_ns = now_ns,
                                      .expire_ns = UINT64_MAX};
    keel_list_init(&zone->node);
    if (known->have) {
        uint64_t refresh = refresh_of(zone), expire = expire_of(zone);
        uint64_t left = known->age < expire ? expire - known->age : 0;
        if (known->expires_known)
            left = bounded(known->expires_in, 0, DNS_EXPIRE_MOST);
        zone->expire_ns = now_ns + left * KEEL_NS_PER_S;
        /* a NOTIFY may have come while nobody was there to hear it */
        if (known->age < refresh)
            zone->check_ns = now_ns + spread(r, refresh);
    }
    r->heap[r->count] = zone;
    sift_up(r, r->count++);
    return 0;
}

static void leave_state(struct dns_refresher *r, struct dns_refresh_zone *zone)
{
    if (zone->state == DNS_REFRESH_CHECKING && keel_list_empty(&zone->node))
        r->checks--;
    if (zone->state == DNS_REFRESH_TRANSFERRING)
        r->transfers--;
    keel_list_remove(&zone->node);
}

void dns_refresher_remove(struct dns_refresher *r, struct dns_refresh_zone *zone)
{
    size_t at = zone->heap_at - 1;
    leave_state(r, zone);
    struct dns_refresh_zone *last = r->heap[--r->count];
    zone->heap_at = 0;
    if (last == zone)
        return;
    place(r, at, last);
    moved(r, last);
}

/* --- what to do --- */

/* To the queue of those that are to be checked. */
static void make_ready(struct dns_refresher *r, struct dns_refresh_zone *zone)
{
    leave_state(r, zone);
    zone->state = DNS_REFRESH_CHECKING;
    keel_list_push_back(&r->ready, &zone->node);
    moved(r, zone);
}

static void begin_round(struct dns_refresher *r, struct dns_refresh_zone *zone)
{
    zone->asked = 0;
    if (zone->notifier < zone->primaries)
        zone->primary = zone->notifier;
    zone->notifier = zone->primaries;
    zone->again = false;
    make_ready(r, zone);
}

static struct dns_refresh_zone *pop(struct keel_list *queue)
{
    struct keel_list *node = queue->next;
    keel_list_remove(node);
    return KEEL_CONTAINER(node, struct dns_refresh_zone, node);
}

enum dns_refresh_action dns_refresher_next(struct dns_refresher *r, uint64_t now_ns,
                                           struct dns_refresh_zone **out)
{
    while (r->count > 0 && due_of(r->heap[0]) <= now_ns) {
        struct dns_refresh_zone *zone = r->heap[0];
        if (zone->have && !zone->expired && zone->expire_ns <= now_ns) {
            zone->expired = true;
            moved(r, zone);
            *out = zone;
            return DNS_REFRESH_EXPIRE;
        }
        begin_round(r, zone);
    }
    if (!keel_list_empty(&r->waiting) && r->transfers < r->most_transfers) {
        *out = pop(&r->waiting);
        (*out)->state = DNS_REFRESH_TRANSFERRING;
        r->transfers++;
        return DNS_REFRESH_TRANSFER;
    }
    if (!keel_list_empty(&r->ready) && r->checks < r->most_checks) {
        *out = pop(&r->ready);
        r->checks++;
        return DNS_REFRESH_CHECK;
    }
    return DNS_REFRESH_NOTHING;
}

/* --- what came of it --- */

void dns_refresher_newer(struct dns_refresher *r, struct dns_refresh_zone *zone)
{
    leave_state(r, zone);
    zone->state = DNS_REFRESH_WAITING;
    keel_list_push_back(&r->waiting, &zone->node);
    moved(r, zone);
}

/* Back to rest until `in_ns` from now, or not at all when there was news of more news. */
static void rest(struct dns_refresher *r, struct dns_refresh_zone *zone, uint64_t in_ns,
                 uint64_t now_ns)
{
    leave_state(r, zone);
    zone->state = DNS_REFRESH_IDLE;
    zone->check_ns = zone->again ? now_ns : now_ns + in_ns;
    moved(r, zone);
}

void dns_refresher_current(struct dns_refresher *r, struct dns_refresh_zone *zone, uint32_t expire,
                           uint64_t now_ns)
{
    uint64_t left = expire_of(zone);
    /* RFC 7314, 4: the primary may be a secondary itself, whose time is running; ours ends no
     * earlier than it would have */
    if (expire != UINT32_MAX)
        left = expire < left ? expire : left;
    uint64_t until = now_ns + left * KEEL_NS_PER_S;
    if (zone->expired || zone->expire_ns == UINT64_MAX || until > zone->expire_ns)
        zone->expire_ns = until;
    zone->expired = false;
    zone->failures = 0;
    zone->whole = zone->forced = false;
    rest(r, zone, jittered(r, refresh_of(zone)), now_ns);
}

void dns_refresher_updated(struct dns_refresher *r, struct dns_refresh_zone *zone,
                           const struct dns_soa *soa, uint32_t expire, uint64_t now_ns)
{
    zone->soa = *soa;
    zone->have = true;
    zone->expired = false;
    zone->expire_ns = UINT64_MAX;
    dns_refresher_current(r, zone, expire, now_ns);
}

bool dns_refresher_failed(struct dns_refresher *r, struct dns_refresh_zone *zone, bool whole,
                          uint64_t now_ns)
{
    if (whole && !zone->whole) { /* the same one, once more */
        zone->whole = true;
        dns_refresher_newer(r, zone);
        return true;
    }
    zone->whole = false;
    zone->primary = (zone->primary + 1) % zone->primaries;
    if (++zone->asked < zone->primaries) {
        make_ready(r, zone);
        return true;
    }
    if (zone->failures < UINT8_MAX)
        zone->failures++;
    rest(r, zone, jittered(r, retry_of(zone)), now_ns);
    return false;
}

void dns_refresher_notified(struct dns_refresher *r, struct dns_refresh_zone *zone,
                            unsigned primary, uint64_t now_ns)
{
    zone->notifier = primary < zone->primaries ? primary : zone->primaries;
    if (zone->state != DNS_REFRESH_IDLE) {
        zone->again = true;
        return;
    }
    zone->check_ns = now_ns;
    moved(r, zone);
}

void dns_refresher_force(struct dns_refresher *r, struct dns_refresh_zone *zone, bool transfer,
                         uint64_t now_ns)
{
    zone->forced = zone->forced || transfer;
    dns_refresher_notified(r, zone, zone->primaries, now_ns);
}
