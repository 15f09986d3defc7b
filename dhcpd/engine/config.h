/*
 * What the engine is told: subnets, their pools, options and reservations. Plain data, filled by
 * the daemon from its configuration file and by the tests by hand, then checked and ordered once.
 */
#ifndef DHCPD_ENGINE_CONFIG_H
#define DHCPD_ENGINE_CONFIG_H

#include "common/base/mem.h"
#include "dhcpd/wire/message.h"

/* An option to send, in wire form. */
struct dhcp_option_value {
    uint8_t code;
    struct dhcp_bytes value;
};
/* A set of them: each code at most once. */
struct dhcp_options {
    struct dhcp_option_value *items;
    unsigned count;
    uint8_t index[256]; /* code -> position + 1; 0: not there */
};

/* Seconds. */
struct dhcp_times {
    uint32_t lease, min, max;
};

struct dhcp_range {
    uint32_t first, last; /* host order, both within */
};

struct dhcp_reservation {
    uint8_t hlen, chaddr[16];
    uint32_t address;
    struct dhcp_bytes hostname; /* option 12 for it; empty: none */
    const char *name;           /* for messages */
};

struct dhcp_subnet {
    uint32_t network, mask; /* host order */
    uint8_t length;
    char interface[16]; /* clients on this link without a relay; "": relays only */
    struct dhcp_range *ranges;
    unsigned range_count;
    struct dhcp_reservation *reservations; /* sorted by dhcp_config_finish */
    unsigned reservation_count;
    struct dhcp_options options; /* its own; with the global ones after dhcp_config_finish */
    struct dhcp_times times;
};

struct dhcp_config {
    struct dhcp_subnet *subnets; /* sorted by dhcp_config_finish */
    unsigned subnet_count;
    struct dhcp_options options;
    bool authoritative;    /* NAK what is wrong here, also from clients never seen */
    uint32_t decline_time; /* seconds that a declined address rests */
    uint32_t offer_time;   /* seconds that an offered address is held */
};

/* Adds to a set with room for it; a code that is there already is replaced. */
void dhcp_options_set(struct dhcp_options *set, uint8_t code, struct dhcp_bytes value);
/* NULL when it is not there. */
const struct dhcp_option_value *dhcp_options_get(const struct dhcp_options *set, uint8_t code);

/* What is wrong, in words a person can act on; in the configuration's own order. */
struct dhcp_config_fault {
    unsigned subnet; /* index before sorting */
    int range;       /* index, or -1 */
    int reservation; /* index, or -1 */
};
/* Checks it all, sorts subnets, ranges and reservations, merges the options. New memory is of the
 * arena. 0, KEEL_ENOMEM, or KEEL_ECONF with fault and diag. */
int dhcp_config_finish(struct dhcp_config *config, struct keel_arena *arena,
                       struct dhcp_config_fault *fault, struct keel_diag *diag);

/* The subnet that an address belongs to, or that a link carries; NULL when there is none. `near`
 * is the server's own address there: it decides between several subnets of one link. */
const struct dhcp_subnet *dhcp_config_by_address(const struct dhcp_config *config,
                                                 uint32_t address);
const struct dhcp_subnet *dhcp_config_by_interface(const struct dhcp_config *config,
                                                   const char *interface, uint32_t near);
const struct dhcp_reservation *dhcp_subnet_reservation(const struct dhcp_subnet *subnet,
                                                       const uint8_t *chaddr, uint8_t hlen);
static inline bool dhcp_subnet_has(const struct dhcp_subnet *subnet, uint32_t address)
{
    return (address & subnet->mask) == subnet->network;
}
/* "192.0.2.1" of a host-order address; out has 16 octets. Returns out. */
const char *dhcp_address_text(uint32_t address, char *out);

#endif
