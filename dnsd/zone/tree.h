/*
 * The names of a zone with their records, on the way to an image or a delta: found by hash, brought
 * into canonical order, told what stands above and below each of them.
 */
#ifndef DNSD_ZONE_TREE_H
#define DNSD_ZONE_TREE_H

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "dnsd/zone/image.h"

struct dns_tree_record {
    struct dns_tree_record *next;
    const char *file; /* where it was read, for people */
    uint32_t line, ttl;
    uint16_t type, size;
    uint8_t rdata[];
};

/* What a name has, so that nobody has to look through its records for it. */
enum {
    DNS_HAS_SOA = 1,
    DNS_HAS_NS = 2,
    DNS_HAS_CNAME = 4,
    DNS_HAS_DNAME = 8,
    DNS_HAS_ADDRESS = 16, /* A or AAAA */
    DNS_HAS_NSEC3 = 32,
    DNS_HAS_RRSIG = 64,
    DNS_HAS_OTHER = 128,
};

/* A name. The sort key stands behind it in memory. */
struct dns_tree_node {
    struct dns_tree_node *parent; /* NULL: it is not in the tree (of a delta) */
    uint64_t hash;                /* of the name */
    struct dns_tree_record *records;
    uint32_t count;             /* of records, doubles included */
    uint32_t number;            /* canonical, once sorted */
    uint32_t cut, wildcard, up; /* as in struct dns_node; up: the parent's number */
    uint32_t base;              /* the node that it replaces; DNS_NO_NODE: none */
    uint16_t flags, key_size;
    uint8_t labels, size;
    uint8_t has;    /* DNS_HAS_... */
    uint8_t name[]; /* lower-cased, then the key */
};

struct dns_tree {
    struct keel_arena arena; /* nodes, records, file names */
    struct keel_hash_key key;
    struct keel_table names;
    struct dns_tree_node *apex;
    struct dns_tree_node *last; /* got: records of a name come in runs */
    struct dns_name apex_name;  /* lower-cased */
    uint64_t records, bytes;    /* added, with their rdata */
    unsigned max_labels;
    struct dns_tree_node **order; /* canonical, once sorted */
    uint32_t first;               /* the number of the first of them */
};

/* 0 or KEEL_ENOMEM; fini in any case. The apex is lower-cased here. */
int dns_tree_init(struct dns_tree *tree, const struct dns_name *apex, struct keel_hash_key key);
void dns_tree_fini(struct dns_tree *tree);

/* name is flat and lower-cased. NULL: there is no such name. */
struct dns_tree_node *dns_tree_find(const struct dns_tree *tree, const uint8_t *name, size_t size);
/* The same, made when it is not there; NULL: memory is out. */
struct dns_tree_node *dns_tree_get(struct dns_tree *tree, const struct dns_name *name);
/* Copies a record; file is borrowed. KEEL_ENOMEM. */
int dns_tree_add(struct dns_tree *tree, struct dns_tree_node *node,
                 const struct dns_tree_record *record, const uint8_t *rdata);
/* The node's first record of a type, or NULL. */
const struct dns_tree_record *dns_tree_record(const struct dns_tree_node *node, uint16_t type);

/* Makes the names between those that are there and the apex. KEEL_ENOMEM. */
int dns_tree_fill(struct dns_tree *tree);
/* Brings the names into order and numbers them from tree->first on. KEEL_ENOMEM. */
int dns_tree_sort(struct dns_tree *tree);
/* Sets flags, cut and wildcard of a node and the latter of its parent; up_flags and up_cut are the
 * parent's. KEEL_EINVAL: it has records, and stands below a DNAME. */
int dns_tree_flags(const struct dns_tree *tree, struct dns_tree_node *node, uint16_t up_flags,
                   uint32_t up_cut);

#endif
