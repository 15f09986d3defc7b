/*
 * Which leases somebody wants to see, from words like "state=active".
 */
#ifndef DHCPD_LEASE_FILTER_H
#define DHCPD_LEASE_FILTER_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "dhcpd/lease/lease.h"

struct dhcp_lease_filter {
    uint32_t first, last;    /* addresses, both within */
    unsigned states;         /* bits 1 << state, bit 0: records that cannot be read; 0: all */
    uint64_t expires_before; /* seconds since 1970; 0: whenever */
    uint8_t hlen, chaddr[16];
    uint8_t client_size, client[DHCP_IDENTITY_MAX];
    char hostname[256]; /* as a client said it, in any case; "": any */
    bool hostname_begins;
};

/* Everything. */
void dhcp_lease_filter_init(struct dhcp_lease_filter *filter);
/* Takes one condition more: all must hold. Keys:
 *   subnet, address   "10.0.0.0/8" or "10.0.0.7"
 *   state             active, released, declined, expired or unreadable; several: any of them
 *   hardware          "02:00:00:00:00:07"
 *   client            the client identifier in hexadecimal
 *   hostname          "box", or "box*" for all that begin so
 *   expires-before    "2h" from now, or a time in seconds since 1970 behind an @
 * now: seconds since 1970. KEEL_ENOENT: no such key; KEEL_EINVAL with diag. */
int dhcp_lease_filter_add(struct dhcp_lease_filter *filter, struct keel_str key,
                          struct keel_str value, uint64_t now, struct keel_diag *diag);
/* lease NULL: a record that cannot be read. Its address lies in first..last. */
bool dhcp_lease_filter_match(const struct dhcp_lease_filter *filter, const struct dhcp_lease *lease,
                             uint64_t now);

/* What it is now: an active lease whose time has passed is expired. */
static inline enum dhcp_lease_state dhcp_lease_state_now(const struct dhcp_lease *lease,
                                                         uint64_t now)
{
    return lease->state == DHCP_LEASE_ACTIVE && lease->expires <= now ? DHCP_LEASE_EXPIRED
                                                                      : lease->state;
}
/* The client identifier (option 61) that its identity holds; empty when it has none. */
struct dhcp_bytes dhcp_lease_client_id(const struct dhcp_lease *lease);

#endif
