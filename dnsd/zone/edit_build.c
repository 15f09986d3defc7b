#include "dnsd/zone/edit_names.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/compile.h"
#include "dnsd/zone/records.h"

#include <stdlib.h>

/* --- what a step has changed --- */

static int compare_records(const void *a, const void *b)
{
    const struct dns_diff_record *x = a, *y = b;
    if (x->type != y->type) /* the SOA is the first of its part */
        return x->type == DNS_TYPE_SOA ? -1 : y->type == DNS_TYPE_SOA ? 1 : x->type - y->type;
    int d =
        memcmp(x->rdata, y->rdata, x->rdata_size < y->rdata_size ? x->rdata_size : y->rdata_size);
    if (d == 0)
        d = x->rdata_size - y->rdata_size;
    return d ? d : (x->ttl > y->ttl) - (x->ttl < y->ttl);
}

/* Records of one owner, sorted. */
struct sorted {
    struct dns_diff_record *items;
    size_t count;
};

/* What is in one of the two and not in the other. */
static int put_difference(struct dns_diff *diff, const struct sorted *before,
                          const struct sorted *after)
{
    size_t i = 0, k = 0;
    int err = 0;
    while (err == 0 && (i < before->count || k < after->count)) {
        int d = i == before->count  ? 1
                : k == after->count ? -1
                                    : compare_records(&before->items[i], &after->items[k]);
        if (d < 0)
            err = dns_diff_delete(diff, &before->items[i]);
        else if (d > 0)
            err = dns_diff_add(diff, &after->items[k]);
        i += d <= 0;
        k += d >= 0;
    }
    return err;
}

static int sort_list(const struct edit_name *name, const struct edit_record *records,
                     struct sorted *out)
{
    size_t n = 0;
    for (const struct edit_record *r = records; r; r = r->next)
        n++;
    out->items = keel_calloc(n + 1, sizeof *out->items);
    out->count = n;
    if (!out->items)
        return KEEL_ENOMEM;
    n = 0;
    for (const struct edit_record *r = records; r; r = r->next)
        out->items[n++] = edit_view(name, r);
    qsort(out->items, n, sizeof *out->items, compare_records);
    return 0;
}

static int name_difference(const struct edit_name *name, struct dns_diff *diff)
{
    struct sorted before = {0}, after = {0};
    int err = sort_list(name, name->before, &before);
    if (err == 0)
        err = sort_list(name, name->records, &after);
    if (err == 0)
        err = put_difference(diff, &before, &after);
    keel_free(before.items);
    keel_free(after.items);
    return err;
}

static uint32_t base_serial(const struct edit_name *apex, uint32_t serial)
{
    for (const struct edit_record *r = apex->before; r; r = r->next)
        if (r->type == DNS_TYPE_SOA)
            return keel_get_u32(r->rdata + r->size - 20);
    return serial;
}

int dns_edit_difference(const struct dns_edit *edit, struct dns_diff *diff)
{
    const struct dns_node *node = dns_image_apex(edit->base);
    struct edit_name *apex = edit_find(edit, dns_node_name(edit->base, node), node->name_size);
    bool touched = apex && !keel_list_empty(&apex->step);
    int err = touched ? name_difference(apex, diff) : 0;
    diff->to = dns_edit_serial(edit);
    diff->from = touched ? base_serial(apex, diff->to) : diff->to;
    keel_list_for (it, &edit->step) {
        const struct edit_name *name = KEEL_CONTAINER(it, struct edit_name, step);
        if (err == 0 && name != apex)
            err = name_difference(name, diff);
    }
    return err;
}

/* --- images --- */

struct compiling {
    struct dns_compiler *compiler;
    struct keel_diag *diag;
};

static int compile_record(void *arg, const struct dns_diff_record *record)
{
    struct compiling *c = arg;
    struct dns_name owner;
    dns_name_set(&owner, record->owner);
    const struct dns_scanned scanned = {.owner = &owner,
                                        .type = record->type,
                                        .ttl = record->ttl,
                                        .rdata = record->rdata,
                                        .rdata_size = record->rdata_size,
                                        .file = "zone"};
    return dns_compiler_add(c->compiler, &scanned, c->diag);
}

int dns_edit_image(const struct dns_edit *edit, struct keel_hash_key key, struct dns_image **image,
                   struct keel_diag *diag)
{
    struct dns_name apex;
    dns_name_set(&apex, dns_node_name(edit->base, dns_image_apex(edit->base)));
    struct compiling c = {dns_compiler_new(&apex, key), diag};
    int err = c.compiler ? dns_edit_each(edit, compile_record, &c) : KEEL_ENOMEM;
    if (err == 0)
        err = dns_compiler_finish(c.compiler, image, diag);
    if (err == KEEL_ENOMEM)
        keel_diag_set(diag, err, "%s", keel_strerror(err));
    dns_compiler_free(c.compiler);
    return err;
}

/* --- beside a change of the base --- */

struct dns_edit *dns_edit_snapshot(const struct dns_edit *edit)
{
    struct dns_edit *copy = dns_edit_new(edit->base);
    if (!copy)
        return NULL;
    copy->open = true;
    keel_list_for (node, &edit->names) {
        const struct edit_name *name = KEEL_CONTAINER(node, struct edit_name, node);
        struct edit_name *made = edit_touch(copy, name->owner, name->size);
        struct edit_record *records = NULL;
        if (!made || edit_records_copy(copy, name->records, &records) != 0) {
            dns_edit_free(copy);
            return NULL;
        }
        edit_records_free(copy, made->records);
        made->records = records;
    }
    keel_list_for_safe (node, &copy->step) {
        struct edit_name *name = KEEL_CONTAINER(node, struct edit_name, step);
        edit_records_free(copy, name->before);
        name->before = NULL;
        keel_list_remove(&name->step);
    }
    copy->open = false;
    return copy;
}

int dns_edit_rebase(struct dns_edit *edit, const struct dns_edit *made_of,
                    const struct dns_image *base)
{
    /* names are hashed with the key of their base: all move to a table of the new one's */
    struct keel_table table;
    keel_table_init(&table);
    keel_list_for (node, &edit->names) {
        struct edit_name *name = KEEL_CONTAINER(node, struct edit_name, node);
        if (keel_table_add(&table, keel_hash(&base->key, name->owner, name->size), name) != 0) {
            keel_table_fini(&table);
            return KEEL_ENOMEM;
        }
    }
    struct keel_table old = edit->table;
    edit->table = table;
    edit->base = base;
    keel_table_fini(&old);
    keel_list_for_safe (node, &edit->names) {
        struct edit_name *name = KEEL_CONTAINER(node, struct edit_name, node);
        const struct edit_name *was = edit_find(made_of, name->owner, name->size);
        if (keel_list_empty(&name->step) && was && edit_records_equal(was->records, name->records))
            edit_drop(edit, name);
    }
    return 0;
}

/* --- two versions --- */

/* The records of one node, kept. */
struct kept {
    struct keel_arena *arena;
    struct dns_diff_record *items;
    size_t count, room;
};

static int keep_record(void *arg, const struct dns_diff_record *record)
{
    struct kept *k = arg;
    if (k->count == k->room) {
        size_t room = k->room ? 2 * k->room : 16;
        struct dns_diff_record *items = keel_realloc(k->items, room * sizeof *items);
        if (!items)
            return KEEL_ENOMEM;
        k->items = items;
        k->room = room;
    }
    struct dns_diff_record *r = &k->items[k->count];
    *r = *record;
    r->rdata = keel_arena_memdup(k->arena, record->rdata, record->rdata_size);
    k->count++;
    return r->rdata ? 0 : KEEL_ENOMEM;
}

static int read_node(struct kept *k, const struct dns_image *image, const struct dns_node *node)
{
    k->count = 0;
    int err = node ? dns_node_records(image, node, 0, keep_record, k) : 0;
    if (err == 0 && k->count > 0)
        qsort(k->items, k->count, sizeof *k->items, compare_records);
    return err;
}

struct versions {
    const struct dns_image *old, *new; /* their bases, which offsets count from */
    struct keel_arena arena;
    struct kept before, after;
    struct dns_diff *diff;
};

/* Either may be NULL: the name is not there. */
static int node_difference(struct versions *v, const struct dns_node *old,
                           const struct dns_node *new)
{
    keel_arena_reset(&v->arena);
    int err = read_node(&v->before, v->old, old);
    if (err == 0)
        err = read_node(&v->after, v->new, new);
    const struct sorted before = {v->before.items, v->before.count};
    const struct sorted after = {v->after.items, v->after.count};
    return err ? err : put_difference(v->diff, &before, &after);
}

/* Both have the bytes of the same sets: most names of a zone that was read again. */
static bool is_same_node(const struct versions *v, const struct dns_node *a,
                         const struct dns_node *b)
{
    const struct dns_set *x = NULL, *y = NULL;
    if (a->set_count != b->set_count)
        return false;
    for (uint32_t i = 0; i < a->set_count; i++) {
        x = dns_node_next_set(v->old, a, x);
        y = dns_node_next_set(v->new, b, y);
        if (x->type != y->type || x->ttl != y->ttl || x->size != y->size ||
            memcmp(x->bytes, y->bytes, x->size) != 0)
            return false;
    }
    return true;
}

/* Nodes of both come in canonical order. */
static int walk(struct versions *v, const struct dns_view *before, const struct dns_view *after)
{
    struct dns_view_walk i = {0}, k = {0};
    const struct dns_node *old = dns_view_next(before, &i), *new = dns_view_next(after, &k);
    struct dns_name a, b;
    int err = 0;
    while (err == 0 && (old || new)) {
        int d = old ? -1 : 1;
        if (old && new) {
            dns_name_set(&a, dns_node_name(v->old, old));
            dns_name_set(&b, dns_node_name(v->new, new));
            d = dns_name_compare(&a, &b);
        }
        if (d < 0)
            err = node_difference(v, old, NULL);
        else if (d > 0)
            err = node_difference(v, NULL, new);
        else if (!is_same_node(v, old, new))
            err = node_difference(v, old, new);
        old = d <= 0 ? dns_view_next(before, &i) : old;
        new = d >= 0 ? dns_view_next(after, &k) : new;
    }
    return err;
}

int dns_view_difference(const struct dns_view *old, const struct dns_view *new,
                        struct dns_diff *diff)
{
    struct versions v = {.old = old->base, .new = new->base, .diff = diff};
    keel_arena_init(&v.arena, 64 * 1024);
    v.before.arena = v.after.arena = &v.arena;
    diff->from = dns_view_newest(old)->serial;
    diff->to = dns_view_newest(new)->serial;
    int err = walk(&v, old, new);
    keel_arena_fini(&v.arena);
    keel_free(v.before.items);
    keel_free(v.after.items);
    if (err == 0 && diff->deleted_count + diff->added_count == 0)
        return KEEL_EEXIST;
    return err;
}
