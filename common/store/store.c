/*
 * The environment of a store: opened, locked, grown, opened again after a failure; and its tables.
 */
#include "common/store/store_private.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALLEST_MAP (1u << 20)
#define READ_SLOTS 510
/* READ_SLOTS of 64 bytes behind a head of less than 192. */
#define LOCK_FILE_SIZE 32768

/* --- errors ---------------------------------------------------------------------------------- */

/* LMDB's codes are errno values or its own negative ones. */
int keel_store_error(int rc)
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

static int report(struct keel_diag *diag, int rc, const char *path, const char *what)
{
    int err = keel_store_error(rc);
    return keel_diag_set(diag, err, "%s: cannot %s: %s", path, what, mdb_strerror(rc));
}

/* --- the environment ------------------------------------------------------------------------- */

size_t keel_store_map_size(const struct keel_store *store)
{
    MDB_envinfo info;
    return mdb_env_info(store->env, &info) == 0 ? info.me_mapsize : 0;
}

size_t keel_store_used_size(const struct keel_store *store)
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

void keel_store_close_env(struct keel_store *store)
{
    if (!store->env)
        return;
    if (store->parked)
        mdb_txn_abort(store->parked);
    store->parked = NULL;
    mdb_env_close(store->env);
    store->env = NULL;
}

int keel_store_grow_map(struct keel_store *store, size_t size)
{
    size_t now = keel_store_map_size(store), next = now;
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
        keel_store_close_env(store);
    else
        store->stats.grown++;
    return rc;
}

int keel_store_begin_txn(struct keel_store *store, unsigned flags, MDB_txn **txn)
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
    int rc = keel_store_begin_txn(store, create ? 0 : MDB_RDONLY, &txn);
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

static int sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* LMDB writes the two pages that a file begins with in place: cut off there, it could not open the
 * file again. So a new file is made whole beside its place, synced, and renamed. One that is
 * shorter than those two pages never held anything. Returns an LMDB code. */
static int make_data_file(const struct keel_store *store, const char *data)
{
    char fresh[4096], lock[4096];
    struct stat st;
    MDB_env *env = NULL;
    if (stat(data, &st) == 0 && st.st_size >= 2 * sysconf(_SC_PAGESIZE))
        return 0;
    snprintf(fresh, sizeof fresh, "%.4000s/fresh.mdb", store->path);
    snprintf(lock, sizeof lock, "%.4000s/fresh.mdb-lock", store->path);
    unlink(fresh);
    int rc = mdb_env_create(&env);
    if (!rc)
        rc = mdb_env_open(env, fresh, MDB_NOTLS | MDB_NOSUBDIR, 0600);
    if (!rc)
        rc = mdb_env_sync(env, 1);
    if (env)
        mdb_env_close(env);
    unlink(lock);
    if (!rc && rename(fresh, data) != 0)
        rc = errno;
    return rc ? rc : sync_directory(store->path);
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
    if (!rc && store->lock >= 0)
        rc = make_data_file(store, data);
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
        keel_store_close_env(store);
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
        return keel_diag_memory(diag);
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
        return keel_diag_memory(diag);
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
    keel_store_close_env(store);
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

int keel_store_mend(struct keel_store *store)
{
    return store->env ? 0 : open_env(store);
}

int keel_store_table(struct keel_store *store, const char *name, bool integer_keys,
                     struct keel_store_table **out, struct keel_diag *diag)
{
    if (store->state != KEEL_STORE_IDLE)
        return keel_diag_set(diag, KEEL_EBUSY, "%s: a transaction is open", store->path);
    size_t n = strlen(name) + 1;
    struct keel_store_table *table = keel_calloc(1, sizeof *table + n);
    if (!table)
        return keel_diag_memory(diag);
    table->store = store;
    table->flags = (store->lock >= 0 ? MDB_CREATE : 0) | (integer_keys ? MDB_INTEGERKEY : 0);
    memcpy(table->name, name, n);
    int rc = keel_store_mend(store);
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

int keel_store_drop(struct keel_store *store, const char *name)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    if (store->state != KEEL_STORE_IDLE)
        return KEEL_EBUSY;
    int rc = keel_store_mend(store);
    if (!rc)
        rc = keel_store_begin_txn(store, 0, &txn);
    if (rc)
        return keel_store_error(rc);
    rc = mdb_dbi_open(txn, name, 0, &dbi);
    if (!rc)
        rc = mdb_drop(txn, dbi, 1);
    if (rc) {
        mdb_txn_abort(txn);
        return rc == MDB_NOTFOUND ? 0 : keel_store_error(rc);
    }
    rc = mdb_txn_commit(txn);
    if (rc) /* in doubt: see keel_store_commit */
        keel_store_close_env(store);
    return keel_store_error(rc);
}

void keel_store_stats(struct keel_store *store, struct keel_store_stats *out)
{
    *out = store->stats;
    out->map_size = store->env ? keel_store_map_size(store) : 0;
    out->used_size = store->env ? keel_store_used_size(store) : 0;
}
