#include "dnsd/zone/edit_names.h"

#include "dnsd/wire/type.h"

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

/* Something above it, in the zone, has a DNAME (RFC 6672, 2.4). */
static bool is_below_dname(const struct dns_edit *edit, const struct edit_name *name)
{
    size_t apex = dns_image_apex(edit->base)->name_size;
    for (size_t at = name->owner[0] + 1u; name->size - at >= apex && at < name->size;
         at += name->owner[at] + 1u)
        if (dns_edit_has_set(edit, name->owner + at, name->size - at, DNS_TYPE_DNAME))
            return true;
    return false;
}

static bool ends_in(const uint8_t *name, size_t size, const struct edit_name *end)
{
    size_t at = 0;
    while (size - at > end->size)
        at += name[at] + 1u;
    return at > 0 && size - at == end->size && memcmp(name + at, end->owner, end->size) == 0;
}

/* Rare: a DNAME that the step has added. Everything below it must have gone. */
static bool has_below(const struct dns_edit *edit, const struct edit_name *name)
{
    const struct dns_image *base = edit->base;
    for (uint32_t i = 0; i < base->node_count; i++) {
        const struct dns_node *node = dns_image_node(base, i);
        const uint8_t *owner = dns_node_name(base, node);
        if (node->set_count > 0 && ends_in(owner, node->name_size, name) &&
            !edit_find(edit, owner, node->name_size))
            return true;
    }
    keel_list_for (node, &edit->names) {
        const struct edit_name *other = KEEL_CONTAINER(node, struct edit_name, node);
        if (other->records && ends_in(other->owner, other->size, name))
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

int edit_check(const struct dns_edit *edit, struct keel_diag *diag)
{
    int err = check_apex(edit, diag);
    keel_list_for (node, &edit->step) {
        const struct edit_name *name = KEEL_CONTAINER(node, struct edit_name, step);
        if (err || !name->records)
            continue;
        err = check_records(name, diag);
        if (err == 0 && is_below_dname(edit, name))
            err = wrong(name, "below a DNAME", diag);
        if (err == 0 && had(name->records, DNS_TYPE_DNAME) && !had(name->before, DNS_TYPE_DNAME) &&
            has_below(edit, name))
            err = wrong(name, "there are names below the DNAME", diag);
    }
    return err;
}
