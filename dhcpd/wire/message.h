/*
 * DHCPv4 messages (RFC 2131, 2): a strict parser that copies nothing but split options, and a
 * builder that splits long options (RFC 3396) and overloads `file` and `sname` when it must.
 */
#ifndef DHCPD_WIRE_MESSAGE_H
#define DHCPD_WIRE_MESSAGE_H

#include "common/base/err.h"
#include "common/base/wire.h"
#include "dhcpd/wire/option.h"

#define DHCP_HEADER_SIZE 236 /* op .. file */
#define DHCP_SNAME_SIZE 64
#define DHCP_FILE_SIZE 128
#define DHCP_OPTIONS_AT 240   /* behind the magic cookie */
#define DHCP_MESSAGE_MAX 4096 /* longest message taken */
#define DHCP_MESSAGE_MIN 300  /* shortest sent: RFC 1542, 2.1 */
#define DHCP_MAGIC 0x63825363u
#define DHCP_FLAG_BROADCAST 0x8000u
#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68

enum dhcp_op { DHCP_REQUEST_OP = 1, DHCP_REPLY_OP = 2 };

/* Option 53. */
enum dhcp_type {
    DHCP_NONE = 0,
    DHCP_DISCOVER,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_DECLINE,
    DHCP_ACK,
    DHCP_NAK,
    DHCP_RELEASE,
    DHCP_INFORM,
    DHCP_FORCERENEW, /* RFC 3203: not for a server to take */
    DHCP_LEASEQUERY, /* RFC 4388 */
    DHCP_LEASEUNASSIGNED,
    DHCP_LEASEUNKNOWN,
    DHCP_LEASEACTIVE,
    DHCP_TYPES
};
/* "discover"; static. */
const char *dhcp_type_name(enum dhcp_type type);

/* Bytes of somebody's message. */
struct dhcp_bytes {
    const uint8_t *p;
    uint16_t n;
};

/* A parsed message. It borrows the datagram; IPv4 addresses are in host order. */
struct dhcp_message {
    uint8_t op, htype, hlen, hops;
    uint32_t xid;
    uint16_t secs, flags;
    uint32_t ciaddr, yiaddr, siaddr, giaddr;
    uint8_t chaddr[16];            /* hlen octets, then zeros */
    struct dhcp_bytes sname, file; /* up to the first NUL; empty where they carry options */
    enum dhcp_type type;
    uint64_t present[4];           /* one bit a code */
    struct dhcp_bytes values[256]; /* by code; valid where present */
    uint16_t joined_size;
    uint8_t joined[DHCP_MESSAGE_MAX]; /* options that came in pieces, whole */
};

/* 0; KEEL_ETRUNC when it ends inside the header or an option, KEEL_EINVAL when a field or an option
 * that the server reads is malformed, KEEL_ENOTSUP for BOOTP (no cookie or no message type): the
 * message is whole then, with type DHCP_NONE. */
int dhcp_message_parse(struct dhcp_message *m, const void *bytes, size_t size);

static inline bool dhcp_message_has(const struct dhcp_message *m, uint8_t code)
{
    return m->present[code >> 6] >> (code & 63) & 1;
}
/* The option's value; n 0 and p NULL when it is not there. */
struct dhcp_bytes dhcp_message_option(const struct dhcp_message *m, uint8_t code);
/* The value of an option of four octets, 0 when it is not there. */
uint32_t dhcp_message_u32(const struct dhcp_message *m, uint8_t code);

/* Where options of a message under construction go. */
struct dhcp_area {
    uint8_t *start, *next, *end;
};
struct dhcp_builder {
    uint8_t *bytes;
    struct dhcp_area options, file, sname;
    size_t reserved; /* octets of `options` kept for what comes last */
};

/* The fixed part of a message to be built; addresses in host order. */
struct dhcp_header {
    uint8_t op, htype, hlen, hops;
    uint32_t xid;
    uint16_t secs, flags;
    uint32_t ciaddr, yiaddr, siaddr, giaddr;
    uint8_t chaddr[16];
    struct dhcp_bytes sname, file; /* shorter than the field; empty: room for options */
};

/* Writes the header into bytes[0..size). size >= DHCP_MESSAGE_MIN. `last` is the size of the value
 * that dhcp_builder_finish will be given (RFC 3046, 2.1: relay information stands last). */
void dhcp_builder_init(struct dhcp_builder *b, void *bytes, size_t size,
                       const struct dhcp_header *header, size_t last);
/* True when the option found room, whole; false leaves the message as it was. */
bool dhcp_builder_add(struct dhcp_builder *b, uint8_t code, const void *value, size_t n);
bool dhcp_builder_u8(struct dhcp_builder *b, uint8_t code, uint8_t value);
bool dhcp_builder_u32(struct dhcp_builder *b, uint8_t code, uint32_t value);
/* Closes the areas, adds relay information (n 0: none) and pads; returns the size to send. */
size_t dhcp_builder_finish(struct dhcp_builder *b, const void *relay, size_t n);

#endif
