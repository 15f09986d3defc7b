/*
 * The zones that are served: the one that a name belongs to.
 */
#ifndef DNSD_ZONE_ZONES_H
#define DNSD_ZONE_ZONES_H

#include "dnsd/answer/acl.h"
#include "dnsd/zone/image.h"

struct dns_zone {
    struct dns_name apex; /* lower-cased */
    struct dns_image *image;
    char *file; /* where it came from, for people */
    struct dns_acl allow_query, allow_transfer;
};

struct dns_zones {
    struct dns_zone **items; /* in the order they were added */
    unsigned count;
    struct keel_table by_name;
    struct keel_hash_key key;
    uint64_t label_counts[2]; /* bit n: some apex has n labels */
};

void dns_zones_init(struct dns_zones *zones, struct keel_hash_key key);
void dns_zones_fini(struct dns_zones *zones);
/* Takes image (keel_free) on success; copies the rest. Anybody may query it, nobody transfer it:
 * its lists are the caller's to fill, in the last of items. KEEL_EEXIST, KEEL_ENOMEM. */
int dns_zones_add(struct dns_zones *zones, const struct dns_name *apex, struct dns_image *image,
                  const char *file);
/* The zone with the longest apex at or above name (lower-cased) that has at most max_labels
 * labels; NULL: none is served. */
const struct dns_zone *dns_zones_find(const struct dns_zones *zones, const struct dns_name *name,
                                      unsigned max_labels);

#endif
