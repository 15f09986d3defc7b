/*
 * What the engine is told: subnets, their pools, classes, options and reservations. Plain data,
 * filled by the daemon from its configuration file and by the tests by hand, then checked and
 * ordered once.
 */
#ifndef DHCPD_ENGINE_CONFIG_H
#define DHCPD_ENGINE_CONFIG_H

#include "dhcpd/engine/policy.h"

/* Clients for which an expression holds. */
struct dhcp_class {
    const char *name;
    struct dhcp_expression match;
    struct dhcp_policy policy;
    bool ignore; /* not answered at all */
};

/* Whom a pool or a subnet serves. Nobody is excluded when all is empty; who is denied is out in any
 * case. */
struct dhcp_access {
    struct dhcp_class_set allow, deny;
    bool allow_known, allow_unknown; /* with and without a reservation */
    bool deny_known, deny_unknown;
    bool restricted; /* something of `allow` is set; by dhcp_config_finish */
};

/* A pool. */
struct dhcp_range {
    uint32_t first, last; /* host order, both within */
    struct dhcp_access access;
    struct dhcp_policy *policy; /* NULL: says nothing of its own */
};

/* How a client is told to be the one that something is reserved for, in the order of looking. */
enum dhcp_key_kind {
    DHCP_KEY_CLIENT_ID,
    DHCP_KEY_HARDWARE, /* the address; its kind of hardware is not asked for */
    DHCP_KEY_CIRCUIT_ID,
    DHCP_KEY_MATCH, /* by expression */
};
struct dhcp_reservation {
    uint32_t address;             /* 0: none, only what the policy says */
    struct dhcp_bytes hostname;   /* option 12 for it; empty: none */
    struct dhcp_policy *policy;   /* NULL: says nothing of its own */
    struct dhcp_expression match; /* of DHCP_KEY_MATCH; count 0: none */
    const char *name;             /* for messages */
};
/* One of the keys of a reservation, which may have several: an address for whoever of them comes.
 */
struct dhcp_key {
    enum dhcp_key_kind kind;
    struct dhcp_bytes value;
    unsigned reservation; /* index */
};

struct dhcp_shared;
struct dhcp_subnet {
    uint32_t network, mask; /* host order */
    uint8_t length;
    char interface[16];        /* clients on this link without a relay; "": relays only */
    struct dhcp_range *ranges; /* sorted by dhcp_config_finish, like keys */
    unsigned range_count;
    struct dhcp_reservation *reservations;
    unsigned reservation_count;
    struct dhcp_key *keys;
    unsigned key_count;
    struct dhcp_policy policy;
    struct dhcp_access access; /* beside that of its pools */
    unsigned shared; /* index + 1 of the shared network that it is in; 0: alone on its link */
    /* The next subnet of the same link, going round; itself when alone. By dhcp_config_finish. */
    struct dhcp_subnet *next;
    const struct dhcp_policy *link; /* of the shared network; NULL: none. Likewise. */
};

/* Several subnets on one link. */
struct dhcp_shared {
    const char *name;
    struct dhcp_policy policy;
};

/* Whether clients of BOOTP are answered (RFC 951). They keep an address for ever. */
enum dhcp_bootp {
    DHCP_BOOTP_OFF,
    DHCP_BOOTP_RESERVED, /* those with a reservation */
    DHCP_BOOTP_ALL,
};

struct dhcp_naming;

struct dhcp_querier {
    uint32_t network, mask;
};

struct dhcp_config {
    struct dhcp_subnet *subnets; /* sorted by dhcp_config_finish */
    unsigned subnet_count;
    struct dhcp_shared *shared;
    unsigned shared_count;
    struct dhcp_subnet anywhere; /* only its reservations, without addresses: for any link */
    struct dhcp_class *classes;  /* each sees those before it */
    unsigned class_count;
    struct dhcp_policy policy; /* global */
    bool authoritative;        /* NAK what is wrong here, also from clients never seen */
    bool rapid_commit;         /* an ACK to a DISCOVER that asks for it (RFC 4039) */
    enum dhcp_bootp bootp;
    unsigned per_circuit, per_hardware; /* leases at most; 0: no limit */
    unsigned adaptive;     /* percent of a pool in use from which on leases are short; 0: never */
    bool probe;            /* addresses that nobody had are probed before they are offered */
    uint32_t decline_time; /* seconds that a declined address rests */
    uint32_t offer_time;   /* seconds that an offered address is held */
    /* Who may ask for leases (RFC 4388), host order. */
    const struct dhcp_querier *queriers;
    unsigned querier_count;
    const struct dhcp_naming *naming; /* names in the DNS (engine/fqdn.h); NULL: none */
};

/* What is wrong, in words a person can act on; in the configuration's own order. */
struct dhcp_config_fault {
    unsigned subnet; /* index before sorting; subnet_count: a reservation of `anywhere` */
    int range;       /* index, or -1 */
    int reservation; /* index, or -1 */
};
/* Checks it all, sorts subnets, pools and keys. 0, KEEL_ENOMEM, or KEEL_ECONF with fault and diag.
 */
int dhcp_config_finish(struct dhcp_config *config, struct dhcp_config_fault *fault,
                       struct keel_diag *diag);

/* The subnet that an address belongs to, or that a link carries; NULL when there is none. `near`
 * is the server's own address there: it decides between several subnets of one link. */
const struct dhcp_subnet *dhcp_config_by_address(const struct dhcp_config *config,
                                                 uint32_t address);
const struct dhcp_subnet *dhcp_config_by_interface(const struct dhcp_config *config,
                                                   const char *interface, uint32_t near);
/* The classes of a message: those before may be asked for by those behind. */
void dhcp_config_classify(const struct dhcp_config *config, struct dhcp_facts *facts);
/* The subnet of this link (see `next`) that an address belongs to, NULL when it is not there. */
const struct dhcp_subnet *dhcp_subnet_on_link(const struct dhcp_subnet *subnet, uint32_t address);
/* The reservation with this key; NULL when there is none. */
const struct dhcp_reservation *dhcp_subnet_reservation(const struct dhcp_subnet *subnet,
                                                       enum dhcp_key_kind kind,
                                                       struct dhcp_bytes value);
/* True when one of the reservation's own keys is this. */
bool dhcp_reservation_has_key(const struct dhcp_subnet *subnet,
                              const struct dhcp_reservation *reservation, enum dhcp_key_kind kind,
                              struct dhcp_bytes value);
/* The first reservation whose expression holds. */
const struct dhcp_reservation *dhcp_subnet_match(const struct dhcp_subnet *subnet,
                                                 const struct dhcp_facts *facts);
/* Whether a pool or subnet is for a client of these classes. */
bool dhcp_access_allows(const struct dhcp_access *access, const struct dhcp_class_set *classes,
                        bool known);
static inline bool dhcp_subnet_has(const struct dhcp_subnet *subnet, uint32_t address)
{
    return (address & subnet->mask) == subnet->network;
}
/* "192.0.2.1" of a host-order address; out has 16 octets. Returns out. */
const char *dhcp_address_text(uint32_t address, char *out);

#endif
