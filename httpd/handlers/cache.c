#include "httpd/handlers/cache.h"

#include <unistd.h>

#include "common/base/rand.h"

void http_cache_init(struct http_cache *cache, const struct http_cache_limits *limits)
{
    *cache = (struct http_cache){.limits = *limits};
    keel_table_init(&cache->table);
    keel_list_init(&cache->lru);
    cache->key.k0 = keel_rand_u64();
    cache->key.k1 = keel_rand_u64();
}

static void drop(struct http_cache *cache, struct http_entry *entry)
{
    keel_table_remove(&cache->table, entry->hash, entry);
    keel_list_remove(&entry->lru);
    cache->memory -= entry->memory;
    cache->entries--;
    cache->files -= entry->fd >= 0;
    http_entry_release(entry);
}

void http_cache_flush(struct http_cache *cache)
{
    while (!keel_list_empty(&cache->lru))
        drop(cache, KEEL_CONTAINER(cache->lru.next, struct http_entry, lru));
}

void http_cache_fini(struct http_cache *cache)
{
    http_cache_flush(cache);
    keel_table_fini(&cache->table);
}

static uint64_t hash_of(const struct http_cache *cache, const struct http_request *request)
{
    uint64_t salt = (uint64_t)request->site->id << 1 | request->location->autoindex;
    return keel_hash(&cache->key, request->path.p, request->path.n) ^
           salt * UINT64_C(0x9e3779b97f4a7c15);
}

static int is_about(const void *value, const void *key, size_t key_size)
{
    const struct http_entry *entry = value;
    const struct http_request *request = key;
    return entry->site == request->site->id && entry->autoindex == request->location->autoindex &&
           entry->path.n == request->path.n &&
           memcmp(entry->path.p, request->path.p, request->path.n) == 0;
}

static void add(struct http_cache *cache, struct http_entry *entry)
{
    keel_list_push_front(&cache->lru, &entry->lru);
    cache->memory += entry->memory;
    cache->entries++;
    cache->files += entry->fd >= 0;
    /* the newest stays, even when it is larger than the limit: it is about to be sent */
    while ((cache->memory > cache->limits.memory || cache->entries > cache->limits.entries ||
            cache->files > cache->limits.files) &&
           cache->lru.prev != &entry->lru)
        drop(cache, KEEL_CONTAINER(cache->lru.prev, struct http_entry, lru));
}

static struct http_entry *load(struct http_cache *cache, const struct http_request *request,
                               uint64_t hash, struct http_entry *old)
{
    struct http_resource resource;
    cache->misses++;
    http_resource_open(&resource, request);
    if (old && http_entry_is_current(old, &resource)) {
        if (resource.fd >= 0)
            close(resource.fd);
        old->checked_ns = request->clock->now_ns;
        return old;
    }
    if (old)
        drop(cache, old);
    struct http_entry *entry = http_entry_new(&resource, request);
    if (!entry)
        return NULL;
    entry->hash = hash;
    /* what is short now may be there in a moment: an entry of 503 is never valid */
    entry->checked_ns = entry->status == 503 ? 0 : request->clock->now_ns;
    if (keel_table_add(&cache->table, hash, entry) != 0) {
        http_entry_release(entry);
        return NULL;
    }
    add(cache, entry);
    return entry;
}

struct http_entry *http_cache_get(struct http_cache *cache, const struct http_request *request)
{
    uint64_t hash = hash_of(cache, request);
    struct http_entry *entry =
        keel_table_find(&cache->table, hash, request, sizeof *request, is_about);
    if (!entry || request->clock->now_ns - entry->checked_ns > cache->limits.valid_ns)
        return load(cache, request, hash, entry);
    cache->hits++;
    if (cache->lru.next != &entry->lru) {
        keel_list_remove(&entry->lru);
        keel_list_push_front(&cache->lru, &entry->lru);
    }
    return entry;
}
