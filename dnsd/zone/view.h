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
 * delta's first node has the number base->node_count.
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

#endif
