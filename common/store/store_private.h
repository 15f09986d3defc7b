/*
 * What the files of the store share: its body, and the environment below it. Not installed.
 */
#ifndef KEEL_STORE_STORE_PRIVATE_H
#define KEEL_STORE_STORE_PRIVATE_H

#include "common/store/store.h"

#include <lmdb.h>

struct keel_store_table {
    struct keel_store *store;
    struct keel_store_table *next;
    MDB_dbi dbi;
    unsigned flags; /* of mdb_dbi_open, to open it again */
    char name[];
};

enum keel_store_state { KEEL_STORE_IDLE, KEEL_STORE_READING, KEEL_STORE_WRITING };

struct keel_store {
    MDB_env *env; /* NULL after a failure that only a new open can mend */
    MDB_txn *txn; /* while one runs */
    enum keel_store_state state;
    int failed;       /* in a batch: why it is lost, as LMDB's code */
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

/* store.c: an LMDB code (an errno or one of its own) as ours. */
int keel_store_error(int rc);

/* store.c: the environment. What returns an int returns an LMDB code. */
/* Opens the environment again if a failure made it unusable. */
int keel_store_mend(struct keel_store *store);
/* With the parked read; no other transaction runs. Harmless when it is closed. */
void keel_store_close_env(struct keel_store *store);
/* flags: of mdb_txn_begin. */
int keel_store_begin_txn(struct keel_store *store, unsigned flags, MDB_txn **txn);
/* Makes the map at least `size`. No transaction runs. */
int keel_store_grow_map(struct keel_store *store, size_t size);
/* Bytes of address space, and of the file ever used; 0 when that cannot be told. */
size_t keel_store_map_size(const struct keel_store *store);
size_t keel_store_used_size(const struct keel_store *store);

#endif
