#include "dnsd/zone/edit.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/edit_names.h"
#include "dnsd/zone/records.h"

#define SOA_NUMBERS 20 /* bytes at the end of an SOA's rdata */

struct dns_edit *dns_edit_new(const struct dns_image *base)
{
    struct dns_edit *edit = keel_calloc(1, sizeof *edit);
    if (!edit)
        return NULL;
    edit->base = base;
    keel_table_init(&edit->table);
    keel_list_init(&edit->names);
    keel_list_init(&edit->step);
    return edit;
}

void dns_edit_free(struct dns_edit *edit)
{
    if (!edit)
        return;
    keel_list_for_safe (node, &edit->names)
        edit_drop(edit, KEEL_CONTAINER(node, struct edit_name, node));
    keel_table_fini(&edit->table);
    keel_free(edit);
}

/* --- reading --- */

static const struct dns_node *apex_of(const struct dns_edit *edit)
{
    return dns_image_apex(edit->base);
}

uint32_t dns_edit_serial(const struct dns_edit *edit)
{
    const struct dns_node *apex = apex_of(edit);
    const struct edit_name *name =
        edit_find(edit, dns_node_name(edit->base, apex), apex->name_size);
    for (const struct edit_record *r = name ? name->records : NULL; r; r = r->next)
        if (r->type == DNS_TYPE_SOA)
            return keel_get_u32(r->rdata + r->size - SOA_NUMBERS);
    return edit->base->serial;
}

bool dns_edit_is_signed(const struct dns_edit *edit)
{
    return edit->base->denial != DNS_DENIAL_NONE || edit->base->signatures > 0;
}

bool dns_edit_has_name(const struct dns_edit *edit, const uint8_t *owner, size_t size)
{
    const struct edit_name *name = edit_find(edit, owner, size);
    if (name)
        return name->records != NULL;
    const struct dns_node *node = dns_image_any_node(edit->base, owner, size);
    return node && node->set_count > 0;
}

bool dns_edit_has_set(const struct dns_edit *edit, const uint8_t *owner, size_t size, uint16_t type)
{
    const struct edit_name *name = edit_find(edit, owner, size);
    if (!name) {
        const struct dns_node *node = dns_image_any_node(edit->base, owner, size);
        return node && dns_node_set(edit->base, node, type);
    }
    for (const struct edit_record *r = name->records; r; r = r->next)
        if (r->type == type)
            return true;
    return false;
}

static int each_of(const struct edit_name *name, uint16_t type, dns_edit_visit visit, void *arg)
{
    int stop = 0;
    for (const struct edit_record *r = name->records; stop == 0 && r; r = r->next) {
        const struct dns_diff_record record = edit_view(name, r);
        if (type == 0 || r->type == type)
            stop = visit(arg, &record);
    }
    return stop;
}

int dns_edit_each_at(const struct dns_edit *edit, const uint8_t *owner, size_t size, uint16_t type,
                     dns_edit_visit visit, void *arg)
{
    const struct edit_name *name = edit_find(edit, owner, size);
    if (name)
        return each_of(name, type, visit, arg);
    const struct dns_node *node = dns_image_any_node(edit->base, owner, size);
    return node ? dns_node_records(edit->base, node, type, visit, arg) : 0;
}

/* All of the walk but the SOA, which came first. */
struct behind_soa {
    dns_edit_visit visit;
    void *arg;
};

static int visit_rest(void *arg, const struct dns_diff_record *record)
{
    const struct behind_soa *b = arg;
    return record->type == DNS_TYPE_SOA ? 0 : b->visit(b->arg, record);
}

int dns_edit_each(const struct dns_edit *edit, dns_edit_visit visit, void *arg)
{
    const struct dns_image *base = edit->base;
    const struct dns_node *apex = apex_of(edit);
    struct behind_soa rest = {visit, arg};
    int stop = dns_edit_each_at(edit, dns_node_name(base, apex), apex->name_size, DNS_TYPE_SOA,
                                visit, arg);
    for (uint32_t i = 0; stop == 0 && i < base->node_count; i++) {
        const struct dns_node *node = dns_image_node(base, i);
        if (node->set_count > 0 && !edit_find(edit, dns_node_name(base, node), node->name_size))
            stop = dns_node_records(base, node, 0, visit_rest, &rest);
    }
    keel_list_for (node, &edit->names) {
        if (stop)
            break;
        stop = each_of(KEEL_CONTAINER(node, struct edit_name, node), 0, visit_rest, &rest);
    }
    return stop;
}

/* --- changing --- */

void dns_edit_begin(struct dns_edit *edit)
{
    KEEL_ASSERT(!edit->open, "a step inside of a step");
    edit->open = true;
}

/* Of which a name has one. */
static bool is_single(uint16_t type)
{
    return type == DNS_TYPE_SOA || type == DNS_TYPE_CNAME || type == DNS_TYPE_DNAME;
}

static bool is_in_zone(const struct dns_edit *edit, const uint8_t *owner, size_t size)
{
    const struct dns_node *apex = apex_of(edit);
    const uint8_t *name = dns_node_name(edit->base, apex);
    size_t at = 0;
    while (size - at > apex->name_size)
        at += owner[at] + 1u;
    return size - at == apex->name_size && memcmp(owner + at, name, apex->name_size) == 0;
}

/* The type that a signature signs: signatures of different types are different RRsets. */
static uint16_t covered(uint16_t type, const uint8_t *rdata)
{
    return type == DNS_TYPE_RRSIG ? keel_get_u16(rdata) : 0;
}

int dns_edit_add(struct dns_edit *edit, const struct dns_diff_record *record)
{
    if (!is_in_zone(edit, record->owner, record->owner_size) ||
        (record->type == DNS_TYPE_SOA && record->owner_size != apex_of(edit)->name_size) ||
        dns_type_is_meta(record->type))
        return KEEL_EINVAL;
    struct edit_name *name = edit_touch(edit, record->owner, record->owner_size);
    struct edit_record *made = NULL, **at, **last = NULL;
    uint16_t own = covered(record->type, record->rdata);
    if (!name || edit_records_append(edit, &made, record) != 0)
        return KEEL_ENOMEM;
    for (at = &name->records; *at;) {
        struct edit_record *r = *at;
        if (r->type == record->type && covered(r->type, r->rdata) == own)
            r->ttl = record->ttl;
        if ((is_single(record->type) && r->type == record->type) ||
            edit_same_rdata(r, record->type, record->rdata, record->rdata_size)) {
            *at = r->next; /* the new one stands for it: the case of its names may differ */
            r->next = NULL;
            edit_records_free(edit, r);
        } else {
            at = &r->next;
            if (r->type == record->type)
                last = at; /* records of a type stay together */
        }
    }
    at = last ? last : at;
    made->next = *at;
    *at = made;
    return 0;
}

int dns_edit_remove(struct dns_edit *edit, const struct dns_diff_record *record)
{
    if (!dns_edit_has_name(edit, record->owner, record->owner_size))
        return KEEL_ENOENT;
    struct edit_name *name = edit_touch(edit, record->owner, record->owner_size);
    bool found = false;
    if (!name)
        return KEEL_ENOMEM;
    for (struct edit_record **at = &name->records; *at;) {
        struct edit_record *r = *at;
        bool fits = record->rdata
                        ? edit_same_rdata(r, record->type, record->rdata, record->rdata_size)
                        : record->type == 0 || r->type == record->type;
        if (!fits) {
            at = &r->next;
            continue;
        }
        found = true;
        *at = r->next;
        r->next = NULL;
        edit_records_free(edit, r);
    }
    return found ? 0 : KEEL_ENOENT;
}

static int apply_part(struct dns_edit *edit, const struct keel_buf *part, bool add,
                      struct keel_diag *diag)
{
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    struct dns_diff_record record;
    size_t at = 0;
    int err;
    while ((err = dns_diff_next(keel_buf_bytes(part), keel_buf_size(part), &at, &record)) == 0) {
        err = add ? dns_edit_add(edit, &record) : dns_edit_remove(edit, &record);
        if (err == KEEL_ENOMEM)
            return keel_diag_set(diag, err, "%s", keel_strerror(err));
        if (err) {
            dns_name_to_text(name, record.owner);
            dns_type_format(type, record.type);
            return keel_diag_set(diag, KEEL_EINVAL,
                                 add ? "it adds %s %s, which may not be there"
                                     : "it deletes %s %s, which is not there",
                                 name, type);
        }
    }
    return err == KEEL_EOF ? 0 : keel_diag_set(diag, KEEL_EINVAL, "a malformed difference");
}

int dns_edit_apply(struct dns_edit *edit, const struct dns_diff *diff, struct keel_diag *diag)
{
    uint32_t serial = dns_edit_serial(edit);
    if (diff->from != serial)
        return keel_diag_set(diag, KEEL_EINVAL, "the difference is from serial %u, not %u",
                             diff->from, serial);
    int err = apply_part(edit, &diff->deleted, false, diag);
    return err ? err : apply_part(edit, &diff->added, true, diag);
}

/* --- the end of a step --- */

/* The name is as it was, or is what it has become. */
static void end_name(struct dns_edit *edit, struct edit_name *name, bool stays)
{
    struct edit_record *gone = stays ? name->before : name->records;
    if (!stays)
        name->records = name->before;
    name->before = NULL;
    edit_records_free(edit, gone);
    keel_list_remove(&name->step);
    if (!stays && name->fresh)
        edit_drop(edit, name);
}

static void end_step(struct dns_edit *edit, bool stays)
{
    KEEL_ASSERT(edit->open, "no step to end");
    keel_list_for_safe (node, &edit->step)
        end_name(edit, KEEL_CONTAINER(node, struct edit_name, step), stays);
    edit->open = false;
}

int dns_edit_commit(struct dns_edit *edit, struct keel_diag *diag)
{
    int err = edit_check(edit, diag);
    if (err == 0)
        end_step(edit, true);
    return err;
}

void dns_edit_rollback(struct dns_edit *edit)
{
    end_step(edit, false);
}

size_t dns_edit_weight(const struct dns_edit *edit)
{
    return edit->weight;
}
