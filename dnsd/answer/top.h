/*
 * Which keys are the most frequent ones of a stream, in a fixed amount of memory: names, clients or
 * types of the questions of some seconds.
 *
 * A key belongs to one of many small sets. A key that is new in a full set takes the place of the
 * rarest there, and its count as a debt (Space-Saving): so that a count may be too high by `error`,
 * never too low.
 */
#ifndef DNSD_ANSWER_TOP_H
#define DNSD_ANSWER_TOP_H

#include "common/base/hash.h"

#include <stddef.h>
#include <stdint.h>

#define DNS_TOP_KEY 255 /* most bytes of a key; what is longer is cut */

struct dns_top_entry {
    uint32_t count; /* 0: unused */
    uint32_t error;
    uint32_t tag; /* of the key's hash */
    uint8_t size;
    uint8_t key[DNS_TOP_KEY];
};

struct dns_top;
/* Returns new, of some 1.1 MB; NULL when memory is out. */
struct dns_top *dns_top_new(struct keel_hash_key key);
void dns_top_free(struct dns_top *top);
void dns_top_add(struct dns_top *top, const void *key, size_t size);
/* All that were added. */
uint64_t dns_top_total(const struct dns_top *top);
/* The `most` most frequent ones, that first, into out (borrowed); returns how many. */
unsigned dns_top_list(const struct dns_top *top, const struct dns_top_entry **out, unsigned most);

#endif
