/*
 * The zone keeper: the one process that changes zones. It reads and compiles them, has their state
 * on disk, takes updates and transfers, and hands each version to the workers, who only answer.
 *
 *     file, UPDATE, transfer --> edit --> journal (synced) --> image or delta --> workers
 *                                 commit   promised            published
 *
 * In the state directory: images (dnsd/serve/images.h), and the store "zones" with, for each zone,
 * which image is its base, the differences since (the journal), and when it was refreshed. At any
 * moment the base and the journal behind it are every change that anybody was promised.
 */
#ifndef DNSD_SERVE_KEEPER_H
#define DNSD_SERVE_KEEPER_H

#include "common/base/list.h"
#include "common/service/module.h"
#include "dnsd/zone/edit.h"

struct dns_shared;
struct dns_keeper; /* the helper's keel_instance.state */

/* A zone in the keeper. What a room of the house keeps of it beside this (a refresh timer, the
 * queue of its updates) is found by the index. */
struct dns_kept {
    struct dns_keeper *keeper;
    unsigned index;              /* 0.. ; stays as long as the zone is served */
    struct dns_name apex;        /* lower-cased */
    const struct dns_zone *zone; /* its settings: lists, primaries, file */
    struct dns_edit *edit;       /* NULL: there is no data yet */
    bool expired;                /* RFC 1035, 3.3.13: SERVFAIL until it is refreshed */
};

/* A request of a worker (dnsd/serve/requests.h). Each is replied to once, now or later. */
struct dns_keeper_request {
    unsigned worker;
    uint32_t type, number;
    struct keel_addr peer;
};
/* Of those types that change zones or state it hears only while it is the owner. bytes are borrowed
 * for the call. kept is never NULL. */
typedef void (*dns_keeper_handler)(struct dns_kept *kept, const struct dns_keeper_request *request,
                                   const uint8_t *bytes, size_t size);
/* rcode: enum dns_rcode. As keel_instance_send. */
void dns_keeper_reply(struct dns_keeper *keeper, const struct dns_keeper_request *request,
                      unsigned rcode, const void *bytes, size_t size, const int *fds,
                      unsigned fd_count);

/* Something that waits until a change is on disk and published. Embedded by who waits. */
struct dns_promise {
    struct keel_list node;
    /* err: 0; else the change is not in the zone, not on disk and not promised. */
    void (*on_kept)(struct dns_promise *promise, int err);
};

/* The changes of an open step of kept->edit: they are committed in the edit now (KEEL_EINVAL with
 * diag: they make no zone; rolled back), and with everything else of this turn of the loop they
 * become durable by one commit, then visible; then on_kept is called. */
int dns_keeper_commit(struct dns_kept *kept, struct dns_promise *promise, struct keel_diag *diag);
/* A whole new zone in place of what is there. Takes image on success. The difference goes into the
 * journal when there is something to differ from, so that IXFR goes on. */
int dns_keeper_replace(struct dns_kept *kept, struct dns_image *image, struct dns_promise *promise,
                       struct keel_diag *diag);
/* A secondary's data was found to be current, or was made so: for after a restart. Seconds since
 * 1970. */
void dns_keeper_refreshed(struct dns_kept *kept, uint64_t refreshed, uint64_t expires,
                          const char *primary);
/* What kept->edit, and each snapshot of it, reads: it stays until it is released, which is after
 * the snapshot was freed. */
struct dns_shared *dns_keeper_hold_base(struct dns_kept *kept);
void dns_keeper_release_base(struct dns_keeper *keeper, struct dns_shared *base); /* NULL: none */
/* The workers are to know, too, till when a secondary may be served (RFC 7314). */
void dns_keeper_tell_expires(struct dns_kept *kept, uint64_t expires);
/* Serve it no more (SERVFAIL), or again. */
void dns_keeper_expire(struct dns_kept *kept, bool expired);

/* For struct keel_protocol: its one helper; and the hook that compiles all zones for --check. */
extern const struct keel_helper *const dns_helpers[];
int dns_keeper_check(void *settings, struct keel_diag *diag);

#endif
