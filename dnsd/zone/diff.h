/*
 * The difference between two versions of a zone: the records that went and those that came, as an
 * IXFR carries them (RFC 1995, 4). What the journal keeps, and what a zone transfer sends and
 * brings.
 *
 *     record: owner (flat, lower-cased) | type 2 | ttl 4 | size 2 | rdata (flat)   big-endian
 *
 * The first record of `deleted` is the old SOA, the first of `added` the new one.
 */
#ifndef DNSD_ZONE_DIFF_H
#define DNSD_ZONE_DIFF_H

#include "common/base/buf.h"
#include "dnsd/wire/name.h"

struct dns_diff {
    uint32_t from, to; /* serials */
    uint32_t deleted_count, added_count;
    struct keel_buf deleted, added; /* records */
};

/* A record of a diff, or one to be put into it; everything is borrowed. */
struct dns_diff_record {
    const uint8_t *owner; /* flat, lower-cased */
    uint16_t owner_size;
    uint16_t type;
    uint32_t ttl;
    const uint8_t *rdata;
    uint16_t rdata_size;
};

void dns_diff_init(struct dns_diff *diff);
void dns_diff_fini(struct dns_diff *diff);
/* 0 or KEEL_ENOMEM. */
int dns_diff_delete(struct dns_diff *diff, const struct dns_diff_record *record);
int dns_diff_add(struct dns_diff *diff, const struct dns_diff_record *record);

/* Reads the record at *offset of `size` bytes and moves behind it. 0, KEEL_EOF at the end,
 * KEEL_EINVAL when the bytes are none of ours. */
int dns_diff_next(const uint8_t *bytes, size_t size, size_t *offset,
                  struct dns_diff_record *record);

/* One block for the journal, and back: from, to, counts, sizes, the records, all checked. encode
 * appends; decode copies. KEEL_ENOMEM, KEEL_EINVAL. */
int dns_diff_encode(const struct dns_diff *diff, struct keel_buf *out);
int dns_diff_decode(struct dns_diff *diff, const void *bytes, size_t size);

#endif
