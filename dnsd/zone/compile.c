#include "dnsd/zone/compile.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/set.h"

#include <stdlib.h>

struct build_record {
    struct build_record *next;
    const char *file;
    uint32_t line, ttl;
    uint16_t type, size;
    uint8_t rdata[];
};

/* A name. The sort key stands behind it in memory. */
struct build_node {
    struct build_node *parent;
    struct build_record *records;
    uint32_t count;  /* of records, doubles included */
    uint32_t number; /* canonical, once sorted */
    uint32_t cut, wildcard;
    uint16_t flags, key_size;
    uint8_t labels, size;
    uint8_t name[]; /* lower-cased, then the key */
};

struct dns_compiler {
    struct keel_arena arena; /* nodes, records, file names */
    struct keel_hash_key key;
    struct keel_table names;
    struct build_node *apex;
    struct dns_name apex_name; /* lower-cased */
    const char *file;          /* last one copied: files come in runs */
    unsigned max_labels;
    /* while finishing: */
    struct build_node **order;    /* canonical */
    struct build_record **sorted; /* of one node */
    struct dns_rdata *rdata;
    struct keel_buf out;
    uint32_t records;
    struct keel_diag *diag;
    dns_zone_warning warn;
    void *warn_arg;
};

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

/* --- collecting --- */

static int node_equal(const void *value, const void *key, size_t key_size)
{
    const struct build_node *node = value;
    return node->size == key_size && memcmp(node->name, key, key_size) == 0;
}

static struct build_node *find_node(const struct dns_compiler *c, const uint8_t *name, size_t size)
{
    return keel_table_find(&c->names, keel_hash(&c->key, name, size), name, size, node_equal);
}

/* name is lower-cased. NULL when memory is out. */
static struct build_node *get_node(struct dns_compiler *c, const struct dns_name *name)
{
    uint8_t key[DNS_NAME_KEY_MAX];
    struct build_node *node = find_node(c, name->bytes, name->size);
    if (node)
        return node;
    size_t key_size = dns_name_sort_key(name, key);
    node = keel_arena_calloc(&c->arena, sizeof *node + name->size + key_size);
    if (!node)
        return NULL;
    node->key_size = (uint16_t)key_size;
    node->labels = name->labels;
    node->size = name->size;
    memcpy(node->name, name->bytes, name->size);
    memcpy(node->name + name->size, key, key_size);
    if (keel_table_add(&c->names, keel_hash(&c->key, node->name, node->size), node) != 0)
        return NULL;
    if (name->labels > c->max_labels)
        c->max_labels = name->labels;
    return node;
}

struct dns_compiler *dns_compiler_new(const struct dns_name *apex, struct keel_hash_key key)
{
    struct dns_compiler *c = keel_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    keel_arena_init(&c->arena, 64 * 1024);
    keel_table_init(&c->names);
    keel_buf_init(&c->out, UINT32_MAX);
    c->key = key;
    c->apex_name = *apex;
    dns_name_lower(&c->apex_name);
    c->apex = get_node(c, &c->apex_name);
    if (!c->apex) {
        dns_compiler_free(c);
        return NULL;
    }
    return c;
}

void dns_compiler_free(struct dns_compiler *c)
{
    if (!c)
        return;
    keel_buf_fini(&c->out);
    keel_free(c->order);
    keel_free(c->sorted);
    keel_free(c->rdata);
    keel_table_fini(&c->names);
    keel_arena_fini(&c->arena);
    keel_free(c);
}

void dns_compiler_on_warning(struct dns_compiler *c, dns_zone_warning warn, void *arg)
{
    c->warn = warn;
    c->warn_arg = arg;
}

/* Types that stand only at the apex, or only below it. */
static int check_place(const struct dns_compiler *c, const struct dns_name *owner, uint16_t type,
                       struct keel_diag *diag)
{
    bool wildcard =
        owner->labels > c->apex_name.labels && owner->bytes[0] == 1 && owner->bytes[1] == '*';
    char text[DNS_NAME_TEXT];
    if (!dns_name_in(owner, &c->apex_name)) {
        dns_name_to_text(text, owner->bytes);
        return keel_diag_set(diag, KEEL_EINVAL, "%s is outside of the zone", text);
    }
    if (type == DNS_TYPE_SOA && owner->labels != c->apex_name.labels) {
        dns_name_to_text(text, c->apex_name.bytes);
        return keel_diag_set(diag, KEEL_EINVAL, "SOA below the zone's apex %s", text);
    }
    if (wildcard && (type == DNS_TYPE_NS || type == DNS_TYPE_DNAME))
        /* RFC 4592, 4.2 and 4.4: no answer could be right */
        return keel_diag_set(diag, KEEL_EINVAL, "%s at a wildcard",
                             type == DNS_TYPE_NS ? "NS" : "DNAME");
    return 0;
}

int dns_compiler_add(void *compiler, const struct dns_scanned *record, struct keel_diag *diag)
{
    struct dns_compiler *c = compiler;
    struct dns_name owner = *record->owner;
    dns_name_lower(&owner);
    int err = check_place(c, &owner, record->type, diag);
    if (err)
        return err;
    if (!c->file || strcmp(c->file, record->file) != 0)
        c->file = keel_arena_strdup(&c->arena, record->file);
    struct build_node *node = get_node(c, &owner);
    struct build_record *copy = keel_arena_alloc(&c->arena, sizeof *copy + record->rdata_size);
    if (!c->file || !node || !copy)
        return no_memory(diag);
    *copy = (struct build_record){.next = node->records,
                                  .file = c->file,
                                  .line = record->line,
                                  .ttl = record->ttl,
                                  .type = record->type,
                                  .size = record->rdata_size};
    memcpy(copy->rdata, record->rdata, record->rdata_size);
    node->records = copy;
    node->count++;
    return 0;
}

/* --- finishing: the tree --- */

static int fail_at(const struct dns_compiler *c, const struct build_record *record,
                   const struct build_node *node, const char *what)
{
    char text[DNS_NAME_TEXT];
    dns_name_to_text(text, node->name);
    return keel_diag_set(c->diag, KEEL_EINVAL, "%s:%u: %s: %s", record->file, record->line, text,
                         what);
}

static const struct build_record *find_record(const struct build_node *node, uint16_t type)
{
    for (const struct build_record *r = node->records; r; r = r->next)
        if (r->type == type)
            return r;
    return NULL;
}

/* Links a node to its parent, making the empty non-terminals in between. */
static int link_parents(struct dns_compiler *c, struct build_node *node)
{
    struct dns_name name, up;
    while (node != c->apex && !node->parent) {
        dns_name_set(&name, node->name);
        dns_name_set(&up, name.bytes + name.offsets[1]);
        node->parent = get_node(c, &up);
        if (!node->parent)
            return no_memory(c->diag);
        node = node->parent;
    }
    return 0;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct build_node *x = *(struct build_node *const *)a,
                            *y = *(struct build_node *const *)b;
    size_t n = x->key_size < y->key_size ? x->key_size : y->key_size;
    int d = memcmp(x->name + x->size, y->name + y->size, n);
    return d ? d : x->key_size - y->key_size;
}

static int sort_nodes(struct dns_compiler *c)
{
    struct build_node *node;
    size_t cursor = 0, count = 0;

    c->order = keel_malloc(c->names.count * sizeof(struct build_node *));
    if (!c->order)
        return no_memory(c->diag);
    while ((node = keel_table_next(&c->names, &cursor)))
        c->order[count++] = node;
    size_t given = count;
    for (size_t i = 0; i < given; i++) {
        int err = link_parents(c, c->order[i]);
        if (err)
            return err;
    }
    if (c->names.count > given) { /* empty non-terminals came in: list all again */
        struct build_node **more =
            keel_realloc(c->order, c->names.count * sizeof(struct build_node *));
        if (!more)
            return no_memory(c->diag);
        c->order = more;
        for (count = cursor = 0; (node = keel_table_next(&c->names, &cursor));)
            c->order[count++] = node;
    }
    qsort(c->order, count, sizeof *c->order, compare_nodes);
    for (size_t i = 0; i < count; i++)
        c->order[i]->number = (uint32_t)i;
    return 0;
}

/* True when there is a hash of the zone's names here and nothing else (RFC 5155, 3). */
static bool is_hash(const struct dns_compiler *c, const struct build_node *node)
{
    if (node->parent != c->apex || !find_record(node, DNS_TYPE_NSEC3))
        return false;
    for (const struct build_record *r = node->records; r; r = r->next)
        if (r->type != DNS_TYPE_NSEC3 && r->type != DNS_TYPE_RRSIG)
            return false;
    return true;
}

/* Flags of a node whose parent has its own already. */
static int set_flags(struct dns_compiler *c, struct build_node *node)
{
    const struct build_record *dname = find_record(node, DNS_TYPE_DNAME);
    struct build_node *parent = node->parent;

    if (dname)
        node->flags |= DNS_NODE_DNAME;
    if (find_record(node, DNS_TYPE_CNAME))
        node->flags |= DNS_NODE_CNAME;
    if (node == c->apex)
        return 0;
    if (node->name[0] == 1 && node->name[1] == '*') {
        parent->flags |= DNS_NODE_WILDCARD;
        parent->wildcard = node->number;
    }
    if (is_hash(c, node))
        node->flags |= DNS_NODE_NSEC3;
    if (parent->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT)) {
        node->flags |= DNS_NODE_BELOW_CUT;
        node->cut = parent->cut;
    } else if (find_record(node, DNS_TYPE_NS)) {
        node->flags |= DNS_NODE_CUT;
        node->cut = node->number;
    }
    if (parent->flags & DNS_NODE_DNAME && !(node->flags & DNS_NODE_BELOW_CUT)) {
        node->flags |= DNS_NODE_DNAME; /* so that the names below an empty one are seen too */
        if (node->records)
            return fail_at(c, node->records, node, "below a DNAME (RFC 6672, 2.4)");
    }
    return 0;
}

/* --- finishing: one name --- */

static int compare_records(const void *a, const void *b)
{
    const struct build_record *x = *(struct build_record *const *)a,
                              *y = *(struct build_record *const *)b;
    if (x->type != y->type)
        return x->type - y->type;
    size_t n = x->size < y->size ? x->size : y->size;
    int d = memcmp(x->rdata, y->rdata, n);
    return d ? d : x->size - y->size;
}

/* The node's records by type and rdata, doubles dropped (the lower TTL stays). Returns how many. */
static unsigned sort_records(struct dns_compiler *c, const struct build_node *node)
{
    unsigned count = 0, kept = 0;
    for (struct build_record *r = node->records; r; r = r->next)
        c->sorted[count++] = r;
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

static int check_records(const struct dns_compiler *c, const struct build_node *node,
                         unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct build_record *r = c->sorted[i];
        bool again = i > 0 && c->sorted[i - 1]->type == r->type;
        if (node->flags & DNS_NODE_CNAME && !beside_cname(r->type))
            return fail_at(c, r, node, "a record beside a CNAME");
        if (again && r->type == DNS_TYPE_CNAME)
            return fail_at(c, r, node, "a second CNAME");
        if (again && r->type == DNS_TYPE_DNAME)
            return fail_at(c, r, node, "a second DNAME");
        if (again && r->type == DNS_TYPE_SOA)
            return fail_at(c, r, node, "a second SOA");
    }
    return 0;
}

static uint32_t find_addresses(void *arg, const uint8_t *name, size_t size)
{
    const struct build_node *node = find_node(arg, name, size);
    if (node && (find_record(node, DNS_TYPE_A) || find_record(node, DNS_TYPE_AAAA)))
        return node->number;
    return DNS_NO_NODE;
}

static int append_set(struct dns_compiler *c, const struct dns_name *owner, unsigned first,
                      unsigned count, uint32_t ttl)
{
    const struct build_record *record = c->sorted[first];
    for (unsigned i = 0; i < count; i++) {
        const struct build_record *r = c->sorted[first + i];
        c->rdata[i] = (struct dns_rdata){r->rdata, r->size};
        if (r->ttl < ttl)
            ttl = r->ttl;
    }
    int err = dns_set_append(&c->out, &(struct dns_set_source){.owner = owner,
                                                               .apex = &c->apex_name,
                                                               .type = record->type,
                                                               .ttl = ttl,
                                                               .rdata = c->rdata,
                                                               .count = count,
                                                               .find_addresses = find_addresses,
                                                               .arg = c});
    if (err == KEEL_ERANGE) {
        char text[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
        dns_name_to_text(text, owner->bytes);
        return keel_diag_set(c->diag, KEEL_EINVAL,
                             "%s:%u: %s: its %s records do not fit into a message", record->file,
                             record->line, text, dns_type_format(type, record->type));
    }
    return err ? no_memory(c->diag) : 0;
}

/* --- finishing: the block --- */

static struct dns_image *header(struct dns_compiler *c)
{
    return (struct dns_image *)keel_buf_bytes(&c->out);
}

static struct dns_node *image_node(struct dns_compiler *c, uint32_t number)
{
    return (struct dns_node *)(keel_buf_bytes(&c->out) + header(c)->nodes_at) + number;
}

/* Header, nodes and slots have known sizes; sets and long names follow. */
static int begin_block(struct dns_compiler *c)
{
    uint32_t nodes = (uint32_t)c->names.count, slots = 8;
    while (slots < 2 * (uint64_t)nodes)
        slots *= 2;
    size_t nodes_at = (sizeof(struct dns_image) + 63) & ~(size_t)63;
    size_t slots_at = nodes_at + (size_t)nodes * sizeof(struct dns_node);
    size_t size = slots_at + (size_t)slots * sizeof(struct dns_slot);
    uint8_t *block = size < UINT32_MAX ? keel_buf_reserve(&c->out, size) : NULL;
    if (!block)
        return no_memory(c->diag);
    memset(block, 0, size);
    keel_buf_commit(&c->out, size);
    *header(c) = (struct dns_image){.magic = DNS_IMAGE_MAGIC,
                                    .key = c->key,
                                    .node_count = nodes,
                                    .nodes_at = (uint32_t)nodes_at,
                                    .slot_mask = slots - 1,
                                    .slots_at = (uint32_t)slots_at,
                                    .max_labels = c->max_labels};
    return 0;
}

static void put_slot(struct dns_compiler *c, const struct build_node *node)
{
    struct dns_slot *slots = (struct dns_slot *)(keel_buf_bytes(&c->out) + header(c)->slots_at);
    uint64_t hash = keel_hash(&c->key, node->name, node->size);
    uint32_t i = (uint32_t)hash & header(c)->slot_mask;
    while (slots[i].node != 0)
        i = (i + 1) & header(c)->slot_mask;
    slots[i] = (struct dns_slot){(uint32_t)(hash >> 32), node->number + 1};
}

/* The type that an RRSIG record signs; 0 for any other record. */
static uint16_t covered(const struct build_record *record)
{
    return record->type == DNS_TYPE_RRSIG ? keel_get_u16(record->rdata) : 0;
}

/* How many of the sorted records from `first` are one RRset. */
static unsigned count_set(const struct dns_compiler *c, unsigned first, unsigned count)
{
    unsigned n = 1;
    const struct build_record *record = c->sorted[first];
    while (first + n < count && c->sorted[first + n]->type == record->type &&
           covered(c->sorted[first + n]) == covered(record))
        n++;
    return n;
}

/* The sorted records [0, count) have one of this type that is no signature. */
static bool has_type(const struct dns_compiler *c, unsigned count, uint16_t type)
{
    for (unsigned i = 0; i < count; i++)
        if (c->sorted[i]->type == type)
            return type != DNS_TYPE_RRSIG;
    return false;
}

static struct dns_set *set_at(struct dns_compiler *c, size_t offset)
{
    return (struct dns_set *)(keel_buf_bytes(&c->out) + offset);
}

/* The signatures of the set that stands at set_offset, behind it. Returns how many sets came: 1, 0
 * or an error. */
static int put_signatures(struct dns_compiler *c, const struct dns_name *owner, unsigned count,
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
static int put_sets(struct dns_compiler *c, const struct dns_name *owner, unsigned count)
{
    size_t last = 0;
    int sets = 0;
    for (unsigned i = 0, n; i < count; i += n) {
        n = count_set(c, i, count);
        if (c->sorted[i]->type == DNS_TYPE_RRSIG && has_type(c, count, covered(c->sorted[i])))
            continue; /* stands already */
        size_t at = last = keel_buf_size(&c->out);
        if (c->sorted[i]->type == DNS_TYPE_SOA)
            header(c)->soa_at = (uint32_t)at;
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

static int put_node(struct dns_compiler *c, const struct build_node *node)
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
    out->parent = node->parent ? node->parent->number : node->number;
    if (node->size <= DNS_NODE_INLINE) {
        memcpy(out->name, node->name, node->size);
        out->name_at = (uint32_t)(out->name - keel_buf_bytes(&c->out));
    } else {
        static const uint8_t zeros[4];
        out->name_at = (uint32_t)keel_buf_size(&c->out);
        keel_buf_append(&c->out, node->name, node->size);
        keel_buf_append(&c->out, zeros, -(size_t)node->size & 3);
    }
    uint32_t sets_at = (uint32_t)keel_buf_size(&c->out);
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
static int put_negative_soa(struct dns_compiler *c)
{
    unsigned count = sort_records(c, c->apex), first = 0;
    while (c->sorted[first]->type != DNS_TYPE_SOA)
        first++;
    const struct build_record *soa = c->sorted[first];
    size_t at = keel_buf_size(&c->out);
    header(c)->negative_at = (uint32_t)at;
    header(c)->serial = keel_get_u32(soa->rdata + soa->size - 20);
    int err = append_set(c, &c->apex_name, first, 1, keel_get_u32(soa->rdata + soa->size - 4));
    if (err)
        return err;
    err = put_signatures(c, &c->apex_name, count, DNS_TYPE_SOA, at);
    return err < 0 ? err : 0;
}

static int check_apex(const struct dns_compiler *c)
{
    char text[DNS_NAME_TEXT];
    dns_name_to_text(text, c->apex_name.bytes);
    if (!find_record(c->apex, DNS_TYPE_SOA))
        return keel_diag_set(c->diag, KEEL_EINVAL, "there is no SOA record for %s", text);
    if (!find_record(c->apex, DNS_TYPE_NS))
        return keel_diag_set(c->diag, KEEL_EINVAL, "there is no NS record for %s", text);
    return 0;
}

static int reserve_scratch(struct dns_compiler *c)
{
    uint32_t most = 1;
    for (size_t i = 0; i < c->names.count; i++)
        if (c->order[i]->count > most)
            most = c->order[i]->count;
    c->sorted = keel_malloc(most * sizeof(struct build_record *));
    c->rdata = keel_malloc(most * sizeof *c->rdata);
    return c->sorted && c->rdata ? 0 : no_memory(c->diag);
}

static int lay_out(struct dns_compiler *c)
{
    int err = begin_block(c);
    for (size_t i = 0; err == 0 && i < c->names.count; i++)
        err = put_node(c, c->order[i]);
    if (err)
        return err;
    for (size_t i = 0; i < c->names.count; i++)
        if (!(c->order[i]->flags & DNS_NODE_NSEC3))
            put_slot(c, c->order[i]);
    err = put_negative_soa(c);
    return err ? err : dns_denial_build(&c->out, c->warn, c->warn_arg, c->diag);
}

int dns_compiler_finish(struct dns_compiler *c, struct dns_image **image, struct keel_diag *diag)
{
    c->diag = diag;
    int err = check_apex(c);
    if (err == 0)
        err = sort_nodes(c);
    for (size_t i = 0; err == 0 && i < c->names.count; i++)
        err = set_flags(c, c->order[i]);
    if (err == 0)
        err = reserve_scratch(c);
    if (err == 0)
        err = lay_out(c);
    if (err)
        return err;
    header(c)->records = c->records;
    header(c)->size = (uint32_t)keel_buf_size(&c->out);
    *image = keel_memdup(keel_buf_bytes(&c->out), keel_buf_size(&c->out));
    return *image ? 0 : no_memory(diag);
}
