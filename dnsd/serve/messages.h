/*
 * What the keeper and the workers say to each other. Structs are in the machine's order: both sides
 * are the same binary.
 *
 * Zones are handed over as files: DNS_MSG_FILES brings descriptors, each with a number that is
 * never used again; DNS_MSG_ZONES says which zone's image stands where in which of them; and
 * DNS_MSG_PUBLISHED ends a publication, and is confirmed. So 100,000 small zones in a few packs are
 * a handful of messages.
 */
#ifndef DNSD_SERVE_MESSAGES_H
#define DNSD_SERVE_MESSAGES_H

#include "common/base/addr.h"
#include "dnsd/wire/name.h"

#include <stdint.h>

enum dns_keeper_message {
    /* keeper -> worker */
    DNS_MSG_FILES = 1,   /* struct dns_msg_file for each descriptor */
    DNS_MSG_ZONES,       /* struct dns_msg_zone, one behind another; a = 1: in the one descriptor */
    DNS_MSG_FORGET,      /* u32 numbers of files: no more zones will be in them */
    DNS_MSG_PUBLISHED,   /* a = number of the publication, b = 1: now you have all zones */
    DNS_MSG_ZONE_ADD,    /* u8 size of the apex, apex, text as in added-zones.conf, NUL */
    DNS_MSG_ZONE_REMOVE, /* apex: it was added, and is served no more */
    DNS_MSG_EXPIRES,     /* u64 seconds since 1970, apex: till then it may be served */
    DNS_MSG_REPLY,       /* to a request: a = its number, b = rcode; the rest is the request's */
    /* worker -> keeper */
    DNS_MSG_CONFIRMED = 64, /* a = number of the publication that is served */
    DNS_MSG_LEAVING,        /* I take no more requests from clients */
    /* requests (dnsd/serve/requests.h): a = number; struct dns_msg_request and what belongs to it
     */
    DNS_MSG_REQUESTS = 128,
    DNS_MSG_UPDATE = DNS_MSG_REQUESTS, /* the message as it came (RFC 2136); reply: the rcode */
    DNS_MSG_NOTIFY,                    /* the same (RFC 1996) */
    DNS_MSG_DIFFERENCES, /* u32 serial; reply: with NOERROR a descriptor of differences */
    DNS_MSG_REQUESTS_END,
};

struct dns_msg_request {
    struct keel_addr peer; /* who asks */
    uint8_t in_memory;     /* the rest is in the one descriptor */
    uint8_t apex_size;     /* of the zone, which follows (flat, lower-cased); then the bytes */
};

enum {
    DNS_MSG_FILE_DELTAS = 1, /* only deltas are in it, for the zones of this publication */
};
struct dns_msg_file {
    uint32_t number;
    uint32_t flags;
    uint64_t size;
    uint64_t reserve; /* bytes of address space to be set aside from its start, at least size */
};

enum {
    DNS_MSG_ZONE_GONE = 1,    /* there is no data (any more) */
    DNS_MSG_ZONE_EXPIRED = 2, /* there is, but it may not be served */
};
#define DNS_MSG_NO_FILE UINT32_MAX
struct dns_msg_zone {
    uint16_t size; /* of this entry, a multiple of 8 */
    uint16_t flags;
    uint32_t file;
    uint64_t offset; /* of the image in it */
    /* The delta stands in another file, page-aligned, and is mapped behind the base. */
    uint32_t delta_file;   /* DNS_MSG_NO_FILE: none */
    uint32_t delta_origin; /* bytes behind the base's start */
    uint64_t delta_offset; /* in its file */
    uint32_t delta_size;
    uint8_t unused[3];
    uint8_t apex_size;
    uint8_t apex[]; /* flat, lower-cased */
};

#endif
