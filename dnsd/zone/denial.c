#include "dnsd/zone/denial.h"

uint64_t dns_nsec_prefix(const struct dns_image *image, const struct dns_name *name)
{
    uint64_t prefix = 0;
    unsigned used = 0;
    /* the bytes of dns_name_sort_key, behind those of the apex */
    for (unsigned i = name->labels - (unsigned)dns_image_apex(image)->labels; i-- > 0;) {
        const uint8_t *label = name->bytes + name->offsets[i];
        for (unsigned k = 1; k <= label[0]; k++) {
            if (label[k] <= 1) {
                prefix = prefix << 8 | 1;
                if (++used == 8)
                    return prefix;
            }
            prefix = prefix << 8 | (label[k] <= 1 ? label[k] + 1u : label[k]);
            if (++used == 8)
                return prefix;
        }
        prefix <<= 8;
        if (++used == 8)
            return prefix;
    }
    return used ? prefix << 8 * (8 - used) : 0;
}

/* dns_name_compare of a flat name, without taking it apart first. */
static int compare_flat(const uint8_t *flat, const struct dns_name *name)
{
    uint8_t offsets[DNS_LABELS_MAX];
    unsigned labels = 0;
    for (unsigned at = 0; flat[at] != 0; at += flat[at] + 1u)
        offsets[labels++] = (uint8_t)at;
    for (unsigned i = 1; i <= labels && i <= name->labels; i++) {
        const uint8_t *a = flat + offsets[labels - i];
        const uint8_t *b = name->bytes + name->offsets[name->labels - i];
        int d = memcmp(a + 1, b + 1, a[0] < b[0] ? a[0] : b[0]); /* both are lower-cased */
        if (d == 0)
            d = a[0] - b[0];
        if (d)
            return d;
    }
    return (int)labels - name->labels;
}

/* True when the entry's name stands at or before the name. */
static bool at_or_before(const struct dns_image *image, const struct dns_nsec *entry,
                         uint64_t prefix, const struct dns_name *name)
{
    if (entry->prefix != prefix)
        return entry->prefix < prefix;
    return compare_flat(dns_node_name(image, dns_image_node(image, entry->node)), name) <= 0;
}

uint32_t dns_nsec_find(const struct dns_image *image, const struct dns_name *name)
{
    const struct dns_nsec *chain = dns_image_nsec(image);
    uint64_t prefix = dns_nsec_prefix(image, name);
    /* the first entry is the apex, before which no name of the zone stands */
    uint32_t low = 0, high = image->chain_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (at_or_before(image, &chain[middle], prefix, name))
            low = middle;
        else
            high = middle;
    }
    return low;
}

void dns_nsec3_hash(const struct dns_image *image, const uint8_t *name, size_t size,
                    uint8_t hash[KEEL_SHA1_SIZE])
{
    const uint8_t *salt = dns_image_at(image, image->salt_at);
    keel_sha1(name, size, salt, image->salt_size, hash);
    for (unsigned i = 0; i < image->iterations; i++)
        keel_sha1(hash, KEEL_SHA1_SIZE, salt, image->salt_size, hash);
}

static uint64_t first_bits(const uint8_t hash[KEEL_SHA1_SIZE])
{
    return (uint64_t)keel_get_u32(hash) << 32 | keel_get_u32(hash + 4);
}

uint32_t dns_nsec3_find(const struct dns_image *image, const uint8_t hash[KEEL_SHA1_SIZE])
{
    const struct dns_nsec3 *chain = dns_image_nsec3(image);
    const uint32_t *buckets = dns_image_at(image, image->buckets_at);
    uint32_t i = buckets[first_bits(hash) >> image->bucket_shift];

    while (i < image->chain_count) {
        int d = memcmp(chain[i].hash, hash, KEEL_SHA1_SIZE);
        if (d == 0)
            return i | DNS_PROOF_MATCH;
        if (d > 0)
            break;
        i++;
    }
    return (i > 0 ? i : image->chain_count) - 1; /* the last covers what is before the first */
}
