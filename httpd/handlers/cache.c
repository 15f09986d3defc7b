#include "httpd/handlers/cache.h"

#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "httpd/handlers/compress.h"

void http_cache_init(struct http_cache *cache, const struct http_cache_limits *limits,
                     struct keel_offload *pool, struct keel_offload *looks)
{
    *cache = (struct http_cache){.limits = *limits, .pool = pool, .looks = looks};
    keel_list_init(&cache->loads);
    keel_table_init(&cache->table);
    keel_list_init(&cache->lru);
    cache->key.k0 = keel_rand_u64();
    cache->key.k1 = keel_rand_u64();
}

void http_cache_watch(struct http_cache *cache, struct keel_loop *loop)
{
    if (cache->limits.watches > 0)
        cache->watch = http_watch_new(loop, cache->limits.watches, &cache->mounts);
}

static void drop(struct http_cache *cache, struct http_entry *entry)
{
    cache->changed = true;
    http_watch_forget(cache->watch, &entry->subject);
    keel_table_remove(&cache->table, entry->hash, entry);
    keel_list_remove(&entry->lru);
    cache->memory -= entry->memory;
    cache->entries--;
    cache->files -= entry->open_files;
    entry->cached = false;
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
    http_watch_free(cache->watch);
    cache->watch = NULL;
    keel_table_fini(&cache->table);
}

static uint64_t hash_of(const struct http_cache *cache, const struct http_wanted *wanted)
{
    uint64_t salt =
        (uint64_t)wanted->site->id << 2 | (uint64_t)wanted->location->autoindex << 1 | wanted->json;
    return keel_hash(&cache->key, wanted->path.p, wanted->path.n) ^
           salt * UINT64_C(0x9e3779b97f4a7c15);
}

static int is_about(const void *value, const void *key, size_t key_size)
{
    const struct http_entry *entry = value;
    const struct http_wanted *wanted = key;
    return entry->site == wanted->site->id && entry->autoindex == wanted->location->autoindex &&
           entry->json == wanted->json && keel_str_equal(entry->path, wanted->path);
}

static bool is_full(const struct http_cache *cache)
{
    struct http_watch_figures figures;
    http_watch_figures(cache->watch, &figures);
    return cache->memory + figures.memory > cache->limits.memory ||
           cache->entries > cache->limits.entries || cache->files > cache->limits.files;
}

/* Drops the oldest until the limits are kept. `keep` stays, even when it is larger than the limit:
 * it is about to be sent. */
static void shrink(struct http_cache *cache, const struct http_entry *keep)
{
    while (is_full(cache)) {
        struct keel_list *last = cache->lru.prev;
        if (last == &keep->lru)
            last = last->prev;
        if (last == &cache->lru)
            return;
        drop(cache, KEEL_CONTAINER(last, struct http_entry, lru));
    }
}

static void add(struct http_cache *cache, struct http_entry *entry)
{
    cache->changed = true;
    keel_list_push_front(&cache->lru, &entry->lru);
    entry->cached = true;
    cache->memory += entry->memory;
    cache->entries++;
    cache->files += entry->open_files;
    shrink(cache, entry);
}

static struct http_wanted wanted_of(const struct http_request *request)
{
    const struct http_location *location = request->location;
    return (struct http_wanted){location->files ? location->files : request->site, location,
                                request->path, request->json};
}

/* Looks at what the request names. What it depends on is watched from before that. With *blocks
 * (which may be NULL) nothing is waited for, and nothing is known when it is set. */
static void look(struct http_cache *cache, const struct http_wanted *wanted,
                 struct http_subject *subject, struct http_resource *resource, bool *blocks)
{
    struct http_looking looking = {
        .watch = cache->watch, .subject = subject, .cached = blocks ? &cache->mounts : NULL};
    http_watch_forget(cache->watch, subject);
    http_resource_open(resource, wanted, &looking);
    subject->state = looking.watched ? HTTP_WATCHED : HTTP_UNWATCHED;
    if (!looking.blocks)
        return;
    *blocks = true;
    http_resource_close(resource);
    http_watch_forget(cache->watch, subject);
    subject->state = HTTP_CHANGED; /* so much is known */
}

/* Takes a new entry into the cache, instead of the one that is there. False: no memory; it is the
 * caller's still. */
static bool keep(struct http_cache *cache, struct http_entry *entry, uint64_t hash, uint64_t now_ns)
{
    entry->hash = hash;
    /* what is short now may be there in a moment: an entry of 503 is never valid */
    entry->checked_ns = entry->status == 503 ? 0 : now_ns;
    if (keel_table_add(&cache->table, hash, entry) != 0) {
        http_watch_forget(cache->watch, &entry->subject);
        return false;
    }
    add(cache, entry);
    return true;
}

static struct http_entry *load(struct http_cache *cache, const struct http_request *request,
                               uint64_t hash, struct http_entry *old, bool *blocks)
{
    const struct http_wanted wanted = wanted_of(request);
    struct http_resource resource;
    struct http_subject subject;
    cache->misses++;
    cache->changed = true;
    if (!cache->looks)
        blocks = NULL;
    if (blocks && wanted.site->root_fd >= 0 &&
        !http_mount_is_local(&cache->mounts, wanted.site->root_fd)) {
        *blocks = true;
        return NULL;
    }
    http_subject_init(&subject);
    look(cache, &wanted, old ? &old->subject : &subject, &resource, blocks);
    if (blocks && *blocks)
        return NULL;
    if (old && http_entry_is_current(old, &resource)) {
        http_resource_close(&resource);
        old->checked_ns = request->clock->now_ns;
        return old;
    }
    if (old) {
        http_subject_move(&old->subject, &subject);
        drop(cache, old);
    }
    struct http_entry *entry = http_entry_new(&resource, &wanted, blocks);
    if (!entry) {
        http_watch_forget(cache->watch, &subject);
        return NULL;
    }
    http_subject_move(&subject, &entry->subject);
    if (keep(cache, entry, hash, request->clock->now_ns))
        return entry;
    http_entry_release(entry);
    return NULL;
}

/* May it be used without looking? */
static bool is_valid(const struct http_cache *cache, const struct http_entry *entry,
                     uint64_t now_ns)
{
    return entry->subject.state == HTTP_WATCHED ||
           (entry->subject.state == HTTP_UNWATCHED &&
            now_ns - entry->checked_ns <= cache->limits.valid_ns);
}

struct http_entry *http_cache_get(struct http_cache *cache, const struct http_request *request,
                                  bool *blocks)
{
    if (blocks)
        *blocks = false;
    const struct http_wanted wanted = wanted_of(request);
    uint64_t hash = hash_of(cache, &wanted);
    struct http_entry *entry =
        keel_table_find(&cache->table, hash, &wanted, sizeof wanted, is_about);
    if (!entry || !is_valid(cache, entry, request->clock->now_ns))
        return load(cache, request, hash, entry, blocks);
    cache->hits++;
    if (cache->lru.next != &entry->lru) {
        keel_list_remove(&entry->lru);
        keel_list_push_front(&cache->lru, &entry->lru);
    }
    return entry;
}

/* --- looking in a thread --- */

struct http_load {
    struct keel_job job;
    struct keel_list node; /* in cache->loads */
    struct keel_list waiters;
    struct http_cache *cache;
    struct http_wanted wanted;
    uint64_t hash, began_ns;
    struct http_entry *entry; /* what the thread found; NULL: nothing can be had */
    char path[];
};

static void look_in_thread(struct keel_job *job)
{
    struct http_load *load = KEEL_CONTAINER(job, struct http_load, job);
    struct http_looking looking = {.watch = NULL};
    struct http_resource resource;
    http_resource_open(&resource, &load->wanted, &looking);
    load->entry = http_entry_new(&resource, &load->wanted, NULL);
}

/* What a thread found was not watched while it looked; that the same is there now, when it is
 * watched, is found out without waiting, or it stays unwatched. */
static void watch_loaded(struct http_load *load)
{
    struct http_cache *cache = load->cache;
    struct http_entry *entry = load->entry;
    struct http_resource resource;
    bool blocks = false;
    if (!cache->watch || load->wanted.site->root_fd < 0 ||
        !http_mount_is_local(&cache->mounts, load->wanted.site->root_fd))
        return;
    look(cache, &load->wanted, &entry->subject, &resource, &blocks);
    if (blocks) {
        entry->subject.state = HTTP_UNWATCHED;
        return;
    }
    if (!http_entry_was_current(entry, &resource))
        entry->subject.state = HTTP_CHANGED; /* sent to who waits, and made anew for the next */
    http_resource_close(&resource);
}

static void on_looked(struct keel_job *job, int err)
{
    struct http_load *load = KEEL_CONTAINER(job, struct http_load, job);
    struct http_cache *cache = load->cache;
    struct http_entry *entry = load->entry;
    keel_list_remove(&load->node);
    if (entry) {
        struct http_entry *old = keel_table_find(&cache->table, load->hash, &load->wanted,
                                                 sizeof load->wanted, is_about);
        if (old)
            drop(cache, old);
        http_entry_hold(entry);
        watch_loaded(load);
        if (!keep(cache, entry, load->hash, load->began_ns))
            http_entry_release(entry);
    }
    while (!keel_list_empty(&load->waiters)) {
        struct http_waiter *waiter = KEEL_CONTAINER(load->waiters.next, struct http_waiter, node);
        keel_list_remove(&waiter->node);
        waiter->on_loaded(waiter, entry);
    }
    if (entry)
        http_entry_release(entry);
    keel_free(load);
}

static bool is_same(const struct http_load *load, const struct http_wanted *wanted, uint64_t hash)
{
    return load->hash == hash && load->wanted.location == wanted->location &&
           load->wanted.site == wanted->site && load->wanted.json == wanted->json &&
           keel_str_equal(load->wanted.path, wanted->path);
}

int http_cache_load(struct http_cache *cache, const struct http_request *request,
                    struct http_waiter *waiter)
{
    const struct http_wanted wanted = wanted_of(request);
    uint64_t hash = hash_of(cache, &wanted);
    keel_list_for (node, &cache->loads) {
        struct http_load *load = KEEL_CONTAINER(node, struct http_load, node);
        if (is_same(load, &wanted, hash)) {
            keel_list_push_back(&load->waiters, &waiter->node);
            return 0;
        }
    }
    struct http_load *load = keel_calloc(1, sizeof *load + wanted.path.n);
    if (!load)
        return KEEL_ENOMEM;
    *load = (struct http_load){
        .cache = cache, .wanted = wanted, .hash = hash, .began_ns = request->clock->now_ns};
    load->wanted.path.p = load->path;
    if (wanted.path.n > 0)
        memcpy(load->path, wanted.path.p, wanted.path.n);
    int err = keel_offload_start(cache->looks, &load->job, look_in_thread, on_looked);
    if (err) {
        keel_free(load);
        return err;
    }
    keel_list_init(&load->waiters);
    keel_list_push_back(&load->waiters, &waiter->node);
    keel_list_push_back(&cache->loads, &load->node);
    return 0;
}

void http_cache_leave(struct http_waiter *waiter)
{
    keel_list_remove(&waiter->node);
}

/* --- compression --- */

/* A body that is being compressed. */
struct compression {
    struct keel_job job;
    struct http_cache *cache;
    struct http_entry *entry; /* held */
    enum http_coding coding;
    uint8_t *bytes; /* the result; NULL: it is not worth it */
    size_t size;
};

static void compress(struct keel_job *job)
{
    struct compression *c = KEEL_CONTAINER(job, struct compression, job);
    struct keel_str body = http_entry_body(c->entry);
    c->bytes = http_compress(c->coding, body.p, body.n, &c->size);
}

static void on_compressed(struct keel_job *job, int err)
{
    struct compression *c = KEEL_CONTAINER(job, struct compression, job);
    struct http_entry *entry = c->entry;
    size_t before = entry->memory;
    if (c->bytes && http_entry_add_encoded(entry, c->coding, c->bytes, c->size) == 0 &&
        entry->cached) {
        c->cache->memory += entry->memory - before;
        c->cache->changed = true;
        shrink(c->cache, entry);
    }
    http_entry_release(entry);
    keel_free(c->bytes);
    keel_free(c);
}

static void start_compression(struct http_cache *cache, struct http_entry *entry,
                              enum http_coding coding)
{
    struct compression *c = keel_calloc(1, sizeof *c);
    if (!c)
        return;
    c->cache = cache;
    c->entry = entry;
    c->coding = coding;
    if (!cache->pool) {
        compress(&c->job);
    } else if (keel_offload_start(cache->pool, &c->job, compress, on_compressed) != 0) {
        keel_free(c); /* busy: another request will ask */
        return;
    }
    http_entry_hold(entry);
    entry->tried |= (uint8_t)(1u << coding);
    if (!cache->pool)
        on_compressed(&c->job, 0);
}

static const struct http_accept *accept_of(struct http_accept_memo *memo,
                                           const struct http_head *head)
{
    struct keel_str value = {NULL, 0};
    unsigned count = 0;
    for (unsigned i = 0; i < head->count; i++)
        if (head->fields[i].id == HTTP_FIELD_ACCEPT_ENCODING) {
            value = http_span_str(head, head->fields[i].value);
            count++;
        }
    bool fits = count == 1 && value.n > 0 && value.n <= sizeof memo->text;
    if (fits && value.n == memo->size && memcmp(value.p, memo->text, value.n) == 0)
        return &memo->accept;
    http_accept_read(&memo->accept, head);
    memo->size = fits ? (uint8_t)value.n : 0;
    if (fits)
        memcpy(memo->text, value.p, value.n);
    return &memo->accept;
}

struct http_entry *http_cache_negotiate(struct http_cache *cache, struct http_entry *entry,
                                        const struct http_request *request)
{
    const struct http_site *site = request->site;
    const struct http_accept *accept = accept_of(&cache->memo, &request->head);
    struct http_entry *best = entry;
    unsigned weight = accept->identity_named ? accept->weight[HTTP_IDENTITY] : 0;
    bool can_make = entry->fd < 0 && entry->size >= site->compress_min && entry->size > 0;
    for (unsigned i = 0; i < site->coding_count; i++) {
        enum http_coding coding = site->codings[i];
        if (accept->weight[coding] <= weight - (best == entry && weight > 0))
            continue;
        if (!entry->encoded[coding] && can_make) {
            if (!(entry->tried & 1u << coding))
                start_compression(cache, entry, coding);
            can_make = false; /* one is enough: the one that is liked best */
        }
        if (entry->encoded[coding]) {
            best = entry->encoded[coding];
            weight = accept->weight[coding];
        }
    }
    return best;
}
