/*
 * The numbers of an SOA record (RFC 1035, 3.3.13), and which serial is newer.
 */
#ifndef DNSD_WIRE_SOA_H
#define DNSD_WIRE_SOA_H

#include "common/base/err.h"
#include "common/base/wire.h"

#define DNS_SOA_MAX (2 * 255 + 20) /* bytes of flat rdata */

struct dns_soa {
    uint32_t serial;
    uint32_t refresh, retry, expire, minimum; /* seconds */
};
/* From flat rdata. 0 or KEEL_EINVAL. */
int dns_soa_parse(struct dns_soa *soa, const uint8_t *rdata, size_t size);

/* True when a comes after b (RFC 1982, 3.2). */
static inline bool dns_serial_newer(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}

#endif
