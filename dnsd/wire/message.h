/*
 * DNS messages (RFC 1035, 4.1): the header, the question, and the strict reading of a query.
 */
#ifndef DNSD_WIRE_MESSAGE_H
#define DNSD_WIRE_MESSAGE_H

#include "dnsd/wire/edns.h"
#include "dnsd/wire/name.h"

#define DNS_HEADER_SIZE 12
#define DNS_UDP_MIN 512        /* what every client can take without EDNS */
#define DNS_POINTER_MAX 0x3FFF /* last offset a compression pointer can name */

/* Second 16 bits of the header. */
enum {
    DNS_FLAG_QR = 0x8000,
    DNS_FLAG_AA = 0x0400,
    DNS_FLAG_TC = 0x0200,
    DNS_FLAG_RD = 0x0100,
    DNS_FLAG_RA = 0x0080,
    DNS_FLAG_AD = 0x0020,
    DNS_FLAG_CD = 0x0010,
    DNS_OPCODE_MASK = 0x7800,
    DNS_OPCODE_SHIFT = 11,
    DNS_RCODE_MASK = 0x000F,
};
enum { DNS_OPCODE_QUERY = 0, DNS_OPCODE_NOTIFY = 4, DNS_OPCODE_UPDATE = 5 };
enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_YXDOMAIN = 6,
    DNS_YXRRSET = 7,
    DNS_NXRRSET = 8,
    DNS_NOTAUTH = 9,
    DNS_NOTZONE = 10,
    DNS_BADVERS = 16,
    DNS_BADCOOKIE = 23,
};

/* A query as it came. */
struct dns_message {
    uint16_t id, flags;
    uint16_t qtype, qclass;
    uint16_t question_size; /* bytes of the question behind the header; 0: none could be read */
    uint16_t authority;     /* records there: an IXFR's SOA */
    uint16_t tsig_at;       /* offset of the TSIG record; 0: none */
    struct dns_edns edns;
    struct dns_name qname; /* lower-cased */
};

static inline unsigned dns_message_opcode(const struct dns_message *m)
{
    return (m->flags & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT;
}

/* Reads and checks a whole query: one question without pointers, no answers, at most one OPT,
 * TSIG or SIG(0) last, no byte behind the last record. Borrows the cookie's
 * bytes (edns.cookie).
 * 0; KEEL_ETRUNC: not even a header, nothing was filled; KEEL_EINVAL: malformed, id and flags are
 * filled, the question too when question_size is not 0. Of opcodes other than QUERY,
 * NOTIFY and UPDATE only the question is read. */
int dns_message_parse_query(struct dns_message *m, const uint8_t *bytes, size_t size);

/* A record in a message. */
struct dns_record {
    struct dns_name owner; /* case kept */
    uint16_t type, class;
    uint32_t ttl;
    uint16_t rdata_size;
    const uint8_t *rdata; /* in the message: names in it may have pointers */
};
/* Reads the record at *offset and moves behind it. 0, KEEL_EINVAL or KEEL_ETRUNC. */
int dns_record_parse(struct dns_record *record, const uint8_t *message, size_t size,
                     size_t *offset);

#endif
