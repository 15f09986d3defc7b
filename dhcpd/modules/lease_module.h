/*
 * What a module that follows leases exports, and what it is told. Needs no other header.
 *
 *     const struct dhcp_lease_module dhcp_lease_module = { DHCP_LEASE_MODULE, .name = "mine", ...
 * };
 *
 * It is loaded by `hook { module = "mine.so" events = { "granted" } }` into the helper process
 * "hooks", never into the one that answers clients: a module that blocks delays only other hooks.
 */
#ifndef DHCPD_MODULES_LEASE_MODULE_H
#define DHCPD_MODULES_LEASE_MODULE_H

#include <stddef.h>
#include <stdint.h>

#define DHCP_LEASE_ABI_MAJOR 1
#define DHCP_LEASE_ABI_MINOR 0

/* Numbers of events; the same in every version. */
enum dhcp_lease_event_type {
    DHCP_LEASE_GRANTED,
    DHCP_LEASE_RENEWED,
    DHCP_LEASE_GIVEN_BACK,
    DHCP_LEASE_REFUSED, /* DECLINE: somebody else uses the address */
    DHCP_LEASE_OVER,
    DHCP_LEASE_REMOVED, /* by an operator */
};

/* All is lent for the call. Text is ASCII: bytes of clients that are no letters, digits, dots,
 * hyphens or underscores stand as '?'. Later versions add fields at the end and raise `size`. */
struct dhcp_lease_event {
    uint32_t size;
    uint32_t type;             /* enum dhcp_lease_event_type */
    const char *name;          /* "granted" ... as in the configuration */
    uint32_t address;          /* IPv4, host order */
    uint64_t granted, expires; /* seconds since 1970 */
    uint8_t hardware_type, hardware_size;
    const uint8_t *hardware;
    const uint8_t *client_id; /* option 61; NULL: none */
    size_t client_id_size;
    const uint8_t *relay; /* relay agent information, option 82; NULL: none */
    size_t relay_size;
    const char *hostname; /* "": none */
    const char *fqdn;     /* the name that is entered in the DNS; "": none */
};

struct dhcp_lease_module {
    uint32_t size; /* of this struct: the host reads no further */
    uint16_t abi_major, abi_minor;
    const char *name;
    /* Begins with the `argument` of its section ("" when there is none). 0 and *state, or a
     * sentence in why[size] and another number: then dhcpd does not start. */
    int (*start)(const char *argument, void **state, char *why, size_t size);
    void (*on_event)(void *state, const struct dhcp_lease_event *event);
    void (*stop)(void *state); /* may be NULL */
};
#define DHCP_LEASE_MODULE                                                                          \
    .size = sizeof(struct dhcp_lease_module), .abi_major = DHCP_LEASE_ABI_MAJOR,                   \
    .abi_minor = DHCP_LEASE_ABI_MINOR

#endif
