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
    DHCP_OPTION_BROADCAST = 28,
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
    DHCP_OPTION_RELAY_INFO = 82,
    DHCP_OPTION_END = 255,
};

/* How one value of an option is written in a configuration file. */
enum dhcp_option_type {
    DHCP_TYPE_FLAG, /* true, false: one octet */
    DHCP_TYPE_U8,
    DHCP_TYPE_U16,
    DHCP_TYPE_U32,
    DHCP_TYPE_I32,
    DHCP_TYPE_ADDR,   /* 192.0.2.1 */
    DHCP_TYPE_PAIR,   /* 192.0.2.0 192.0.2.1: two addresses */
    DHCP_TYPE_ROUTE,  /* 10.0.0.0/8 192.0.2.1 (RFC 3442) */
    DHCP_TYPE_TEXT,   /* NVT ASCII, not terminated */
    DHCP_TYPE_NAME,   /* a domain name in labels (RFC 1035, 3.1), not compressed */
    DHCP_TYPE_BINARY, /* hexadecimal: 01:02:ff */
};

struct dhcp_option_def {
    const char *name; /* "domain-name-servers"; NULL ends the table */
    uint8_t code;
    uint8_t type; /* enum dhcp_option_type */
    bool list;    /* one or more values */
};

/* The options that a configuration may set by name. */
extern const struct dhcp_option_def dhcp_option_table[];

/* NULL when the table has no such name or code. Static. */
const struct dhcp_option_def *dhcp_option_by_name(struct keel_str name);
const struct dhcp_option_def *dhcp_option_by_code(uint8_t code);
/* The type called "text", "address" ...; KEEL_EINVAL with the names in diag. A trailing "s" or
 * "-list" does not exist: `list` of the definition says that. */
int dhcp_option_type_parse(struct keel_str name, enum dhcp_option_type *out,
                           struct keel_diag *diag);
/* True for codes that the server fills in itself and nobody may configure. */
bool dhcp_option_is_internal(uint8_t code);

/* The wire form of `count` values. Returns the size written, KEEL_EINVAL or KEEL_ERANGE with diag,
 * or KEEL_ENOSPC when it does not fit. *wrong is the index of the offending value. */
int dhcp_option_encode(const struct dhcp_option_def *def, const struct keel_str *values,
                       unsigned count, uint8_t *out, size_t size, unsigned *wrong,
                       struct keel_diag *diag);

#endif
