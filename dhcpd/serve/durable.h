/*
 * The lease store on disk: what the engine wants, over LMDB. Two tables, "lease" by address and
 * "client" by subnet and identity.
 */
#ifndef DHCPD_SERVE_DURABLE_H
#define DHCPD_SERVE_DURABLE_H

#include "common/store/store.h"
#include "dhcpd/engine/engine.h"

struct dhcp_durable {
    struct dhcp_store store; /* for the engine */
    struct keel_store *env;
    struct keel_store_table *leases, *clients;
};

/* Opens (creates) the environment `path`; one process at a time. 0, KEEL_EBUSY, or an error of the
 * store, with diag. */
int dhcp_durable_open(struct dhcp_durable *d, const char *path, struct keel_diag *diag);
void dhcp_durable_close(struct dhcp_durable *d);
/* Leases from an address on, until visit returns non-zero (returned). Inside a read or a batch. As
 * dhcp_store.each, lease is NULL for a record that cannot be read. */
int dhcp_durable_each(struct dhcp_durable *d, uint32_t from, dhcp_lease_visit *visit, void *arg);
/* Ends a batch. more: others have changes in it too. 1: all is durable, and 0: nothing was changed;
 * the replies may leave. An error: nothing of it is in the store, the engine is brought back in
 * step with it, and replies that promise a change must not leave. */
int dhcp_durable_commit(struct dhcp_durable *d, struct dhcp_engine *engine,
                        const struct dhcp_decision *decisions, unsigned count, bool more);

#endif
