/*
 * EDNS(0): the OPT record (RFC 6891, 6.1).
 */
#ifndef DNSD_WIRE_EDNS_H
#define DNSD_WIRE_EDNS_H

#include "common/base/err.h"
#include "common/base/wire.h"

#define DNS_OPT_SIZE 11 /* bytes of an OPT record without options */

struct dns_edns {
    bool present;
    bool dnssec_ok;
    uint8_t version;
    uint8_t extended_rcode; /* upper 8 bits of the rcode; 0 in a query */
    uint16_t udp_size;      /* as the peer said it; below 512 counts as 512 */
};

/* From the fixed part of an OPT record and its rdata; options must fill the rdata exactly (version
 * 0 only: what another version means by its rdata is unknown). 0 or KEEL_EINVAL. */
int dns_edns_parse(struct dns_edns *edns, uint16_t class, uint32_t ttl, const uint8_t *rdata,
                   size_t size);
/* Writes an OPT record without options. */
void dns_edns_build(struct keel_writer *w, const struct dns_edns *edns);

#endif
