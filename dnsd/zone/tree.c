#include "dnsd/zone/tree.h"

#include "common/base/err.h"
#include "dnsd/wire/type.h"

#include <stdlib.h>

int dns_tree_init(struct dns_tree *tree, const struct dns_name *apex, struct keel_hash_key key)
{
    *tree = (struct dns_tree){.key = key, .apex_name = *apex};
    keel_arena_init(&tree->arena, 64 * 1024);
    keel_table_init(&tree->names);
    dns_name_lower(&tree->apex_name);
    tree->apex = dns_tree_get(tree, &tree->apex_name);
    return tree->apex ? 0 : KEEL_ENOMEM;
}

void dns_tree_fini(struct dns_tree *tree)
{
    keel_free(tree->order);
    keel_table_fini(&tree->names);
    keel_arena_fini(&tree->arena);
}

/* --- names and records --- */

static int node_equal(const void *value, const void *key, size_t key_size)
{
    const struct dns_tree_node *node = value;
    return node->size == key_size && memcmp(node->name, key, key_size) == 0;
}

struct dns_tree_node *dns_tree_find(const struct dns_tree *tree, const uint8_t *name, size_t size)
{
    return keel_table_find(&tree->names, keel_hash(&tree->key, name, size), name, size, node_equal);
}

static struct dns_tree_node *make_node(struct dns_tree *tree, const struct dns_name *name,
                                       uint64_t hash)
{
    uint8_t key[DNS_NAME_KEY_MAX];
    size_t key_size = dns_name_sort_key(name, key);
    struct dns_tree_node *node =
        keel_arena_alloc(&tree->arena, sizeof *node + name->size + key_size);
    if (!node)
        return NULL;
    *node = (struct dns_tree_node){.hash = hash,
                                   .base = DNS_NO_NODE,
                                   .key_size = (uint16_t)key_size,
                                   .labels = name->labels,
                                   .size = name->size};
    memcpy(node->name, name->bytes, name->size);
    memcpy(node->name + name->size, key, key_size);
    if (keel_table_add(&tree->names, hash, node) != 0)
        return NULL;
    if (name->labels > tree->max_labels)
        tree->max_labels = name->labels;
    return node;
}

struct dns_tree_node *dns_tree_get(struct dns_tree *tree, const struct dns_name *name)
{
    if (tree->last && node_equal(tree->last, name->bytes, name->size))
        return tree->last;
    uint64_t hash = keel_hash(&tree->key, name->bytes, name->size);
    struct dns_tree_node *node =
        keel_table_find(&tree->names, hash, name->bytes, name->size, node_equal);
    if (!node)
        node = make_node(tree, name, hash);
    if (node)
        tree->last = node;
    return node;
}

static uint8_t kind_of(uint16_t type)
{
    switch (type) {
    case DNS_TYPE_SOA:
        return DNS_HAS_SOA;
    case DNS_TYPE_NS:
        return DNS_HAS_NS;
    case DNS_TYPE_CNAME:
        return DNS_HAS_CNAME;
    case DNS_TYPE_DNAME:
        return DNS_HAS_DNAME;
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA:
        return DNS_HAS_ADDRESS;
    case DNS_TYPE_NSEC3:
        return DNS_HAS_NSEC3;
    case DNS_TYPE_RRSIG:
        return DNS_HAS_RRSIG;
    default:
        return DNS_HAS_OTHER;
    }
}

int dns_tree_add(struct dns_tree *tree, struct dns_tree_node *node,
                 const struct dns_tree_record *record, const uint8_t *rdata)
{
    struct dns_tree_record *copy = keel_arena_alloc(&tree->arena, sizeof *copy + record->size);
    if (!copy)
        return KEEL_ENOMEM;
    *copy = *record;
    copy->next = node->records;
    if (record->size > 0)
        memcpy(copy->rdata, rdata, record->size);
    node->records = copy;
    node->count++;
    node->has |= kind_of(record->type);
    tree->records++;
    tree->bytes += record->size;
    return 0;
}

const struct dns_tree_record *dns_tree_record(const struct dns_tree_node *node, uint16_t type)
{
    for (const struct dns_tree_record *r = node->records; r; r = r->next)
        if (r->type == type)
            return r;
    return NULL;
}

/* --- the whole --- */

static int fill_above(struct dns_tree *tree, struct dns_tree_node *node)
{
    struct dns_name name, up;
    while (node != tree->apex && !node->parent) {
        if (node->labels == tree->apex->labels + 1) { /* most names of most zones */
            node->parent = tree->apex;
            return 0;
        }
        dns_name_set(&name, node->name);
        dns_name_set(&up, name.bytes + name.offsets[1]);
        node->parent = dns_tree_get(tree, &up);
        if (!node->parent)
            return KEEL_ENOMEM;
        node = node->parent;
    }
    return 0;
}

/* All nodes as the table has them, into `order`. */
static int list_nodes(struct dns_tree *tree)
{
    size_t cursor = 0, count = 0;
    struct dns_tree_node *node;
    struct dns_tree_node **order =
        keel_realloc(tree->order, tree->names.count * sizeof(struct dns_tree_node *));
    if (!order)
        return KEEL_ENOMEM;
    tree->order = order;
    while ((node = keel_table_next(&tree->names, &cursor)))
        order[count++] = node;
    return 0;
}

int dns_tree_fill(struct dns_tree *tree)
{
    size_t given = tree->names.count;
    int err = list_nodes(tree);
    for (size_t i = 0; err == 0 && i < given; i++)
        err = fill_above(tree, tree->order[i]);
    return err;
}

/* Sorting looks at the nodes themselves only where the first bytes of two keys, behind the apex
 * that all have in common, are the same. */
struct sort_item {
    uint64_t first, second; /* 16 bytes, zeros behind a shorter key */
    struct dns_tree_node *node;
};

static void set_item(struct sort_item *item, struct dns_tree_node *node, size_t skip)
{
    uint8_t bytes[16] = {0};
    size_t n = node->key_size - skip;
    memcpy(bytes, node->name + node->size + skip, n < sizeof bytes ? n : sizeof bytes);
    item->first = (uint64_t)keel_get_u32(bytes) << 32 | keel_get_u32(bytes + 4);
    item->second = (uint64_t)keel_get_u32(bytes + 8) << 32 | keel_get_u32(bytes + 12);
    item->node = node;
}

static int compare_items(const void *a, const void *b)
{
    const struct sort_item *p = a, *q = b;
    if (p->first != q->first)
        return p->first < q->first ? -1 : 1;
    if (p->second != q->second)
        return p->second < q->second ? -1 : 1;
    const struct dns_tree_node *x = p->node, *y = q->node;
    size_t n = x->key_size < y->key_size ? x->key_size : y->key_size;
    int d = memcmp(x->name + x->size, y->name + y->size, n);
    return d ? d : x->key_size - y->key_size;
}

int dns_tree_sort(struct dns_tree *tree)
{
    size_t count = tree->names.count;
    int err = list_nodes(tree);
    struct sort_item *items = err ? NULL : keel_malloc(count * sizeof *items);
    if (!items)
        return KEEL_ENOMEM;
    for (size_t i = 0; i < count; i++)
        set_item(&items[i], tree->order[i], tree->apex->key_size);
    qsort(items, count, sizeof *items, compare_items);
    for (size_t i = 0; i < count; i++) {
        tree->order[i] = items[i].node;
        tree->order[i]->number = tree->first + (uint32_t)i;
    }
    keel_free(items);
    return 0;
}

/* True when there is a hash of the zone's names here and nothing else (RFC 5155, 3). */
static bool is_hash(const struct dns_tree *tree, const struct dns_tree_node *node)
{
    return node->labels == tree->apex->labels + 1 && node->has & DNS_HAS_NSEC3 &&
           !(node->has & ~(DNS_HAS_NSEC3 | DNS_HAS_RRSIG));
}

int dns_tree_flags(const struct dns_tree *tree, struct dns_tree_node *node, uint16_t up_flags,
                   uint32_t up_cut)
{
    if (node->has & DNS_HAS_DNAME)
        node->flags |= DNS_NODE_DNAME;
    if (node->has & DNS_HAS_CNAME)
        node->flags |= DNS_NODE_CNAME;
    if (node == tree->apex)
        return 0;
    if (node->parent && node->name[0] == 1 && node->name[1] == '*') {
        node->parent->flags |= DNS_NODE_WILDCARD;
        node->parent->wildcard = node->number;
    }
    if (is_hash(tree, node))
        node->flags |= DNS_NODE_NSEC3;
    if (up_flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT)) {
        node->flags |= DNS_NODE_BELOW_CUT;
        node->cut = up_cut;
    } else if (node->has & DNS_HAS_NS) {
        node->flags |= DNS_NODE_CUT;
        node->cut = node->number;
    }
    /* hashes stand below the apex whatever it has (RFC 5155, 10.2) */
    if (up_flags & DNS_NODE_DNAME && !(node->flags & (DNS_NODE_BELOW_CUT | DNS_NODE_NSEC3))) {
        node->flags |= DNS_NODE_DNAME; /* so that the names below an empty one are seen too */
        if (node->records)
            return KEEL_EINVAL;
    }
    return 0;
}
