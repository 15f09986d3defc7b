/*
 * The types that questions are counted by: those that are asked for in the wild; the rest together.
 */
#ifndef DNSD_SERVE_TYPES_H
#define DNSD_SERVE_TYPES_H

#include <stdint.h>

/* X(name, number) for each */
#define DNS_COUNTED_TYPES(X)                                                                       \
    X(A, 1)                                                                                        \
    X(NS, 2)                                                                                       \
    X(CNAME, 5)                                                                                    \
    X(SOA, 6)                                                                                      \
    X(PTR, 12)                                                                                     \
    X(MX, 15)                                                                                      \
    X(TXT, 16)                                                                                     \
    X(AAAA, 28)                                                                                    \
    X(SRV, 33)                                                                                     \
    X(NAPTR, 35)                                                                                   \
    X(DS, 43)                                                                                      \
    X(DNSKEY, 48)                                                                                  \
    X(TLSA, 52)                                                                                    \
    X(SVCB, 64)                                                                                    \
    X(HTTPS, 65)                                                                                   \
    X(CAA, 257)                                                                                    \
    X(IXFR, 251)                                                                                   \
    X(AXFR, 252)                                                                                   \
    X(ANY, 255)

enum dns_counted_type {
    DNS_COUNTED_OTHER,
#define X(name, number) DNS_COUNTED_##name,
    DNS_COUNTED_TYPES(X)
#undef X
        DNS_COUNTED
};

static inline enum dns_counted_type dns_counted_type(uint16_t type)
{
    static const uint8_t counted[] = {
#define X(name, number) [number] = DNS_COUNTED_##name,
        DNS_COUNTED_TYPES(X)
#undef X
    };
    return type < sizeof counted ? (enum dns_counted_type)counted[type] : DNS_COUNTED_OTHER;
}

#endif
