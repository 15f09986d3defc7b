/*
 * Digests and keyed digests, through libcrypto. The only file of base with a foreign library.
 */
#ifndef KEEL_BASE_DIGEST_H
#define KEEL_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum keel_digest { KEEL_MD5, KEEL_SHA1, KEEL_SHA224, KEEL_SHA256, KEEL_SHA384, KEEL_SHA512 };
#define KEEL_DIGEST_MAX 64

/* In bytes. */
size_t keel_digest_size(enum keel_digest kind);
/* Write keel_digest_size bytes to out. 0, or KEEL_ENOTSUP when libcrypto refuses (MD5 under a FIPS
 * policy, for one); keel_hmac also KEEL_ERANGE (a key above 2 GiB). */
int keel_digest(enum keel_digest kind, const void *bytes, size_t n, uint8_t *out);
int keel_hmac(enum keel_digest kind, const void *key, size_t key_size, const void *bytes, size_t n,
              uint8_t *out);
/* A key made ready once: a keyed digest under it then looks up no algorithm and hashes no key. One
 * digest at a time: begin, any number of updates, final. */
struct keel_hmac_key;
/* Returns new, with a copy of the key; NULL: no memory, or libcrypto refuses. */
struct keel_hmac_key *keel_hmac_key_new(enum keel_digest kind, const void *key, size_t key_size);
void keel_hmac_key_free(struct keel_hmac_key *key);
void keel_hmac_begin(struct keel_hmac_key *key);
void keel_hmac_update(struct keel_hmac_key *key, const void *bytes, size_t n);
/* Writes keel_digest_size bytes; out has KEEL_DIGEST_MAX. 0, or KEEL_ENOTSUP when any step failed:
 * out is undefined then. */
int keel_hmac_final(struct keel_hmac_key *key, uint8_t *out);
/* SHA-1 of a and b, one behind the other (b may be NULL with size 0). For hot paths: no allocation,
 * never fails. */
#define KEEL_SHA1_SIZE 20
void keel_sha1(const void *a, size_t a_size, const void *b, size_t b_size,
               uint8_t out[KEEL_SHA1_SIZE]);
/* Takes the same time wherever two secrets differ. */
bool keel_equal_secret(const void *a, const void *b, size_t n);

#endif
