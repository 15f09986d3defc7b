/*
 * When a secondary asks its primaries for news (RFC 1034, 4.3.5; RFC 1996): thousands of zones, of
 * which a bounded number is looked after at a time. No socket, no clock.
 *
 *             due or notified                   newer                    a slot is free
 *     IDLE ------------------> CHECKING ------------------> WAITING ----------------> TRANSFERRING
 *       ^                       |   |  failed: the next primary, from CHECKING or TRANSFERRING
 *       |  current, updated, or |   v
 *       +-- all have failed ----+<--+
 *
 * A zone is asked for soon after the start, and about `refresh` seconds after it was found current,
 * `retry` seconds after nobody answered, and may not be served any more `expire` seconds after it
 * was last found current.
 */
#ifndef DNSD_TRANSFER_REFRESH_H
#define DNSD_TRANSFER_REFRESH_H

#include "common/base/list.h"
#include "common/base/rand.h"
#include "dnsd/wire/soa.h"

/* Bounds on what an SOA may ask of us, in seconds. */
#define DNS_REFRESH_LEAST 2
#define DNS_REFRESH_MOST (28 * 86400)
#define DNS_RETRY_LEAST 1
#define DNS_RETRY_MOST (14 * 86400)
#define DNS_EXPIRE_LEAST 2
#define DNS_EXPIRE_MOST (4 * 366 * 86400)
/* Zones that come with data are asked for within so many seconds. */
#define DNS_REFRESH_SPREAD 5
/* Until there is data: 1, 2, 4 ... seconds. */
#define DNS_BACKOFF_MOST 300

enum dns_refresh_state {
    DNS_REFRESH_IDLE,         /* nothing to do until due_ns */
    DNS_REFRESH_CHECKING,     /* a primary is asked for its serial */
    DNS_REFRESH_WAITING,      /* there is news; too many transfers run */
    DNS_REFRESH_TRANSFERRING, /* it is on its way */
};

/* A zone; embedded by who looks after it. */
struct dns_refresh_zone {
    enum dns_refresh_state state;
    unsigned primaries; /* how many there are */
    unsigned primary;   /* the one that is asked, or was last */
    bool have;          /* there is data, with these numbers: */
    bool expired;       /* which may not be served */
    struct dns_soa soa;
    uint64_t check_ns;  /* monotonic: when to ask next */
    uint64_t expire_ns; /* monotonic: when it may not be served any more; UINT64_MAX: never */
    unsigned failures;  /* rounds in a row in which nobody could be asked */
    /* private: */
    unsigned asked;    /* primaries in this round */
    bool again;        /* somebody notified us meanwhile */
    bool whole;        /* the next transfer is to be an AXFR */
    bool forced;       /* a transfer whatever the serial */
    unsigned notifier; /* the primary that did, primaries: another */
    size_t heap_at;    /* its place + 1; 0: none */
    struct keel_list node;
};

struct dns_refresher {
    unsigned most_checks, most_transfers;
    unsigned checks, transfers;
    struct keel_prng prng;
    struct dns_refresh_zone **heap; /* the earliest first; idle ones and such that may expire */
    size_t count, room;
    struct keel_list ready;   /* to be checked, as soon as there is room */
    struct keel_list waiting; /* for a transfer */
};

void dns_refresher_init(struct dns_refresher *r, unsigned most_checks, unsigned most_transfers,
                        uint64_t seed);
void dns_refresher_fini(struct dns_refresher *r);

/* What is known of a zone when it comes. Times are seconds from now. */
struct dns_refresh_known {
    bool have;
    struct dns_soa soa;
    uint64_t age;        /* since it was last found current */
    bool expires_known;  /* or else by the SOA: */
    uint64_t expires_in; /* 0: it has expired */
};
/* Adds a zone with at least one primary. Expired ones are told by the next action. 0 or
 * KEEL_ENOMEM. */
int dns_refresher_add(struct dns_refresher *r, struct dns_refresh_zone *zone, unsigned primaries,
                      const struct dns_refresh_known *known, uint64_t now_ns);
void dns_refresher_remove(struct dns_refresher *r, struct dns_refresh_zone *zone);

enum dns_refresh_action {
    DNS_REFRESH_NOTHING,
    DNS_REFRESH_CHECK,    /* ask zone->primary whether there is news */
    DNS_REFRESH_TRANSFER, /* get it from there */
    DNS_REFRESH_EXPIRE,   /* serve it no more */
};
/* What to do now; to be called until there is nothing. Each CHECK and TRANSFER is followed by one
 * of the reports below. */
enum dns_refresh_action dns_refresher_next(struct dns_refresher *r, uint64_t now_ns,
                                           struct dns_refresh_zone **zone);
/* When the next is due, monotonic ns; UINT64_MAX: never. */
uint64_t dns_refresher_due(const struct dns_refresher *r);

/* Reports. Behind a check: there is news (or it cannot be told without a stream). */
void dns_refresher_newer(struct dns_refresher *r, struct dns_refresh_zone *zone);
/* Behind either: no news; or here it is. expire: seconds that the primary said (RFC 7314), or
 * UINT32_MAX. */
void dns_refresher_current(struct dns_refresher *r, struct dns_refresh_zone *zone, uint32_t expire,
                           uint64_t now_ns);
void dns_refresher_updated(struct dns_refresher *r, struct dns_refresh_zone *zone,
                           const struct dns_soa *soa, uint32_t expire, uint64_t now_ns);
/* That primary is of no use. whole: its differences are not, an AXFR may be. True when the next
 * one is asked; false when all were. */
bool dns_refresher_failed(struct dns_refresher *r, struct dns_refresh_zone *zone, bool whole,
                          uint64_t now_ns);

/* Primary number `primary` (or another server: >= primaries) says that there is news. */
void dns_refresher_notified(struct dns_refresher *r, struct dns_refresh_zone *zone,
                            unsigned primary, uint64_t now_ns);
/* Now, whatever the time; transfer: and all of it, whatever the serial. */
void dns_refresher_force(struct dns_refresher *r, struct dns_refresh_zone *zone, bool transfer,
                         uint64_t now_ns);
/* Whether a transfer that begins now may ask for differences. */
static inline bool dns_refresh_incremental(const struct dns_refresh_zone *zone)
{
    return zone->have && !zone->whole && !zone->forced;
}

#endif
