/*
 * Leasequery (RFC 4388): an access router asks who has an address, or which address a client has,
 * to know its customers again after it lost its memory. Private to engine/.
 */
#ifndef DHCPD_ENGINE_LEASEQUERY_H
#define DHCPD_ENGINE_LEASEQUERY_H

#include "dhcpd/engine/exchange.h"

/* Answers a DHCPLEASEQUERY, if the configuration lets its sender ask. The exchange has not been
 * prepared: there is no client. */
enum dhcp_outcome dhcp_leasequery(struct dhcp_exchange *x);

#endif
