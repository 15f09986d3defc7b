/*
 * Lease records: who has which address until when, and their form in the store.
 *
 *   0  version (2)   state   htype   length of the subnet's prefix      the head: 28 octets,
 *   4  address, network of the subnet              (4 + 4)              big-endian
 *  12  granted, expires                            (8 + 8, seconds since 1970)
 *  28  fields: number, length, octets              (1 + 1 + length), in the order of numbers
 *
 * Fields: 1 hardware address, 2 identity, 3 hostname, 4 relay information. An empty one is left
 * out, and so is the hardware address when the identity holds it. A number that is not known is
 * passed over: new fields need no new version. Version 1 had a fixed head of 52 octets with all of
 * the hardware address; it is read, and written again as version 2.
 *
 * Both families: everything here, in pool.h and in bitmap.h that is a uint32_t called address is
 * one of IPv4. A pool knows its addresses only as distances from `first`, so that one of IPv6 is
 * the same pool with a wider `first`. IPv6 leases get tables of their own ("lease6" with keys of 16
 * octets, "client6" by DUID and IAID), records of the same form with another version octet, and
 * visitors of their own; nothing of IPv4 on disk changes.
 */
#ifndef DHCPD_LEASE_LEASE_H
#define DHCPD_LEASE_LEASE_H

#include "dhcpd/wire/message.h"

enum dhcp_lease_state {
    DHCP_LEASE_ACTIVE = 1, /* granted until `expires` */
    DHCP_LEASE_RELEASED,   /* given back by its client; kept so that it may come back to it */
    DHCP_LEASE_DECLINED,   /* somebody else was found using it: nobody gets it until `expires` */
    DHCP_LEASE_EXPIRED,    /* as active, its time has passed, and those who follow were told */
};
/* "active"; static. */
const char *dhcp_lease_state_name(enum dhcp_lease_state state);

/* Who a client is, within one subnet: the client identifier (RFC 2131, 4.2), or else its hardware
 * address. First octet 1: identifier follows; 0: htype and address follow. */
#define DHCP_IDENTITY_MAX 255
struct dhcp_client {
    uint32_t network; /* of the subnet, host order */
    uint8_t length;   /* of its prefix */
    struct dhcp_bytes identity;
};

struct dhcp_lease {
    uint32_t address; /* host order */
    enum dhcp_lease_state state;
    uint64_t granted, expires; /* seconds since 1970 */
    uint8_t htype, hlen, chaddr[16];
    struct dhcp_client client;
    struct dhcp_bytes hostname, relay;
};

#define DHCP_LEASE_HEAD 28
#define DHCP_LEASE_MAX (DHCP_LEASE_HEAD + 2 + 16 + 3 * (2 + 255))

/* The identity of a message's sender into out[DHCP_IDENTITY_MAX]; returns its size, or KEEL_EINVAL
 * when the message has neither identifier nor hardware address. */
int dhcp_identity(const struct dhcp_message *m, uint8_t *out);
static inline bool dhcp_bytes_equal(struct dhcp_bytes a, struct dhcp_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
bool dhcp_client_equal(const struct dhcp_client *a, const struct dhcp_client *b);

/* Writes the record; returns its size. out has DHCP_LEASE_MAX octets. */
size_t dhcp_lease_encode(const struct dhcp_lease *lease, uint8_t *out);
/* Borrows the record, of any version that there ever was. KEEL_EINVAL when it is none of ours. */
int dhcp_lease_decode(struct dhcp_lease *lease, const void *record, size_t size);

/* What a client is known by in memory: network, length, identity. Returns its size. */
#define DHCP_CLIENT_KEY_MAX (5 + DHCP_IDENTITY_MAX)
size_t dhcp_client_key(const struct dhcp_client *client, uint8_t *out);

#endif
