/*
 * Free addresses of a pool as bits, with summary levels above, so that the next free one is found
 * in a handful of steps at any fill.
 *
 *   level 2   1 bit = 64 words of level 1 with a free address      16 M addresses: 64 words
 *   level 1   1 bit = a word of level 0 with a free address                     4,096 words
 *   level 0   1 bit = a free address                                          262,144 words
 */
#ifndef DHCPD_LEASE_BITMAP_H
#define DHCPD_LEASE_BITMAP_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define DHCP_BITMAP_LEVELS 4
#define DHCP_BITMAP_MAX (1u << 24)

struct dhcp_bitmap {
    uint64_t *levels[DHCP_BITMAP_LEVELS]; /* one heap block; [0] owns it */
    uint32_t words[DHCP_BITMAP_LEVELS];
    unsigned depth; /* levels in use; the highest has one word */
    uint32_t size, free;
};

/* All free. 1 <= size <= DHCP_BITMAP_MAX. 0 or KEEL_ENOMEM. */
int dhcp_bitmap_init(struct dhcp_bitmap *b, uint32_t size);
void dhcp_bitmap_fini(struct dhcp_bitmap *b);
static inline bool dhcp_bitmap_is_free(const struct dhcp_bitmap *b, uint32_t i)
{
    return b->levels[0][i >> 6] >> (i & 63) & 1;
}
/* i < size. Taking what is taken, or freeing what is free, does nothing. */
void dhcp_bitmap_take(struct dhcp_bitmap *b, uint32_t i);
void dhcp_bitmap_release(struct dhcp_bitmap *b, uint32_t i);
/* The first free index at or after `from`, going round at the end; KEEL_ENOENT when none is. */
int dhcp_bitmap_next(const struct dhcp_bitmap *b, uint32_t from, uint32_t *out);

#endif
