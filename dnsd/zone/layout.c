#include "dnsd/zone/layout.h"

#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"

#include <stdlib.h>

int dns_layout_fail(const struct dns_layout *c, const struct dns_tree_record *record,
                    const struct dns_tree_node *node, const char *what)
{
    char text[DNS_NAME_TEXT];
    dns_name_to_text(text, node->name);
    return keel_diag_set(c->diag, KEEL_EINVAL, "%s:%u: %s: %s", record->file, record->line, text,
                         what);
}

/* --- one name --- */

static int compare_records(const void *a, const void *b)
{
    const struct dns_tree_record *x = *(struct dns_tree_record *const *)a,
                                 *y = *(struct dns_tree_record *const *)b;
    if (x->type != y->type)
        return x->type - y->type;
    size_t n = x->size < y->size ? x->size : y->size;
    int d = memcmp(x->rdata, y->rdata, n);
    return d ? d : x->size - y->size;
}

#define FEW 16
/* Most names have a handful of records: no call is worth it for them. */
static void sort_few(struct dns_tree_record **records, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct dns_tree_record *moved = records[i];
        unsigned k = i;
        for (; k > 0 && compare_records(&records[k - 1], &moved) > 0; k--)
            records[k] = records[k - 1];
        records[k] = moved;
    }
}

/* The node's records by type and rdata, doubles dropped (the lower TTL stays). Returns how many. */
static unsigned sort_records(struct dns_layout *c, const struct dns_tree_node *node)
{
    unsigned count = 0, kept = 0;
    for (struct dns_tree_record *r = node->records; r; r = r->next)
        c->sorted[count++] = r;
    if (count <= FEW)
        sort_few(c->sorted, count);
    else
        qsort(c->sorted, count, sizeof *c->sorted, compare_records);
    for (unsigned i = 0; i < count; i++) {
        if (kept > 0 && compare_records(&c->sorted[kept - 1], &c->sorted[i]) == 0) {
            if (c->sorted[i]->ttl < c->sorted[kept - 1]->ttl)
                c->sorted[kept - 1]->ttl = c->sorted[i]->ttl;
            continue;
        }
        c->sorted[kept++] = c->sorted[i];
    }
    return kept;
}

/* Types that may stand beside a CNAME (RFC 2181, 10.1; RFC 4034, 2.5 and 3, 4). */
static bool beside_cname(uint16_t type)
{
    return type == DNS_TYPE_CNAME || type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC ||
           type == DNS_TYPE_KEY || type == DNS_TYPE_SIG;
}

static int check_records(const struct dns_layout *c, const struct dns_tree_node *node,
                         unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct dns_tree_record *r = c->sorted[i];
        bool again = i > 0 && c->sorted[i - 1]->type == r->type;
        if (node->flags & DNS_NODE_CNAME && !beside_cname(r->type))
            return dns_layout_fail(c, r, node, "a record beside a CNAME");
        if (again && r->type == DNS_TYPE_CNAME)
            return dns_layout_fail(c, r, node, "a second CNAME");
        if (again && r->type == DNS_TYPE_DNAME)
            return dns_layout_fail(c, r, node, "a second DNAME");
        if (again && r->type == DNS_TYPE_SOA)
            return dns_layout_fail(c, r, node, "a second SOA");
    }
    return 0;
}

static int append_set(struct dns_layout *c, const struct dns_name *owner, unsigned first,
                      unsigned count, uint32_t ttl)
{
    const struct dns_tree_record *record = c->sorted[first];
    for (unsigned i = 0; i < count; i++) {
        const struct dns_tree_record *r = c->sorted[first + i];
        c->rdata[i] = (struct dns_rdata){r->rdata, r->size};
        if (r->ttl < ttl)
            ttl = r->ttl;
    }
    int err = dns_set_append(&c->out, &(struct dns_set_source){.owner = owner,
                                                               .apex = &c->tree->apex_name,
                                                               .type = record->type,
                                                               .ttl = ttl,
                                                               .rdata = c->rdata,
                                                               .count = count,
                                                               .find_addresses = c->find_addresses,
                                                               .arg = c->arg});
    if (err == KEEL_ERANGE) {
        char text[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
        dns_name_to_text(text, owner->bytes);
        return keel_diag_set(c->diag, KEEL_EINVAL,
                             "%s:%u: %s: its %s records do not fit into a message", record->file,
                             record->line, text, dns_type_format(type, record->type));
    }
    return err ? keel_diag_memory(c->diag) : 0;
}

/* --- the block --- */

static struct dns_image *header(struct dns_layout *c)
{
    return dns_layout_header(c);
}

static struct dns_node *image_node(struct dns_layout *c, uint32_t number)
{
    return (struct dns_node *)(keel_buf_bytes(&c->out) + c->nodes_at) + (number - c->tree->first);
}

/* What the sets and long names will take at most: memory that is never touched costs nothing, and
 * a block that does not grow is not copied. */
static size_t room_for_sets(const struct dns_tree *tree)
{
    size_t each = sizeof(struct dns_set) + 12 + 3 + DNS_RDATA_NAMES * sizeof(struct dns_fix) +
                  sizeof(struct dns_link);
    return (size_t)tree->records * each + (size_t)tree->bytes + tree->names.count * 48 + 4096;
}

/* Header, nodes and slots have known sizes; sets and long names follow. */
static int begin_block(struct dns_layout *c)
{
    uint32_t nodes = (uint32_t)c->tree->names.count, slots = 8;
    while (slots < 2 * (uint64_t)nodes)
        slots *= 2;
    size_t nodes_at = (sizeof(struct dns_image) + 63) & ~(size_t)63;
    size_t slots_at = nodes_at + (size_t)nodes * sizeof(struct dns_node);
    size_t size = slots_at + (size_t)slots * sizeof(struct dns_slot);
    size_t room = size + room_for_sets(c->tree);
    if (room >= UINT32_MAX)
        room = size;
    uint8_t *block = size < UINT32_MAX ? keel_buf_reserve(&c->out, room) : NULL;
    if (!block)
        return keel_diag_memory(c->diag);
    memset(block, 0, size);
    keel_buf_commit(&c->out, size);
    c->nodes_at = (uint32_t)nodes_at;
    c->slots_at = (uint32_t)slots_at;
    *header(c) = (struct dns_image){.magic = DNS_IMAGE_MAGIC,
                                    .key = c->tree->key,
                                    .node_count = nodes,
                                    .nodes_at = c->origin + c->nodes_at,
                                    .slot_mask = slots - 1,
                                    .slots_at = c->origin + c->slots_at,
                                    .max_labels = c->tree->max_labels};
    return 0;
}

static void put_slot(struct dns_layout *c, const struct dns_tree_node *node)
{
    struct dns_slot *slots = (struct dns_slot *)(keel_buf_bytes(&c->out) + c->slots_at);
    uint64_t hash = node->hash;
    uint32_t i = (uint32_t)hash & header(c)->slot_mask;
    while (slots[i].node != 0)
        i = (i + 1) & header(c)->slot_mask;
    slots[i] = (struct dns_slot){(uint32_t)(hash >> 32), node->number - c->tree->first + 1};
}

/* The type that an RRSIG record signs; 0 for any other record. */
static uint16_t covered(const struct dns_tree_record *record)
{
    return record->type == DNS_TYPE_RRSIG ? keel_get_u16(record->rdata) : 0;
}

/* How many of the sorted records from `first` are one RRset. */
static unsigned count_set(const struct dns_layout *c, unsigned first, unsigned count)
{
    unsigned n = 1;
    const struct dns_tree_record *record = c->sorted[first];
    while (first + n < count && c->sorted[first + n]->type == record->type &&
           covered(c->sorted[first + n]) == covered(record))
        n++;
    return n;
}

/* The sorted records [0, count) have one of this type that is no signature. */
static bool has_type(const struct dns_layout *c, unsigned count, uint16_t type)
{
    for (unsigned i = 0; i < count; i++)
        if (c->sorted[i]->type == type)
            return type != DNS_TYPE_RRSIG;
    return false;
}

static struct dns_set *set_at(struct dns_layout *c, size_t offset)
{
    return (struct dns_set *)(keel_buf_bytes(&c->out) + offset);
}

/* The signatures of the set that stands at set_offset, behind it. Returns how many sets came: 1, 0
 * or an error. */
static int put_signatures(struct dns_layout *c, const struct dns_name *owner, unsigned count,
                          uint16_t type, size_t set_offset)
{
    unsigned first = 0;
    while (first < count && covered(c->sorted[first]) != type)
        first++;
    if (first == count)
        return 0;
    set_at(c, set_offset)->flags |= DNS_SET_SIGNED;
    /* the TTL is that of the set (RFC 4034, 3) */
    int err = append_set(c, owner, first, count_set(c, first, count), set_at(c, set_offset)->ttl);
    return err ? err : 1;
}

/* Each set with its signatures behind it. Returns how many, or an error. */
static int put_sets(struct dns_layout *c, const struct dns_name *owner, unsigned count)
{
    size_t last = 0;
    int sets = 0;
    for (unsigned i = 0, n; i < count; i += n) {
        n = count_set(c, i, count);
        if (c->sorted[i]->type == DNS_TYPE_RRSIG && has_type(c, count, covered(c->sorted[i])))
            continue; /* stands already */
        size_t at = last = keel_buf_size(&c->out);
        if (c->sorted[i]->type == DNS_TYPE_SOA)
            header(c)->soa_at = c->origin + (uint32_t)at;
        int err = append_set(c, owner, i, n, UINT32_MAX);
        if (err)
            return err;
        size_t behind = keel_buf_size(&c->out);
        int more = c->sorted[i]->type == DNS_TYPE_RRSIG
                       ? 0
                       : put_signatures(c, owner, count, c->sorted[i]->type, at);
        if (more < 0)
            return more;
        if (more > 0)
            last = behind;
        sets += 1 + more;
    }
    if (sets > 0)
        set_at(c, last)->flags |= DNS_SET_LAST;
    return sets;
}

static int put_node(struct dns_layout *c, const struct dns_tree_node *node)
{
    struct dns_name owner;
    unsigned count = sort_records(c, node);
    int err = check_records(c, node, count);
    if (err)
        return err;
    dns_name_set(&owner, node->name);
    struct dns_node *out = image_node(c, node->number);
    out->name_size = node->size;
    out->labels = node->labels;
    out->flags = node->flags;
    out->cut = node->cut;
    out->wildcard = node->wildcard;
    out->parent = node->up;
    if (node->size <= DNS_NODE_INLINE) {
        memcpy(out->name, node->name, node->size);
        out->name_at = c->origin + (uint32_t)(out->name - keel_buf_bytes(&c->out));
    } else {
        static const uint8_t zeros[4];
        out->name_at = c->origin + (uint32_t)keel_buf_size(&c->out);
        keel_buf_append(&c->out, node->name, node->size);
        keel_buf_append(&c->out, zeros, -(size_t)node->size & 3);
    }
    uint32_t sets_at = c->origin + (uint32_t)keel_buf_size(&c->out);
    int sets = put_sets(c, &owner, count);
    if (sets < 0)
        return sets;
    out = image_node(c, node->number); /* the block may have moved */
    out->set_count = (uint32_t)sets;
    out->sets_at = sets_at;
    c->records += count;
    return 0;
}

/* The SOA once more, as negative answers carry it (RFC 2308, 3 and 5). */
static int put_negative_soa(struct dns_layout *c)
{
    unsigned count = sort_records(c, c->tree->apex), first = 0;
    while (c->sorted[first]->type != DNS_TYPE_SOA)
        first++;
    const struct dns_tree_record *soa = c->sorted[first];
    size_t at = keel_buf_size(&c->out);
    header(c)->negative_at = c->origin + (uint32_t)at;
    header(c)->serial = keel_get_u32(soa->rdata + soa->size - 20);
    int err =
        append_set(c, &c->tree->apex_name, first, 1, keel_get_u32(soa->rdata + soa->size - 4));
    if (err)
        return err;
    err = put_signatures(c, &c->tree->apex_name, count, DNS_TYPE_SOA, at);
    return err < 0 ? err : 0;
}

static int reserve_scratch(struct dns_layout *c)
{
    uint32_t most = 1;
    for (size_t i = 0; i < c->tree->names.count; i++)
        if (c->tree->order[i]->count > most)
            most = c->tree->order[i]->count;
    c->sorted = keel_malloc(most * sizeof(struct dns_tree_record *));
    c->rdata = keel_malloc(most * sizeof *c->rdata);
    return c->sorted && c->rdata ? 0 : keel_diag_memory(c->diag);
}

/* Names stand in memory in the order of the file, and come in that of the zone. */
static void fetch_ahead(const struct dns_layout *c, size_t i)
{
    const struct dns_tree *tree = c->tree;
    const struct dns_slot *slots = (const struct dns_slot *)(keel_buf_bytes(&c->out) + c->slots_at);
    if (i + 12 < tree->names.count) {
        __builtin_prefetch(tree->order[i + 12]);
        __builtin_prefetch(tree->order[i + 12]->name + 40);
    }
    if (i + 6 < tree->names.count) {
        const struct dns_tree_node *node = tree->order[i + 6];
        __builtin_prefetch(node->records);
        __builtin_prefetch(&slots[(uint32_t)node->hash & (dns_layout_header(c)->slot_mask)], 1);
    }
    if (i + 3 < tree->names.count && tree->order[i + 3]->records)
        __builtin_prefetch(tree->order[i + 3]->records->next);
}

int dns_layout_write(struct dns_layout *c)
{
    const struct dns_tree *tree = c->tree;
    keel_buf_init(&c->out, UINT32_MAX);
    int err = reserve_scratch(c);
    if (err == 0)
        err = begin_block(c);
    for (size_t i = 0; err == 0 && i < tree->names.count; i++) {
        fetch_ahead(c, i);
        if (c->look)
            c->look(c, tree->order[i]);
        err = put_node(c, tree->order[i]);
        /* a delta has slots for all: they hide what the base has */
        if (c->origin || !(tree->order[i]->flags & DNS_NODE_NSEC3))
            put_slot(c, tree->order[i]);
    }
    if (err)
        return err;
    header(c)->records = c->records;
    return put_negative_soa(c);
}

void dns_layout_fini(struct dns_layout *c)
{
    keel_buf_fini(&c->out);
    keel_free(c->sorted);
    keel_free(c->rdata);
}

void *dns_layout_table(struct dns_layout *c, size_t size, uint32_t *at)
{
    size_t before = keel_buf_size(&c->out), padding = -before & 7;
    if (before + padding + size >= UINT32_MAX - c->origin)
        return NULL;
    uint8_t *p = keel_buf_reserve(&c->out, padding + size);
    if (!p)
        return NULL;
    memset(p, 0, padding + size);
    keel_buf_commit(&c->out, padding + size);
    *at = c->origin + (uint32_t)(before + padding);
    return p + padding;
}
