/*
 * One message being decided, and the steps of a decision. Private to engine/.
 */
#ifndef DHCPD_ENGINE_EXCHANGE_H
#define DHCPD_ENGINE_EXCHANGE_H

#include "dhcpd/engine/fqdn.h"
#include "dhcpd/engine/state.h"
#include "dhcpd/wire/relay.h"

struct dhcp_exchange {
    struct dhcp_engine *engine;
    const struct dhcp_input *input;
    const struct dhcp_message *request;
    struct dhcp_relay relay;
    struct dhcp_facts facts;            /* the message, and the classes that it is in */
    const struct dhcp_subnet *link;     /* where the client is; one of several on its link */
    const struct dhcp_subnet *subnet;   /* of the address in question; see dhcp_enter */
    const struct dhcp_subnet *reserved; /* where the reservation stands */
    const struct dhcp_reservation *reservation; /* of this client; NULL: none */
    uint8_t identity[DHCP_IDENTITY_MAX];
    uint8_t relayed[255];      /* what the relay had said of a client that comes without it */
    struct dhcp_client client; /* in `subnet` */
    uint64_t hash;             /* of the client on its link, for offers */
    uint64_t now;              /* seconds since 1970 */
    uint32_t server;           /* our identifier towards this client */
    struct dhcp_levels
        *levels;           /* the engine's: what applies to the client; by dhcp_exchange_levels */
    bool scarce;           /* few addresses are left in the pool; likewise */
    struct dhcp_fqdn fqdn; /* the name for the address in question; likewise */
    uint8_t *reply;
    size_t room;
    struct dhcp_decision *decision;
};

/* From here on it is about this subnet, which is one of the link's. */
static inline void dhcp_enter(struct dhcp_exchange *x, const struct dhcp_subnet *subnet)
{
    x->subnet = subnet;
    x->client.network = subnet->network;
    x->client.length = subnet->length;
}
/* Enters the subnet of an address, if it is on the link, and collects the levels that apply there,
 * its pool's among them, and the name that it gets. */
void dhcp_exchange_levels(struct dhcp_exchange *x, uint32_t address);

/* True when the record is of this client. The address says the subnet: its prefix may have been
 * changed since. */
static inline bool dhcp_same_identity(const struct dhcp_exchange *x, const struct dhcp_lease *lease)
{
    return dhcp_bytes_equal(lease->client.identity, x->client.identity);
}

/* What an address is to a client that asks for it. */
enum dhcp_claim {
    DHCP_CLAIM_MINE,  /* offered to it, leased to it, or leased to it last */
    DHCP_CLAIM_FREE,  /* nobody's */
    DHCP_CLAIM_TAKEN, /* another's, or resting after a DECLINE */
    DHCP_CLAIM_WRONG, /* not on this link, in no pool, or not for this client */
    DHCP_CLAIM_ERROR, /* the store failed */
};
static inline bool dhcp_claim_usable(enum dhcp_claim c)
{
    return c == DHCP_CLAIM_MINE || c == DHCP_CLAIM_FREE;
}

enum dhcp_claim dhcp_claim(struct dhcp_exchange *x, uint32_t address);
/* As dhcp_claim, and a client with a reservation is to have that address and no other, as long as
 * nobody sits on it. */
enum dhcp_claim dhcp_claim_as_client(struct dhcp_exchange *x, uint32_t address);
/* The address to offer: RFC 2131, 4.3.1, in its order: the client's present or last address, the
 * one it asks for, any. A reservation goes before them all. 0, KEEL_ENOENT when every address is
 * in use, or an error of the store. */
int dhcp_choose(struct dhcp_exchange *x, uint32_t *address);

/* True when the address is to be probed before it is offered to the client; and when it was, for
 * this client. */
bool dhcp_needs_probe(struct dhcp_exchange *x, uint32_t address);
bool dhcp_was_probed(const struct dhcp_exchange *x, uint32_t address);

/* Writes the lease of an address that dhcp_claim found usable, and ends another one that the client
 * had on this link. 0 or an error of the store. */
int dhcp_lease_grant(struct dhcp_exchange *x, uint32_t address, uint32_t seconds);
/* Ends the lease of an address that the client does not use any more: RELEASED, or DECLINED until
 * `expires`. 0 or an error of the store. */
int dhcp_lease_end(struct dhcp_exchange *x, uint32_t address, enum dhcp_lease_state state,
                   uint64_t expires);

#endif
