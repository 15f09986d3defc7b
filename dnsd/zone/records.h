/*
 * The records of an image, flat again: names in rdata written out, one by one.
 */
#ifndef DNSD_ZONE_RECORDS_H
#define DNSD_ZONE_RECORDS_H

#include "dnsd/zone/diff.h"
#include "dnsd/zone/image.h"

/* What is given is borrowed for the call; the owner is lower-cased. Not 0: stop. */
typedef int (*dns_record_visit)(void *arg, const struct dns_diff_record *record);

/* The records of a node, of one type or of all (0), until visit returns non-zero, which is
 * returned. KEEL_ENOMEM; KEEL_EINVAL: the image is none. */
int dns_node_records(const struct dns_image *image, const struct dns_node *node, uint16_t type,
                     dns_record_visit visit, void *arg);
/* The node of a name (flat, lower-cased), or NULL: also one that no slot leads to (the hash of an
 * NSEC3). */
const struct dns_node *dns_image_any_node(const struct dns_image *image, const uint8_t *name,
                                          size_t size);

#endif
