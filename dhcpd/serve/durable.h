/*
 * The lease store on disk: what the engine wants, over LMDB. One table, "lease" by address; which
 * client has which address is known in memory, made of it at the start.
 */
#ifndef DHCPD_SERVE_DURABLE_H
#define DHCPD_SERVE_DURABLE_H

#include "common/store/store.h"
#include "dhcpd/engine/engine.h"
#include "dhcpd/lease/client_index.h"

struct dhcp_durable {
    struct dhcp_store store; /* for the engine */
    struct keel_store *env;
    struct keel_store_table *leases;
    struct dhcp_client_index clients;
    bool indexed; /* a walk has seen all of the leases */
    /* Addresses that the running batch changes, to bring the index back when it is lost. */
    struct dhcp_durable_change {
        uint64_t client; /* who is found by it since; 0: nobody new */
        uint32_t address;
    } * changes;
    size_t change_count, change_capacity;
    int failed; /* why the running batch cannot be committed, 0: it can */
};

/* Opens (creates) the environment `path`; one process at a time. 0, KEEL_EBUSY, or an error of the
 * store, with diag. */
int dhcp_durable_open(struct dhcp_durable *d, const char *path, struct keel_diag *diag);
void dhcp_durable_close(struct dhcp_durable *d);
/* Leases from an address on, until visit returns non-zero (returned). Inside a read or a batch. As
 * dhcp_store.each, lease is NULL for a record that cannot be read. */
int dhcp_durable_each(struct dhcp_durable *d, uint32_t from, dhcp_lease_visit *visit, void *arg);
/* A batch of changes, as in store.h: begin; then end, which commits it, or abort. When nothing of
 * it is in the store, the index is brought back in step with it; the engine is not. */
int dhcp_durable_begin(struct dhcp_durable *d);
int dhcp_durable_end(struct dhcp_durable *d);
void dhcp_durable_abort(struct dhcp_durable *d);
/* Ends a batch of decisions. more: others have changes in it too. 1: all is durable, and 0: nothing
 * was changed; the replies may leave. An error: nothing of it is in the store, the engine is
 * brought back in step with it, and replies that promise a change must not leave. */
int dhcp_durable_commit(struct dhcp_durable *d, struct dhcp_engine *engine,
                        const struct dhcp_decision *decisions, unsigned count, bool more);

#endif
