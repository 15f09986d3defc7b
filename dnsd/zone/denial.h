/*
 * What a signed zone's image has to deny what is not there: the NSEC chain or the NSEC3 hashes as
 * tables (RFC 4035, 3.1.3; RFC 5155, 7.2).
 *
 * NSEC: an entry for each name that has one, canonical order, with the first bytes of its sort key:
 * most steps of a search stay inside the table.
 *
 * NSEC3: an entry for each hash, sorted. Hashes are evenly spread, so their first bits lead close
 * to the place: buckets[k] is the first entry whose first bits are k or more.
 *
 * What depends on existing names alone is found when the image is made: proofs[n] for node n.
 *
 *     chain:   struct dns_nsec[chain_count]   or   struct dns_nsec3[chain_count]
 *     buckets: uint32_t[1 << (64 - bucket_shift)]
 *     proofs:  struct dns_node_proof[node_count]
 *     salt:    uint8_t[salt_size]
 *
 * A delta has a chain of its own, of its nodes alone; neither buckets nor proofs. What the base's
 * chain says of nodes that the delta has replaced counts no more.
 */
#ifndef DNSD_ZONE_DENIAL_H
#define DNSD_ZONE_DENIAL_H

#include "common/base/digest.h"
#include "dnsd/zone/view.h"

struct dns_nsec {
    uint64_t prefix; /* first 8 bytes of the sort key below the apex, zeros behind a shorter one */
    uint32_t node;
    uint32_t set_at; /* its NSEC set */
};
struct dns_nsec3 {
    uint8_t hash[KEEL_SHA1_SIZE];
    uint32_t node;
};
/* Numbers of the entries that match or cover a name. */
#define DNS_PROOF_MATCH 0x80000000u
struct dns_node_proof {
    uint32_t own;      /* the node's own name; NSEC3: with DNS_PROOF_MATCH when it has a hash */
    uint32_t wildcard; /* the name "*" below it */
};

static inline const struct dns_nsec *dns_image_nsec(const struct dns_image *image)
{
    return dns_image_at(image, image->chain_at);
}
static inline const struct dns_nsec3 *dns_image_nsec3(const struct dns_image *image)
{
    return dns_image_at(image, image->chain_at);
}
static inline const struct dns_node_proof *dns_image_proofs(const struct dns_image *image)
{
    return dns_image_at(image, image->proofs_at);
}

/* The sort key of a lower-cased name below the apex, as far as struct dns_nsec has it. */
uint64_t dns_nsec_prefix(const struct dns_image *image, const struct dns_name *name);
/* The number of the last NSEC entry at or before the name (lower-cased, in the zone): it matches or
 * covers it. The image has a chain. */
uint32_t dns_nsec_find(const struct dns_image *image, const struct dns_name *name);

/* The hash of a lower-cased flat name with the zone's salt and iterations (RFC 5155, 5). */
void dns_nsec3_hash(const struct dns_image *image, const uint8_t *name, size_t size,
                    uint8_t hash[KEEL_SHA1_SIZE]);
/* The number of the last entry at or before the hash, of the very last when there is none: it
 * matches (DNS_PROOF_MATCH is set) or covers it. */
uint32_t dns_nsec3_find(const struct dns_image *image, const uint8_t hash[KEEL_SHA1_SIZE]);

/* The same of a version; the entry itself, never NULL when the version has a chain. */
const struct dns_nsec *dns_view_nsec(const struct dns_view *view, const struct dns_name *name);
const struct dns_nsec3 *dns_view_nsec3(const struct dns_view *view,
                                       const uint8_t hash[KEEL_SHA1_SIZE], bool *match);
/* What matches or covers the name of a node, and (wildcard) the name "*" below it. */
const struct dns_nsec *dns_view_nsec_of(const struct dns_view *view, const struct dns_node *node,
                                        bool wildcard);
const struct dns_nsec3 *dns_view_nsec3_of(const struct dns_view *view, const struct dns_node *node,
                                          bool wildcard, bool *match);

#endif
