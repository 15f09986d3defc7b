/*
 * The cache of ready-made answers about files, one per worker: found by site and path, the least
 * recently used ones dropped when a limit is reached.
 */
#ifndef HTTPD_HANDLERS_CACHE_H
#define HTTPD_HANDLERS_CACHE_H

#include "common/base/hash.h"
#include "common/runtime/offload.h"
#include "httpd/handlers/entry.h"

struct http_cache_limits {
    uint64_t memory; /* bytes */
    uint32_t entries;
    uint32_t files;    /* open descriptors */
    uint32_t watches;  /* folders; 0: none is watched */
    uint64_t valid_ns; /* how long an entry that is not watched serves before the file system is
                          asked again */
};
/* Who waits for an entry. Embedded. */
struct http_waiter {
    struct keel_list node;
    /* entry: as http_cache_get gives it. The waiter may be freed. */
    void (*on_loaded)(struct http_waiter *waiter, struct http_entry *entry);
};
/* The last Accept-Encoding, because most clients say the same. */
struct http_accept_memo {
    struct http_accept accept;
    uint8_t size; /* of text; 0: none */
    char text[120];
};
struct http_cache {
    struct keel_table table;
    struct keel_hash_key key;
    struct keel_list lru; /* most recently used first */
    struct http_cache_limits limits;
    struct keel_offload *pool;  /* compresses; NULL: done at once */
    struct keel_offload *looks; /* looks at files that are not in memory; NULL: it is waited for */
    struct keel_list loads;     /* http_load: looks under way */
    struct http_mounts mounts;
    struct http_watch *watch; /* NULL: nothing is watched */
    uint64_t memory;
    uint32_t entries, files;
    struct http_accept_memo memo;
    uint64_t hits, misses; /* a hit asked nobody */
    bool changed;          /* something besides hits, since its owner cleared this */
};

/* Borrows the pools, which are freed before the cache. */
void http_cache_init(struct http_cache *cache, const struct http_cache_limits *limits,
                     struct keel_offload *pool, struct keel_offload *looks);
/* Watches what it holds, so that it is used until it changes. Where that cannot be, valid_ns
 * decides.
 */
void http_cache_watch(struct http_cache *cache, struct keel_loop *loop);
/* Forgets everything. Entries that responses still hold live on until they are released. */
void http_cache_flush(struct http_cache *cache);
void http_cache_fini(struct http_cache *cache);
/* The entry for the request's path, checked against the file system when that changed, or when it
 * is not watched and older than valid_ns. Borrowed until the next call; hold it for longer. NULL:
 * neither memory nor descriptors are left, or the file cannot be read; or, with *blocks (which may
 * be NULL), the loop would wait for a disk: that is for http_cache_load. */
struct http_entry *http_cache_get(struct http_cache *cache, const struct http_request *request,
                                  bool *blocks);
/* Has a thread look; all who ask for the same meanwhile wait for the same look. The waiter hears of
 * it later, unless it leaves. 0, KEEL_ENOMEM, or an error of keel_offload_start. */
int http_cache_load(struct http_cache *cache, const struct http_request *request,
                    struct http_waiter *waiter);
void http_cache_leave(struct http_waiter *waiter);
/* The representation of the entry that the request likes best of those that are there: the entry,
 * or one that it owns. One that could be made is made in a thread, for the next request. */
struct http_entry *http_cache_negotiate(struct http_cache *cache, struct http_entry *entry,
                                        const struct http_request *request);

#endif
