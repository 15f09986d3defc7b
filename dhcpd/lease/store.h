/*
 * What the engine wants of a durable store: a table, who is in it, and a walk. The daemon puts LMDB
 * behind it, the tests a plain array.
 *
 * Changes belong to a batch that the caller opens and commits; every function sees the changes of
 * the running batch. After a failed change the batch cannot be committed.
 */
#ifndef DHCPD_LEASE_STORE_H
#define DHCPD_LEASE_STORE_H

#include "dhcpd/lease/lease.h"

typedef int dhcp_lease_visit(void *arg, uint32_t address, const struct dhcp_lease *lease);

struct dhcp_store {
    /* address -> lease. What *lease borrows is valid until the next change. 0; KEEL_ENOENT;
     * KEEL_EINVAL when there is a record that cannot be read: it may be anybody's; or another error
     * when the store is broken. */
    int (*get)(struct dhcp_store *store, uint32_t address, struct dhcp_lease *lease);
    int (*put)(struct dhcp_store *store, const struct dhcp_lease *lease);
    /* 0 also when there is nothing to remove. */
    int (*del)(struct dhcp_store *store, uint32_t address);
    /* client -> address: the one that it has or had last, as the records say. 0, KEEL_ENOENT, or an
     * error when the store is broken. */
    int (*find)(struct dhcp_store *store, const struct dhcp_client *client, uint32_t *address);
    /* Every lease until visit returns non-zero (which is returned). lease is NULL for a record that
     * cannot be read: whoever may have the address, nobody else must get it. */
    int (*each)(struct dhcp_store *store, dhcp_lease_visit *visit, void *arg);
};

#endif
