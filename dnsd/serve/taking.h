/*
 * A new version of a secondary zone, from the messages that brought it to the disk and to the
 * workers: a few differences are laid over the zone, many of them or a whole zone are compiled in a
 * thread.
 */
#ifndef DNSD_SERVE_TAKING_H
#define DNSD_SERVE_TAKING_H

#include "common/runtime/offload.h"
#include "dnsd/serve/fetcher.h"
#include "dnsd/serve/keeper.h"

struct dns_taking {
    struct dns_soa soa;
    uint32_t expire; /* as the primary said; UINT32_MAX: it did not */
    bool incremental;
    bool unfit; /* behind an error: these differences do not do, the whole zone is wanted */
    uint64_t began_ns, bytes, records; /* of the transfer */
};

/* err: 0, the zone is on disk and served; else why not. The taking is freed behind it. */
typedef void (*dns_taking_end)(void *arg, const struct dns_taking *taking, int err,
                               const char *why);

/* Takes out of the fetcher, whose outcome is DNS_FETCH_ZONE or DNS_FETCH_STEPS, what came. Returns
 * new; NULL: no memory. */
struct dns_taking *dns_taking_new(struct dns_kept *kept, struct dns_fetcher *fetcher,
                                  dns_taking_end on_end, void *arg);
/* on_end is called once, maybe from inside, unless dns_taking_abandon comes before. */
void dns_taking_start(struct dns_taking *taking, struct keel_offload *pool);
/* Nobody waits for it, and the zone may go; it frees itself when its thread or the keeper is done.
 * NULL: nothing. */
void dns_taking_abandon(struct dns_taking *taking);

#endif
