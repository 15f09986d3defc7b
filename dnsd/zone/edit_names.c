#include "dnsd/zone/edit_names.h"

#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/zone/records.h"

static uint64_t hash_of(const struct dns_edit *edit, const uint8_t *owner, size_t size)
{
    return keel_hash(&edit->base->key, owner, size);
}

static int is_name(const void *value, const void *key, size_t size)
{
    const struct edit_name *name = value;
    return name->size == size && memcmp(name->owner, key, size) == 0;
}

struct edit_name *edit_find(const struct dns_edit *edit, const uint8_t *owner, size_t size)
{
    if (edit->table.count == 0)
        return NULL;
    return keel_table_find(&edit->table, hash_of(edit, owner, size), owner, size, is_name);
}

/* --- records --- */

void edit_records_free(struct dns_edit *edit, struct edit_record *records)
{
    while (records) {
        struct edit_record *next = records->next;
        edit->weight -= sizeof *records + records->size;
        keel_free(records);
        records = next;
    }
}

int edit_records_append(struct dns_edit *edit, struct edit_record **records,
                        const struct dns_diff_record *record)
{
    struct edit_record *r = keel_malloc(sizeof *r + record->rdata_size);
    if (!r)
        return KEEL_ENOMEM;
    *r = (struct edit_record){.ttl = record->ttl, .type = record->type, .size = record->rdata_size};
    if (record->rdata_size > 0)
        memcpy(r->rdata, record->rdata, record->rdata_size);
    edit->weight += sizeof *r + r->size;
    while (*records)
        records = &(*records)->next;
    *records = r;
    return 0;
}

int edit_records_copy(struct dns_edit *edit, const struct edit_record *records,
                      struct edit_record **out)
{
    struct edit_record **end = out;
    *out = NULL;
    for (; records; records = records->next) {
        struct edit_record *r = keel_memdup(records, sizeof *r + records->size);
        if (!r) {
            edit_records_free(edit, *out);
            *out = NULL;
            return KEEL_ENOMEM;
        }
        r->next = NULL;
        edit->weight += sizeof *r + r->size;
        *end = r;
        end = &r->next;
    }
    return 0;
}

bool edit_same_rdata(const struct edit_record *a, uint16_t type, const uint8_t *rdata,
                     uint16_t size)
{
    return a->type == type && dns_rdata_equal(type, a->rdata, a->size, rdata, size);
}

bool edit_records_equal(const struct edit_record *a, const struct edit_record *b)
{
    size_t count = 0, other = 0;
    for (const struct edit_record *r = b; r; r = r->next)
        other++;
    for (; a; a = a->next, count++) {
        const struct edit_record *r = b;
        while (r && (r->ttl != a->ttl || !edit_same_rdata(a, r->type, r->rdata, r->size)))
            r = r->next;
        if (!r)
            return false;
    }
    return count == other;
}

/* --- names --- */

struct loading {
    struct dns_edit *edit;
    struct edit_record **end;
};

static int load_record(void *arg, const struct dns_diff_record *record)
{
    struct loading *l = arg;
    int err = edit_records_append(l->edit, l->end, record);
    if (err == 0)
        l->end = &(*l->end)->next;
    return err;
}

void edit_drop(struct dns_edit *edit, struct edit_name *name)
{
    edit_records_free(edit, name->records);
    edit_records_free(edit, name->before);
    keel_table_remove(&edit->table, hash_of(edit, name->owner, name->size), name);
    keel_list_remove(&name->node);
    keel_list_remove(&name->step);
    edit->weight -= sizeof *name + name->size;
    keel_free(name);
}

/* With what the base has of it. */
static struct edit_name *name_new(struct dns_edit *edit, const uint8_t *owner, size_t size)
{
    const struct dns_node *node = dns_image_any_node(edit->base, owner, size);
    struct edit_name *name = keel_calloc(1, sizeof *name + size);
    if (!name)
        return NULL;
    keel_list_init(&name->step);
    keel_list_push_back(&edit->names, &name->node);
    name->size = (uint8_t)size;
    memcpy(name->owner, owner, size);
    edit->weight += sizeof *name + size;
    struct loading l = {edit, &name->records};
    int err = keel_table_add(&edit->table, hash_of(edit, owner, size), name);
    if (err == 0 && node)
        err = dns_node_records(edit->base, node, 0, load_record, &l);
    if (err == 0)
        return name;
    edit_drop(edit, name);
    return NULL;
}

struct edit_name *edit_touch(struct dns_edit *edit, const uint8_t *owner, size_t size)
{
    struct edit_name *name = edit_find(edit, owner, size);
    bool fresh = !name;
    KEEL_ASSERT(edit->open, "a zone is changed outside of a step");
    if (name && !keel_list_empty(&name->step))
        return name;
    if (fresh)
        name = name_new(edit, owner, size);
    if (!name)
        return NULL;
    if (edit_records_copy(edit, name->records, &name->before) != 0) {
        if (fresh)
            edit_drop(edit, name);
        return NULL;
    }
    name->fresh = fresh;
    keel_list_push_back(&edit->step, &name->step);
    return name;
}
