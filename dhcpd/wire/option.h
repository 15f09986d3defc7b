/*
 * DHCP options (RFC 2132): their codes, their names and types, and text to wire.
 */
#ifndef DHCPD_WIRE_OPTION_H
#define DHCPD_WIRE_OPTION_H

#include "common/base/err.h"
#include "common/base/str.h"

/* Codes that the server itself reads or writes; all others are known to the table alone. */
enum dhcp_option_code {
    DHCP_OPTION_PAD = 0,
    DHCP_OPTION_SUBNET_MASK = 1,
    DHCP_OPTION_ROUTERS = 3,
    DHCP_OPTION_HOST_NAME = 12,
    DHCP_OPTION_DOMAIN_NAME = 15,
    DHCP_OPTION_BROADCAST = 28,
    DHCP_OPTION_VENDOR = 43,
    DHCP_OPTION_REQUESTED_ADDRESS = 50,
    DHCP_OPTION_LEASE_TIME = 51,
    DHCP_OPTION_OVERLOAD = 52,
    DHCP_OPTION_MESSAGE_TYPE = 53,
    DHCP_OPTION_SERVER_ID = 54,
    DHCP_OPTION_PARAMETER_LIST = 55,
    DHCP_OPTION_MESSAGE = 56,
    DHCP_OPTION_MAX_SIZE = 57,
    DHCP_OPTION_RENEWAL_TIME = 58,
    DHCP_OPTION_REBINDING_TIME = 59,
    DHCP_OPTION_VENDOR_CLASS = 60,
    DHCP_OPTION_CLIENT_ID = 61,
    DHCP_OPTION_TFTP_SERVER = 66,
    DHCP_OPTION_BOOT_FILE = 67,
    DHCP_OPTION_USER_CLASS = 77,
    DHCP_OPTION_RAPID_COMMIT = 80,
    DHCP_OPTION_FQDN = 81,
    DHCP_OPTION_RELAY_INFO = 82,
    DHCP_OPTION_LAST_TRANSACTION = 91,
    DHCP_OPTION_ASSOCIATED_IP = 92,
    DHCP_OPTION_IPV6_ONLY = 108,
    DHCP_OPTION_SUBNET_SELECTION = 118,
    DHCP_OPTION_VENDOR_CLASSES = 124,
    DHCP_OPTION_VENDOR_OPTIONS = 125,
    DHCP_OPTION_END = 255,
};

/* How one value of an option is written in a configuration file. */
enum dhcp_option_type {
    DHCP_TYPE_FLAG, /* true, false: one octet */
    DHCP_TYPE_U8,
    DHCP_TYPE_U16,
    DHCP_TYPE_U32,
    DHCP_TYPE_I8,
    DHCP_TYPE_I16,
    DHCP_TYPE_I32,
    DHCP_TYPE_ADDR,   /* 192.0.2.1 */
    DHCP_TYPE_ADDR6,  /* 2001:db8::1 */
    DHCP_TYPE_PAIR,   /* 192.0.2.0 192.0.2.1: two addresses */
    DHCP_TYPE_ROUTE,  /* 10.0.0.0/8 192.0.2.1 (RFC 3442) */
    DHCP_TYPE_TEXT,   /* NVT ASCII, not terminated */
    DHCP_TYPE_TEXT8,  /* the same with its length before it in one octet, in two octets */
    DHCP_TYPE_TEXT16, /* (RFC 8572, 8.3) */
    DHCP_TYPE_NAME,   /* a domain name in labels (RFC 1035, 3.1), not compressed */
    DHCP_TYPE_SIP,    /* all names or all addresses (RFC 3361) */
    DHCP_TYPE_BINARY, /* hexadecimal: 01:02:ff */
    DHCP_TYPE_EMPTY,  /* true: there, with no octet */
    DHCP_TYPE_RECORD, /* `fields`, with blanks between */
    DHCP_TYPES_COUNT,
};

#define DHCP_FIELDS_MAX 8
struct dhcp_option_def {
    const char *name; /* "domain-name-servers"; NULL ends the table */
    uint8_t code;
    uint8_t type; /* enum dhcp_option_type */
    bool list;    /* one or more values; of a record: its last field, one or more */
    uint8_t field_count, fields[DHCP_FIELDS_MAX]; /* of a record: enum dhcp_option_type */
    /* A definition of somebody's own space: sub-options of option 43 for clients whose vendor class
     * begins with `vendor`, of option 125 for an enterprise number. NULL and 0: none. */
    const char *vendor;
    uint32_t enterprise;
};

/* All options of the registry; those that are internal have their names for expressions. */
extern const struct dhcp_option_def dhcp_option_table[];

/* NULL when the table has no such name or code. Static. */
const struct dhcp_option_def *dhcp_option_by_name(struct keel_str name);
const struct dhcp_option_def *dhcp_option_by_code(uint8_t code);
/* What can only stand last in a record: nothing says where it ends. */
static inline bool dhcp_option_is_open_ended(enum dhcp_option_type type)
{
    return type == DHCP_TYPE_TEXT || type == DHCP_TYPE_BINARY;
}
/* The type called "text", "address" ...; KEEL_EINVAL with the names in diag. A trailing "s" or
 * "-list" does not exist: `list` of the definition says that. */
int dhcp_option_type_parse(struct keel_str name, enum dhcp_option_type *out,
                           struct keel_diag *diag);
/* The fields of a record, "uint8 address text", into a definition. KEEL_EINVAL with diag. */
int dhcp_option_fields_parse(struct keel_str names, struct dhcp_option_def *def,
                             struct keel_diag *diag);
/* True for codes that the server fills in itself or only a client sends: nobody may configure
 * them. */
bool dhcp_option_is_internal(uint8_t code);

/* The wire form of `count` values. Returns the size written, KEEL_EINVAL or KEEL_ERANGE with diag,
 * or KEEL_ENOSPC when it does not fit. *wrong is the index of the offending value. */
int dhcp_option_encode(const struct dhcp_option_def *def, const struct keel_str *values,
                       unsigned count, uint8_t *out, size_t size, unsigned *wrong,
                       struct keel_diag *diag);

#endif
