/*
 * Offers: addresses held for a while for clients that were told of them (RFC 2131, 3.1). In memory
 * only, of a fixed number: when all are out, the oldest makes room.
 */
#ifndef DHCPD_LEASE_OFFER_H
#define DHCPD_LEASE_OFFER_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define DHCP_NO_OFFER 0u /* index 0 is the ring's head */

struct dhcp_offer {
    uint64_t client;   /* keyed hash of the client's table key: 64 secret bits stand for it */
    uint64_t deadline; /* monotonic ns */
    uint32_t address;
    uint32_t chain;        /* next with the same bucket, or next unused */
    uint32_t older, newer; /* ring in the order of deadlines */
    bool probed;           /* nobody answered at the address */
};

struct dhcp_offers {
    struct dhcp_offer *items; /* [0] is the ring's head */
    uint32_t *buckets;
    uint32_t mask, unused, count, capacity;
};

/* 0 or KEEL_ENOMEM. */
int dhcp_offers_init(struct dhcp_offers *offers, uint32_t capacity);
void dhcp_offers_fini(struct dhcp_offers *offers);
/* The client's offer, NULL when it has none. Valid until the next change. */
const struct dhcp_offer *dhcp_offers_find(const struct dhcp_offers *offers, uint64_t client);
/* The oldest, NULL when there is none. */
const struct dhcp_offer *dhcp_offers_oldest(const struct dhcp_offers *offers);
static inline bool dhcp_offers_full(const struct dhcp_offers *offers)
{
    return offers->count == offers->capacity;
}
/* Not full, and the client has none. Deadlines never go down from one call to the next. */
void dhcp_offers_add(struct dhcp_offers *offers, uint64_t client, uint32_t address,
                     uint64_t deadline, bool probed);
/* The client has one. */
void dhcp_offers_remove(struct dhcp_offers *offers, uint64_t client);

#endif
