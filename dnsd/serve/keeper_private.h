/*
 * The keeper's insides, for the files that it is made of.
 */
#ifndef DNSD_SERVE_KEEPER_PRIVATE_H
#define DNSD_SERVE_KEEPER_PRIVATE_H

#include "common/runtime/offload.h"
#include "dnsd/serve/added.h"
#include "dnsd/serve/keeper.h"
#include "dnsd/serve/load.h"
#include "dnsd/serve/notifier.h"
#include "dnsd/serve/publish.h"
#include "dnsd/serve/secondary.h"
#include "dnsd/serve/settings.h"

/* Who may write the state. One keeper of all generations is the owner. */
enum keeper_state {
    KEEPER_WAITING = 1, /* an older one is: requests are queued */
    KEEPER_OWNER,
    KEEPER_RETIRING, /* a newer one will be, once our workers have stopped asking */
    KEEPER_RETIRED,  /* only what is served already is handed out */
};

struct keeper_zone {
    struct dns_kept kept;
    struct dns_published published;
    struct keel_list news; /* in dns_keeper.news, in the order of news_in */
    uint32_t news_in;      /* others are told of the version when this publication is confirmed */
    struct keeper_loading *loading; /* its file is being read; NULL: not */
    char *error;                    /* why its file was not taken last; NULL: it was */
    bool added_now;                 /* in the life of this process: workers may not know of it */
};

/* A zone's file on its way, in a thread. */
struct keeper_loading {
    struct keel_job job;
    struct dns_keeper *keeper;
    struct dns_name apex;
    char *file;
    struct dns_image *image; /* what came out of it, until it is installed */
    struct dns_sources sources;
    struct keel_buf warnings; /* NUL-terminated texts */
    int err;
    struct keel_diag diag;
    uint64_t began_ns;
    /* zone: it serves what was read; NULL: err and diag say why not. */
    void (*on_loaded)(struct keeper_loading *loading, struct keeper_zone *zone);
    void *arg;
};

struct dns_keeper {
    struct keel_instance *instance;
    enum keeper_state state;
    struct dns_publisher *publisher;
    struct keeper_zone **zones; /* by dns_kept.index; NULL: free */
    unsigned count, capacity;
    struct keel_table by_apex;
    struct keel_hash_key key;
    struct dns_notifying *notifying;
    struct keel_list news;
    struct keel_list queue; /* requests that wait until it is the owner */
    size_t queue_bytes;
    bool *left; /* workers that ask no more */
    struct keel_timer retire;
    struct keel_offload *pool;
    struct dns_added added;
    struct keel_buf free;    /* unsigned places of zones */
    struct keel_buf removed; /* zones in the life of this process: u8 size, apex */
    bool stopping;
    struct dns_secondaries *secondaries;
    struct keel_list changes; /* of this turn of the loop, struct dns_promise */
    struct keel_task change_task;
};

/* The zone with this apex (flat, lower-cased), or NULL. */
struct keeper_zone *dns_keeper_find(const struct dns_keeper *keeper, const uint8_t *apex,
                                    size_t size);

/* Reads a zone's file; returns new in *image. KEEL_ECONF with diag `zone "NAME": FILE:LINE: what`,
 * or KEEL_ENOMEM. */
int dns_keeper_load(const struct dns_zone *zone, struct dns_image **image, struct keel_diag *diag);
void dns_keeper_warn(const struct dns_name *apex, const char *text);
/* What was read is served; err and diag say why not. Takes loading->image. */
int dns_keeper_install(struct keeper_zone *zone, struct keeper_loading *loading,
                       struct keel_diag *diag);
/* The image at `offset` of the file is the zone from now on. 0 or KEEL_ENOMEM. */
int dns_keeper_serve(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset);

/* One more zone, without data yet; its text as in added-zones.conf, where it is not written. */
int dns_keeper_add(struct dns_keeper *keeper, const char *text, struct keeper_zone **zone,
                   struct keel_diag *diag);
/* Serves it no more, and forgets it. */
void dns_keeper_remove(struct keeper_zone *zone);
/* The same with added-zones.conf: 0 when it is on the disk. */
int dns_keeper_keep_added(struct keeper_zone *zone, const char *text, struct keel_diag *diag);
int dns_keeper_remove_added(struct keeper_zone *zone, struct keel_diag *diag);

/* --- keeper_load.c --- */

/* Reads the zone's file in a thread and serves what is in it; then on_loaded. KEEL_EBUSY and others
 * with diag: it does not begin. */
int dns_keeper_start_loading(struct keeper_zone *zone,
                             void (*on_loaded)(struct keeper_loading *loading,
                                               struct keeper_zone *zone),
                             void *arg, struct keel_diag *diag);
/* --- keeper_change.c --- */

void dns_keeper_changes_init(struct dns_keeper *keeper);
/* Nothing more is promised: what waits hears that. */
void dns_keeper_changes_fini(struct dns_keeper *keeper);

/* --- keeper_secondary.c --- */

/* Secondary zones, with what is known of them; it is the owner from now on. */
int dns_keeper_begin_secondaries(struct dns_keeper *keeper);
/* One that has come. */
int dns_keeper_add_secondary(struct keeper_zone *zone);
/* The handler of DNS_MSG_NOTIFY. */
void dns_keeper_hear_notify(struct dns_kept *kept, const struct dns_keeper_request *request,
                            const uint8_t *bytes, size_t size);

/* --- keeper_requests.c --- */

/* A message of a worker that is a request; it is carried out, queued or refused. */
void dns_keeper_request(struct dns_keeper *keeper, unsigned worker, struct keel_message *message);
/* Carries out what was queued; or refuses it all. */
void dns_keeper_run_queue(struct dns_keeper *keeper, bool refuse);

#endif
