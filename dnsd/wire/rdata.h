/*
 * Rdata by layout (dnsd/wire/type.h): is it well formed, and where are its names.
 */
#ifndef DNSD_WIRE_RDATA_H
#define DNSD_WIRE_RDATA_H

#include "common/base/err.h"
#include "common/base/wire.h"

/* Checks flat rdata (names uncompressed) against the layout of its type; types that nobody here
 * looks into pass. 0 or KEEL_EINVAL. */
int dns_rdata_check(uint16_t type, const uint8_t *rdata, size_t size);
/* Reads rdata that stands in a message, where names may be compressed if the type allows it (RFC
 * 3597, 4), checks it as above and writes it flat to out, which has UINT16_MAX bytes. 0 or
 * KEEL_EINVAL. */
int dns_rdata_parse(uint16_t type, const uint8_t *message, const uint8_t *rdata, size_t size,
                    uint8_t *out, size_t *out_size);

/* A name inside rdata. */
struct dns_rdata_name {
    uint16_t offset, size;
    bool compressible; /* RFC 1035 type: may be sent with a pointer */
};
#define DNS_RDATA_NAMES 2 /* no type has more */
/* Fills names of checked flat rdata, in order; returns how many. */
unsigned dns_rdata_names(uint16_t type, const uint8_t *rdata, size_t size,
                         struct dns_rdata_name names[DNS_RDATA_NAMES]);
/* Rdata of one type is the same when it differs in the case of its names alone (RFC 2136, 1.1.1):
 * lower-cases them, in checked flat rdata; compares without their case. */
void dns_rdata_lower(uint16_t type, uint8_t *rdata, size_t size);
bool dns_rdata_equal(uint16_t type, const uint8_t *a, size_t a_size, const uint8_t *b,
                     size_t b_size);

/* Service parameters (RFC 9460, 2.2): keys strictly ascending, known values well formed,
 * mandatory keys there. 0 or KEEL_EINVAL. */
int dns_svcb_check(const uint8_t *params, size_t size);
enum {
    DNS_SVCB_MANDATORY = 0,
    DNS_SVCB_ALPN = 1,
    DNS_SVCB_NO_DEFAULT_ALPN = 2,
    DNS_SVCB_PORT = 3,
    DNS_SVCB_IPV4HINT = 4,
    DNS_SVCB_ECH = 5,
    DNS_SVCB_IPV6HINT = 6,
    DNS_SVCB_DOHPATH = 7,
    DNS_SVCB_OHTTP = 8,
};

#endif
