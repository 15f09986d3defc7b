/*
 * Randomness: from the kernel for secrets, and a seeded generator for tests and jitter.
 */
#ifndef KEEL_BASE_RAND_H
#define KEEL_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* For secrets: from getrandom(2), by 1 KiB a call, each handed out once, also across fork.
 * Aborts when the kernel has none. */
void keel_rand_bytes(void *out, size_t n);
uint64_t keel_rand_u64(void);
/* 0 <= result < bound, without bias; bound is not 0. */
uint32_t keel_rand_below(uint32_t bound);

/* xoshiro256**: the same seed gives the same numbers; not for secrets. Engines are lent one. */
struct keel_prng {
    uint64_t s[4];
};
void keel_prng_seed(struct keel_prng *prng, uint64_t seed);
uint64_t keel_prng_next(struct keel_prng *prng);
uint32_t keel_prng_below(struct keel_prng *prng, uint32_t bound);

#endif
