/*
 * A zone ready to answer: one block of bytes without pointers, so that it can live in a file and be
 * mapped anywhere. Made by dnsd/zone/compile.h, never changed afterwards.
 *
 *     header | nodes, canonical order, apex first | slots of the hash | RRsets and long names |
 *     tables that deny (dnsd/zone/denial.h)
 *
 *     name, lower-cased --keel_hash--> slot {tag, node} --> node {name, flags, RRsets}
 *                                                              |
 *                    set {type, count, size} bytes | fixes | links  <-- sets_at, one behind another
 *
 * Offsets are 32 bits from the start of the block. Names that exist only because something is
 * below them (empty non-terminals) are nodes too.
 *
 * An RRset's bytes are an answer section as it leaves, for a question about exactly its owner:
 * owners are 0xC00C, and names in rdata point into the question or into the same bytes. Anywhere
 * else the owners are replaced and `fixes` name the pointers that move.
 *
 * The signatures of an RRset are an RRset of their own, the next one of the node. So a node may
 * have more than one set of type RRSIG.
 */
#ifndef DNSD_ZONE_IMAGE_H
#define DNSD_ZONE_IMAGE_H

#include "common/base/hash.h"
#include "dnsd/wire/name.h"

enum {
    DNS_NODE_CUT = 1,       /* NS, and not the apex: a delegation */
    DNS_NODE_BELOW_CUT = 2, /* glue, or hidden: `cut` is the delegation above */
    DNS_NODE_DNAME = 4,     /* has a DNAME: nothing is below */
    DNS_NODE_CNAME = 8,
    DNS_NODE_WILDCARD = 16, /* has a child "*": `wildcard` */
    DNS_NODE_NSEC3 = 32,    /* a hash and nothing else: no slot leads here (RFC 5155, 7.2.8) */
    DNS_NODE_GONE = 64,     /* in a delta: the name is not there any more (dnsd/zone/view.h) */
};

#define DNS_NODE_INLINE 36 /* names up to this size stand in the node */
struct dns_node {
    uint8_t name_size, labels;
    uint16_t flags;
    uint32_t set_count;
    uint32_t sets_at;
    uint32_t name_at;  /* of the lower-cased flat name */
    uint32_t cut;      /* CUT: itself; BELOW_CUT: the highest cut above */
    uint32_t wildcard; /* node of the child "*" */
    uint32_t parent;   /* node of the name one label shorter; the apex: itself */
    uint8_t name[DNS_NODE_INLINE];
};
_Static_assert(sizeof(struct dns_node) == 64, "a node is one cache line");

/* What moves when an RRset does not answer a question about its own owner. */
enum dns_fix_kind {
    DNS_FIX_APEX, /* points to the zone's apex or a suffix of it, in the question */
    DNS_FIX_SET,  /* points to an earlier name in the same bytes */
};
struct dns_fix {
    uint16_t offset; /* of the pointer in the bytes */
    uint16_t kind;
};
/* A name in the rdata (NS, MX, SRV, SVCB, HTTPS), or the owner (offset 0), whose addresses are in
 * the zone. */
struct dns_link {
    uint32_t offset; /* of the name in the bytes */
    uint32_t node;
};
enum {
    DNS_SET_LAST = 1,   /* of its node */
    DNS_SET_SIGNED = 2, /* the next set is its signatures */
    DNS_SET_OPEN = 4,   /* a name in it is of the zone, but had no addresses when it was made */
};
struct dns_set {
    uint16_t type, count;
    uint32_t ttl;
    uint32_t size; /* of the bytes */
    uint16_t fixes, links;
    uint32_t flags;
    uint32_t total;  /* to the next set of the node */
    uint8_t bytes[]; /* then, 4-aligned: struct dns_fix[fixes], struct dns_link[links] */
};

struct dns_slot {
    uint32_t tag;  /* upper half of the hash */
    uint32_t node; /* number + 1; 0: free */
};

#define DNS_IMAGE_MAGIC 0x6B7A6E33u /* "kzn3" */
enum dns_denial { DNS_DENIAL_NONE, DNS_DENIAL_NSEC, DNS_DENIAL_NSEC3 };
struct dns_image {
    uint32_t magic;
    uint32_t size; /* of the whole block */
    struct keel_hash_key key;
    uint32_t node_count, nodes_at;
    uint32_t slot_mask, slots_at;
    uint32_t records;
    uint32_t serial;       /* of the SOA */
    uint32_t soa_at;       /* the apex's SOA set */
    uint32_t negative_at;  /* the same with the TTL of a negative answer (RFC 2308, 5) */
    uint32_t max_labels;   /* of the longest name: no need to look for longer ones */
    uint32_t signatures;   /* RRSIG records */
    uint32_t signed_until; /* the earliest expiration of them (RFC 4034, 3.1.5) */
    /* How what is not there is denied: enum dns_denial. The rest: dnsd/zone/denial.h. */
    uint32_t denial;
    uint32_t chain_at, chain_count;
    uint32_t buckets_at, bucket_shift;
    uint32_t proofs_at;
    uint32_t salt_at;
    uint16_t iterations, salt_size;
    uint32_t places_at;     /* of a delta (dnsd/zone/view.h); else 0 */
    uint32_t chain_differs; /* of a delta: the base's proofs hold no more */
};

#define DNS_NO_NODE UINT32_MAX

static inline const void *dns_image_at(const struct dns_image *image, uint32_t offset)
{
    return (const uint8_t *)image + offset;
}
static inline const struct dns_node *dns_image_node(const struct dns_image *image, uint32_t number)
{
    return (const struct dns_node *)dns_image_at(image, image->nodes_at) + number;
}
static inline const struct dns_node *dns_image_apex(const struct dns_image *image)
{
    return dns_image_node(image, 0);
}
static inline const uint8_t *dns_node_name(const struct dns_image *image,
                                           const struct dns_node *node)
{
    return dns_image_at(image, node->name_at);
}
static inline uint32_t dns_node_number(const struct dns_image *image, const struct dns_node *node)
{
    return (uint32_t)(node - dns_image_node(image, 0));
}
static inline const struct dns_fix *dns_set_fixes(const struct dns_set *set)
{
    return (const struct dns_fix *)(set->bytes + ((set->size + 3) & ~3u));
}
static inline const struct dns_link *dns_set_links(const struct dns_set *set)
{
    return (const struct dns_link *)(dns_set_fixes(set) + set->fixes);
}

/* The signatures of a set that has them (DNS_SET_SIGNED). */
static inline const struct dns_set *dns_set_signatures(const struct dns_set *set)
{
    return (const struct dns_set *)((const uint8_t *)set + set->total);
}

/* Hash of a lower-cased flat name in this image. */
static inline uint64_t dns_image_hash(const struct dns_image *image, const uint8_t *name,
                                      size_t size)
{
    return keel_hash(&image->key, name, size);
}
/* Fetches ahead what dns_image_find will read: the slot; then, a while later, the node; and, a while
 * after that, its first RRset. */
void dns_image_prefetch_slot(const struct dns_image *image, uint64_t hash);
void dns_image_prefetch_node(const struct dns_image *image, uint64_t hash);
void dns_image_prefetch_set(const struct dns_image *image, uint64_t hash);
/* The node of a lower-cased flat name, or NULL. */
const struct dns_node *dns_image_find(const struct dns_image *image, uint64_t hash,
                                      const uint8_t *name, size_t size);
/* The number of the first node that does not stand before a name (lower-cased) in canonical order;
 * node_count: all do. Finds hashes too. from: none before this one is it; the closer, the sooner
 * it is found. */
uint32_t dns_image_search(const struct dns_image *image, const struct dns_name *name,
                          uint32_t from);
/* The number of the first node behind this one that is not below it. */
uint32_t dns_image_behind(const struct dns_image *image, uint32_t number);
/* The node's RRset of a type (RRSIG: the first of them), or NULL. */
const struct dns_set *dns_node_set(const struct dns_image *image, const struct dns_node *node,
                                   uint16_t type);
/* The first set (previous NULL) or the one behind; NULL at the end. */
const struct dns_set *dns_node_next_set(const struct dns_image *image, const struct dns_node *node,
                                        const struct dns_set *previous);
/* The longest existing name at or above `name` with at most `labels` labels (the apex at least).
 * name is lower-cased and in the zone. */
const struct dns_node *dns_image_encloser(const struct dns_image *image,
                                          const struct dns_name *name, unsigned labels);

#endif
