#include "httpd/request/route.h"

#include <stdlib.h>

static const struct http_location plain = {.prefix = {"/", 1}};

static bool is_named(const struct http_site *site, struct keel_str host)
{
    if (keel_str_equal_nocase(site->name, host))
        return true;
    for (unsigned i = 0; i < site->alias_count; i++)
        if (keel_str_equal_nocase(site->aliases[i], host))
            return true;
    return false;
}

const struct http_site *http_route_site(const struct http_sites *sites, struct keel_str host)
{
    if (sites->count == 1)
        return &sites->items[0];
    if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--;
    for (unsigned i = 0; i < sites->count; i++)
        if (is_named(&sites->items[i], host))
            return &sites->items[i];
    return &sites->items[sites->fallback];
}

const struct http_location *http_route_location(const struct http_site *site, struct keel_str path)
{
    for (unsigned i = 0; i < site->location_count; i++) {
        const struct http_location *location = &site->locations[i];
        if (path.n >= location->prefix.n &&
            memcmp(path.p, location->prefix.p, location->prefix.n) == 0)
            return location;
    }
    return &plain;
}

bool http_site_compresses(const struct http_site *site, struct keel_str type)
{
    for (unsigned i = 0; i < site->compress_type_count && site->coding_count > 0; i++) {
        struct keel_str prefix = site->compress_types[i];
        if (type.n >= prefix.n && memcmp(type.p, prefix.p, prefix.n) == 0)
            return true;
    }
    return false;
}

const struct http_error_page *http_site_error_page(const struct http_site *site, unsigned status)
{
    for (unsigned i = 0; site && i < site->error_page_count; i++)
        if (site->error_pages[i].status == status)
            return &site->error_pages[i];
    return NULL;
}

static int longer_first(const void *a, const void *b)
{
    const struct http_location *x = a, *y = b;
    return (x->prefix.n < y->prefix.n) - (x->prefix.n > y->prefix.n);
}

void http_route_sort(struct http_site *site)
{
    if (site->location_count > 1)
        qsort(site->locations, site->location_count, sizeof *site->locations, longer_first);
}
