#include "dnsd/zone/zones.h"

#include "common/base/mem.h"

void dns_zones_init(struct dns_zones *zones, struct keel_hash_key key)
{
    *zones = (struct dns_zones){.key = key};
    keel_table_init(&zones->by_name);
}

static void zone_free(struct dns_zone *zone)
{
    keel_free(zone->image);
    keel_free(zone->file);
    dns_acl_fini(&zone->allow_query);
    dns_acl_fini(&zone->allow_transfer);
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
    zone->file = keel_strdup(file);
    if (!zone->file ||
        keel_table_add(&zones->by_name, keel_hash(&zones->key, lower.bytes, lower.size), zone)) {
        zone_free(zone);
        return KEEL_ENOMEM;
    }
    zone->image = image;
    zone->allow_query.any = true;
    zones->items[zones->count++] = zone;
    zones->label_counts[lower.labels / 64] |= 1ull << lower.labels % 64;
    return 0;
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
