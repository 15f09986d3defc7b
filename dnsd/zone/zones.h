/*
 * The zones that are served: the one that a name belongs to.
 */
#ifndef DNSD_ZONE_ZONES_H
#define DNSD_ZONE_ZONES_H

#include "dnsd/answer/acl.h"
#include "dnsd/zone/view.h"

/* A version of a zone and what keeps its memory; counted, within one process. Embedded by its
 * owner. Who reads one over more than a turn of the loop (a transfer) holds it. */
struct dns_version {
    struct dns_view view;
    unsigned refs;
    bool expired; /* RFC 1035, 3.3.13: it may not be served */
    bool revoked; /* the memory of its delta has become another's: it may not be read any more */
    void (*release)(struct dns_version *version); /* the last reference is gone */
};
static inline struct dns_version *dns_version_hold(struct dns_version *version)
{
    version->refs++;
    return version;
}
void dns_version_release(struct dns_version *version); /* NULL: nothing */
/* Takes image (keel_free) on success. Returns new with one reference, or NULL. */
struct dns_version *dns_version_new(struct dns_image *image);

/* What a zone was asked; nothing here looks at it. */
struct dns_zone_counts {
    uint64_t queries, nxdomain, errors, truncated, tcp;
};

struct dns_zone {
    struct dns_name apex;          /* lower-cased */
    struct dns_version *version;   /* what is served; NULL: nothing yet */
    const struct dns_image *image; /* its base; NULL: nothing, or it may not be served */
    const struct dns_image *delta; /* its delta; NULL: none */
    struct dns_zone_counts *counts;
    char *file;   /* where it comes from; NULL: from primaries */
    bool added;   /* at run time, not by the configuration file */
    bool watch;   /* its file is read again by itself when it has changed */
    bool changes; /* by updates or transfers, not by its file alone */
    uint64_t journal_size; /* bytes of differences that are kept for IXFR */
    struct dns_acl allow_query, allow_transfer, allow_update;
    struct dns_acl allow_notify; /* of secondaries: their primaries, and who else may */
    uint64_t expires; /* with primaries: till when it may be served, since 1970; 0: not known */
    unsigned first_primary, primaries; /* where it comes from, in dns_primaries; 0: a file */
};

/* What is served of it; base NULL: nothing. */
static inline struct dns_view dns_zone_view(const struct dns_zone *zone)
{
    return (struct dns_view){zone->image, zone->delta};
}
/* The same for its numbers: dns_view_newest, or NULL. */
static inline const struct dns_image *dns_zone_newest(const struct dns_zone *zone)
{
    return zone->delta ? zone->delta : zone->image;
}

struct dns_zones {
    struct dns_zone **items; /* in the order they were added */
    unsigned count;
    struct keel_table by_name;
    struct keel_hash_key key;
    uint64_t label_counts[2]; /* bit n: some apex has n labels */
};

void dns_zones_init(struct dns_zones *zones, struct keel_hash_key key);
void dns_zones_fini(struct dns_zones *zones);
/* Takes image (keel_free; NULL: there is no data yet) on success; copies the rest. file may be
 * NULL. Anybody may query it, nobody transfer it: its lists are the caller's to fill, in the last
 * of items. KEEL_EEXIST, KEEL_ENOMEM. */
int dns_zones_add(struct dns_zones *zones, const struct dns_name *apex, struct dns_image *image,
                  const char *file);
/* The zone with this very apex (flat, lower-cased), or NULL. */
struct dns_zone *dns_zones_get(const struct dns_zones *zones, const uint8_t *apex, size_t size);
/* Frees it. The last one takes its place in items. */
void dns_zones_remove(struct dns_zones *zones, struct dns_zone *zone);
/* Another version is served from now on (takes the reference; NULL: none). */
void dns_zone_set_version(struct dns_zone *zone, struct dns_version *version);
/* The zone with the longest apex at or above name (lower-cased) that has at most max_labels
 * labels; NULL: none is served. */
const struct dns_zone *dns_zones_find(const struct dns_zones *zones, const struct dns_name *name,
                                      unsigned max_labels);

#endif
