/*
 * Lease files of other servers, read as leases. Pure functions on text.
 */
#ifndef DHCPD_LEASE_IMPORT_H
#define DHCPD_LEASE_IMPORT_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "dhcpd/lease/lease.h"

enum dhcp_import_format {
    DHCP_IMPORT_KEA,     /* memfile: kea-leases4.csv */
    DHCP_IMPORT_ISC,     /* dhcpd.leases */
    DHCP_IMPORT_DNSMASQ, /* dnsmasq.leases */
    DHCP_IMPORT_CSV,     /* our own: keelctl dhcpd leases format=csv */
};
/* "kea", "isc", "dnsmasq", "csv". 0 or KEEL_EINVAL. */
int dhcp_import_format_by_name(struct keel_str name, enum dhcp_import_format *out);

struct dhcp_import {
    /* A lease as it stands in this line; it borrows until the call ends. Of several of one address
     * the last is true. Its subnet is not known: client.network is 0. lease->state 0: the server
     * has forgotten the address. Non-zero ends the reading and is returned. */
    int (*on_lease)(struct dhcp_import *import, unsigned line, const struct dhcp_lease *lease);
    /* A line that makes no sense, and why. May be NULL. */
    void (*on_fault)(struct dhcp_import *import, unsigned line, const char *why);
};

/* Reads a whole file. Lines that make no sense are told and passed over. 0, KEEL_EINVAL when it is
 * no such file at all (also told), or what on_lease returned. */
int dhcp_import_read(struct dhcp_import *import, enum dhcp_import_format format,
                     struct keel_str text);

/* --- for the formats -------------------------------------------------------------------------- */

/* A lease with room for what it borrows. */
struct dhcp_import_lease {
    struct dhcp_lease lease;
    uint8_t identity[DHCP_IDENTITY_MAX], hostname[255];
};
void dhcp_import_lease_init(struct dhcp_import_lease *l);
/* Each 0 or KEEL_EINVAL. */
int dhcp_import_address(struct dhcp_import_lease *l, struct keel_str text);
/* "02:00:00:00:00:01"; "" or "*": none. */
int dhcp_import_hardware(struct dhcp_import_lease *l, struct keel_str text);
/* The client identifier, as octets or in hexadecimal. */
int dhcp_import_client(struct dhcp_import_lease *l, const uint8_t *id, size_t n);
int dhcp_import_client_hex(struct dhcp_import_lease *l, struct keel_str text);
int dhcp_import_hostname(struct dhcp_import_lease *l, struct keel_str text);
/* Hands the lease on, with its hardware address as identity when it has no identifier. */
int dhcp_import_give(struct dhcp_import *import, unsigned line, struct dhcp_import_lease *l);
void dhcp_import_fault(struct dhcp_import *import, unsigned line, const char *why);
int dhcp_import_isc(struct dhcp_import *import, struct keel_str text);

#endif
