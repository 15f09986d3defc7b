/*
 * How many leases a circuit or a hardware address may have. Private to engine/.
 */
#ifndef DHCPD_ENGINE_QUOTA_H
#define DHCPD_ENGINE_QUOTA_H

#include "dhcpd/engine/exchange.h"

/* The table, if the configuration has limits. 0 or KEEL_ENOMEM. */
int dhcp_quota_init(struct dhcp_engine *e, uint32_t addresses);
/* Counts a lease from now on, if it is active. */
void dhcp_quota_note(struct dhcp_engine *e, const struct dhcp_lease *lease);
/* True when a lease more for this client would be one too many. One that it has is no more. */
bool dhcp_quota_exceeded(struct dhcp_exchange *x);

#endif
