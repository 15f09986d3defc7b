/*
 * What an operator does to leases by hand: the same tables and pools that messages change. A batch
 * of the store must be open; events and resync as with messages.
 */
#ifndef DHCPD_ENGINE_EDIT_H
#define DHCPD_ENGINE_EDIT_H

#include "dhcpd/engine/engine.h"

/* Writes a lease that no client asked for, also one that is over or declined, which never comes
 * into the way of another; lease->client's network and length are set here. KEEL_ENOENT: no subnet
 * has the address; KEEL_EEXIST: another client has it; KEEL_EBUSY: the client has another address
 * there, in *other; KEEL_EINVAL: neither client identifier nor hardware address, or the record of
 * the address cannot be read; or an error of the store. */
int dhcp_engine_add_lease(struct dhcp_engine *engine, struct dhcp_lease *lease, uint32_t *other);
/* Forgets all about an address, also what cannot be read. The client may come and ask for it again.
 * KEEL_ENOENT when there is no record, or an error of the store. */
int dhcp_engine_delete_lease(struct dhcp_engine *engine, uint32_t address);

#endif
