/*
 * Record types and classes: numbers, names (TYPEnnn of RFC 3597 too) and rdata layouts, one table.
 */
#ifndef DNSD_WIRE_TYPE_H
#define DNSD_WIRE_TYPE_H

#include "common/base/str.h"

enum {
    DNS_TYPE_A = 1,
    DNS_TYPE_NS = 2,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_PTR = 12,
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_RP = 17,
    DNS_TYPE_AFSDB = 18,
    DNS_TYPE_RT = 21,
    DNS_TYPE_SIG = 24,
    DNS_TYPE_KEY = 25,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_SRV = 33,
    DNS_TYPE_DNAME = 39,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_DS = 43,
    DNS_TYPE_SSHFP = 44,
    DNS_TYPE_RRSIG = 46,
    DNS_TYPE_NSEC = 47,
    DNS_TYPE_DNSKEY = 48,
    DNS_TYPE_NSEC3 = 50,
    DNS_TYPE_NSEC3PARAM = 51,
    DNS_TYPE_SVCB = 64,
    DNS_TYPE_HTTPS = 65,
    DNS_TYPE_TKEY = 249,
    DNS_TYPE_TSIG = 250,
    DNS_TYPE_IXFR = 251,
    DNS_TYPE_AXFR = 252,
    DNS_TYPE_MAILB = 253,
    DNS_TYPE_MAILA = 254,
    DNS_TYPE_ANY = 255,
    DNS_TYPE_CAA = 257,
};
enum {
    DNS_CLASS_IN = 1,
    DNS_CLASS_CH = 3,
    DNS_CLASS_HS = 4,
    DNS_CLASS_NONE = 254,
    DNS_CLASS_ANY = 255
};

/* "TYPE65535" and every mnemonic fit, with the NUL. */
#define DNS_TYPE_TEXT 16

/* How the rdata of a type is made, one letter a field; NULL: not known here (ldns knows, or it is
 * opaque). See dnsd/wire/rdata.h for the readers.
 *   a  IPv4 address            q  IPv6 address
 *   b  8 bits                  h  16 bits         t  32 bits, a time in seconds   w  32 bits
 *   n  name, may be sent compressed (RFC 1035 types only: RFC 3597, 4)
 *   N  name, never compressed
 *   s  one character string    S  one or more, to the end
 *   g  CAA tag: one character string, letters and digits, not empty
 *   v  text to the end, without a length byte
 *   x  bytes to the end, hexadecimal
 *   p  service parameters to the end (RFC 9460) */
const char *dns_type_layout(uint16_t type);

/* Mnemonic (any case) or TYPEnnn; 0 or KEEL_EINVAL. */
int dns_type_parse(struct keel_str text, uint16_t *type);
/* NUL-terminated into DNS_TYPE_TEXT bytes; returns out. */
const char *dns_type_format(char *out, uint16_t type);
/* IN, CH, HS or CLASSnnn; 0 or KEEL_EINVAL. */
int dns_class_parse(struct keel_str text, uint16_t *class);
/* Types that are only asked for or only live in messages (RFC 6895, 3.1), never in a zone. */
bool dns_type_is_meta(uint16_t type);

#endif
