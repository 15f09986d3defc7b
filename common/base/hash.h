/*
 * A keyed hash against chosen collisions, and a table of pointers with the key inside the value.
 */
#ifndef KEEL_BASE_HASH_H
#define KEEL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The key is secret, and random for each process (or each image): who cannot guess it cannot choose
 * names that collide. */
struct keel_hash_key {
    uint64_t k0, k1;
};
/* SipHash-1-3. */
uint64_t keel_hash(const struct keel_hash_key *key, const void *bytes, size_t n);
/* SipHash-2-4, for protocols that name it (RFC 9018, 4.4). */
uint64_t keel_siphash24(const struct keel_hash_key *key, const void *bytes, size_t n);

/* A checksum of many bytes, at the speed of memory: it finds what a disk or a torn write does to
 * them, not what an enemy does. The same on every machine. */
uint64_t keel_checksum(const void *bytes, size_t n);

/* Open addressing with linear probing, at most three quarters full; removing moves later entries
 * back, so that no tombstones pile up. It borrows the values, which are not NULL; the caller hashes
 * and says what is equal. An all-zero struct is an empty table. */
struct keel_table {
    struct keel_table_slot *slots;
    size_t mask; /* number of slots - 1, a power of two less one; 0 while slots is NULL */
    size_t count;
};
/* Not 0 when the value has this key. Asked only about values of the same hash. */
typedef int (*keel_table_equal)(const void *value, const void *key, size_t key_size);
void keel_table_init(struct keel_table *t);
void keel_table_fini(struct keel_table *t);
/* The value, borrowed, or NULL. */
void *keel_table_find(const struct keel_table *t, uint64_t hash, const void *key, size_t key_size,
                      keel_table_equal equal);
/* 0, or KEEL_ENOMEM and nothing changed. Does not look for an equal entry. */
int keel_table_add(struct keel_table *t, uint64_t hash, void *value);
/* Removes this very pointer that was added with this hash; returns 1 if it was there, else 0. A
 * pointer may be there under several hashes. */
int keel_table_remove(struct keel_table *t, uint64_t hash, const void *value);
/* Walks all values in no order: *cursor starts at 0; NULL at the end. The table must not change on
 * the way. */
void *keel_table_next(const struct keel_table *t, size_t *cursor);

#endif
