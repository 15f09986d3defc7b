#include "dnsd/zone/view.h"

static const uint32_t *places(const struct dns_view *view)
{
    return dns_image_at(view->base, view->delta->places_at);
}

uint32_t dns_delta_place(const struct dns_view *view, uint32_t number)
{
    const uint32_t *table = places(view), wanted = number << 1 | 1;
    uint32_t low = 0, high = view->delta->node_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table[middle] == wanted)
            return view->base->node_count + middle;
        if (table[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return number;
}

const struct dns_node *dns_delta_find(const struct dns_view *view, uint64_t hash,
                                      const uint8_t *name, size_t size, bool *known)
{
    const struct dns_image *delta = view->delta;
    const struct dns_slot *table = dns_image_at(view->base, delta->slots_at);
    uint32_t tag = (uint32_t)(hash >> 32);

    *known = false;
    for (uint32_t i = (uint32_t)hash & delta->slot_mask; table[i].node != 0;
         i = (i + 1) & delta->slot_mask) {
        if (table[i].tag != tag)
            continue;
        const struct dns_node *node = dns_delta_node(view, table[i].node - 1);
        if (node->name_size != size || memcmp(dns_node_name(view->base, node), name, size) != 0)
            continue;
        *known = true;
        /* a hash has a slot here: it hides a node of the base that was more than that */
        return node->flags & (DNS_NODE_GONE | DNS_NODE_NSEC3) ? NULL : node;
    }
    return NULL;
}

const struct dns_node *dns_view_encloser(const struct dns_view *view, const struct dns_name *name,
                                         unsigned labels)
{
    if (!view->delta)
        return dns_image_encloser(view->base, name, labels);
    const struct dns_node *apex = dns_view_apex(view);
    if (labels > view->delta->max_labels)
        labels = view->delta->max_labels;
    for (; labels > apex->labels; labels--) {
        unsigned at = name->offsets[name->labels - labels];
        const uint8_t *p = name->bytes + at;
        size_t size = (size_t)name->size - at;
        const struct dns_node *node =
            dns_view_find(view, dns_image_hash(view->base, p, size), p, size);
        if (node)
            return node;
    }
    return apex;
}

const struct dns_node *dns_view_next(const struct dns_view *view, struct dns_view_walk *walk)
{
    uint32_t own = view->base->node_count, more = view->delta ? view->delta->node_count : 0;
    for (;;) {
        uint32_t place = walk->delta < more ? places(view)[walk->delta] : UINT32_MAX;
        if (walk->base >= place >> 1) {
            const struct dns_node *node = dns_delta_node(view, walk->delta++);
            walk->base += place & 1;
            if (!(node->flags & DNS_NODE_GONE))
                return node;
        } else if (walk->base < own) {
            return dns_image_node(view->base, walk->base++);
        } else {
            return NULL;
        }
    }
}

void dns_view_soa(const struct dns_view *view, uint32_t numbers[5])
{
    const struct dns_set *set = dns_image_at(view->base, dns_view_newest(view)->soa_at);
    const uint8_t *p = set->bytes + set->size - 20; /* one record, and they are its end */
    for (unsigned i = 0; i < 5; i++)
        numbers[i] = keel_get_u32(p + 4 * i);
}
