#include "dnsd/zone/edit_names.h"

#include "dnsd/wire/type.h"
#include "dnsd/zone/records.h"

/* Is what a step leaves a zone? What dns_compiler_finish would refuse, of the owners that the step
 * has touched. */

/* Bytes of an RRset without compression: it leaves in one message. */
#define SET_MAX 60000u

static int wrong(const struct edit_name *name, const char *what, struct keel_diag *diag)
{
    char text[DNS_NAME_TEXT];
    dns_name_to_text(text, name->owner);
    return keel_diag_set(diag, KEEL_EINVAL, "%s: %s", text, what);
}

static unsigned count_of(const struct edit_name *name, uint16_t type)
{
    unsigned n = 0;
    for (const struct edit_record *r = name->records; r; r = r->next)
        n += r->type == type;
    return n;
}

/* Types that may stand beside a CNAME (RFC 2181, 10.1; RFC 4034, 2.5 and 3, 4). */
static bool is_beside_cname(uint16_t type)
{
    return type == DNS_TYPE_CNAME || type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC ||
           type == DNS_TYPE_KEY || type == DNS_TYPE_SIG;
}

static int check_records(const struct edit_name *name, struct keel_diag *diag)
{
    bool alias = count_of(name, DNS_TYPE_CNAME) > 0;
    bool wildcard = name->owner[0] == 1 && name->owner[1] == '*';
    const struct edit_record *before = NULL;
    for (const struct edit_record *r = name->records; r; before = r, r = r->next) {
        size_t size = 0;
        if (alias && !is_beside_cname(r->type))
            return wrong(name, "a record beside a CNAME", diag);
        if (wildcard && (r->type == DNS_TYPE_NS || r->type == DNS_TYPE_DNAME))
            return wrong(name, "NS or DNAME at a wildcard", diag);
        if (before && before->type == r->type)
            continue;
        for (const struct edit_record *o = r; o && o->type == r->type; o = o->next)
            size += 12u + o->size;
        if (size > SET_MAX)
            return wrong(name, "its records do not fit into a message", diag);
    }
    return 0;
}

static int check_apex(const struct dns_edit *edit, struct keel_diag *diag)
{
    const struct dns_node *apex = dns_image_apex(edit->base);
    const struct edit_name *name =
        edit_find(edit, dns_node_name(edit->base, apex), apex->name_size);
    if (!name)
        return 0;
    if (count_of(name, DNS_TYPE_SOA) != 1)
        return wrong(name, "a zone has one SOA", diag);
    return count_of(name, DNS_TYPE_NS) > 0 ? 0 : wrong(name, "a zone has an NS", diag);
}

/* Hashes stand below the apex whatever it has (RFC 5155, 10.2). */
static bool is_hash(const struct dns_edit *edit, const struct dns_name *name)
{
    return name->labels == dns_image_apex(edit->base)->labels + 1u &&
           dns_edit_has_set(edit, name->bytes, name->size, DNS_TYPE_NSEC3);
}

/* Something above it, in the zone, has a DNAME (RFC 6672, 2.4), and no cut hides it. */
static bool is_below_dname(const struct dns_edit *edit, const uint8_t *owner)
{
    struct dns_name name;
    unsigned apex = dns_image_apex(edit->base)->labels;
    dns_name_set(&name, owner);
    for (unsigned labels = apex; labels < name.labels; labels++) {
        unsigned at = name.offsets[name.labels - labels];
        const uint8_t *p = name.bytes + at;
        size_t size = (size_t)name.size - at;
        if (labels > apex && dns_edit_has_set(edit, p, size, DNS_TYPE_NS))
            return false;
        if (dns_edit_has_set(edit, p, size, DNS_TYPE_DNAME))
            return !is_hash(edit, &name);
    }
    return false;
}

static bool ends_in(const uint8_t *name, size_t size, const struct edit_name *end)
{
    size_t at = 0;
    while (size - at > end->size)
        at += name[at] + 1u;
    return at > 0 && size - at == end->size && memcmp(name + at, end->owner, end->size) == 0;
}

/* Rare: a DNAME that the step has added, or a cut that it has taken away. Nothing that is left
 * below may stand below a DNAME. */
static bool is_wrong_below(const struct dns_edit *edit, const struct edit_name *name)
{
    const struct dns_image *base = edit->base;
    const struct dns_node *node = dns_image_any_node(base, name->owner, name->size);
    uint32_t i = node ? dns_node_number(base, node) + 1 : 0;
    uint32_t end = node ? dns_image_behind(base, i - 1) : 0;
    for (; i < end; i++) {
        const uint8_t *owner = dns_node_name(base, dns_image_node(base, i));
        if (dns_edit_has_name(edit, owner, dns_image_node(base, i)->name_size) &&
            is_below_dname(edit, owner))
            return true;
    }
    keel_list_for (it, &edit->names) {
        const struct edit_name *other = KEEL_CONTAINER(it, struct edit_name, node);
        if (other->records && ends_in(other->owner, other->size, name) &&
            is_below_dname(edit, other->owner))
            return true;
    }
    return false;
}

static bool had(const struct edit_record *records, uint16_t type)
{
    while (records && records->type != type)
        records = records->next;
    return records != NULL;
}

/* What is below it may count in another way than before. */
static bool uncovers(const struct edit_name *name)
{
    return (had(name->records, DNS_TYPE_DNAME) && !had(name->before, DNS_TYPE_DNAME)) ||
           (had(name->before, DNS_TYPE_NS) && !had(name->records, DNS_TYPE_NS));
}

int edit_check(const struct dns_edit *edit, struct keel_diag *diag)
{
    int err = check_apex(edit, diag);
    keel_list_for (node, &edit->step) {
        const struct edit_name *name = KEEL_CONTAINER(node, struct edit_name, step);
        if (err == 0)
            err = check_records(name, diag);
        if (err == 0 && name->records && is_below_dname(edit, name->owner))
            err = wrong(name, "below a DNAME", diag);
        if (err == 0 && uncovers(name) && is_wrong_below(edit, name))
            err = wrong(name, "there are names below the DNAME", diag);
    }
    return err;
}
