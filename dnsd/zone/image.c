#include "dnsd/zone/image.h"

static const struct dns_slot *slots(const struct dns_image *image)
{
    return dns_image_at(image, image->slots_at);
}

void dns_image_prefetch_slot(const struct dns_image *image, uint64_t hash)
{
    __builtin_prefetch(&slots(image)[hash & image->slot_mask]);
}

void dns_image_prefetch_node(const struct dns_image *image, uint64_t hash)
{
    const struct dns_slot *slot = &slots(image)[hash & image->slot_mask];
    /* collisions are few: only the first slot is worth looking at here */
    if (slot->node != 0 && slot->tag == (uint32_t)(hash >> 32))
        __builtin_prefetch(dns_image_node(image, slot->node - 1));
}

void dns_image_prefetch_set(const struct dns_image *image, uint64_t hash)
{
    const struct dns_slot *slot = &slots(image)[hash & image->slot_mask];
    if (slot->node == 0 || slot->tag != (uint32_t)(hash >> 32))
        return;
    const struct dns_node *node = dns_image_node(image, slot->node - 1);
    if (node->set_count > 0)
        __builtin_prefetch(dns_image_at(image, node->sets_at));
}

const struct dns_node *dns_image_find(const struct dns_image *image, uint64_t hash,
                                      const uint8_t *name, size_t size)
{
    const struct dns_slot *table = slots(image);
    uint32_t tag = (uint32_t)(hash >> 32);

    /* at most half of the slots are taken, so that a free one ends every search */
    for (uint32_t i = (uint32_t)hash & image->slot_mask; table[i].node != 0;
         i = (i + 1) & image->slot_mask) {
        if (table[i].tag != tag)
            continue;
        const struct dns_node *node = dns_image_node(image, table[i].node - 1);
        if (node->name_size == size && memcmp(dns_node_name(image, node), name, size) == 0)
            return node;
    }
    return NULL;
}

const struct dns_set *dns_node_next_set(const struct dns_image *image, const struct dns_node *node,
                                        const struct dns_set *previous)
{
    if (!previous)
        return node->set_count ? dns_image_at(image, node->sets_at) : NULL;
    if (previous->flags & DNS_SET_LAST)
        return NULL;
    return (const struct dns_set *)((const uint8_t *)previous + previous->total);
}

const struct dns_set *dns_node_set(const struct dns_image *image, const struct dns_node *node,
                                   uint16_t type)
{
    uint32_t at = node->sets_at;
    for (uint32_t i = 0; i < node->set_count; i++) {
        const struct dns_set *set = dns_image_at(image, at);
        if (set->type == type)
            return set;
        at += set->total;
    }
    return NULL;
}

const struct dns_node *dns_image_encloser(const struct dns_image *image,
                                          const struct dns_name *name, unsigned labels)
{
    unsigned apex_labels = dns_image_apex(image)->labels;
    if (labels > image->max_labels)
        labels = image->max_labels;
    for (; labels > apex_labels; labels--) {
        unsigned at = name->offsets[name->labels - labels];
        const uint8_t *p = name->bytes + at;
        size_t size = (size_t)name->size - at;
        const struct dns_node *node =
            dns_image_find(image, dns_image_hash(image, p, size), p, size);
        if (node)
            return node;
    }
    return dns_image_apex(image);
}

static bool is_before(const struct dns_image *image, uint32_t number, const struct dns_name *name)
{
    struct dns_name own;
    dns_name_set(&own, dns_node_name(image, dns_image_node(image, number)));
    return dns_name_compare(&own, name) < 0;
}

uint32_t dns_image_search(const struct dns_image *image, const struct dns_name *name, uint32_t from)
{
    uint32_t low = from, high = from, stride = 1;
    while (high < image->node_count && is_before(image, high, name)) {
        low = high + 1;
        high += stride;
        stride *= 2;
    }
    if (high > image->node_count)
        high = image->node_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_before(image, middle, name))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t dns_image_behind(const struct dns_image *image, uint32_t number)
{
    /* what is below a name follows it, and has more labels all along */
    unsigned labels = dns_image_node(image, number)->labels;
    do
        number++;
    while (number < image->node_count && dns_image_node(image, number)->labels > labels);
    return number;
}
