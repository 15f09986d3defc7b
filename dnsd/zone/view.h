/*
 * A version of a zone as it is served: an image, and on top of it a small one with what has changed
 * since (the delta).
 *
 *     base image (up to 4 GiB of addresses are set aside from its start)
 *     |header|nodes|slots|sets ...          |        |delta: header|nodes|slots|sets ...|
 *     0                                     size     origin
 *
 * The delta stands behind its base, and its offsets count from the base's start: so one pointer and
 * 32 bits reach everything of a version. A node of the delta replaces the base's node of the same
 * name as a whole; DNS_NODE_GONE says that the name is not there any more. Node numbers go on: the
 * delta's first node has the number base->node_count. It is the apex, which every delta has.
 *
 * Nodes of the base name others by numbers of the base. Which of those have been replaced is told
 * by the places, one for each node of the delta, ascending as its nodes stand in canonical order:
 *
 *     place = number of the base's first node that is not before it << 1 | it replaces that node
 *
 * Without a delta nothing here costs more than the image alone.
 */
#ifndef DNSD_ZONE_VIEW_H
#define DNSD_ZONE_VIEW_H

#include "dnsd/zone/image.h"

struct dns_view {
    const struct dns_image *base;
    const struct dns_image *delta; /* NULL: nothing has changed */
};

/* Serial, records, denial and so on of the version. */
static inline const struct dns_image *dns_view_newest(const struct dns_view *view)
{
    return view->delta ? view->delta : view->base;
}
/* The delta's node i. There is a delta. */
static inline const struct dns_node *dns_delta_node(const struct dns_view *view, uint32_t i)
{
    return (const struct dns_node *)dns_image_at(view->base, view->delta->nodes_at) + i;
}
static inline const struct dns_node *dns_view_apex(const struct dns_view *view)
{
    return view->delta ? dns_delta_node(view, 0) : dns_image_apex(view->base);
}
/* The number of a node of the delta that has taken the place of the base's node `number`, or that
 * number. There is a delta. */
uint32_t dns_delta_place(const struct dns_view *view, uint32_t number);
/* The node that a number in another node or a link leads to, as it is now. */
static inline const struct dns_node *dns_view_node(const struct dns_view *view, uint32_t number)
{
    if (view->delta) {
        if (number < view->base->node_count)
            number = dns_delta_place(view, number);
        if (number >= view->base->node_count)
            return dns_delta_node(view, number - view->base->node_count);
    }
    return dns_image_node(view->base, number);
}
/* True for a node, or anything else, that stands in the delta. */
static inline bool dns_view_in_delta(const struct dns_view *view, const void *what)
{
    return view->delta && (const uint8_t *)what >= (const uint8_t *)view->delta;
}
static inline uint32_t dns_view_number(const struct dns_view *view, const struct dns_node *node)
{
    if (dns_view_in_delta(view, node))
        return view->base->node_count + (uint32_t)(node - dns_delta_node(view, 0));
    return dns_node_number(view->base, node);
}

/* As of an image (dnsd/zone/image.h); sets and names of nodes are read with view->base. */
static inline void dns_view_prefetch_slot(const struct dns_view *view, uint64_t hash)
{
    dns_image_prefetch_slot(view->base, hash);
}
static inline void dns_view_prefetch_node(const struct dns_view *view, uint64_t hash)
{
    dns_image_prefetch_node(view->base, hash);
}
/* What the delta says of a name: *known is set when it says anything. */
const struct dns_node *dns_delta_find(const struct dns_view *view, uint64_t hash,
                                      const uint8_t *name, size_t size, bool *known);
static inline const struct dns_node *dns_view_find(const struct dns_view *view, uint64_t hash,
                                                   const uint8_t *name, size_t size)
{
    if (view->delta) {
        bool known;
        const struct dns_node *node = dns_delta_find(view, hash, name, size, &known);
        if (known)
            return node;
    }
    return dns_image_find(view->base, hash, name, size);
}
const struct dns_node *dns_view_encloser(const struct dns_view *view, const struct dns_name *name,
                                         unsigned labels);

/* The numbers of its SOA: serial, refresh, retry, expire, minimum. */
void dns_view_soa(const struct dns_view *view, uint32_t numbers[5]);

/* All nodes in canonical order, hashes (DNS_NODE_NSEC3) too. All zero: stands before the apex. */
struct dns_view_walk {
    uint32_t base, delta; /* the next ones */
};
/* Borrowed; NULL behind the last. */
const struct dns_node *dns_view_next(const struct dns_view *view, struct dns_view_walk *walk);

#endif
