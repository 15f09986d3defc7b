#include "common/base/rand.h"

#include "common/base/err.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

/* One system call buys 128 numbers. Per thread, so that no lock is needed; no secret can be had
 * through an argument here, which is why this is a variable of the file. */
static __thread struct {
    uint8_t bytes[1024];
    size_t left; /* unused bytes, at the end */
} rand_pool __attribute__((tls_model("initial-exec")));

/* A forked child must not hand out the numbers that its parent will. */
static void rand_after_fork(void)
{
    memset(&rand_pool, 0, sizeof rand_pool);
}

__attribute__((constructor)) static void rand_watch_forks(void)
{
    pthread_atfork(NULL, NULL, rand_after_fork);
}

static void rand_from_kernel(uint8_t *out, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);
        KEEL_ASSERT(got > 0 || errno == EINTR, "the kernel gives no random bytes");
        if (got > 0) {
            out += got;
            n -= (size_t)got;
        }
    }
}

void keel_rand_bytes(void *out, size_t n)
{
    if (n > sizeof rand_pool.bytes) {
        rand_from_kernel(out, n);
        return;
    }
    if (n > rand_pool.left) {
        rand_from_kernel(rand_pool.bytes, sizeof rand_pool.bytes);
        rand_pool.left = sizeof rand_pool.bytes;
    }
    uint8_t *from = rand_pool.bytes + sizeof rand_pool.bytes - rand_pool.left;
    if (n > 0)
        memcpy(out, from, n);
    /* handed out once, and not to be found in memory afterwards */
    memset(from, 0, n);
    rand_pool.left -= n;
}

uint64_t keel_rand_u64(void)
{
    uint64_t v;
    keel_rand_bytes(&v, sizeof v);
    return v;
}

/* Both `below` functions: the high half of a 32 by 32 bit product, with the few low halves
 * rejected that would favour some results (Lemire, "Fast random integer generation in an
 * interval"). */
uint32_t keel_rand_below(uint32_t bound)
{
    KEEL_ASSERT(bound > 0, "nothing is below 0");
    const uint32_t unfair = -bound % bound;
    for (;;) {
        uint32_t v;
        keel_rand_bytes(&v, sizeof v);
        uint64_t product = (uint64_t)v * bound;
        if ((uint32_t)product >= unfair)
            return (uint32_t)(product >> 32);
    }
}

/* splitmix64 spreads the seed, so that near seeds give unlike states and none is all zero. */
void keel_prng_seed(struct keel_prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        prng->s[i] = z ^ z >> 31;
    }
}

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* xoshiro256** (Blackman and Vigna). */
uint64_t keel_prng_next(struct keel_prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint32_t keel_prng_below(struct keel_prng *prng, uint32_t bound)
{
    KEEL_ASSERT(bound > 0, "nothing is below 0");
    const uint32_t unfair = -bound % bound;
    for (;;) {
        uint64_t product = (keel_prng_next(prng) >> 32) * bound;
        if ((uint32_t)product >= unfair)
            return (uint32_t)(product >> 32);
    }
}
