/*
 * Lays out one RRset as ready answer bytes (dnsd/zone/image.h): compression, fixes and links.
 */
#ifndef DNSD_ZONE_SET_H
#define DNSD_ZONE_SET_H

#include "common/base/buf.h"
#include "dnsd/zone/image.h"

struct dns_rdata {
    const uint8_t *bytes; /* flat, checked */
    uint16_t size;
};
struct dns_set_source {
    const struct dns_name *owner, *apex;
    uint16_t type;
    uint32_t ttl;
    const struct dns_rdata *rdata;
    unsigned count;
    /* The node whose addresses belong to this name, or DNS_NO_NODE. name is lower-cased. */
    uint32_t (*find_addresses)(void *arg, const uint8_t *name, size_t size);
    void *arg;
};

/* Appends a struct dns_set, padded to 4 bytes. KEEL_ERANGE: it could never leave in a message;
 * KEEL_ENOMEM. */
int dns_set_append(struct keel_buf *out, const struct dns_set_source *source);

#endif
