#include "dnsd/serve/zone_counts.h"

#include "dnsd/serve/settings.h"

#define ROWS 100

void dns_zone_count(const struct dns_query *query)
{
    struct dns_zone_counts *counts = query->zone->counts;
    counts->queries++;
    if (query->rcode == DNS_NXDOMAIN)
        counts->nxdomain++;
    else if (query->rcode != DNS_NOERROR)
        counts->errors++;
    if (query->truncated)
        counts->truncated++;
    if (query->tcp)
        counts->tcp++;
}

static json_t *row_of(const struct dns_zone *zone)
{
    const struct dns_zone_counts *c = zone->counts;
    char name[DNS_NAME_TEXT];
    dns_name_to_text(name, zone->apex.bytes);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "name", name, "queries",
                     (json_int_t)c->queries, "nxdomain", (json_int_t)c->nxdomain, "errors",
                     (json_int_t)c->errors, "truncated", (json_int_t)c->truncated, "tcp",
                     (json_int_t)c->tcp);
}

/* Those that are asked most, that first. */
static json_t *most_asked(const struct dns_zones *zones)
{
    const struct dns_zone *list[ROWS];
    unsigned n = 0;
    json_t *rows = json_array();
    for (unsigned i = 0; i < zones->count; i++) {
        const struct dns_zone *zone = zones->items[i];
        uint64_t queries = zone->counts->queries;
        if (queries == 0 || (n == ROWS && queries <= list[n - 1]->counts->queries))
            continue;
        unsigned at = n < ROWS ? n++ : n - 1;
        for (; at > 0 && list[at - 1]->counts->queries < queries; at--)
            list[at] = list[at - 1];
        list[at] = zone;
    }
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(rows, row_of(list[i]));
    return rows;
}

int dns_command_zone_counters(struct keel_instance *instance, json_t *args, json_t **result,
                              struct keel_diag *diag)
{
    const struct dns_settings *settings = instance->settings;
    const char *text = json_string_value(json_array_get(args, 0));
    struct dns_name name;
    if (!text) {
        *result = most_asked(&settings->zones);
        return 0;
    }
    if (dns_name_from_text(&name, keel_str(text), NULL) != 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not a domain name", text);
    dns_name_lower(&name);
    const struct dns_zone *zone = dns_zones_get(&settings->zones, name.bytes, name.size);
    if (!zone)
        return keel_diag_set(diag, KEEL_ENOENT, "no zone \"%s\"", text);
    *result = row_of(zone);
    return 0;
}
