#include "dhcpd/lease/bitmap.h"

#include "common/base/mem.h"

int dhcp_bitmap_init(struct dhcp_bitmap *b, uint32_t size)
{
    KEEL_ASSERT(size >= 1 && size <= DHCP_BITMAP_MAX, "size of a pool");
    *b = (struct dhcp_bitmap){.size = size, .free = size};
    size_t total = 0;
    for (uint32_t n = size; b->depth == 0 || n > 1; b->depth++) {
        n = (n + 63) / 64;
        b->words[b->depth] = n;
        total += n;
    }
    uint64_t *block = keel_calloc(total, sizeof *block);
    if (!block)
        return KEEL_ENOMEM;
    uint32_t bits = size;
    for (unsigned level = 0; level < b->depth; level++) {
        b->levels[level] = block;
        for (uint32_t w = 0; w < bits / 64; w++)
            block[w] = UINT64_MAX;
        if (bits % 64)
            block[bits / 64] = (1ull << bits % 64) - 1;
        block += b->words[level];
        bits = b->words[level];
    }
    return 0;
}

void dhcp_bitmap_fini(struct dhcp_bitmap *b)
{
    keel_free(b->levels[0]);
    b->levels[0] = NULL;
}

void dhcp_bitmap_take(struct dhcp_bitmap *b, uint32_t i)
{
    KEEL_ASSERT(i < b->size, "index within the pool");
    if (!dhcp_bitmap_is_free(b, i))
        return;
    b->free--;
    for (unsigned level = 0; level < b->depth; level++, i >>= 6) {
        b->levels[level][i >> 6] &= ~(1ull << (i & 63));
        if (b->levels[level][i >> 6])
            break; /* the summary stays true */
    }
}

void dhcp_bitmap_release(struct dhcp_bitmap *b, uint32_t i)
{
    KEEL_ASSERT(i < b->size, "index within the pool");
    if (dhcp_bitmap_is_free(b, i))
        return;
    b->free++;
    for (unsigned level = 0; level < b->depth; level++, i >>= 6)
        b->levels[level][i >> 6] |= 1ull << (i & 63);
}

/* First set bit at or after `from` without going round. Climbs until a word has one, then goes
 * down along the lowest set bits. */
static bool find_from(const struct dhcp_bitmap *b, uint32_t from, uint32_t *out)
{
    uint32_t i = from;
    unsigned level = 0;
    for (;; level++) {
        if (level == b->depth || (i >> 6) >= b->words[level])
            return false;
        uint64_t word = b->levels[level][i >> 6] & UINT64_MAX << (i & 63);
        if (word) {
            i = (i & ~63u) + (uint32_t)__builtin_ctzll(word);
            break;
        }
        i = (i >> 6) + 1; /* this word has none: look behind it, one level up */
    }
    while (level-- > 0)
        i = (i << 6) + (uint32_t)__builtin_ctzll(b->levels[level][i]);
    *out = i;
    return true;
}

int dhcp_bitmap_next(const struct dhcp_bitmap *b, uint32_t from, uint32_t *out)
{
    if (b->free == 0)
        return KEEL_ENOENT;
    return find_from(b, from % b->size, out) || find_from(b, 0, out) ? 0 : KEEL_ENOENT;
}
