/*
 * A keyed hash against chosen collisions, and a table of pointers with the key inside the value.
 */
#ifndef KEEL_BASE_HASH_H
#define KEEL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3; the key is random per process (or per image) and secret. */
struct keel_hash_key {
    uint64_t k0, k1;
};
uint64_t keel_hash(const struct keel_hash_key *key, const void *bytes, size_t n);

/* Table: open addressing, linear probing, no tombstones (backward shift). The caller gives the
 * hash and an equality; values are borrowed pointers. */
struct keel_table {
    struct keel_table_slot *slots;
    size_t mask; /* slots - 1; 0 and slots NULL while empty */
    size_t count;
};
typedef int (*keel_table_equal)(const void *value, const void *key, size_t key_size);
void keel_table_init(struct keel_table *t);
void keel_table_fini(struct keel_table *t);
void *keel_table_find(const struct keel_table *t, uint64_t hash, const void *key, size_t key_size,
                      keel_table_equal equal);
/* 0 or KEEL_ENOMEM. Does not look for an equal entry. */
int keel_table_add(struct keel_table *t, uint64_t hash, void *value);
/* Removes exactly this value; returns 1 if it was there. */
int keel_table_remove(struct keel_table *t, uint64_t hash, const void *value);
/* Next value at or after *cursor (start with 0), NULL at the end. No changes in between. */
void *keel_table_next(const struct keel_table *t, size_t *cursor);

#endif
