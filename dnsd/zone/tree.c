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

struct dns_tree_node *dns_tree_get(struct dns_tree *tree, const struct dns_name *name)
{
    uint8_t key[DNS_NAME_KEY_MAX];
    struct dns_tree_node *node = dns_tree_find(tree, name->bytes, name->size);
    if (node)
        return node;
    size_t key_size = dns_name_sort_key(name, key);
    node = keel_arena_calloc(&tree->arena, sizeof *node + name->size + key_size);
    if (!node)
        return NULL;
    node->key_size = (uint16_t)key_size;
    node->labels = name->labels;
    node->size = name->size;
    node->base = DNS_NO_NODE;
    memcpy(node->name, name->bytes, name->size);
    memcpy(node->name + name->size, key, key_size);
    if (keel_table_add(&tree->names, keel_hash(&tree->key, node->name, node->size), node) != 0)
        return NULL;
    if (name->labels > tree->max_labels)
        tree->max_labels = name->labels;
    return node;
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

static int compare_nodes(const void *a, const void *b)
{
    const struct dns_tree_node *x = *(struct dns_tree_node *const *)a,
                               *y = *(struct dns_tree_node *const *)b;
    size_t n = x->key_size < y->key_size ? x->key_size : y->key_size;
    int d = memcmp(x->name + x->size, y->name + y->size, n);
    return d ? d : x->key_size - y->key_size;
}

int dns_tree_sort(struct dns_tree *tree)
{
    int err = list_nodes(tree);
    if (err)
        return err;
    qsort(tree->order, tree->names.count, sizeof *tree->order, compare_nodes);
    for (size_t i = 0; i < tree->names.count; i++)
        tree->order[i]->number = tree->first + (uint32_t)i;
    return 0;
}

/* True when there is a hash of the zone's names here and nothing else (RFC 5155, 3). */
static bool is_hash(const struct dns_tree *tree, const struct dns_tree_node *node)
{
    if (node->labels != tree->apex->labels + 1 || !dns_tree_record(node, DNS_TYPE_NSEC3))
        return false;
    for (const struct dns_tree_record *r = node->records; r; r = r->next)
        if (r->type != DNS_TYPE_NSEC3 && r->type != DNS_TYPE_RRSIG)
            return false;
    return true;
}

int dns_tree_flags(const struct dns_tree *tree, struct dns_tree_node *node, uint16_t up_flags,
                   uint32_t up_cut)
{
    if (dns_tree_record(node, DNS_TYPE_DNAME))
        node->flags |= DNS_NODE_DNAME;
    if (dns_tree_record(node, DNS_TYPE_CNAME))
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
    } else if (dns_tree_record(node, DNS_TYPE_NS)) {
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
