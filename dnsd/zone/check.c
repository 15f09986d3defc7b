#include "dnsd/zone/check.h"

#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"

#include <stdio.h>

static const char *const texts[DNS_CHECKS] = {
    [DNS_CHECK_TTL] = "the TTLs of an RRset differ: the lowest is served",
    [DNS_CHECK_SOA_TIMES] =
        ("a secondary gives the zone up before it has tried to refresh it twice: "
         "expire is less than refresh and retry"),
    [DNS_CHECK_NS_ADDRESS] = "the name server has no address in the zone",
    [DNS_CHECK_NS_CNAME] = "the name server is an alias (RFC 2181, 10.3)",
    [DNS_CHECK_TARGET_CNAME] = "the target is an alias (RFC 2181, 10.3)",
    [DNS_CHECK_TARGET_MISSING] = "the target is no name of the zone that it would be in",
    [DNS_CHECK_HIDDEN] = "the record is hidden by a delegation",
    [DNS_CHECK_DS] = "DS where there is no delegation",
    [DNS_CHECK_CNAME_CHAIN] = "aliases lead in a circle, or there are too many behind each other",
};

/* subject: the name that is meant, when it is another than the owner. */
static void tell(struct dns_checks *c, enum dns_check check, const struct dns_tree_node *node,
                 const struct dns_tree_record *record, const uint8_t *subject)
{
    char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT], other[DNS_NAME_TEXT] = "";
    char text[2 * DNS_NAME_TEXT + 512];
    if (c->counts[check]++ >= DNS_CHECK_TOLD)
        return;
    dns_name_to_text(owner, node->name);
    if (subject)
        dns_name_to_text(other, subject);
    snprintf(text, sizeof text, "%.256s:%u: %s %s%s%s: %s", record->file, record->line, owner,
             dns_type_format(type, record->type), subject ? " " : "", other, texts[check]);
    c->warn(c->arg, text);
}

void dns_check_end(const struct dns_checks *c)
{
    char text[256];
    for (unsigned i = 0; i < DNS_CHECKS; i++) {
        if (c->counts[i] <= DNS_CHECK_TOLD)
            continue;
        snprintf(text, sizeof text, "%u more: %s", c->counts[i] - DNS_CHECK_TOLD, texts[i]);
        c->warn(c->arg, text);
    }
}

/* --- names that records lead to --- */

/* Lower-cases the target; false when it is not in this zone. */
static bool is_inside(const struct dns_checks *c, const uint8_t *flat, size_t size,
                      struct dns_name *target)
{
    struct keel_reader r;
    keel_reader_init(&r, flat, size);
    return dns_name_parse_lower(target, &r) == 0 && dns_name_in(target, &c->tree->apex_name);
}

/* The node, or the wildcard that stands in for it, or the closest name above it (*exact false). */
static const struct dns_tree_node *lead_to(const struct dns_checks *c, const struct dns_name *name,
                                           bool *exists)
{
    const struct dns_tree_node *node = NULL;
    unsigned up = 0;
    while (!node && up <= name->labels) {
        unsigned at = name->offsets[up];
        node = dns_tree_find(c->tree, name->bytes + at, (size_t)name->size - at);
        up += !node;
    }
    *exists = up == 0;
    if (up > 0 && node && node->flags & DNS_NODE_WILDCARD &&
        !(node->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT))) {
        *exists = true;
        return c->tree->order[node->wildcard - c->tree->first];
    }
    return node;
}

/* Whose delegation a name is below or at; DNS_NO_NODE: nobody's, it is ours. */
static uint32_t cut_of(const struct dns_tree_node *node)
{
    return node->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT) ? node->cut : DNS_NO_NODE;
}

/* A name server that is asked by name must be found: with an address beside the delegation when it
 * is below it (glue), in the zone's own data when it is there. Those below another delegation
 * (siblings) are found without us. */
static void look_at_server(struct dns_checks *c, const struct dns_tree_node *node,
                           const struct dns_tree_record *record)
{
    struct dns_name target;
    bool exists;
    if (node->flags & DNS_NODE_BELOW_CUT || !is_inside(c, record->rdata, record->size, &target))
        return;
    const struct dns_tree_node *host = lead_to(c, &target, &exists);
    if (exists && host->has & DNS_HAS_CNAME)
        tell(c, DNS_CHECK_NS_CNAME, node, record, target.bytes);
    else if ((!exists || !(host->has & DNS_HAS_ADDRESS)) && !(host->flags & DNS_NODE_DNAME) &&
             (cut_of(host) == DNS_NO_NODE || cut_of(host) == cut_of(node)))
        tell(c, DNS_CHECK_NS_ADDRESS, node, record, target.bytes);
}

static void look_at_target(struct dns_checks *c, const struct dns_tree_node *node,
                           const struct dns_tree_record *record)
{
    struct dns_rdata_name names[DNS_RDATA_NAMES];
    struct dns_name target;
    bool exists;
    if (dns_rdata_names(record->type, record->rdata, record->size, names) != 1 ||
        names[0].size == 1 || node->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT) ||
        !is_inside(c, record->rdata + names[0].offset, names[0].size, &target))
        return;
    const struct dns_tree_node *host = lead_to(c, &target, &exists);
    if (cut_of(host) != DNS_NO_NODE || host->flags & DNS_NODE_DNAME)
        return;
    if (!exists)
        tell(c, DNS_CHECK_TARGET_MISSING, node, record, target.bytes);
    else if (host->has & DNS_HAS_CNAME)
        tell(c, DNS_CHECK_TARGET_CNAME, node, record, target.bytes);
}

static void look_at_alias(struct dns_checks *c, const struct dns_tree_node *node,
                          const struct dns_tree_record *record)
{
    const struct dns_tree_node *at = node;
    const struct dns_tree_record *alias = record;
    struct dns_name target;
    bool exists;
    for (unsigned steps = 0; alias; steps++) {
        if (steps == DNS_CHECK_CHAIN) {
            tell(c, DNS_CHECK_CNAME_CHAIN, node, record, NULL);
            return;
        }
        if (!is_inside(c, alias->rdata, alias->size, &target))
            return;
        at = lead_to(c, &target, &exists);
        alias = exists && at->has & DNS_HAS_CNAME ? dns_tree_record(at, DNS_TYPE_CNAME) : NULL;
    }
}

/* --- where a record stands --- */

/* What is served at a cut or below it (RFC 1034, 4.2.1; RFC 4034, 5; RFC 9471). */
static bool is_served(const struct dns_tree_node *node, uint16_t type)
{
    if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA)
        return true;
    return node->flags & DNS_NODE_CUT && (type == DNS_TYPE_NS || type == DNS_TYPE_DS ||
                                          type == DNS_TYPE_NSEC || type == DNS_TYPE_RRSIG);
}

static void look_at_place(struct dns_checks *c, const struct dns_tree_node *node,
                          const struct dns_tree_record *record)
{
    if (node->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT)) {
        if (!is_served(node, record->type))
            tell(c, DNS_CHECK_HIDDEN, node, record, NULL);
    } else if (record->type == DNS_TYPE_DS) {
        tell(c, DNS_CHECK_DS, node, record, NULL);
    }
}

static void look_at_times(struct dns_checks *c, const struct dns_tree_node *node,
                          const struct dns_tree_record *record)
{
    const uint8_t *times = record->rdata + record->size - 16;
    uint64_t refresh = keel_get_u32(times), retry = keel_get_u32(times + 4);
    if (keel_get_u32(times + 8) < refresh + retry)
        tell(c, DNS_CHECK_SOA_TIMES, node, record, NULL);
}

/* One of an RRset whose TTL is another than that of the one before it in the list. Signatures have
 * that of what they sign. */
static void look_at_ttl(struct dns_checks *c, const struct dns_tree_node *node,
                        const struct dns_tree_record *record)
{
    if (record->type == DNS_TYPE_RRSIG)
        return;
    for (const struct dns_tree_record *r = record->next; r; r = r->next)
        if (r->type == record->type) {
            if (r->ttl != record->ttl)
                tell(c, DNS_CHECK_TTL, node, record, NULL);
            return;
        }
}

void dns_check_node(struct dns_checks *c, const struct dns_tree_node *node)
{
    for (const struct dns_tree_record *r = node->records; r; r = r->next) {
        look_at_place(c, node, r);
        if (r->next)
            look_at_ttl(c, node, r);
        switch (r->type) {
        case DNS_TYPE_NS:
            look_at_server(c, node, r);
            break;
        case DNS_TYPE_MX:
        case DNS_TYPE_SRV:
            look_at_target(c, node, r);
            break;
        case DNS_TYPE_CNAME:
            look_at_alias(c, node, r);
            break;
        case DNS_TYPE_SOA:
            look_at_times(c, node, r);
            break;
        default:
            break;
        }
    }
}
