#include "common/base/hash.h"

#include "common/base/err.h"
#include "common/base/mem.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* One SipRound on v0..v3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"). */
static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* Up to seven bytes, the first one lowest: some of them are read twice. */
static inline uint64_t short_word(const uint8_t *p, size_t n)
{
    uint32_t first, last;
    if (n >= 4) {
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        return le32toh(first) | (uint64_t)le32toh(last) << 8 * (n - 4);
    }
    if (n == 0)
        return 0;
    return (uint64_t)p[0] | (uint64_t)p[n / 2] << 8 * (n / 2) | (uint64_t)p[n - 1] << 8 * (n - 1);
}

/* c rounds for each word, d at the end: constants, so that the loops unroll. */
static inline __attribute__((always_inline)) uint64_t
siphash(const struct keel_hash_key *key, const void *bytes, size_t n, int c, int d)
{
    uint64_t v[4] = {
        key->k0 ^ 0x736f6d6570736575,
        key->k1 ^ 0x646f72616e646f6d,
        key->k0 ^ 0x6c7967656e657261,
        key->k1 ^ 0x7465646279746573,
    };
    const uint8_t *p = bytes;
    uint64_t word;
    for (size_t left = n; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        word = le64toh(word);
        v[3] ^= word;
        for (int i = 0; i < c; i++)
            sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)n << 56 | short_word(p, n % 8);
    v[3] ^= word;
    for (int i = 0; i < c; i++)
        sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < d; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t keel_hash(const struct keel_hash_key *key, const void *bytes, size_t n)
{
    return siphash(key, bytes, n, 1, 3);
}

uint64_t keel_siphash24(const struct keel_hash_key *key, const void *bytes, size_t n)
{
    return siphash(key, bytes, n, 2, 4);
}

/* Odd constants from the digits of pi and e: their bits look random. */
#define MIX_A 0x243F6A8885A308D3ull
#define MIX_B 0xB7E151628AED2A6Bull

static inline uint64_t checksum_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return le64toh(word);
}

/* A bijection of the lane for a given word, and of the word for a given lane: no single change is
 * ever lost. */
static inline uint64_t checksum_step(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * MIX_A, 29) * MIX_B;
}

uint64_t keel_checksum(const void *bytes, size_t n)
{
    /* a step waits for the one before it in its lane only: eight are under way at a time */
    uint64_t lanes[8] = {1, 2, 3, 4, 5, 6, 7, 8}, sum = (uint64_t)n * MIX_A;
    const uint8_t *p = bytes;
    size_t left = n;
    for (; left >= sizeof lanes; left -= sizeof lanes, p += sizeof lanes)
        for (int i = 0; i < 8; i++)
            lanes[i] = checksum_step(lanes[i], checksum_word(p + 8 * i));
    for (int i = 0; i < 8; i++)
        sum = checksum_step(sum, lanes[i]);
    for (; left >= 8; left -= 8, p += 8)
        sum = checksum_step(sum, checksum_word(p));
    for (; left > 0; left--, p++)
        sum = checksum_step(sum, *p);
    sum ^= sum >> 32;
    sum *= MIX_A;
    return sum ^ sum >> 29;
}

/* value NULL: a free slot. An entry stands at its home slot (hash & mask) or behind it with no
 * free slot between, so a search ends at the first free one. */
struct keel_table_slot {
    uint64_t hash;
    void *value;
};

enum { TABLE_FIRST = 8 };

void keel_table_init(struct keel_table *t)
{
    *t = (struct keel_table){0};
}

void keel_table_fini(struct keel_table *t)
{
    keel_free(t->slots);
    *t = (struct keel_table){0};
}

void *keel_table_find(const struct keel_table *t, uint64_t hash, const void *key, size_t key_size,
                      keel_table_equal equal)
{
    if (t->count == 0)
        return NULL;
    for (size_t i = hash & t->mask; t->slots[i].value; i = (i + 1) & t->mask) {
        if (t->slots[i].hash == hash && equal(t->slots[i].value, key, key_size))
            return t->slots[i].value;
    }
    return NULL;
}

static void table_put(struct keel_table_slot *slots, size_t mask, uint64_t hash, void *value)
{
    size_t i = hash & mask;
    while (slots[i].value)
        i = (i + 1) & mask;
    slots[i] = (struct keel_table_slot){hash, value};
}

static int table_grow(struct keel_table *t)
{
    size_t count = t->slots ? (t->mask + 1) * 2 : TABLE_FIRST;
    struct keel_table_slot *slots = keel_calloc(count, sizeof *slots);
    if (!slots)
        return KEEL_ENOMEM;
    for (size_t i = 0; t->slots && i <= t->mask; i++) {
        if (t->slots[i].value)
            table_put(slots, count - 1, t->slots[i].hash, t->slots[i].value);
    }
    keel_free(t->slots);
    t->slots = slots;
    t->mask = count - 1;
    return 0;
}

int keel_table_add(struct keel_table *t, uint64_t hash, void *value)
{
    KEEL_ASSERT(value, "a table holds no NULL");
    /* at most three quarters full */
    if (!t->slots || t->count + 1 > (t->mask + 1) / 4 * 3) {
        int err = table_grow(t);
        if (err)
            return err;
    }
    table_put(t->slots, t->mask, hash, value);
    t->count++;
    return 0;
}

/* Fills the hole by moving back each later entry of the run that may stand there, so that no
 * search is cut short and nothing is left behind. */
static void table_close_hole(struct keel_table *t, size_t hole)
{
    for (size_t i = (hole + 1) & t->mask; t->slots[i].value; i = (i + 1) & t->mask) {
        size_t home = t->slots[i].hash & t->mask;
        /* the distance from home to i, against the distance from the hole to i */
        if (((i - home) & t->mask) < ((i - hole) & t->mask))
            continue;
        t->slots[hole] = t->slots[i];
        hole = i;
    }
    t->slots[hole] = (struct keel_table_slot){0, NULL};
}

int keel_table_remove(struct keel_table *t, uint64_t hash, const void *value)
{
    if (t->count == 0)
        return 0;
    for (size_t i = hash & t->mask; t->slots[i].value; i = (i + 1) & t->mask) {
        if (t->slots[i].hash == hash && t->slots[i].value == value) {
            table_close_hole(t, i);
            t->count--;
            return 1;
        }
    }
    return 0;
}

void *keel_table_next(const struct keel_table *t, size_t *cursor)
{
    while (t->slots && *cursor <= t->mask) {
        void *value = t->slots[(*cursor)++].value;
        if (value)
            return value;
    }
    return NULL;
}
