/*
 * Relay agent information (option 82, RFC 3046): what the server reads of its sub-options.
 */
#ifndef DHCPD_WIRE_RELAY_H
#define DHCPD_WIRE_RELAY_H

#include "dhcpd/wire/message.h"

enum dhcp_relay_code {
    DHCP_RELAY_CIRCUIT_ID = 1,
    DHCP_RELAY_REMOTE_ID = 2,
    DHCP_RELAY_LINK_SELECTION = 5,   /* RFC 3527: the subnet to choose from instead of giaddr */
    DHCP_RELAY_SERVER_OVERRIDE = 11, /* RFC 5107: the server identifier that the client shall see */
    DHCP_RELAY_SOURCE_PORT = 19,     /* RFC 8357: reply to the port that the request came from */
};

struct dhcp_relay {
    struct dhcp_bytes circuit_id, remote_id; /* borrow */
    uint32_t link_selection;                 /* host order; 0: not given */
    uint32_t server_override;
    bool source_port;
};

/* An empty value gives an empty result. KEEL_EINVAL when a sub-option runs over the edge or one
 * that is read has a wrong size. */
int dhcp_relay_parse(struct dhcp_relay *relay, struct dhcp_bytes value);

#endif
