#include "common/store/store.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct keel_store_table {
    struct keel_store *store;
    struct keel_store_table *next;
    MDB_dbi dbi;
    unsigned flags; /* of mdb_dbi_open, to open it again */
    char name[];
};

enum state { IDLE, READING, WRITING };

struct keel_store {
    MDB_env *env; /* NULL after a failure that only a new open can mend */
    MDB_txn *txn; /* of the state READING or WRITING */
    enum state state;
    int failed;       /* WRITING: why the batch is lost, as LMDB's code */
    uint64_t changes; /* tells a walk that its cursor has lost its place */
    uint64_t txns; /* write transactions ended: tells a walk that its cursor was freed with one */
    uint8_t *journal;
    size_t journal_size, journal_capacity;
    MDB_txn *parked; /* a read transaction that was reset, ready to be renewed */
    struct keel_store_table *tables;
    struct keel_store_stats stats;
    char *path;
    unsigned max_tables;
    int lock; /* descriptor that holds the writer's lock; -1: read only */
};

#define SMALLEST_MAP (1u << 20)
/* A journal larger than this is not kept for the next batch. */
#define KEPT_JOURNAL (1u << 20)
#define READ_SLOTS 510
/* READ_SLOTS of 64 bytes behind a head of less than 192. */
#define LOCK_FILE_SIZE 32768

/* --- errors ---------------------------------------------------------------------------------- */

/* LMDB's codes are errno values or its own negative ones. */
static int from_lmdb(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return KEEL_ENOENT;
    case MDB_BAD_VALSIZE:
        return KEEL_EINVAL;
    case MDB_DBS_FULL:
    case MDB_READERS_FULL:
        return KEEL_ELIMIT;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
        return KEEL_ENOTSUP;
    case ENOMEM:
        errno = ENOMEM;
        return KEEL_ENOMEM;
    default:
        errno = rc > 0 ? rc : EIO; /* corrupted, panic: the file cannot be worked with */
        return KEEL_ESYS;
    }
}

/* After these the environment refuses all work until it is opened again. */
static bool is_fatal(int rc)
{
    return rc == MDB_PANIC || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND;
}

static int report(struct keel_diag *diag, int rc, const char *path, const char *what)
{
    int err = from_lmdb(rc);
    return keel_diag_set(diag, err, "%s: cannot %s: %s", path, what, mdb_strerror(rc));
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

/* --- the environment ------------------------------------------------------------------------- */

static size_t map_size(const struct keel_store *store)
{
    MDB_envinfo info;
    return mdb_env_info(store->env, &info) == 0 ? info.me_mapsize : 0;
}

static size_t used_size(const struct keel_store *store)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(store->env, &info) != 0 || mdb_env_stat(store->env, &stat) != 0)
        return 0;
    return (info.me_last_pgno + 1) * (size_t)stat.ms_psize;
}

/* mdb_env_set_mapsize gives up the old map before it has a new one, and without any the
 * environment is lost: so see first whether there is room for both. */
static int room_for_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return ENOMEM;
    munmap(p, size);
    return 0;
}

static void close_env(struct keel_store *store)
{
    if (!store->env)
        return;
    if (store->parked)
        mdb_txn_abort(store->parked);
    store->parked = NULL;
    mdb_env_close(store->env);
    store->env = NULL;
}

/* Makes the map at least `size`. No transaction runs. Returns an LMDB code. */
static int grow_map(struct keel_store *store, size_t size)
{
    size_t now = map_size(store), next = now;
    while (next < size) {
        if (next > SIZE_MAX / 4)
            return ENOMEM;
        next *= 2;
    }
    int dead;
    mdb_reader_check(store->env, &dead); /* a reader that died keeps pages from being used again */
    int rc = room_for_map(next);
    if (rc)
        return rc;
    rc = mdb_env_set_mapsize(store->env, next);
    if (rc)
        close_env(store);
    else
        store->stats.grown++;
    return rc;
}

static int begin_txn(struct keel_store *store, unsigned flags, MDB_txn **txn)
{
    int rc = mdb_txn_begin(store->env, NULL, flags, txn);
    if (rc == MDB_MAP_RESIZED) { /* another process wrote beyond our map */
        rc = mdb_env_set_mapsize(store->env, 0);
        if (rc == 0)
            rc = mdb_txn_begin(store->env, NULL, flags, txn);
    } else if (rc == MDB_READERS_FULL) {
        int dead;
        mdb_reader_check(store->env, &dead);
        rc = mdb_txn_begin(store->env, NULL, flags, txn);
    }
    return rc;
}

static int open_dbi(struct keel_store *store, struct keel_store_table *table)
{
    MDB_txn *txn;
    bool create = table->flags & MDB_CREATE;
    int rc = begin_txn(store, create ? 0 : MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, table->name, table->flags, &table->dbi);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* LMDB maps its lock file shared; a page of it that the disk has no room for would be a SIGBUS
 * later. So its room is taken before. Never while the environment is open: closing any descriptor
 * of the file would drop LMDB's own locks on it. Returns an errno. */
static int reserve_lock_file(const struct keel_store *store)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock.mdb", store->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    int rc = posix_fallocate(fd, 0, LOCK_FILE_SIZE);
    close(fd);
    return rc;
}

/* Opens the environment and the tables known so far. Returns an LMDB code. */
static int open_env(struct keel_store *store)
{
    char data[4096];
    struct stat st;
    size_t size = SMALLEST_MAP;
    snprintf(data, sizeof data, "%s/data.mdb", store->path);
    if (stat(data, &st) == 0) {
        while (size / 4 * 3 < (size_t)st.st_size)
            size *= 2;
    }
    int rc = store->lock >= 0 ? reserve_lock_file(store) : 0;
    if (!rc)
        rc = mdb_env_create(&store->env);
    if (rc)
        return rc;
    unsigned flags = MDB_NOTLS | (store->lock < 0 ? MDB_RDONLY : 0);
    rc = mdb_env_set_mapsize(store->env, size);
    if (!rc)
        rc = mdb_env_set_maxdbs(store->env, store->max_tables);
    if (!rc)
        rc = mdb_env_set_maxreaders(store->env, READ_SLOTS);
    if (!rc)
        rc = mdb_env_open(store->env, store->path, flags, 0600);
    int dead;
    if (!rc)
        rc = mdb_reader_check(store->env, &dead);
    for (struct keel_store_table *t = store->tables; t && !rc; t = t->next)
        rc = open_dbi(store, t);
    if (rc)
        close_env(store);
    return rc;
}

/* The writer's lock is a file of its own: LMDB's own lock lets writers wait for each other, and
 * lives in memory that only it knows. flock, so that a second open in this process fails too. */
static int take_lock(struct keel_store *store, struct keel_diag *diag)
{
    char path[4096], owner[32] = "";
    snprintf(path, sizeof path, "%s/writer", store->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot open \"%s\": %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int err = errno == EWOULDBLOCK ? KEEL_EBUSY : KEEL_ESYS;
        ssize_t n = pread(fd, owner, sizeof owner - 1, 0);
        owner[n > 0 ? strcspn(owner, "\n") : 0] = '\0';
        if (err == KEEL_EBUSY)
            keel_diag_set(diag, err, "%s: in use by process %s", store->path, owner);
        else
            keel_diag_set(diag, err, "cannot lock \"%s\": %s", path, strerror(errno));
        close(fd);
        return err;
    }
    int n = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    /* only for the message above: a full disk must not keep anybody from opening */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, (size_t)n, 0) != n)
        keel_debug("store", "cannot note who writes", "path=%s", path);
    store->lock = fd;
    return 0;
}

static int prepare(struct keel_store *store, const char *path, bool read_only,
                   struct keel_diag *diag)
{
    store->path = keel_strdup(path);
    if (!store->path)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    if (read_only)
        return 0;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return keel_diag_set(diag, KEEL_ESYS, "cannot make \"%s\": %s", path, strerror(errno));
    return take_lock(store, diag);
}

int keel_store_open(const char *path, unsigned max_tables, bool read_only, struct keel_store **out,
                    struct keel_diag *diag)
{
    struct keel_store *store = keel_calloc(1, sizeof *store);
    if (!store)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    store->lock = -1;
    store->max_tables = max_tables;
    int err = prepare(store, path, read_only, diag);
    int rc = err ? 0 : open_env(store);
    if (rc)
        err = report(diag, rc, path, "open the store");
    if (err) {
        int saved = errno;
        keel_store_close(store);
        errno = saved;
        return err;
    }
    *out = store;
    return 0;
}

void keel_store_close(struct keel_store *store)
{
    if (!store)
        return;
    if (store->txn)
        mdb_txn_abort(store->txn);
    close_env(store);
    while (store->tables) {
        struct keel_store_table *next = store->tables->next;
        keel_free(store->tables);
        store->tables = next;
    }
    if (store->lock >= 0)
        close(store->lock);
    keel_free(store->journal);
    keel_free(store->path);
    keel_free(store);
}

/* Opens the environment again if a failure made it unusable. */
static int mend(struct keel_store *store)
{
    return store->env ? 0 : open_env(store);
}

int keel_store_table(struct keel_store *store, const char *name, bool integer_keys,
                     struct keel_store_table **out, struct keel_diag *diag)
{
    if (store->state != IDLE)
        return keel_diag_set(diag, KEEL_EBUSY, "%s: a transaction is open", store->path);
    size_t n = strlen(name) + 1;
    struct keel_store_table *table = keel_calloc(1, sizeof *table + n);
    if (!table)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    table->store = store;
    table->flags = (store->lock >= 0 ? MDB_CREATE : 0) | (integer_keys ? MDB_INTEGERKEY : 0);
    memcpy(table->name, name, n);
    int rc = mend(store);
    if (!rc)
        rc = open_dbi(store, table);
    if (rc) {
        keel_free(table);
        return report(diag, rc, store->path, "open a table");
    }
    table->next = store->tables;
    store->tables = table;
    *out = table;
    return 0;
}

/* --- the batch ------------------------------------------------------------------------------- */

static int fail_batch(struct keel_store *store, int rc)
{
    store->failed = rc;
    return from_lmdb(rc);
}

int keel_store_begin(struct keel_store *store)
{
    if (store->state != IDLE)
        return KEEL_EBUSY;
    if (store->lock < 0)
        return KEEL_EACCES;
    int rc = mend(store);
    if (!rc && used_size(store) > map_size(store) / 4 * 3)
        rc = grow_map(store, map_size(store) + 1);
    if (!rc)
        rc = begin_txn(store, 0, &store->txn);
    if (rc) {
        if (is_fatal(rc))
            close_env(store);
        alarm_on(store, rc);
        return from_lmdb(rc);
    }
    store->state = WRITING;
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
        rc = grow_map(store, map_size(store) + 1);
        if (!rc)
            rc = begin_txn(store, 0, &store->txn);
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
    KEEL_ASSERT(store->state == WRITING, "a change outside of a batch");
    if (store->failed)
        return from_lmdb(store->failed);
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
    store->state = IDLE;
    store->journal_size = 0;
    if (store->journal_capacity > KEPT_JOURNAL) {
        keel_free(store->journal);
        store->journal = NULL;
        store->journal_capacity = 0;
    }
}

int keel_store_commit(struct keel_store *store)
{
    KEEL_ASSERT(store->state == WRITING, "a commit outside of a batch");
    int rc = store->failed;
    if (rc) {
        alarm_on(store, rc);
        keel_store_abort(store);
        return from_lmdb(rc);
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
    close_env(store);
    alarm_on(store, rc);
    return from_lmdb(rc);
}

void keel_store_abort(struct keel_store *store)
{
    KEEL_ASSERT(store->state == WRITING, "an abort outside of a batch");
    end_batch(store);
}

/* --- reading --------------------------------------------------------------------------------- */

int keel_store_read(struct keel_store *store)
{
    if (store->state != IDLE)
        return KEEL_EBUSY;
    int rc = mend(store);
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
        rc = begin_txn(store, MDB_RDONLY, &store->txn);
    if (!rc)
        store->state = READING;
    return from_lmdb(rc);
}

void keel_store_read_end(struct keel_store *store)
{
    KEEL_ASSERT(store->state == READING, "no read is open");
    mdb_txn_reset(store->txn);
    store->parked = store->txn;
    store->txn = NULL;
    store->state = IDLE;
}

int keel_store_get(struct keel_store_table *table, struct keel_bytes key, struct keel_bytes *value)
{
    struct keel_store *store = table->store;
    KEEL_ASSERT(store->state != IDLE, "a get outside of a transaction");
    if (store->state == WRITING && store->failed)
        return from_lmdb(store->failed);
    if (key.n < 1 || key.n > KEEL_STORE_KEY_MAX || (table->flags & MDB_INTEGERKEY && key.n != 4))
        return KEEL_EINVAL;
    MDB_val k = {key.n, (void *)key.p}, v;
    int rc = mdb_get(store->txn, table->dbi, &k, &v);
    if (rc)
        return from_lmdb(rc);
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
    KEEL_ASSERT(store->state != IDLE, "a walk's transaction was ended by its visitor");
    if (store->state == WRITING && store->failed)
        return from_lmdb(store->failed);
    int rc = mdb_cursor_open(store->txn, walk->table->dbi, &walk->cursor);
    if (rc)
        return from_lmdb(rc);
    walk->changes = store->changes;
    walk->txns = store->txns;
    if (walk->last_size == 0 && !from)
        return from_lmdb(mdb_cursor_get(walk->cursor, key, value, MDB_FIRST));
    *key = walk->last_size ? (MDB_val){walk->last_size, walk->last}
                           : (MDB_val){from->n, (void *)from->p};
    rc = mdb_cursor_get(walk->cursor, key, value, MDB_SET_RANGE);
    if (rc == 0 && walk->last_size == key->mv_size &&
        memcmp(key->mv_data, walk->last, walk->last_size) == 0)
        rc = mdb_cursor_get(walk->cursor, key, value, MDB_NEXT);
    return from_lmdb(rc);
}

int keel_store_each(struct keel_store_table *table, const struct keel_bytes *from,
                    int (*visit)(void *arg, struct keel_bytes key, struct keel_bytes value),
                    void *arg)
{
    struct keel_store *store = table->store;
    KEEL_ASSERT(store->state != IDLE, "a walk outside of a transaction");
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
            err = from_lmdb(mdb_cursor_get(walk.cursor, &key, &value, MDB_NEXT));
    }
    leave(&walk);
    return stop ? stop : err == KEEL_ENOENT ? 0 : err;
}

uint64_t keel_store_count(struct keel_store_table *table)
{
    struct keel_store *store = table->store;
    bool own = store->state == IDLE;
    MDB_stat stat;
    if (own && keel_store_read(store) != 0)
        return 0;
    int rc = store->txn ? mdb_stat(store->txn, table->dbi, &stat) : MDB_BAD_TXN;
    if (own)
        keel_store_read_end(store);
    return rc == 0 ? stat.ms_entries : 0;
}

void keel_store_stats(struct keel_store *store, struct keel_store_stats *out)
{
    *out = store->stats;
    out->map_size = store->env ? map_size(store) : 0;
    out->used_size = store->env ? used_size(store) : 0;
}
