/*
 * EDNS(0): the OPT record (RFC 6891, 6.1) and the options that are understood here.
 */
#ifndef DNSD_WIRE_EDNS_H
#define DNSD_WIRE_EDNS_H

#include "common/base/err.h"
#include "common/base/wire.h"

#define DNS_OPT_SIZE 11 /* bytes of an OPT record without options */

enum {
    DNS_OPTION_NSID = 3,       /* RFC 5001 */
    DNS_OPTION_EXPIRE = 9,     /* RFC 7314 */
    DNS_OPTION_COOKIE = 10,    /* RFC 7873 */
    DNS_OPTION_KEEPALIVE = 11, /* RFC 7828 */
    DNS_OPTION_PADDING = 12,   /* RFC 7830 */
    DNS_OPTION_ERROR = 15,     /* RFC 8914 */
};
/* Extended errors (RFC 8914, 4). */
enum dns_extended_error {
    DNS_ERROR_NONE = 0,
    DNS_ERROR_PROHIBITED = 18,
    DNS_ERROR_NOT_AUTHORITATIVE = 20,
    DNS_ERROR_NOT_SUPPORTED = 21,
};

#define DNS_COOKIE_CLIENT 8 /* bytes of a client's cookie (RFC 7873, 4.1) */
#define DNS_COOKIE_MAX 40   /* with the longest server cookie behind it */

struct dns_edns {
    bool present;
    bool dnssec_ok;
    uint8_t version;
    uint8_t extended_rcode; /* upper 8 bits of the rcode; 0 in a query */
    uint16_t udp_size;      /* as the peer said it; below 512 counts as 512 */
    /* Options; but for EXPIRE those of a query. */
    bool nsid, keepalive, padding;
    bool expire; /* asked for (RFC 7314), or said: then expire_size is 4 */
    uint8_t expire_size;
    uint32_t expire_after; /* seconds */
    uint8_t cookie_size;   /* 0: none */
    const uint8_t *cookie; /* borrowed from the message */
};

/* From the fixed part of an OPT record and its rdata, which the result borrows; options must fill
 * the rdata exactly and have sizes that they may have (version 0 only: what another version means
 * by its rdata is unknown). 0 or KEEL_EINVAL. */
int dns_edns_parse(struct dns_edns *edns, uint16_t class, uint32_t ttl, const uint8_t *rdata,
                   size_t size);
/* Writes an OPT record without options. */
void dns_edns_build(struct keel_writer *w, const struct dns_edns *edns);
/* Options behind dns_edns_build; dns_edns_end, with the offset at which the OPT record begins, when
 * all are written. */
void dns_edns_option(struct keel_writer *w, uint16_t code, const void *bytes, size_t size);
void dns_edns_end(struct keel_writer *w, size_t start);
/* A whole OPT record of a zone transfer, with EXPIRE when expire_size is 4; and its size. */
void dns_edns_transfer(struct keel_writer *w, const struct dns_edns *edns);
static inline size_t dns_edns_transfer_size(const struct dns_edns *edns)
{
    return DNS_OPT_SIZE + (edns->expire_size ? 8 : 0);
}

#endif
