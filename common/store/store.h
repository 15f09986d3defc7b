/*
 * Store: durable tables over LMDB, changes in batches, one synchronous commit a batch.
 *
 * One process writes to an environment. A write transaction collects changes; keel_store_commit
 * returns 0 only when they are on disk. When the disk is full or fails, the commit fails as a
 * whole, what was promised before stands, and one alarm is logged until it works again.
 */
#ifndef KEEL_STORE_STORE_H
#define KEEL_STORE_STORE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keel_store;
struct keel_store_table; /* belongs to its store */

struct keel_bytes {
    const void *p;
    size_t n;
};

/* Opens (creates) the environment directory `path` with up to max_tables tables. Returns new.
 * KEEL_EBUSY with diag when another process (or this one) has it open for writing. After exec,
 * never across a fork. read_only: beside a writer, sees what was committed; keel_store_begin is
 * KEEL_EACCES. */
int keel_store_open(const char *path, unsigned max_tables, bool read_only, struct keel_store **out,
                    struct keel_diag *diag);
void keel_store_close(struct keel_store *store);
/* Opens (creates) a table. integer_keys: 4-byte native-endian unsigned keys sort as numbers. */
int keel_store_table(struct keel_store *store, const char *name, bool integer_keys,
                     struct keel_store_table **out, struct keel_diag *diag);
/* Removes a table that keel_store_table has not opened, for good and by a commit of its own. 0,
 * also when there is none; KEEL_EBUSY while a transaction is open; or an error as of a commit. */
int keel_store_drop(struct keel_store *store, const char *name);

/* Write: begin, any number of put and del, commit or abort; one batch at a time, and not while a
 * read is open (KEEL_EBUSY). get sees the changes of the running batch. The map grows by itself.
 * begin: 0, KEEL_ENOMEM, KEEL_ESYS. */
int keel_store_begin(struct keel_store *store);
/* Keys have 1 to KEEL_STORE_KEY_MAX bytes, else KEEL_EINVAL (the batch goes on without this one).
 * After any other error the batch is lost: every later change and the commit return that error. */
#define KEEL_STORE_KEY_MAX 511
int keel_store_put(struct keel_store_table *table, struct keel_bytes key, struct keel_bytes value);
/* 0, or KEEL_ENOENT. */
int keel_store_del(struct keel_store_table *table, struct keel_bytes key);
/* 0: durable. Else nothing of the batch is in the store; KEEL_ESYS (errno) or KEEL_ENOMEM. The
 * batch is over in any case. */
int keel_store_commit(struct keel_store *store);
void keel_store_abort(struct keel_store *store);

/* Inside a batch, or inside keel_store_read ... keel_store_read_end. The value is borrowed until
 * the next change or the end of the transaction. 0 or KEEL_ENOENT. */
int keel_store_get(struct keel_store_table *table, struct keel_bytes key, struct keel_bytes *value);
/* A read transaction; never keep one over a loop turn. */
int keel_store_read(struct keel_store *store);
void keel_store_read_end(struct keel_store *store);
/* Walks keys >= from in order (NULL: all) until visit returns non-zero (returned) or the end (0).
 * Inside a batch visit may change the table; what it puts behind the key is visited too. */
int keel_store_each(struct keel_store_table *table, const struct keel_bytes *from,
                    int (*visit)(void *arg, struct keel_bytes key, struct keel_bytes value),
                    void *arg);
/* Entries in a table; also outside of a transaction. 0 on an error. */
uint64_t keel_store_count(struct keel_store_table *table);

struct keel_store_stats {
    uint64_t commits, failures; /* batches durable and lost since the open */
    uint64_t grown;             /* times the map was made larger */
    uint64_t map_size;          /* bytes of address space */
    uint64_t used_size;         /* bytes of the file ever used */
    bool alarm;                 /* the last commit failed */
};
void keel_store_stats(struct keel_store *store, struct keel_store_stats *out);

#endif
