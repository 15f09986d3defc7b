#include "dnsd/zone/patch.h"

#include "common/base/mem.h"
#include "dnsd/wire/message.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/soa.h"
#include "dnsd/wire/type.h"

/* --- out of an image --- */

/* The set as it stands in an answer to a question about its owner: there its pointers are right. */
struct answer {
    uint8_t *bytes;
    size_t room;
    uint8_t rdata[UINT16_MAX];
};

static int visit_set(struct answer *a, const struct dns_image *image, const struct dns_node *node,
                     const struct dns_set *set, dns_image_visit visit, void *arg)
{
    const uint8_t *owner = dns_node_name(image, node);
    size_t at = DNS_HEADER_SIZE + node->name_size + 4u, size = at + set->size, rdata_size;
    struct dns_record record;
    int err = 0;

    if (size > a->room) {
        uint8_t *bytes = keel_realloc(a->bytes, size);
        if (!bytes)
            return KEEL_ENOMEM;
        a->bytes = bytes;
        a->room = size;
    }
    memset(a->bytes, 0, at);
    memcpy(a->bytes + DNS_HEADER_SIZE, owner, node->name_size);
    memcpy(a->bytes + at, set->bytes, set->size);
    for (unsigned i = 0; err == 0 && i < set->count; i++) {
        if (dns_record_parse(&record, a->bytes, size, &at) != 0 ||
            dns_rdata_parse(record.type, a->bytes, record.rdata, record.rdata_size, a->rdata,
                            &rdata_size) != 0)
            return KEEL_EINVAL;
        const struct dns_diff_record flat = {.owner = owner,
                                             .owner_size = node->name_size,
                                             .type = record.type,
                                             .ttl = record.ttl,
                                             .rdata = a->rdata,
                                             .rdata_size = (uint16_t)rdata_size};
        err = visit(arg, &flat);
    }
    return err;
}

int dns_image_each(const struct dns_image *image, dns_image_visit visit, void *arg)
{
    struct answer *a = keel_malloc(sizeof *a);
    int err = a ? 0 : KEEL_ENOMEM;
    if (a) {
        a->bytes = NULL;
        a->room = 0;
    }
    for (uint32_t i = 0; err == 0 && i < image->node_count; i++) {
        const struct dns_node *node = dns_image_node(image, i);
        const struct dns_set *set = dns_node_next_set(image, node, NULL);
        for (; err == 0 && set; set = dns_node_next_set(image, node, set))
            err = visit_set(a, image, node, set, visit, arg);
    }
    if (a)
        keel_free(a->bytes);
    keel_free(a);
    return err;
}

void dns_view_soa(const struct dns_view *view, uint32_t numbers[5])
{
    const struct dns_set *set = dns_image_at(view->base, dns_view_newest(view)->soa_at);
    const uint8_t *p = set->bytes + set->size - 20; /* one record, and they are its end */
    for (unsigned i = 0; i < 5; i++)
        numbers[i] = keel_get_u32(p + 4 * i);
}

/* --- what the steps come to --- */

/* A record that some step deletes or adds. */
struct change {
    struct change *next; /* in the order in which they came */
    uint32_t ttl;
    uint16_t type, owner_size, rdata_size;
    bool deleted_first; /* so it must be in the image */
    bool there;         /* behind the last step */
    bool found;         /* in the image */
    uint8_t bytes[];    /* owner, rdata, and the rdata with its names lower-cased */
};
struct patch {
    struct keel_arena arena;
    struct keel_table table;
    struct keel_hash_key key;
    struct change *first, **end;
    uint8_t lower[UINT16_MAX];
    dns_image_visit visit;
    void *arg;
};

/* The rdata as it is compared. */
static void lower_rdata(struct patch *p, const struct dns_diff_record *record)
{
    struct dns_rdata_name names[DNS_RDATA_NAMES];
    unsigned count = dns_rdata_names(record->type, record->rdata, record->rdata_size, names);
    if (record->rdata_size > 0)
        memcpy(p->lower, record->rdata, record->rdata_size);
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = names[i].offset; k < names[i].offset + (unsigned)names[i].size; k++)
            p->lower[k] = dns_lower[p->lower[k]];
}

static int same(const void *value, const void *key, size_t size)
{
    const struct change *change = value;
    const struct dns_diff_record *record = key; /* its rdata is lower-cased */
    return change->type == record->type && change->owner_size == record->owner_size &&
           change->rdata_size == record->rdata_size &&
           memcmp(change->bytes, record->owner, record->owner_size) == 0 &&
           memcmp(change->bytes + change->owner_size + change->rdata_size, record->rdata,
                  record->rdata_size) == 0;
}

/* NULL: no step is about it. Leaves p->lower filled, and in *hash where it belongs. */
static struct change *find(struct patch *p, const struct dns_diff_record *record, uint64_t *hash)
{
    struct dns_diff_record lower = *record;
    lower_rdata(p, record);
    lower.rdata = p->lower;
    *hash = keel_hash(&p->key, record->owner, record->owner_size) ^
            keel_hash(&p->key, p->lower, record->rdata_size) ^ record->type;
    return keel_table_find(&p->table, *hash, &lower, sizeof lower, same);
}

static struct change *add(struct patch *p, const struct dns_diff_record *record, uint64_t hash)
{
    struct change *change =
        keel_arena_calloc(&p->arena, sizeof *change + record->owner_size + 2u * record->rdata_size);
    if (!change)
        return NULL;
    change->type = record->type;
    change->owner_size = record->owner_size;
    change->rdata_size = record->rdata_size;
    memcpy(change->bytes, record->owner, record->owner_size);
    if (record->rdata_size > 0) {
        uint8_t *rdata = change->bytes + record->owner_size;
        memcpy(rdata, record->rdata, record->rdata_size);
        memcpy(rdata + record->rdata_size, p->lower, record->rdata_size);
    }
    if (keel_table_add(&p->table, hash, change) != 0)
        return NULL;
    *p->end = change;
    p->end = &change->next;
    return change;
}

static int missing(const struct dns_diff_record *record, struct keel_diag *diag)
{
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    dns_name_to_text(name, record->owner);
    dns_type_format(type, record->type);
    return keel_diag_set(diag, KEEL_EINVAL, "it deletes %s %s, which is not there", name, type);
}

static int note(struct patch *p, const struct dns_diff_record *record, bool there,
                struct keel_diag *diag)
{
    uint64_t hash;
    struct change *change = find(p, record, &hash);
    if (!change) {
        change = add(p, record, hash);
        if (!change)
            return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
        change->deleted_first = !there;
    } else if (!there && !change->there) {
        return missing(record, diag);
    }
    change->there = there;
    change->ttl = record->ttl;
    return 0;
}

static int note_part(struct patch *p, const struct keel_buf *part, bool there,
                     struct keel_diag *diag)
{
    struct dns_diff_record record;
    size_t offset = 0;
    int err;
    while ((err = dns_diff_next(keel_buf_bytes(part), keel_buf_size(part), &offset, &record)) ==
           0) {
        err = note(p, &record, there, diag);
        if (err)
            return err;
    }
    return err == KEEL_EOF ? 0 : keel_diag_set(diag, err, "a malformed difference");
}

/* --- both together --- */

/* A record of the image: dropped, with another TTL, or as it is. */
static int merge(void *arg, const struct dns_diff_record *record)
{
    struct patch *p = arg;
    struct dns_diff_record copy = *record;
    uint64_t hash;
    struct change *change = find(p, record, &hash);
    if (change) {
        change->found = true;
        if (!change->there)
            return 0;
        copy.ttl = change->ttl;
    }
    return p->visit(p->arg, &copy);
}

static int visit_new(struct patch *p, struct keel_diag *diag)
{
    int err = 0;
    for (const struct change *c = p->first; err == 0 && c; c = c->next) {
        const struct dns_diff_record record = {.owner = c->bytes,
                                               .owner_size = c->owner_size,
                                               .type = c->type,
                                               .ttl = c->ttl,
                                               .rdata = c->bytes + c->owner_size,
                                               .rdata_size = c->rdata_size};
        if (c->deleted_first && !c->found)
            return missing(&record, diag);
        if (c->there && !c->found)
            err = p->visit(p->arg, &record);
    }
    return err;
}

static int run(struct patch *p, const struct dns_image *image, const struct dns_diff *steps,
               unsigned count, struct keel_diag *diag)
{
    uint32_t serial = image->serial;
    int err = 0;
    for (unsigned i = 0; err == 0 && i < count; i++) {
        if (steps[i].from != serial)
            return keel_diag_set(diag, KEEL_EINVAL, "the differences are from serial %u, not %u",
                                 steps[i].from, serial);
        err = note_part(p, &steps[i].deleted, false, diag);
        if (err == 0)
            err = note_part(p, &steps[i].added, true, diag);
        serial = steps[i].to;
    }
    if (err)
        return err;
    err = dns_image_each(image, merge, p);
    return err ? err : visit_new(p, diag);
}

int dns_patch_each(const struct dns_image *image, const struct dns_diff *steps, unsigned count,
                   struct keel_hash_key key, dns_image_visit visit, void *arg,
                   struct keel_diag *diag)
{
    struct patch *p = keel_malloc(sizeof *p);
    if (!p)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    keel_arena_init(&p->arena, 64 * 1024);
    keel_table_init(&p->table);
    p->key = key;
    p->first = NULL;
    p->end = &p->first;
    p->visit = visit;
    p->arg = arg;
    int err = run(p, image, steps, count, diag);
    keel_table_fini(&p->table);
    keel_arena_fini(&p->arena);
    keel_free(p);
    return err;
}
