/*
 * Reading a store: the read transaction, which is parked between reads, and walks over a table.
 */
#include "common/store/store_private.h"

#include "common/base/mem.h"

#include <string.h>

int keel_store_read(struct keel_store *store)
{
    if (store->state != KEEL_STORE_IDLE)
        return KEEL_EBUSY;
    int rc = keel_store_mend(store);
    if (!rc && store->parked) {
        rc = mdb_txn_renew(store->parked);
        if (!rc)
            store->txn = store->parked;
        else
            mdb_txn_abort(store->parked);
        store->parked = NULL;
        rc = 0;
    }
    if (!rc && !store->txn)
        rc = keel_store_begin_txn(store, MDB_RDONLY, &store->txn);
    if (!rc)
        store->state = KEEL_STORE_READING;
    return keel_store_error(rc);
}

void keel_store_read_end(struct keel_store *store)
{
    KEEL_ASSERT(store->state == KEEL_STORE_READING, "no read is open");
    mdb_txn_reset(store->txn);
    store->parked = store->txn;
    store->txn = NULL;
    store->state = KEEL_STORE_IDLE;
}

int keel_store_get(struct keel_store_table *table, struct keel_bytes key, struct keel_bytes *value)
{
    struct keel_store *store = table->store;
    KEEL_ASSERT(store->state != KEEL_STORE_IDLE, "a get outside of a transaction");
    if (store->state == KEEL_STORE_WRITING && store->failed)
        return keel_store_error(store->failed);
    if (key.n < 1 || key.n > KEEL_STORE_KEY_MAX || (table->flags & MDB_INTEGERKEY && key.n != 4))
        return KEEL_EINVAL;
    MDB_val k = {key.n, (void *)key.p}, v;
    int rc = mdb_get(store->txn, table->dbi, &k, &v);
    if (rc)
        return keel_store_error(rc);
    *value = (struct keel_bytes){v.mv_data, v.mv_size};
    return 0;
}

/* A place in a table that survives changes: the key last visited. */
struct walk {
    struct keel_store_table *table;
    MDB_cursor *cursor;     /* NULL: must be opened and brought to the place */
    uint64_t changes, txns; /* of the store when the cursor was placed */
    size_t last_size;       /* 0: nothing was visited yet */
    uint32_t last[(KEEL_STORE_KEY_MAX + 4) / 4];
};

static void leave(struct walk *walk)
{
    /* a write transaction that ended (the map grew) has freed its cursors */
    if (walk->cursor && walk->txns == walk->table->store->txns)
        mdb_cursor_close(walk->cursor);
    walk->cursor = NULL;
}

/* Brings the cursor to the first key behind the last visited one, or to `from`. */
static int seek(struct walk *walk, const struct keel_bytes *from, MDB_val *key, MDB_val *value)
{
    struct keel_store *store = walk->table->store;
    leave(walk);
    KEEL_ASSERT(store->state != KEEL_STORE_IDLE, "a walk's transaction was ended by its visitor");
    if (store->state == KEEL_STORE_WRITING && store->failed)
        return keel_store_error(store->failed);
    int rc = mdb_cursor_open(store->txn, walk->table->dbi, &walk->cursor);
    if (rc)
        return keel_store_error(rc);
    walk->changes = store->changes;
    walk->txns = store->txns;
    if (walk->last_size == 0 && !from)
        return keel_store_error(mdb_cursor_get(walk->cursor, key, value, MDB_FIRST));
    *key = walk->last_size ? (MDB_val){walk->last_size, walk->last}
                           : (MDB_val){from->n, (void *)from->p};
    rc = mdb_cursor_get(walk->cursor, key, value, MDB_SET_RANGE);
    if (rc == 0 && walk->last_size == key->mv_size &&
        memcmp(key->mv_data, walk->last, walk->last_size) == 0)
        rc = mdb_cursor_get(walk->cursor, key, value, MDB_NEXT);
    return keel_store_error(rc);
}

int keel_store_each(struct keel_store_table *table, const struct keel_bytes *from,
                    int (*visit)(void *arg, struct keel_bytes key, struct keel_bytes value),
                    void *arg)
{
    struct keel_store *store = table->store;
    KEEL_ASSERT(store->state != KEEL_STORE_IDLE, "a walk outside of a transaction");
    if (from && (from->n < 1 || from->n > KEEL_STORE_KEY_MAX ||
                 (table->flags & MDB_INTEGERKEY && from->n != 4)))
        return KEEL_EINVAL;
    struct walk walk = {.table = table};
    MDB_val key, value;
    int err = seek(&walk, from, &key, &value), stop = 0;
    while (!err) {
        if (key.mv_size > sizeof walk.last) { /* made by a program with another limit */
            err = KEEL_ENOTSUP;
            break;
        }
        memcpy(walk.last, key.mv_data, key.mv_size);
        walk.last_size = key.mv_size;
        stop = visit(arg, (struct keel_bytes){walk.last, walk.last_size},
                     (struct keel_bytes){value.mv_data, value.mv_size});
        if (stop)
            break;
        if (walk.changes != store->changes)
            err = seek(&walk, from, &key, &value);
        else
            err = keel_store_error(mdb_cursor_get(walk.cursor, &key, &value, MDB_NEXT));
    }
    leave(&walk);
    return stop ? stop : err == KEEL_ENOENT ? 0 : err;
}

uint64_t keel_store_count(struct keel_store_table *table)
{
    struct keel_store *store = table->store;
    bool own = store->state == KEEL_STORE_IDLE;
    MDB_stat stat;
    if (own && keel_store_read(store) != 0)
        return 0;
    int rc = store->txn ? mdb_stat(store->txn, table->dbi, &stat) : MDB_BAD_TXN;
    if (own)
        keel_store_read_end(store);
    return rc == 0 ? stat.ms_entries : 0;
}
