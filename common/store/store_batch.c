/*
 * A batch of changes: one write transaction, and the journal that outlives it when the map grows.
 */
#include "common/store/store_private.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <errno.h>
#include <string.h>

/* LMDB's map has a fixed size while a transaction runs. So a batch keeps a journal of its changes
 * in memory: when the map is full, the transaction is thrown away, the map doubled, and the
 * journal played into a new transaction. keel_store_begin keeps a quarter of the map free, so
 * that this stays rare.
 *
 *   journal: { struct change, key, value, padding to 8 } ...
 */
struct change {
    struct keel_store_table *table;
    uint32_t key_size;
    uint32_t value_size;
    bool del;
};

/* A journal larger than this is not kept for the next batch. */
#define KEPT_JOURNAL (1u << 20)

/* After these the environment refuses all work until it is opened again. */
static bool is_fatal(int rc)
{
    return rc == MDB_PANIC || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND;
}

/* The first failure is said, then silence until it works again. */
static void alarm_on(struct keel_store *store, int rc)
{
    store->stats.failures++;
    if (!store->stats.alarm)
        keel_error("store", "a commit failed, nothing new is promised until one works",
                   "path=%s error=%s", store->path, mdb_strerror(rc));
    store->stats.alarm = true;
}

static void alarm_off(struct keel_store *store)
{
    store->stats.commits++;
    if (store->stats.alarm)
        keel_notice("store", "commits work again", "path=%s", store->path);
    store->stats.alarm = false;
}

static int fail_batch(struct keel_store *store, int rc)
{
    store->failed = rc;
    return keel_store_error(rc);
}

int keel_store_begin(struct keel_store *store)
{
    if (store->state != KEEL_STORE_IDLE)
        return KEEL_EBUSY;
    if (store->lock < 0)
        return KEEL_EACCES;
    int rc = keel_store_mend(store);
    if (!rc && keel_store_used_size(store) > keel_store_map_size(store) / 4 * 3)
        rc = keel_store_grow_map(store, keel_store_map_size(store) + 1);
    if (!rc)
        rc = keel_store_begin_txn(store, 0, &store->txn);
    if (rc) {
        if (is_fatal(rc))
            keel_store_close_env(store);
        alarm_on(store, rc);
        return keel_store_error(rc);
    }
    store->state = KEEL_STORE_WRITING;
    store->failed = 0;
    store->journal_size = 0;
    return 0;
}

static int apply(MDB_txn *txn, const struct change *change)
{
    uint8_t *bytes = (uint8_t *)(change + 1);
    MDB_val key = {change->key_size, bytes}, value = {change->value_size, bytes + key.mv_size};
    return change->del ? mdb_del(txn, change->table->dbi, &key, NULL)
                       : mdb_put(txn, change->table->dbi, &key, &value, 0);
}

static size_t change_size(const struct change *change)
{
    return (sizeof *change + change->key_size + (size_t)change->value_size + 7) & ~(size_t)7;
}

static int replay(struct keel_store *store)
{
    int rc = 0;
    for (size_t at = 0; at < store->journal_size && !rc;) {
        const struct change *change = (const void *)(store->journal + at);
        rc = apply(store->txn, change);
        if (rc == MDB_NOTFOUND) /* a del that found nothing the first time either */
            rc = 0;
        at += change_size(change);
    }
    return rc;
}

static void end_txn(struct keel_store *store)
{
    if (store->txn)
        mdb_txn_abort(store->txn);
    store->txn = NULL;
    store->txns++;
}

/* The map was full: a larger one, and all changes of the batch again. Returns an LMDB code. */
static int regrow(struct keel_store *store)
{
    int rc;
    do {
        end_txn(store);
        rc = keel_store_grow_map(store, keel_store_map_size(store) + 1);
        if (!rc)
            rc = keel_store_begin_txn(store, 0, &store->txn);
        if (!rc)
            rc = replay(store);
    } while (rc == MDB_MAP_FULL);
    return rc;
}

/* Appends a change to the journal. NULL: no memory. */
static const struct change *note(struct keel_store_table *table, struct keel_bytes key,
                                 struct keel_bytes value, bool del)
{
    struct keel_store *store = table->store;
    struct change change = {table, (uint32_t)key.n, (uint32_t)value.n, del};
    size_t size = change_size(&change), need = store->journal_size + size;
    if (need > store->journal_capacity) {
        size_t capacity = store->journal_capacity ? store->journal_capacity : 4096;
        while (capacity < need)
            capacity *= 2;
        uint8_t *journal = keel_realloc(store->journal, capacity);
        if (!journal)
            return NULL;
        store->journal = journal;
        store->journal_capacity = capacity;
    }
    uint8_t *p = store->journal + store->journal_size;
    memcpy(p, &change, sizeof change);
    memcpy(p + sizeof change, key.p, key.n);
    if (value.n > 0)
        memcpy(p + sizeof change + key.n, value.p, value.n);
    store->journal_size += size;
    return (const void *)p;
}

static int change(struct keel_store_table *table, struct keel_bytes key, struct keel_bytes value,
                  bool del)
{
    struct keel_store *store = table->store;
    KEEL_ASSERT(store->state == KEEL_STORE_WRITING, "a change outside of a batch");
    if (store->failed)
        return keel_store_error(store->failed);
    if (key.n < 1 || key.n > KEEL_STORE_KEY_MAX || value.n > UINT32_MAX - KEEL_STORE_KEY_MAX ||
        (table->flags & MDB_INTEGERKEY && key.n != 4))
        return KEEL_EINVAL;
    const struct change *noted = note(table, key, value, del);
    if (!noted)
        return fail_batch(store, ENOMEM);
    int rc = apply(store->txn, noted);
    store->changes++;
    if (rc == MDB_MAP_FULL)
        rc = regrow(store);
    if (rc == MDB_NOTFOUND) {
        store->journal_size -= change_size(noted);
        return KEEL_ENOENT;
    }
    return rc ? fail_batch(store, rc) : 0;
}

int keel_store_put(struct keel_store_table *table, struct keel_bytes key, struct keel_bytes value)
{
    return change(table, key, value, false);
}

int keel_store_del(struct keel_store_table *table, struct keel_bytes key)
{
    return change(table, key, (struct keel_bytes){NULL, 0}, true);
}

static void end_batch(struct keel_store *store)
{
    end_txn(store);
    store->state = KEEL_STORE_IDLE;
    store->journal_size = 0;
    if (store->journal_capacity > KEPT_JOURNAL) {
        keel_free(store->journal);
        store->journal = NULL;
        store->journal_capacity = 0;
    }
}

int keel_store_commit(struct keel_store *store)
{
    KEEL_ASSERT(store->state == KEEL_STORE_WRITING, "a commit outside of a batch");
    int rc = store->failed;
    if (rc) {
        alarm_on(store, rc);
        keel_store_abort(store);
        return keel_store_error(rc);
    }
    do { /* the list of free pages needs room too, so that a commit can find the map full */
        if (rc == MDB_MAP_FULL && (rc = regrow(store)) != 0)
            break;
        rc = mdb_txn_commit(store->txn); /* frees it in any case */
        store->txn = NULL;
    } while (rc == MDB_MAP_FULL);
    end_batch(store);
    if (!rc) {
        alarm_off(store);
        return 0;
    }
    /* A commit that failed while it wrote the meta page leaves the environment in doubt: opened
     * again, it takes the newest state that is whole. */
    keel_store_close_env(store);
    alarm_on(store, rc);
    return keel_store_error(rc);
}

void keel_store_abort(struct keel_store *store)
{
    KEEL_ASSERT(store->state == KEEL_STORE_WRITING, "an abort outside of a batch");
    end_batch(store);
}
