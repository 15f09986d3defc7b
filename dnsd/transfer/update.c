#include "dnsd/transfer/update.h"

#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"

#include <stdlib.h>

/* One message under way. */
struct update {
    struct dns_edit *edit;
    const struct dns_name *apex; /* lower-cased */
    const uint8_t *bytes;
    size_t size;
    size_t at; /* the next record */
    unsigned zones, prerequisites, updates;
    struct keel_buf wanted; /* prerequisites with a value, as records of a diff */
    bool serial_set;        /* the message brought an SOA */
    bool changed;
    uint8_t rdata[UINT16_MAX]; /* of the record that is read now */
};

/* A record of the message; rdata is flat. */
struct entry {
    struct dns_name owner; /* lower-cased */
    uint16_t class;
    struct dns_diff_record record;
};

/* --- reading --- */

/* FORMERR: it is none. Rdata that is to be empty, or need not be looked at, is left out. */
static enum dns_rcode next_entry(struct update *u, struct entry *e)
{
    struct dns_record r;
    size_t n = 0;
    if (dns_record_parse(&r, u->bytes, u->size, &u->at) != 0)
        return DNS_FORMERR;
    e->owner = r.owner;
    dns_name_lower(&e->owner);
    e->class = r.class;
    if (r.class != DNS_CLASS_ANY && r.rdata_size > 0 &&
        dns_rdata_parse(r.type, u->bytes, r.rdata, r.rdata_size, u->rdata, &n) != 0)
        return DNS_FORMERR;
    if (r.class == DNS_CLASS_ANY)
        n = r.rdata_size; /* only whether there is any */
    e->record = (struct dns_diff_record){.owner = e->owner.bytes,
                                         .owner_size = e->owner.size,
                                         .type = r.type,
                                         .ttl = r.ttl,
                                         .rdata = u->rdata,
                                         .rdata_size = (uint16_t)n};
    return dns_name_in(&e->owner, u->apex) ? DNS_NOERROR : DNS_NOTZONE;
}

/* --- prerequisites (RFC 2136, 3.2) --- */

static bool has_name(const struct update *u, const struct entry *e)
{
    return dns_edit_has_name(u->edit, e->owner.bytes, e->owner.size);
}

static bool has_set(const struct update *u, const struct entry *e)
{
    return dns_edit_has_set(u->edit, e->owner.bytes, e->owner.size, e->record.type);
}

/* Keeps a record that has to be there, in the form in which it is compared. */
static enum dns_rcode want(struct update *u, const struct entry *e)
{
    struct dns_diff diff;
    dns_rdata_lower(e->record.type, u->rdata, e->record.rdata_size);
    dns_diff_init(&diff);
    diff.added = u->wanted; /* the buffer is lent */
    int err = dns_diff_add(&diff, &e->record);
    u->wanted = diff.added;
    return err ? DNS_SERVFAIL : DNS_NOERROR;
}

static enum dns_rcode check_prerequisite(struct update *u, const struct entry *e)
{
    bool any_type = e->record.type == DNS_TYPE_ANY;
    if (e->record.ttl != 0)
        return DNS_FORMERR;
    switch (e->class) {
    case DNS_CLASS_ANY: /* it is in use */
        if (e->record.rdata_size > 0)
            return DNS_FORMERR;
        if (any_type)
            return has_name(u, e) ? DNS_NOERROR : DNS_NXDOMAIN;
        return has_set(u, e) ? DNS_NOERROR : DNS_NXRRSET;
    case DNS_CLASS_NONE: /* it is not */
        if (e->record.rdata_size > 0)
            return DNS_FORMERR;
        if (any_type)
            return has_name(u, e) ? DNS_YXDOMAIN : DNS_NOERROR;
        return has_set(u, e) ? DNS_YXRRSET : DNS_NOERROR;
    case DNS_CLASS_IN: /* it is this very set */
        return dns_type_is_meta(e->record.type) || any_type ? DNS_FORMERR : want(u, e);
    default:
        return DNS_FORMERR;
    }
}

static int compare_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    int d = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return d ? d : (a_size > b_size) - (a_size < b_size);
}

static int compare_sets(const struct dns_diff_record *a, const struct dns_diff_record *b)
{
    int d = compare_bytes(a->owner, a->owner_size, b->owner, b->owner_size);
    return d ? d : a->type - b->type;
}

static int compare_records(const void *a, const void *b)
{
    const struct dns_diff_record *x = a, *y = b;
    int d = compare_sets(x, y);
    return d ? d : compare_bytes(x->rdata, x->rdata_size, y->rdata, y->rdata_size);
}

/* One set of the prerequisites, each record once. */
struct wanted_set {
    struct update *update;
    const struct dns_diff_record *records;
    size_t count, found;
};

static int find_wanted(void *arg, const struct dns_diff_record *record)
{
    struct wanted_set *set = arg;
    struct dns_diff_record r = *record;
    uint8_t *rdata = set->update->rdata;
    memcpy(rdata, record->rdata, record->rdata_size);
    dns_rdata_lower(r.type, rdata, r.rdata_size);
    r.rdata = rdata;
    if (!bsearch(&r, set->records, set->count, sizeof r, compare_records))
        return KEEL_ENOENT;
    set->found++;
    return 0;
}

/* The sets with values are what the zone has, no more and no less (RFC 2136, 3.2.3). */
static enum dns_rcode compare_wanted(struct update *u, struct dns_diff_record *records, size_t n)
{
    size_t kept = 0;
    qsort(records, n, sizeof *records, compare_records);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || compare_records(&records[kept - 1], &records[i]) != 0)
            records[kept++] = records[i];
    for (size_t i = 0; i < kept;) {
        struct wanted_set set = {u, &records[i], 1, 0};
        while (i + set.count < kept && compare_sets(&records[i], &records[i + set.count]) == 0)
            set.count++;
        int err = dns_edit_each_at(u->edit, records[i].owner, records[i].owner_size,
                                   records[i].type, find_wanted, &set);
        if (err == KEEL_ENOMEM)
            return DNS_SERVFAIL;
        if (err || set.found != set.count)
            return DNS_NXRRSET;
        i += set.count;
    }
    return DNS_NOERROR;
}

static enum dns_rcode check_wanted(struct update *u)
{
    const uint8_t *bytes = keel_buf_bytes(&u->wanted);
    size_t size = keel_buf_size(&u->wanted), at = 0, n = 0;
    if (size == 0)
        return DNS_NOERROR;
    struct dns_diff_record *records = keel_calloc(u->prerequisites, sizeof *records);
    if (!records)
        return DNS_SERVFAIL;
    while (dns_diff_next(bytes, size, &at, &records[n]) == 0)
        n++;
    enum dns_rcode rcode = compare_wanted(u, records, n);
    keel_free(records);
    return rcode;
}

static enum dns_rcode check_prerequisites(struct update *u)
{
    struct entry e;
    for (unsigned i = 0; i < u->prerequisites; i++) {
        enum dns_rcode rcode = next_entry(u, &e);
        if (rcode == DNS_NOERROR)
            rcode = check_prerequisite(u, &e);
        if (rcode != DNS_NOERROR)
            return rcode;
    }
    return check_wanted(u);
}

/* --- the changes (RFC 2136, 3.4) --- */

/* Is each one in the right form? Nothing is changed before that is known (3.4.1). */
static enum dns_rcode scan_change(const struct entry *e)
{
    uint16_t type = e->record.type;
    switch (e->class) {
    case DNS_CLASS_IN:
        return type == DNS_TYPE_ANY || dns_type_is_meta(type) || e->record.rdata_size == 0
                   ? DNS_FORMERR
                   : DNS_NOERROR;
    case DNS_CLASS_ANY:
        return e->record.ttl != 0 || e->record.rdata_size > 0 ||
                       (type != DNS_TYPE_ANY && dns_type_is_meta(type))
                   ? DNS_FORMERR
                   : DNS_NOERROR;
    case DNS_CLASS_NONE:
        return e->record.ttl != 0 || type == DNS_TYPE_ANY || dns_type_is_meta(type) ? DNS_FORMERR
                                                                                    : DNS_NOERROR;
    default:
        return DNS_FORMERR;
    }
}

static enum dns_rcode scan_changes(struct update *u)
{
    struct entry e;
    size_t start = u->at;
    for (unsigned i = 0; i < u->updates; i++) {
        enum dns_rcode rcode = next_entry(u, &e);
        if (rcode == DNS_NOERROR)
            rcode = scan_change(&e);
        if (rcode != DNS_NOERROR)
            return rcode;
    }
    u->at = start;
    return DNS_NOERROR;
}

static bool is_apex(const struct update *u, const struct entry *e)
{
    return e->owner.size == u->apex->size;
}

/* Something that may not stand beside a CNAME, if that is the type that is added; or the CNAME. */
static int find_conflict(void *arg, const struct dns_diff_record *record)
{
    const uint16_t *added = arg;
    bool alias = record->type == DNS_TYPE_CNAME;
    /* what signs and denies stands beside everything (RFC 4034, 3 and 4) */
    if (record->type == DNS_TYPE_RRSIG || record->type == DNS_TYPE_NSEC)
        return 0;
    return alias != (*added == DNS_TYPE_CNAME);
}

/* RFC 2136, 3.4.2.2: is such an addition silently ignored? 0, 1 or KEEL_ENOMEM. */
static int is_ignored_addition(struct update *u, const struct entry *e)
{
    uint16_t type = e->record.type;
    if (e->record.type == DNS_TYPE_SOA) {
        uint32_t serial = keel_get_u32(e->record.rdata + e->record.rdata_size - 20);
        return !is_apex(u, e) || (int32_t)(serial - dns_edit_serial(u->edit)) <= 0;
    }
    if (e->record.type == DNS_TYPE_RRSIG || e->record.type == DNS_TYPE_NSEC)
        return 0;
    return dns_edit_each_at(u->edit, e->owner.bytes, e->owner.size, 0, find_conflict, &type);
}

static int add(struct update *u, const struct entry *e)
{
    int err = is_ignored_addition(u, e);
    if (err)
        return err > 0 ? 0 : err;
    err = dns_edit_add(u->edit, &e->record);
    if (err == 0 && e->record.type == DNS_TYPE_SOA)
        u->serial_set = true;
    return err;
}

static int remove_record(struct update *u, const struct dns_diff_record *record)
{
    int err = dns_edit_remove(u->edit, record);
    return err == KEEL_ENOENT ? 0 : err;
}

/* The types of a name, to be removed one by one: the apex keeps two. */
struct types {
    uint16_t list[64];
    unsigned count;
};

static int note_type(void *arg, const struct dns_diff_record *record)
{
    struct types *types = arg;
    if (record->type == DNS_TYPE_SOA || record->type == DNS_TYPE_NS)
        return 0;
    for (unsigned i = 0; i < types->count; i++)
        if (types->list[i] == record->type)
            return 0;
    if (types->count == sizeof types->list / sizeof types->list[0])
        return KEEL_EAGAIN; /* the next round */
    types->list[types->count++] = record->type;
    return 0;
}

/* RFC 2136, 3.4.2.3 */
static int clear_apex(struct update *u, const struct entry *e)
{
    struct dns_diff_record record = e->record;
    struct types types;
    int more;
    do {
        types.count = 0;
        more = dns_edit_each_at(u->edit, e->owner.bytes, e->owner.size, 0, note_type, &types);
        if (more && more != KEEL_EAGAIN)
            return more;
        record.rdata = NULL;
        for (unsigned i = 0; i < types.count; i++) {
            record.type = types.list[i];
            int err = remove_record(u, &record);
            if (err)
                return err;
        }
    } while (more);
    return 0;
}

static int remove_sets(struct update *u, const struct entry *e)
{
    struct dns_diff_record record = e->record;
    bool all = record.type == DNS_TYPE_ANY;
    record.rdata = NULL;
    record.rdata_size = 0;
    if (all && is_apex(u, e))
        return clear_apex(u, e);
    if (is_apex(u, e) && (record.type == DNS_TYPE_SOA || record.type == DNS_TYPE_NS))
        return 0;
    if (all)
        record.type = 0;
    return remove_record(u, &record);
}

static int count_record(void *arg, const struct dns_diff_record *record)
{
    ++*(unsigned *)arg;
    return 0;
}

/* RFC 2136, 3.4.2.4: the SOA stays, and so does the last NS of the zone. */
static int remove_one(struct update *u, const struct entry *e)
{
    unsigned count = 0;
    if (e->record.type == DNS_TYPE_SOA)
        return 0;
    if (is_apex(u, e) && e->record.type == DNS_TYPE_NS) {
        int err = dns_edit_each_at(u->edit, e->owner.bytes, e->owner.size, DNS_TYPE_NS,
                                   count_record, &count);
        if (err || count <= 1)
            return err;
    }
    return remove_record(u, &e->record);
}

static int change(struct update *u, const struct entry *e)
{
    switch (e->class) {
    case DNS_CLASS_ANY:
        return remove_sets(u, e);
    case DNS_CLASS_NONE:
        return remove_one(u, e);
    default:
        return add(u, e);
    }
}

/* The SOA once more, into the update's rdata. */
struct soa {
    struct update *update;
    struct dns_diff_record record;
};

static int copy_soa(void *arg, const struct dns_diff_record *record)
{
    struct soa *soa = arg;
    soa->record = *record;
    memcpy(soa->update->rdata, record->rdata, record->rdata_size);
    return 0;
}

/* RFC 2136, 3.6: who changes a zone makes it newer. */
static int raise_serial(struct update *u)
{
    struct soa soa = {.update = u};
    int err =
        dns_edit_each_at(u->edit, u->apex->bytes, u->apex->size, DNS_TYPE_SOA, copy_soa, &soa);
    if (err)
        return err;
    uint8_t *serial = u->rdata + soa.record.rdata_size - 20;
    keel_put_u32(serial, keel_get_u32(serial) + 1);
    soa.record.owner = u->apex->bytes;
    soa.record.rdata = u->rdata;
    return dns_edit_add(u->edit, &soa.record);
}

/* The step is open. */
static int make_changes(struct update *u)
{
    struct entry e;
    struct dns_diff diff;
    for (unsigned i = 0; i < u->updates; i++) {
        next_entry(u, &e); /* it was good before */
        int err = change(u, &e);
        if (err)
            return err;
    }
    dns_diff_init(&diff);
    int err = dns_edit_difference(u->edit, &diff);
    u->changed = diff.deleted_count + diff.added_count > 0;
    dns_diff_fini(&diff);
    return err == 0 && u->changed && !u->serial_set ? raise_serial(u) : err;
}

static enum dns_rcode process(struct update *u)
{
    enum dns_rcode rcode = check_prerequisites(u);
    if (rcode == DNS_NOERROR)
        rcode = scan_changes(u);
    if (rcode != DNS_NOERROR)
        return rcode;
    dns_edit_begin(u->edit);
    int err = make_changes(u);
    if (err == 0 && u->changed)
        return DNS_NOERROR;
    dns_edit_rollback(u->edit);
    u->changed = false;
    return err == 0 ? DNS_NOERROR : err == KEEL_ENOMEM ? DNS_SERVFAIL : DNS_REFUSED;
}

enum dns_rcode dns_update_process(struct dns_edit *edit, const struct dns_name *apex,
                                  const uint8_t *bytes, size_t size, bool *changed,
                                  struct keel_diag *diag)
{
    *changed = false;
    if (size < DNS_HEADER_SIZE || keel_get_u16(bytes + 4) != 1)
        return DNS_FORMERR; /* RFC 2136, 3.1.1 */
    int name = dns_name_scan(bytes + DNS_HEADER_SIZE, size - DNS_HEADER_SIZE);
    if (name < 0 || size < DNS_HEADER_SIZE + (size_t)name + 4)
        return DNS_FORMERR;
    size_t at = DNS_HEADER_SIZE + (size_t)name;
    if (keel_get_u16(bytes + at) != DNS_TYPE_SOA)
        return DNS_FORMERR;
    if (dns_edit_is_signed(edit)) {
        keel_diag_set(diag, KEEL_ENOTSUP, "the zone is signed, and nobody here could sign changes");
        return DNS_REFUSED;
    }
    struct update *u = keel_malloc(sizeof *u); /* too large for a stack */
    if (!u)
        return DNS_SERVFAIL;
    u->edit = edit;
    u->apex = apex;
    u->bytes = bytes;
    u->size = size;
    u->at = at + 4;
    u->prerequisites = keel_get_u16(bytes + 6);
    u->updates = keel_get_u16(bytes + 8);
    u->serial_set = u->changed = false;
    keel_buf_init(&u->wanted, 0);
    enum dns_rcode rcode = process(u);
    *changed = u->changed;
    keel_buf_fini(&u->wanted);
    keel_free(u);
    return rcode;
}
