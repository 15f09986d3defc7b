#include "dnsd/wire/type.h"
#include "dnsd/zone/delta.h"
#include "dnsd/zone/denial_build.h"

static int no_memory(const struct dns_layout *layout)
{
    return keel_diag_memory(layout->diag);
}

/* --- does the base still say how? --- */

static unsigned count_type(const struct dns_tree_node *node, uint16_t type)
{
    unsigned count = 0;
    for (const struct dns_tree_record *r = node->records; r; r = r->next)
        count += r->type == type;
    return count;
}

/* The set's rdata (which has no names) is the same as before. */
static bool is_same_set(const struct dns_tree_node *node, const struct dns_image *base,
                        uint16_t type)
{
    const struct dns_set *set = dns_node_set(base, dns_image_apex(base), type);
    const uint8_t *p = set ? set->bytes : NULL;
    unsigned count = set ? set->count : 0;
    if (count_type(node, type) != count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        unsigned size = keel_get_u16(p + 10);
        const struct dns_tree_record *r = node->records;
        while (r && (r->type != type || r->size != size || memcmp(r->rdata, p + 12, size) != 0))
            r = r->next;
        if (!r)
            return false;
        p += 12 + size;
    }
    return true;
}

/* A hash of the base's chain: *hash is filled. */
static bool in_hashes(const struct dns_image *base, const struct dns_tree_node *node,
                      uint8_t hash[KEEL_SHA1_SIZE])
{
    const struct dns_tree_record *r = dns_tree_record(node, DNS_TYPE_NSEC3);
    if (!(node->flags & DNS_NODE_NSEC3) || count_type(node, DNS_TYPE_NSEC3) != 1)
        return false;
    return r->rdata[0] == 1 && r->rdata[1] <= 1 && keel_get_u16(r->rdata + 2) == base->iterations &&
           r->rdata[4] == base->salt_size &&
           memcmp(r->rdata + 5, dns_image_at(base, base->salt_at), base->salt_size) == 0 &&
           dns_nsec3_read_hash(node->name, hash);
}

/* The apex has its hash in the chain, as it had. */
static bool knows_apex(const struct dns_tree *tree, const struct dns_image *base)
{
    uint8_t hash[KEEL_SHA1_SIZE];
    dns_nsec3_hash(base, tree->apex->name, tree->apex->size, hash);
    uint32_t number = dns_nsec3_find(base, hash);
    if (!(number & DNS_PROOF_MATCH))
        return false;
    const struct dns_node *node =
        dns_image_node(base, dns_image_nsec3(base)[number & ~DNS_PROOF_MATCH].node);
    const struct dns_tree_node *own =
        dns_tree_find(tree, dns_node_name(base, node), node->name_size);
    return !own || in_hashes(base, own, hash);
}

static bool is_denied_alike(const struct dns_tree *tree, const struct dns_image *base)
{
    unsigned parameters = count_type(tree->apex, DNS_TYPE_NSEC3PARAM), hashes = 0;
    bool nsec = dns_tree_record(tree->apex, DNS_TYPE_NSEC) != NULL;
    if (!is_same_set(tree->apex, base, DNS_TYPE_NSEC3PARAM))
        return false;
    for (size_t i = 0; i < tree->names.count; i++)
        hashes += (tree->order[i]->flags & DNS_NODE_NSEC3) != 0;
    if (base->denial == DNS_DENIAL_NSEC3)
        return knows_apex(tree, base) && (parameters == 1 || hashes == 0);
    /* parameters without a whole chain: it may be whole now */
    return nsec == (base->denial == DNS_DENIAL_NSEC) && (parameters == 0 || hashes == 0);
}

/* --- the chain --- */

/* The node stood in the base's chain. */
static bool was_in_chain(const struct dns_image *base, const struct dns_tree_node *node)
{
    if (node->base == DNS_NO_NODE)
        return false;
    const struct dns_node *old = dns_image_node(base, node->base);
    if (base->denial == DNS_DENIAL_NSEC3)
        return old->flags & DNS_NODE_NSEC3;
    return !(old->flags & DNS_NODE_BELOW_CUT) && dns_node_set(base, old, DNS_TYPE_NSEC);
}

static bool in_nsec(const struct dns_tree_node *node)
{
    return !(node->flags & DNS_NODE_BELOW_CUT) && dns_tree_record(node, DNS_TYPE_NSEC);
}

/* Where the NSEC of a node stands in the version. */
static uint32_t nsec_at(const struct dns_layout *layout, uint32_t i)
{
    const uint8_t *bytes = keel_buf_bytes(&layout->out);
    const struct dns_node *node = (const struct dns_node *)(bytes + layout->nodes_at) + i;
    uint32_t at = node->sets_at;
    for (;;) {
        const struct dns_set *set = (const struct dns_set *)(bytes + (at - layout->origin));
        if (set->type == DNS_TYPE_NSEC)
            return at;
        KEEL_ASSERT(!(set->flags & DNS_SET_LAST), "a node without its NSEC");
        at += set->total;
    }
}

static int append_nsec(struct dns_layout *layout, const struct dns_image *base, uint32_t count)
{
    const struct dns_tree *tree = layout->tree;
    uint32_t at;
    struct dns_nsec *entry = dns_layout_table(layout, count * sizeof *entry, &at);
    struct dns_name name;
    if (!entry)
        return no_memory(layout);
    for (uint32_t i = 0; i < tree->names.count; i++) {
        const struct dns_tree_node *node = tree->order[i];
        if (!in_nsec(node))
            continue;
        dns_name_set(&name, node->name);
        *entry++ =
            (struct dns_nsec){dns_nsec_prefix(base, &name), node->number, nsec_at(layout, i)};
    }
    dns_layout_header(layout)->chain_at = at;
    return 0;
}

/* Base32hex keeps the order of bytes, so canonical order is the order of the hashes. */
static int append_nsec3(struct dns_layout *layout, const struct dns_image *base, uint32_t count)
{
    const struct dns_tree *tree = layout->tree;
    uint32_t at;
    struct dns_nsec3 *entry = dns_layout_table(layout, count * sizeof *entry, &at);
    uint8_t hash[KEEL_SHA1_SIZE];
    if (!entry)
        return no_memory(layout);
    for (uint32_t i = 0; i < tree->names.count; i++)
        if (in_hashes(base, tree->order[i], hash)) {
            memcpy(entry->hash, hash, sizeof hash);
            entry++->node = tree->order[i]->number;
        }
    dns_layout_header(layout)->chain_at = at;
    return 0;
}

int dns_delta_denial(struct dns_layout *layout, const struct dns_image *base)
{
    const struct dns_tree *tree = layout->tree;
    uint8_t hash[KEEL_SHA1_SIZE];
    uint32_t count = 0, gone = 0;
    if (!is_denied_alike(tree, base))
        return KEEL_ENOSPC;
    struct dns_image *header = dns_layout_header(layout);
    header->denial = base->denial;
    header->iterations = base->iterations;
    header->salt_size = base->salt_size;
    header->salt_at = base->salt_at;
    if (base->denial == DNS_DENIAL_NONE)
        return 0;
    for (size_t i = 0; i < tree->names.count; i++) {
        const struct dns_tree_node *node = tree->order[i];
        count += base->denial == DNS_DENIAL_NSEC ? in_nsec(node) : in_hashes(base, node, hash);
        gone += was_in_chain(base, node);
    }
    header->chain_count = count;
    header->chain_differs = count + gone > 0;
    return base->denial == DNS_DENIAL_NSEC ? append_nsec(layout, base, count)
                                           : append_nsec3(layout, base, count);
}
