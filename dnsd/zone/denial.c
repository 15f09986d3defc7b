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

/* --- versions --- */

static bool is_live(const struct dns_view *view, uint32_t node)
{
    return dns_delta_place(view, node) == node;
}

/* The last entry of the delta at or before the name; NULL: none. */
static const struct dns_nsec *find_in_delta(const struct dns_view *view, uint64_t prefix,
                                            const struct dns_name *name)
{
    const struct dns_nsec *chain = dns_image_at(view->base, view->delta->chain_at);
    uint32_t low = 0, high = view->delta->chain_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *own = dns_node_name(view->base, dns_view_node(view, chain[middle].node));
        if (chain[middle].prefix != prefix ? chain[middle].prefix < prefix
                                           : compare_flat(own, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &chain[low - 1] : NULL;
}

const struct dns_nsec *dns_view_nsec(const struct dns_view *view, const struct dns_name *name)
{
    const struct dns_nsec *chain = dns_image_nsec(view->base);
    uint32_t i = dns_nsec_find(view->base, name);
    if (!view->delta)
        return &chain[i];
    uint64_t prefix = dns_nsec_prefix(view->base, name);
    /* the apex is in every delta, so that there is always one */
    const struct dns_nsec *own = find_in_delta(view, prefix, name);
    while (i > 0 && !is_live(view, chain[i].node))
        i--;
    if (i == 0)
        return own ? own : chain;
    struct dns_name base;
    dns_name_set(&base, dns_node_name(view->base, dns_image_node(view->base, chain[i].node)));
    const uint8_t *flat = dns_node_name(view->base, dns_view_node(view, own->node));
    return compare_flat(flat, &base) > 0 ? own : &chain[i];
}

const struct dns_nsec *dns_view_nsec_of(const struct dns_view *view, const struct dns_node *node,
                                        bool wildcard)
{
    static const struct dns_name star = {.size = 3, .labels = 1, .offsets = {0, 2}, .bytes = "\1*"};
    struct dns_name name;
    if (!view->delta || (!dns_view_in_delta(view, node) && !view->delta->chain_differs)) {
        const struct dns_node_proof *proof =
            &dns_image_proofs(view->base)[dns_node_number(view->base, node)];
        return &dns_image_nsec(view->base)[wildcard ? proof->wildcard : proof->own];
    }
    const uint8_t *flat = dns_node_name(view->base, node);
    /* nothing can be below a name that leaves no room */
    if (!wildcard || dns_name_join(&name, &star, 1, flat, node->name_size) != 0)
        dns_name_set(&name, flat);
    return dns_view_nsec(view, &name);
}

/* The number of the delta's hashes at or before this one. */
static uint32_t count_in_delta(const struct dns_view *view, const uint8_t hash[KEEL_SHA1_SIZE])
{
    const struct dns_nsec3 *chain = dns_image_at(view->base, view->delta->chain_at);
    uint32_t low = 0, high = view->delta->chain_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(chain[middle].hash, hash, KEEL_SHA1_SIZE) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Goes back from the base's entry `from` to one that counts still, at most to the first: how many
 * entries there are up to it; 0: none. */
static uint32_t count_live(const struct dns_view *view, uint32_t from)
{
    const struct dns_nsec3 *chain = dns_image_nsec3(view->base);
    while (from > 0 && !is_live(view, chain[from - 1].node))
        from--;
    return from;
}

static const struct dns_nsec3 *later(const struct dns_nsec3 *a, const struct dns_nsec3 *b)
{
    if (!a || !b)
        return a ? a : b;
    return memcmp(a->hash, b->hash, KEEL_SHA1_SIZE) > 0 ? a : b;
}

const struct dns_nsec3 *dns_view_nsec3(const struct dns_view *view,
                                       const uint8_t hash[KEEL_SHA1_SIZE], bool *match)
{
    const struct dns_nsec3 *chain = dns_image_nsec3(view->base), *found = NULL;
    uint32_t i = dns_nsec3_find(view->base, hash);
    if (!view->delta) {
        *match = i & DNS_PROOF_MATCH;
        return &chain[i & ~DNS_PROOF_MATCH];
    }
    const struct dns_nsec3 *more = dns_image_at(view->base, view->delta->chain_at);
    uint32_t own = count_in_delta(view, hash);
    i = (i & ~DNS_PROOF_MATCH) + 1;
    /* before the first the base says its last one */
    if (memcmp(chain[i - 1].hash, hash, KEEL_SHA1_SIZE) <= 0 && (i = count_live(view, i)) > 0)
        found = &chain[i - 1];
    found = later(found, own > 0 ? &more[own - 1] : NULL);
    if (!found) { /* the last of all covers what is before the first */
        own = view->delta->chain_count;
        i = count_live(view, view->base->chain_count);
        found = later(i > 0 ? &chain[i - 1] : NULL, own > 0 ? &more[own - 1] : NULL);
    }
    KEEL_ASSERT(found, "a version without a chain");
    *match = memcmp(found->hash, hash, KEEL_SHA1_SIZE) == 0;
    return found;
}

const struct dns_nsec3 *dns_view_nsec3_of(const struct dns_view *view, const struct dns_node *node,
                                          bool wildcard, bool *match)
{
    uint8_t hash[KEEL_SHA1_SIZE], name[DNS_NAME_MAX + 2] = "\1*";
    size_t star = wildcard ? 2 : 0;
    if (!dns_view_in_delta(view, node)) {
        const struct dns_node_proof *proof =
            &dns_image_proofs(view->base)[dns_node_number(view->base, node)];
        uint32_t i = wildcard ? proof->wildcard : proof->own;
        const struct dns_nsec3 *entry = &dns_image_nsec3(view->base)[i & ~DNS_PROOF_MATCH];
        *match = i & DNS_PROOF_MATCH;
        /* a hash that is there is there, whatever has changed around it */
        if (!view->delta || !view->delta->chain_differs || (*match && is_live(view, entry->node)))
            return entry;
    }
    memcpy(name + star, dns_node_name(view->base, node), node->name_size);
    dns_nsec3_hash(view->base, name, node->name_size + star, hash);
    return dns_view_nsec3(view, hash, match);
}
