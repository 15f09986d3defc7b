/*
 * The keeper's insides, for the files that it is made of.
 */
#ifndef DNSD_SERVE_KEEPER_PRIVATE_H
#define DNSD_SERVE_KEEPER_PRIVATE_H

#include "common/runtime/offload.h"
#include "dnsd/serve/added.h"
#include "common/runtime/file_watch.h"
#include "dnsd/serve/images.h"
#include "dnsd/serve/journal.h"
#include "dnsd/serve/keeper.h"
#include "dnsd/serve/load.h"
#include "dnsd/serve/notifier.h"
#include "dnsd/serve/publish.h"
#include "dnsd/serve/secondary.h"
#include "dnsd/serve/settings.h"

#define KEEPER_PATH 4352

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
    /* The image that the journal stands on, on the disk; NULL: none. What is published may be
     * another one, in memory. */
    struct dns_shared *base;
    uint64_t base_offset;
    uint64_t base_step, step;     /* the last step in the base, and the last of all */
    uint32_t delta_next;          /* where the next delta may stand, behind the base's start */
    struct dns_shared *next_base; /* of this turn */
    uint64_t next_offset;
    struct keel_list changed;           /* in dns_keeper.changed */
    struct keeper_replacing *replacing; /* under way; NULL: none */
    struct keeper_merging *merging;
    bool owed;                    /* changes of it wait for that */
    struct keeper_record *record; /* what was known at the start */
    bool unrecorded;              /* what is served is not written down yet */
    struct keel_buf difference;   /* from the known version to the one that was read at the start */
    uint32_t differs_from, differs_to; /* serials */
    bool unflushed;                    /* it has updates that its file has not */
    bool file_anew; /* and it takes the place of what is known: its file has changed */
    struct keeper_loading *loading; /* its file is being read; NULL: not */
    struct keel_watched_files watched;     /* its file, by option watch */
    uint64_t look;                  /* of its files when they were last read for that */
    char *error;                    /* why its file was not taken last; NULL: it was */
    bool added_now;                 /* in the life of this process: workers may not know of it */
};

/* Of the journal: which file, and up to which step. */
struct keeper_record {
    uint64_t base_step, next;
    char base[];
};

/* A file of the state directory, mapped. The owner of a dns_shared. */
struct keeper_file {
    struct dns_keeper *keeper;
    struct dns_image_map *map;
    struct dns_shared *shared;
    void *space; /* mapped once more, with room for deltas behind it; NULL: it needs none */
    uint64_t reserve;
    unsigned cursor; /* where the next zone is looked for */
    /* Nobody is served from it any more, but workers may have it mapped still. */
    struct keel_list lingering;
    uint64_t until_ns;
    struct keel_job job;
};

/* Images on their way into one file. */
struct keeper_pack_item {
    struct keeper_zone *zone;
    struct dns_image *image;
    struct dns_sources sources;
};
struct keeper_pack {
    struct keeper_pack_item *items;
    unsigned count, capacity;
    size_t size;
};

/* A zone's file on its way, in a thread. */
struct keeper_loading {
    struct keel_job job;
    struct dns_keeper *keeper;
    struct dns_name apex;
    char *file;
    struct dns_image *image; /* what came out of it, until it is installed */
    struct dns_sources sources;
    uint32_t serial;          /* of what was read */
    struct keel_buf warnings; /* NUL-terminated texts */
    int err;
    struct keel_diag diag;
    uint64_t began_ns;
    struct dns_promise promise; /* that what was read is kept, and served */
    /* When it was read, before it is served; may be NULL. */
    int (*on_read)(struct keeper_loading *loading, struct keeper_zone *zone,
                   struct keel_diag *diag);
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
    struct keel_file_watch *watch; /* NULL: no file is watched */
    struct keel_offload *pool;
    struct keel_list lingering; /* struct keeper_file, oldest first */
    struct keel_timer linger;
    struct dns_added added;
    struct keel_buf free;    /* unsigned places of zones */
    struct keel_buf removed; /* zones in the life of this process: u8 size, apex */
    bool stopping;
    struct dns_secondaries *secondaries;
    /* the state directory */
    struct dns_images *images;
    struct keel_table files; /* keeper_file, by name */
    uint64_t opened_ns;      /* realtime; files of others are younger */
    struct keel_store *store;
    struct dns_journal journal;
    struct keel_timer retry; /* of records that could not be written */
    /* what came in this turn of the loop */
    bool in_batch;
    unsigned changes;
    struct keel_list changed;           /* zones */
    struct keel_list promised, visible; /* promises: not on the disk yet; and not confirmed yet */
    unsigned owed;                      /* zones whose changes wait for a new base */
    uint32_t awaited;                   /* the publication that those wait for */
    struct keel_io turn;
    int turn_fd;
    struct keel_timer confirm;
};

/* The zone with this apex (flat, lower-cased), or NULL. */
struct keeper_zone *dns_keeper_find(const struct dns_keeper *keeper, const uint8_t *apex,
                                    size_t size);

/* Reads a zone's file; returns new in *image and *sources (may be NULL). KEEL_ECONF with diag `zone
 * "NAME": FILE:LINE: what`, or KEEL_ENOMEM. */
int dns_keeper_load(const struct dns_zone *zone, struct dns_image **image,
                    struct dns_sources *sources, struct keel_diag *diag);
void dns_keeper_warn(const struct dns_name *apex, const char *text);
void dns_keeper_check_expiration(const struct dns_zone *zone, const struct dns_image *image);
/* The image at `offset` of the file is the zone from now on; the same with a delta, which is all of
 * its file. 0 or KEEL_ENOMEM, KEEL_ESYS. */
int dns_keeper_serve(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset);
int dns_keeper_serve_delta(struct keeper_zone *zone, struct dns_shared *delta, uint32_t origin,
                           uint32_t size);
/* The pack's images are served from memory; nothing of it is on the disk. */
int dns_keeper_serve_memory(struct dns_keeper *keeper, struct keeper_pack *pack,
                            struct keel_diag *diag);
/* Whether it may be served has changed. */
void dns_keeper_show(struct keeper_zone *zone);
/* It changes by updates or transfers. */
static inline bool dns_keeper_changes(const struct keeper_zone *zone)
{
    return zone->kept.zone->changes;
}

/* --- keeper_files.c --- */

/* A file of the folder; opened once, however many zones are in it. Holds *shared. room: for deltas
 * behind it. */
int dns_keeper_open_file(struct dns_keeper *keeper, const char *name, bool room,
                         struct dns_shared **shared, struct keel_diag *diag);
/* NULL: it is no file of the folder, but in memory alone; or shared is NULL. */
const char *dns_keeper_file_name(const struct dns_shared *shared);
const struct dns_image_file *dns_keeper_image_file(const struct dns_shared *shared);
/* Before anything else of the keeper; and when it stops, before its pool goes. */
void dns_keeper_files_init(struct dns_keeper *keeper);
void dns_keeper_files_fini(struct dns_keeper *keeper);
bool dns_keeper_has_file(const struct dns_keeper *keeper, const char *name);
/* What is served was read from the zone's files as they are. */
bool dns_keeper_is_fresh(const struct keeper_zone *zone);
/* Where the zone stands in the file, which is one of the folder. KEEL_ENOENT. */
int dns_keeper_find_image(const struct dns_shared *shared, const struct dns_name *apex,
                          struct dns_image_zone *zone);

/* Takes image, and sources, on success. zone may be NULL. 0 or KEEL_ENOMEM. */
int dns_pack_add(struct keeper_pack *pack, struct keeper_zone *zone, struct dns_image *image,
                 struct dns_sources *sources);
/* In any thread. */
int dns_pack_write(struct dns_images *images, const struct keeper_pack *pack,
                   char name[DNS_IMAGES_NAME], struct keel_diag *diag);
void dns_pack_clear(struct keeper_pack *pack);
void dns_pack_fini(struct keeper_pack *pack);

/* --- keeper_state.c --- */

void dns_keeper_state_init(struct dns_keeper *keeper);
/* The start: every zone's last version from the state directory, or its file. Nothing is written
 * but images. */
int dns_keeper_load_all(struct dns_keeper *keeper, struct keel_diag *diag);
/* The state is ours to write from now on; and not any more. */
int dns_keeper_own(struct dns_keeper *keeper, struct keel_diag *diag);
void dns_keeper_disown(struct dns_keeper *keeper);
void dns_keeper_close_store(struct dns_keeper *keeper);
/* Writes down what is served, of all zones where it is not. */
void dns_keeper_record_all(struct dns_keeper *keeper);
/* Of this one, in the open batch. */
int dns_keeper_record(struct keeper_zone *zone);
/* A zone that is served no more: nothing is known of it. */
void dns_keeper_forget(struct keeper_zone *zone);

/* --- keeper_zones.c --- */

int dns_keeper_add_zones(struct dns_keeper *keeper, const struct dns_settings *settings);
void dns_keeper_free_zone(struct keeper_zone *zone);
/* What a worker has to hear of zones that came or went, before it gets all (keeper). */
void dns_keeper_greet(void *arg, unsigned worker);
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
/* --- keeper_watch.c --- */

/* Watches the files of the zone when option watch says so, also those that it includes since it was
 * read last; and not any more. Only the owner does. */
void dns_keeper_watch(struct keeper_zone *zone);
void dns_keeper_unwatch(struct keeper_zone *zone);
void dns_keeper_watch_all(struct dns_keeper *keeper);
void dns_keeper_unwatch_all(struct dns_keeper *keeper);

/* --- keeper_version.c --- */

/* The image that the zone's journal stands on. It has one. */
static inline const struct dns_image *dns_keeper_base(const struct keeper_zone *zone)
{
    return (const struct dns_image *)(zone->base->map + zone->base_offset);
}
/* A version with all that has been committed: small zones as a whole, large ones as a delta. What
 * can be served only from a new base is owed until that is there. */
void dns_keeper_publish(struct keeper_zone *zone);
/* The same as a whole, from memory. */
int dns_keeper_publish_memory(struct keeper_zone *zone, struct keel_diag *diag);
void dns_keeper_set_owed(struct keeper_zone *zone, bool owed);
/* Makes kept.edit: the zone over its base, with the steps that the journal has on top of it. */
int dns_keeper_replay(struct keeper_zone *zone, struct keel_diag *diag);
/* The same; where it cannot be done the keeper starts anew, from the disk. */
void dns_keeper_must_replay(struct keeper_zone *zone);
/* The zone stands on this image from now on; kept.edit must be made anew. */
void dns_keeper_set_base(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset);
/* The edit; and what that gives is served. */
int dns_keeper_recover(struct keeper_zone *zone, struct keel_diag *diag);

/* --- keeper_replace.c --- */

/* As dns_keeper_replace; sources are what it was read from. promise may be NULL. */
int dns_keeper_replace_with(struct keeper_zone *zone, struct dns_image *image,
                            struct dns_sources *sources, struct dns_promise *promise,
                            struct keel_diag *diag);

/* --- keeper_merge.c --- */

/* What has been touched becomes part of a new base, in a thread. */
void dns_keeper_merge(struct keeper_zone *zone);
/* The same, and the zone's file is written: it has a file, and an edit. on_flushed tells the end of
 * it. KEEL_EBUSY and others with diag: it does not begin. */
int dns_keeper_flush(struct keeper_zone *zone,
                     void (*on_flushed)(void *arg, int err, const char *text), void *arg,
                     struct keel_diag *diag);

/* --- keeper_change.c --- */

/* The store's batch of this turn; the first opens it. */
int dns_keeper_open_batch(struct dns_keeper *keeper, struct keel_diag *diag);
/* What came in this turn is not kept. */
void dns_keeper_drop_batch(struct dns_keeper *keeper, int err);
/* A step of the zone is in the batch, or a new base (next_base). */
void dns_keeper_mark_changed(struct keeper_zone *zone);
/* Into the journal, in the batch. */
int dns_keeper_append(struct keeper_zone *zone, const struct dns_diff *diff,
                      struct keel_diag *diag);

int dns_keeper_changes_init(struct dns_keeper *keeper);
/* What has come is committed; who waits hears of it. */
void dns_keeper_changes_fini(struct dns_keeper *keeper);
/* Commits and publishes what has come so far. */
void dns_keeper_end_turn(struct dns_keeper *keeper);
/* All workers have confirmed up to this publication. */
void dns_keeper_confirmed(struct dns_keeper *keeper, uint32_t number);

/* --- keeper_secondary.c --- */

/* Secondary zones, with what is known of them; it is the owner from now on. */
int dns_keeper_begin_secondaries(struct dns_keeper *keeper);
/* One that has come. */
int dns_keeper_add_secondary(struct keeper_zone *zone);
/* A new worker is told when they expire. */
void dns_keeper_greet_secondaries(struct dns_keeper *keeper, unsigned worker);
/* The handler of DNS_MSG_NOTIFY. */
void dns_keeper_hear_notify(struct dns_kept *kept, const struct dns_keeper_request *request,
                            const uint8_t *bytes, size_t size);

/* --- keeper_differences.c --- */

/* The handler of DNS_MSG_DIFFERENCES: a descriptor of the steps since a serial (a chain of
 * dnsd/transfer/ixfr.h), or NXDOMAIN: send the zone. */
void dns_keeper_differences(struct dns_kept *kept, const struct dns_keeper_request *request,
                            const uint8_t *bytes, size_t size);

/* --- keeper_requests.c --- */

/* A message of a worker that is a request; it is carried out, queued or refused. */
void dns_keeper_request(struct dns_keeper *keeper, unsigned worker, struct keel_message *message);
/* Carries out what was queued; or refuses it all. */
void dns_keeper_run_queue(struct dns_keeper *keeper, bool refuse);

#endif
