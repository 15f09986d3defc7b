#include "httpd/request/route.h"

#include <stdlib.h>

#include "common/base/err.h"
#include "httpd/wire/chars.h"

static const struct http_location plain = {.prefix = {"/", 1}, .parent = HTTP_NO_LOCATION};

/* --- hosts --- */

static struct keel_str without_dot(struct keel_str host)
{
    if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--;
    return host;
}

static struct keel_str behind(struct keel_str text, size_t n)
{
    return (struct keel_str){text.p + n, text.n - n};
}

static unsigned count_labels(struct keel_str host)
{
    unsigned count = 1;
    for (size_t i = 0; i < host.n; i++)
        count += host.p[i] == '.';
    return count;
}

static int is_name(const void *value, const void *key, size_t key_size)
{
    const struct http_host_name *name = value;
    return keel_str_equal(name->text, (struct keel_str){key, key_size});
}

/* All that have this name, wherever they are served. */
static struct http_host_name *find_all(const struct http_sites *sites,
                                       const struct keel_table *table, struct keel_str host)
{
    return keel_table_find(table, keel_hash(&sites->key, host.p, host.n), host.p, host.n, is_name);
}

/* Of them the one that counts at the entrance. */
static const struct http_host_name *find(const struct http_sites *sites,
                                         const struct keel_table *table, struct keel_str host,
                                         unsigned entrance)
{
    const struct http_host_name *found = NULL;
    for (const struct http_host_name *it = find_all(sites, table, host); it; it = it->next)
        if ((it->entrances >> entrance & 1) && (!found || it->entrances != HTTP_EVERYWHERE))
            found = it;
    return found;
}

/* May both have one name? */
static bool collide(const struct http_host_name *a, const struct http_host_name *b)
{
    if (a->entrances == HTTP_EVERYWHERE || b->entrances == HTTP_EVERYWHERE)
        return a->entrances == b->entrances;
    return (a->entrances & b->entrances) != 0;
}

/* "*.example.org"? Then *name becomes what is below it. */
static bool is_wildcard(struct keel_str *name)
{
    if (name->n <= 2 || name->p[0] != '*' || name->p[1] != '.')
        return false;
    *name = behind(*name, 2);
    return true;
}

/* Into a buffer of HTTP_HOST_MAX bytes. */
static struct keel_str lower_case(char *out, struct keel_str host)
{
    for (size_t i = 0; i < host.n; i++)
        out[i] = (char)keel_to_lower(host.p[i]);
    return (struct keel_str){out, host.n};
}

/* Labels of letters, digits, '-' and '_', or the literal of an address. */
static bool is_host(struct keel_str host)
{
    if (host.n == 0 || host.n > HTTP_HOST_MAX)
        return false;
    if (host.p[0] == '[') {
        struct keel_addr addr;
        return host.p[host.n - 1] == ']' && keel_addr_parse(&addr, host, 1, NULL) == 0;
    }
    size_t label = 0;
    for (size_t i = 0; i <= host.n; i++) {
        if (i == host.n || host.p[i] == '.') {
            if (label == 0 || label > 63)
                return false;
            label = 0;
            continue;
        }
        int c = keel_to_lower(host.p[i]);
        if (!keel_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return false;
        label++;
    }
    return true;
}

int http_sites_add_name(struct http_sites *sites, struct keel_arena *arena, struct keel_str name,
                        unsigned site, int line, const struct http_host_name **other)
{
    struct keel_str text = without_dot(name);
    *other = NULL;
    bool wildcard = is_wildcard(&text);
    if (!is_host(text) || (wildcard && text.p[0] == '['))
        return KEEL_EINVAL;
    struct http_host_name *item = keel_arena_alloc(arena, sizeof *item);
    char *lower = keel_arena_alloc(arena, text.n);
    if (!item || !lower)
        return KEEL_ENOMEM;
    *item = (struct http_host_name){lower_case(lower, text), site, line,
                                    sites->items[site].entrances, NULL};
    struct keel_table *table = wildcard ? &sites->wildcards : &sites->names;
    struct http_host_name *same = find_all(sites, table, item->text);
    for (struct http_host_name *it = same; it; it = it->next) {
        if (collide(it, item)) {
            *other = it;
            return KEEL_EEXIST;
        }
    }
    if (same) {
        item->next = same->next;
        same->next = item;
        return 0;
    }
    unsigned short labels = (unsigned short)count_labels(item->text);
    if (wildcard && (table->count == 0 || labels < sites->lowest))
        sites->lowest = labels;
    if (wildcard && labels > sites->deepest)
        sites->deepest = labels;
    return keel_table_add(table, keel_hash(&sites->key, lower, text.n), item);
}

void http_sites_fini(struct http_sites *sites)
{
    keel_table_fini(&sites->names);
    keel_table_fini(&sites->wildcards);
    http_expressions_free(sites->expressions);
    sites->expressions = NULL;
}

int http_sites_choose_fallback(struct http_sites *sites, unsigned entrance)
{
    const struct http_site *chosen = NULL;
    unsigned best = 0;
    for (unsigned i = 0; i < sites->count; i++) {
        const struct http_site *site = &sites->items[i];
        unsigned rank = 1 + (site->entrances != HTTP_EVERYWHERE) + 2u * site->is_default;
        if (http_site_is_at(site, entrance) && rank > best) {
            best = rank;
            chosen = site;
        }
    }
    if (!chosen)
        return KEEL_ENOENT;
    sites->fallback[entrance] = chosen->id;
    return 0;
}

/* The longest suffix of whole labels that is a wildcard's. Only suffixes of as many labels as some
 * wildcard has are looked up, so that a host of a hundred labels costs no hundred hashes. */
static const struct http_host_name *find_wildcard(const struct http_sites *sites,
                                                  struct keel_str host, unsigned entrance)
{
    const struct http_host_name *found = NULL;
    unsigned labels = sites->wildcards.count > 0 ? count_labels(host) : 0;
    while (!found && labels > sites->lowest) {
        const char *dot = memchr(host.p, '.', host.n);
        host = behind(host, (size_t)(dot - host.p) + 1);
        if (--labels <= sites->deepest)
            found = find(sites, &sites->wildcards, host, entrance);
    }
    return found;
}

bool http_sites_have_name(const struct http_sites *sites, struct keel_str name, unsigned site,
                          unsigned entrance)
{
    char lower[HTTP_HOST_MAX];
    struct keel_str text = without_dot(name);
    const struct keel_table *table = is_wildcard(&text) ? &sites->wildcards : &sites->names;
    if (text.n > sizeof lower)
        return false;
    const struct http_host_name *found = find(sites, table, lower_case(lower, text), entrance);
    return found && found->site == site;
}

const struct http_site *http_route_site(const struct http_sites *sites, struct keel_str host,
                                        unsigned entrance)
{
    char lower[HTTP_HOST_MAX];
    const struct http_host_name *name = NULL;
    if (sites->count == 1)
        return &sites->items[sites->fallback[entrance]];
    host = without_dot(host);
    if (host.n <= sizeof lower) {
        host = lower_case(lower, host);
        name = find(sites, &sites->names, host, entrance);
        if (!name)
            name = find_wildcard(sites, host, entrance);
    }
    return &sites->items[name ? name->site : sites->fallback[entrance]];
}

/* --- paths --- */

static int compare_paths(struct keel_str a, struct keel_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Prefixes first; in the order of bytes; of equal ones as the configuration has them. */
static int compare_locations(const void *a, const void *b)
{
    const struct http_location *x = a, *y = b;
    if (x->exact != y->exact)
        return x->exact ? 1 : -1;
    int order = compare_paths(x->prefix, y->prefix);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

int http_locations_compile(struct http_site *site, const struct http_location **twice)
{
    struct http_location *list = site->locations;
    site->prefix_count = 0;
    if (site->location_count > 1)
        qsort(list, site->location_count, sizeof *list, compare_locations);
    for (unsigned i = 0; i < site->location_count; i++) {
        site->prefix_count += !list[i].exact;
        list[i].parent = HTTP_NO_LOCATION;
        if (i == 0 || list[i].exact != list[i - 1].exact)
            continue;
        if (keel_str_equal(list[i].prefix, list[i - 1].prefix)) {
            *twice = &list[i];
            return KEEL_EEXIST;
        }
        /* whatever is a prefix of this one is the one before it, or a prefix of that */
        unsigned up = i - 1;
        while (up != HTTP_NO_LOCATION && !keel_str_begins(list[i].prefix, list[up].prefix))
            up = list[up].parent;
        list[i].parent = up;
    }
    return 0;
}

/* How many of the first `count` locations of a sorted list stand at or before the path. */
static unsigned count_until(const struct http_location *list, unsigned count, struct keel_str path)
{
    unsigned low = 0, high = count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (compare_paths(list[middle].prefix, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Does the prefix, which begins the path, end where one of its segments does? */
static bool ends_segment(struct keel_str prefix, struct keel_str path)
{
    return prefix.n == path.n || (prefix.n > 0 && prefix.p[prefix.n - 1] == '/') ||
           path.p[prefix.n] == '/';
}

const struct http_location *http_route_location(const struct http_site *site, struct keel_str path)
{
    if (site->location_count == 0)
        return &plain;
    if (site->location_count == 1 && site->prefix_count == 1 && site->locations->prefix.n == 1 &&
        path.n > 0)
        return site->locations; /* "/", as in many sites, which begins every path */
    const struct http_location *exact = site->locations + site->prefix_count;
    unsigned exact_count = site->location_count - site->prefix_count;
    unsigned n = exact_count > 0 ? count_until(exact, exact_count, path) : 0;
    if (n > 0 && keel_str_equal(exact[n - 1].prefix, path))
        return &exact[n - 1];
    n = count_until(site->locations, site->prefix_count, path);
    unsigned at = n > 0 ? n - 1 : HTTP_NO_LOCATION;
    while (at != HTTP_NO_LOCATION) {
        const struct http_location *location = &site->locations[at];
        if (keel_str_begins(path, location->prefix) && ends_segment(location->prefix, path))
            return location;
        at = location->parent;
    }
    return &plain;
}

/* --- what a site says of files --- */

bool http_site_compresses(const struct http_site *site, struct keel_str type)
{
    for (unsigned i = 0; i < site->compress_type_count && site->coding_count > 0; i++)
        if (keel_str_begins(type, site->compress_types[i]))
            return true;
    return false;
}

const struct http_error_page *http_site_error_page(const struct http_site *site, unsigned status)
{
    for (unsigned i = 0; site && i < site->error_page_count; i++)
        if (site->error_pages[i].status == status && site->error_pages[i].body->p)
            return &site->error_pages[i];
    return NULL;
}
