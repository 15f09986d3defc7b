#include "dnsd/zone/zones.h"

#include "common/base/mem.h"

void dns_zones_init(struct dns_zones *zones, struct keel_hash_key key)
{
    *zones = (struct dns_zones){.key = key};
    keel_table_init(&zones->by_name);
}

void dns_version_release(struct dns_version *version)
{
    if (version && --version->refs == 0)
        version->release(version);
}

static void free_image(struct dns_version *version)
{
    keel_free((void *)version->view.base);
    keel_free(version);
}

struct dns_version *dns_version_new(struct dns_image *image)
{
    struct dns_version *version = keel_calloc(1, sizeof *version);
    if (version)
        *version = (struct dns_version){.view = {.base = image}, .refs = 1, .release = free_image};
    return version;
}

void dns_zone_set_version(struct dns_zone *zone, struct dns_version *version)
{
    struct dns_version *old = zone->version;
    zone->version = version;
    bool served = version && !version->expired;
    zone->image = served ? version->view.base : NULL;
    zone->delta = served ? version->view.delta : NULL;
    dns_version_release(old);
}

static void zone_free(struct dns_zone *zone)
{
    dns_version_release(zone->version);
    keel_free(zone->file);
    keel_free(zone->counts);
    dns_acl_fini(&zone->allow_query);
    dns_acl_fini(&zone->allow_transfer);
    dns_acl_fini(&zone->allow_notify);
    dns_acl_fini(&zone->allow_update);
    keel_free(zone);
}

void dns_zones_fini(struct dns_zones *zones)
{
    for (unsigned i = 0; i < zones->count; i++)
        zone_free(zones->items[i]);
    keel_free(zones->items);
    keel_table_fini(&zones->by_name);
}

static int zone_equal(const void *value, const void *key, size_t key_size)
{
    const struct dns_zone *zone = value;
    return zone->apex.size == key_size && memcmp(zone->apex.bytes, key, key_size) == 0;
}

static struct dns_zone *find_exact(const struct dns_zones *zones, const uint8_t *name, size_t size)
{
    return keel_table_find(&zones->by_name, keel_hash(&zones->key, name, size), name, size,
                           zone_equal);
}

struct dns_zone *dns_zones_get(const struct dns_zones *zones, const uint8_t *apex, size_t size)
{
    return find_exact(zones, apex, size);
}

int dns_zones_add(struct dns_zones *zones, const struct dns_name *apex, struct dns_image *image,
                  const char *file)
{
    struct dns_name lower = *apex;
    dns_name_lower(&lower);
    if (find_exact(zones, lower.bytes, lower.size))
        return KEEL_EEXIST;
    struct dns_zone **items =
        keel_realloc(zones->items, (zones->count + 1) * sizeof(struct dns_zone *));
    if (!items)
        return KEEL_ENOMEM;
    zones->items = items;
    struct dns_zone *zone = keel_calloc(1, sizeof *zone);
    if (!zone)
        return KEEL_ENOMEM;
    zone->apex = lower;
    zone->file = file ? keel_strdup(file) : NULL;
    struct dns_version *version = image ? dns_version_new(image) : NULL;
    zone->counts = keel_calloc(1, sizeof *zone->counts);
    if ((file && !zone->file) || (image && !version) || !zone->counts ||
        keel_table_add(&zones->by_name, keel_hash(&zones->key, lower.bytes, lower.size), zone)) {
        if (version)
            version->view.base = NULL; /* it is still the caller's */
        dns_version_release(version);
        zone_free(zone);
        return KEEL_ENOMEM;
    }
    dns_zone_set_version(zone, version);
    zone->allow_query.any = true;
    zones->items[zones->count++] = zone;
    zones->label_counts[lower.labels / 64] |= 1ull << lower.labels % 64;
    return 0;
}

void dns_zones_remove(struct dns_zones *zones, struct dns_zone *zone)
{
    uint64_t hash = keel_hash(&zones->key, zone->apex.bytes, zone->apex.size);
    keel_table_remove(&zones->by_name, hash, zone);
    for (unsigned i = 0; i < zones->count; i++) {
        if (zones->items[i] != zone)
            continue;
        zones->items[i] = zones->items[--zones->count];
        break;
    }
    zone_free(zone); /* its label count stays set: a look too many does no harm */
}

const struct dns_zone *dns_zones_find(const struct dns_zones *zones, const struct dns_name *name,
                                      unsigned max_labels)
{
    unsigned labels = name->labels < max_labels ? name->labels : max_labels;
    for (unsigned n = labels + 1; n-- > 0;) {
        /* most lengths belong to no zone: one hash for the usual query */
        if (!(zones->label_counts[n / 64] >> n % 64 & 1))
            continue;
        unsigned at = name->offsets[name->labels - n];
        const struct dns_zone *zone = find_exact(zones, name->bytes + at, name->size - (size_t)at);
        if (zone)
            return zone;
    }
    return NULL;
}
