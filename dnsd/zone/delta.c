#include "dnsd/zone/delta.h"

#include "dnsd/wire/type.h"
#include "dnsd/zone/edit_names.h"
#include "dnsd/zone/layout.h"
#include "dnsd/zone/records.h"

struct making {
    const struct dns_edit *edit;
    const struct dns_image *base;
    struct dns_tree tree;
    struct keel_table kept; /* nodes of the base that have something below them for sure */
    size_t most;            /* nodes */
    struct keel_diag *diag;
};

static int no_memory(const struct making *m)
{
    return keel_diag_memory(m->diag);
}

/* --- what is in it --- */

struct loading {
    struct making *m;
    struct dns_tree_node *node;
};

static int load_record(void *arg, const struct dns_diff_record *record)
{
    const struct loading *l = arg;
    const struct dns_tree_record head = {
        .file = "changed", .ttl = record->ttl, .type = record->type, .size = record->rdata_size};
    return dns_tree_add(&l->m->tree, l->node, &head, record->rdata);
}

static int load(struct making *m, struct dns_tree_node *node)
{
    const struct edit_name *name = edit_find(m->edit, node->name, node->size);
    const struct dns_node *base = dns_image_any_node(m->base, node->name, node->size);
    struct loading l = {m, node};
    int err = 0;
    if (base)
        node->base = dns_node_number(m->base, base);
    if (!name)
        return base ? dns_node_records(m->base, base, 0, load_record, &l) : 0;
    for (const struct edit_record *r = name->records; err == 0 && r; r = r->next) {
        const struct dns_diff_record record = edit_view(name, r);
        err = load_record(&l, &record);
    }
    return err;
}

/* The name is in the delta, with its records. *fresh (may be NULL): it was not yet. */
static int include(struct making *m, const uint8_t *flat, size_t size, bool *fresh)
{
    struct dns_name name;
    bool there = dns_tree_find(&m->tree, flat, size) != NULL;
    if (fresh)
        *fresh = !there;
    if (there)
        return 0;
    if (m->tree.names.count >= m->most)
        return KEEL_ENOSPC;
    dns_name_set(&name, flat);
    struct dns_tree_node *node = dns_tree_get(&m->tree, &name);
    return node && load(m, node) == 0 ? 0 : no_memory(m);
}

static int include_gone(struct making *m, const uint8_t *flat, size_t size)
{
    struct dns_name name;
    dns_name_set(&name, flat);
    struct dns_tree_node *node = dns_tree_get(&m->tree, &name);
    if (!node)
        return no_memory(m);
    node->base = dns_node_number(m->base, dns_image_any_node(m->base, flat, size));
    node->flags = DNS_NODE_GONE;
    return 0;
}

/* --- names without records --- */

static uint64_t kept_hash(const struct making *m, const struct dns_node *node)
{
    return dns_node_number(m->base, node) * 0x9E3779B97F4A7C15u;
}

static int is_node(const void *value, const void *key, size_t size)
{
    return value == key;
}

static bool is_kept(const struct making *m, const struct dns_node *node)
{
    return keel_table_find(&m->kept, kept_hash(m, node), node, 0, is_node) != NULL;
}

static int keep(struct making *m, const struct dns_node *node)
{
    return keel_table_add(&m->kept, kept_hash(m, node), (void *)node) ? no_memory(m) : 0;
}

/* Does a node of the base have records, now? */
static bool lives(const struct making *m, const struct dns_node *node)
{
    const struct edit_name *name =
        edit_find(m->edit, dns_node_name(m->base, node), node->name_size);
    return name ? name->records != NULL : node->set_count > 0;
}

/* Is anything of the base below the node still there? */
static bool lives_below(const struct making *m, const struct dns_node *node)
{
    uint32_t i = dns_node_number(m->base, node) + 1;
    for (; i < m->base->node_count; i++) {
        const struct dns_node *below = dns_image_node(m->base, i);
        if (below->labels <= node->labels)
            return false;
        if (lives(m, below))
            return true;
    }
    return false;
}

/* What stands above a name that has records stays, or comes. */
static int keep_above(struct making *m, const struct edit_name *edited)
{
    struct dns_name name;
    unsigned apex = dns_image_apex(m->base)->labels;
    bool fresh = true;
    dns_name_set(&name, edited->owner);
    for (unsigned labels = name.labels; fresh && labels-- > apex + 1;) {
        unsigned at = name.offsets[name.labels - labels];
        const uint8_t *p = name.bytes + at;
        const struct dns_node *node = dns_image_any_node(m->base, p, (size_t)name.size - at);
        int err = 0;
        if (!node)
            err = include(m, p, (size_t)name.size - at, &fresh);
        else if (is_kept(m, node))
            fresh = false;
        else
            err = keep(m, node);
        if (err)
            return err;
    }
    return 0;
}

/* A name of the base has lost its records: it is gone, and so may be empty ones above it. */
static int take_away(struct making *m, const struct dns_node *node)
{
    for (;;) {
        const uint8_t *flat = dns_node_name(m->base, node);
        if (dns_tree_find(&m->tree, flat, node->name_size))
            return 0;
        if (is_kept(m, node) || lives_below(m, node)) {
            int err = is_kept(m, node) ? 0 : keep(m, node);
            if (err == 0 && edit_find(m->edit, flat, node->name_size))
                err = include(m, flat, node->name_size, NULL); /* an empty one from now on */
            return err;
        }
        int err = include_gone(m, flat, node->name_size);
        node = dns_image_node(m->base, node->parent);
        if (err || lives(m, node) || node == dns_image_apex(m->base))
            return err;
    }
}

/* The names that were touched, and empty ones that come and go with them. */
static int include_touched(struct making *m)
{
    int err = 0;
    keel_list_for (it, &m->edit->names) {
        const struct edit_name *name = KEEL_CONTAINER(it, struct edit_name, node);
        if (err == 0 && name->records)
            err = include(m, name->owner, name->size, NULL);
        if (err == 0 && name->records)
            err = keep_above(m, name);
    }
    keel_list_for (it, &m->edit->names) {
        const struct edit_name *name = KEEL_CONTAINER(it, struct edit_name, node);
        const struct dns_node *node =
            name->records ? NULL : dns_image_any_node(m->base, name->owner, name->size);
        if (err == 0 && node)
            err = take_away(m, node);
    }
    return err;
}

/* Does a wildcard come or go, so that the name above it changes? */
static bool changes_above(const struct making *m, const struct dns_tree_node *node)
{
    return node != m->tree.apex && node->name[0] == 1 && node->name[1] == '*' &&
           (node->flags & DNS_NODE_GONE || node->base == DNS_NO_NODE);
}

static int include_above_wildcards(struct making *m)
{
    const struct dns_tree_node *node;
    size_t cursor = 0, count = m->tree.names.count;
    do
        node = keel_table_next(&m->tree.names, &cursor);
    while (node && !changes_above(m, node));
    if (!node)
        return 0;
    if (dns_tree_sort(&m->tree) != 0)
        return no_memory(m);
    int err = 0;
    for (size_t i = 0; err == 0 && i < count; i++) {
        node = m->tree.order[i];
        if (changes_above(m, node))
            err = include(m, node->name + 2, node->size - 2u, NULL);
    }
    return err;
}

/* --- flags --- */

/* The wildcard below a name stays where it is when the delta has not got it. */
static void keep_wildcard(const struct making *m, struct dns_tree_node *node)
{
    uint8_t star[DNS_NAME_MAX + 2] = "\1*";
    const struct dns_node *base = dns_image_node(m->base, node->base);
    memcpy(star + 2, node->name, node->size);
    if (!(base->flags & DNS_NODE_WILDCARD) || dns_tree_find(&m->tree, star, node->size + 2u))
        return;
    node->flags |= DNS_NODE_WILDCARD;
    node->wildcard = base->wildcard;
}

/* Returns false for a name with records below a DNAME. */
static bool set_flags_of(struct making *m, struct dns_tree_node *node)
{
    const uint8_t *above = node->name + node->name[0] + 1;
    size_t size = node->size - node->name[0] - 1u;
    uint16_t flags = 0;
    uint32_t cut = 0;
    node->up = node->number;
    node->parent = NULL;
    if (node != m->tree.apex) {
        /* the apex is above most names of most zones */
        node->parent =
            size == m->tree.apex->size ? m->tree.apex : dns_tree_find(&m->tree, above, size);
        const struct dns_node *base =
            node->parent ? NULL : dns_image_any_node(m->base, above, size);
        KEEL_ASSERT(node->parent || base, "a name without one above it");
        flags = node->parent ? node->parent->flags : base->flags;
        cut = node->parent ? node->parent->cut : base->cut;
        node->up = node->parent ? node->parent->number : dns_node_number(m->base, base);
    }
    return node->flags & DNS_NODE_GONE || dns_tree_flags(&m->tree, node, flags, cut) == 0;
}

/* *wrong: a name with records below a DNAME, or NULL. */
static int set_flags(struct making *m, const struct dns_tree_node **wrong)
{
    *wrong = NULL;
    if (dns_tree_sort(&m->tree) != 0)
        return no_memory(m);
    for (size_t i = 0; i < m->tree.names.count; i++) {
        struct dns_tree_node *node = m->tree.order[i];
        node->flags &= DNS_NODE_GONE;
        node->cut = node->wildcard = 0;
        if (node->base != DNS_NO_NODE && !(node->flags & DNS_NODE_GONE))
            keep_wildcard(m, node);
    }
    for (size_t i = 0; i < m->tree.names.count; i++)
        if (!set_flags_of(m, m->tree.order[i]))
            *wrong = m->tree.order[i];
    return 0;
}

/* What is below it counts in another way than in the base. */
static bool covers_anew(const struct making *m, const struct dns_tree_node *node)
{
    if (node->base == DNS_NO_NODE || node->flags & DNS_NODE_GONE)
        return false;
    uint16_t old = dns_image_node(m->base, node->base)->flags, now = node->flags;
    const uint16_t cut = DNS_NODE_CUT | DNS_NODE_BELOW_CUT;
    return !(old & cut) != !(now & cut) || (old ^ now) & DNS_NODE_DNAME;
}

static int include_below(struct making *m, const struct dns_tree_node *node)
{
    uint32_t end = dns_image_behind(m->base, node->base);
    int err = 0;
    for (uint32_t i = node->base + 1; err == 0 && i < end; i++) {
        const struct dns_node *below = dns_image_node(m->base, i);
        err = include(m, dns_node_name(m->base, below), below->name_size, NULL);
    }
    return err;
}

/* Flags of all; where a cut or a DNAME comes or goes, with all that is below it. */
static int complete(struct making *m)
{
    const struct dns_tree_node *wrong;
    char text[DNS_NAME_TEXT];
    size_t before;
    int err;
    do {
        before = m->tree.names.count;
        err = set_flags(m, &wrong);
        for (size_t i = 0; err == 0 && i < before; i++)
            if (covers_anew(m, m->tree.order[i]))
                err = include_below(m, m->tree.order[i]);
    } while (err == 0 && m->tree.names.count > before);
    if (err || !wrong)
        return err;
    dns_name_to_text(text, wrong->name);
    return keel_diag_set(m->diag, KEEL_EINVAL, "%s: below a DNAME (RFC 6672, 2.4)", text);
}

/* --- the block --- */

static uint32_t find_addresses(void *arg, const uint8_t *name, size_t size)
{
    const struct making *m = arg;
    const struct dns_tree_node *own = dns_tree_find(&m->tree, name, size);
    if (own)
        return dns_tree_record(own, DNS_TYPE_A) || dns_tree_record(own, DNS_TYPE_AAAA)
                   ? own->number
                   : DNS_NO_NODE;
    const struct dns_node *node =
        dns_image_find(m->base, dns_image_hash(m->base, name, size), name, size);
    return node && (dns_node_set(m->base, node, DNS_TYPE_A) ||
                    dns_node_set(m->base, node, DNS_TYPE_AAAA))
               ? dns_node_number(m->base, node)
               : DNS_NO_NODE;
}

/* The numbers of the whole version: those of the base, less what was replaced. */
static void count_all(const struct making *m, struct dns_image *header)
{
    const struct dns_image *base = m->base;
    header->records += base->records;
    header->signatures = base->signatures;
    header->signed_until = base->signed_until;
    if (header->max_labels < base->max_labels)
        header->max_labels = base->max_labels;
    for (size_t i = 0; i < m->tree.names.count; i++) {
        const struct dns_tree_node *node = m->tree.order[i];
        const struct dns_node *old =
            node->base == DNS_NO_NODE ? NULL : dns_image_node(base, node->base);
        for (const struct dns_set *set = old ? dns_node_next_set(base, old, NULL) : NULL; set;
             set = dns_node_next_set(base, old, set)) {
            header->records -= set->count;
            header->signatures -= set->type == DNS_TYPE_RRSIG ? set->count : 0u;
        }
        for (const struct dns_tree_record *r = node->records; r; r = r->next) {
            if (r->type != DNS_TYPE_RRSIG)
                continue;
            /* one that was replaced may have been the earliest: that is not looked for */
            uint32_t expires = keel_get_u32(r->rdata + 8);
            if (header->signatures == 0 || (int32_t)(expires - header->signed_until) < 0)
                header->signed_until = expires;
            header->signatures++;
        }
    }
}

static int append_places(const struct making *m, struct dns_layout *layout)
{
    size_t count = m->tree.names.count;
    uint32_t at;
    uint32_t *places = dns_layout_table(layout, count * sizeof *places, &at);
    struct dns_name name;
    uint32_t from = 0; /* names and their places ascend together */
    if (!places)
        return no_memory(m);
    for (size_t i = 0; i < count; i++) {
        const struct dns_tree_node *node = m->tree.order[i];
        if (node->base == DNS_NO_NODE) {
            dns_name_set(&name, node->name);
            from = dns_image_search(m->base, &name, from);
            places[i] = from << 1;
        } else {
            from = node->base;
            places[i] = from << 1 | 1;
        }
    }
    dns_layout_header(layout)->places_at = at;
    return 0;
}

static int write_block(struct making *m, uint32_t origin, size_t limit, struct dns_image **delta)
{
    struct dns_layout layout = {.tree = &m->tree,
                                .origin = origin,
                                .diag = m->diag,
                                .find_addresses = find_addresses,
                                .arg = m};
    int err = dns_layout_write(&layout);
    if (err == 0) {
        count_all(m, dns_layout_header(&layout));
        err = append_places(m, &layout);
    }
    if (err == 0)
        err = dns_delta_denial(&layout, m->base);
    size_t size = keel_buf_size(&layout.out);
    if (err == 0 && (size > limit || size > UINT32_MAX - origin))
        err = KEEL_ENOSPC;
    if (err == 0) {
        dns_layout_header(&layout)->size = (uint32_t)size;
        *delta = (struct dns_image *)keel_buf_take(&layout.out);
    }
    dns_layout_fini(&layout);
    return err;
}

static int make(struct making *m, uint32_t origin, size_t limit, struct dns_image **delta)
{
    int err = load(m, m->tree.apex);
    m->tree.first = m->base->node_count;
    if (err == 0)
        err = include_touched(m);
    if (err == 0)
        err = include_above_wildcards(m);
    if (err == 0)
        err = complete(m);
    if (err == 0 && (!dns_tree_record(m->tree.apex, DNS_TYPE_SOA) ||
                     !dns_tree_record(m->tree.apex, DNS_TYPE_NS)))
        err = keel_diag_set(m->diag, KEEL_EINVAL, "there is no SOA or no NS record");
    return err ? err : write_block(m, origin, limit, delta);
}

int dns_edit_delta(const struct dns_edit *edit, uint32_t origin, size_t limit,
                   struct dns_image **delta, struct keel_diag *diag)
{
    struct making m = {.edit = edit, .base = edit->base, .diag = diag};
    struct dns_name apex;
    *delta = NULL;
    if (keel_list_empty(&edit->names))
        return 0;
    m.most = limit / sizeof(struct dns_node) + 1;
    dns_name_set(&apex, dns_node_name(edit->base, dns_image_apex(edit->base)));
    int err = dns_tree_init(&m.tree, &apex, edit->base->key) ? no_memory(&m)
                                                             : make(&m, origin, limit, delta);
    keel_table_fini(&m.kept);
    dns_tree_fini(&m.tree);
    return err;
}
