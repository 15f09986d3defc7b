/*
 * Names of clients: which name a lease gets in the DNS, who enters it, and the Client FQDN option
 * that says so (RFC 4702).
 */
#ifndef DHCPD_ENGINE_FQDN_H
#define DHCPD_ENGINE_FQDN_H

#include "dhcpd/engine/config.h"
#include "dnsd/wire/name.h"

/* The rules, of the configuration. Zones are lower-cased. */
struct dhcp_naming {
    struct dns_name forward; /* every name is in this zone */
    const struct dns_name *reverse;
    unsigned reverse_count;
    uint32_t ttl;         /* seconds; 0: a third of the lease, at least 600 */
    const char *generate; /* "dhcp": "dhcp-192-0-2-100" for a client without a name; NULL: none */
    bool client_names;    /* the client's own name is taken where there is no reservation's */
    bool client_updates;  /* a client that wants to enter its address itself may do so */
    bool override_no_updates; /* names are entered for clients that ask for none, too */
};

/* What becomes of a client's name. */
struct dhcp_fqdn {
    bool forward, reverse; /* what we enter; neither: nothing */
    bool asked;            /* the client sent option 81 and is to be answered */
    uint8_t flags;         /* of the answer */
    uint8_t size;          /* of the name, flat and lower-cased; 0: none */
    uint8_t name[DNS_NAME_MAX];
};

/* rules NULL: no names. reservation may be NULL. */
void dhcp_fqdn_decide(const struct dhcp_naming *rules, const struct dhcp_message *request,
                      const struct dhcp_reservation *reservation, uint32_t address,
                      struct dhcp_fqdn *out);
/* The value of option 81 for the reply; out has DHCP_FQDN_OPTION_MAX octets. Returns its size, 0:
 * none is to be sent. */
#define DHCP_FQDN_OPTION_MAX (3 + DNS_NAME_TEXT)
size_t dhcp_fqdn_option(const struct dhcp_fqdn *fqdn, uint8_t *out);

/* The name of an address in in-addr.arpa. */
void dhcp_reverse_name(uint32_t address, struct dns_name *name);
/* The longest reverse zone that has the address; NULL: none. */
const struct dns_name *dhcp_reverse_zone(const struct dhcp_naming *rules, uint32_t address);

#endif
