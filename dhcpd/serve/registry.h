/*
 * Names on disk: which name every address has in the DNS, and the queue of updates to be made.
 * Both change in the batch that changes the lease, so that neither can be forgotten.
 *
 * Table "name": address -> what was entered, and for whom. Table "ddns": number -> work to do.
 */
#ifndef DHCPD_SERVE_REGISTRY_H
#define DHCPD_SERVE_REGISTRY_H

#include "common/store/store.h"
#include "dhcpd/engine/ddns_window.h"
#include "dhcpd/engine/event.h"

struct dhcp_registry {
    const struct dhcp_naming *rules;
    struct keel_store_table *names, *queue;
    uint64_t next;   /* number of the next piece of work */
    uint64_t loaded; /* the last that went to the window */
    uint64_t limit;  /* names are entered while fewer pieces wait; removals always find room */
    uint64_t refused;
    bool fresh; /* work was queued since the last load */
};

/* Opens both tables; env is readable in no transaction. 0 or an error of the store, with diag. */
int dhcp_registry_open(struct dhcp_registry *names, struct keel_store *env,
                       const struct dhcp_naming *rules, uint64_t limit, struct keel_diag *diag);
/* Queues what follows from an event; inside the batch of its lease. now: seconds since 1970. 0 or
 * an error of the store. */
int dhcp_registry_follow(struct dhcp_registry *names, const struct dhcp_event *event, uint64_t now);
/* Fills the window from the queue; inside a read or a batch. */
int dhcp_registry_load(struct dhcp_registry *names, struct dhcp_ddns_window *window);
/* A piece of work is over: takes it out of the queue; inside a batch. A name that could not be
 * entered is forgotten, so that the next renewal tries again. */
int dhcp_registry_over(struct dhcp_registry *names, const struct dhcp_ddns_slot *slot);
/* The oldest piece of work in the queue; inside a read or a batch. KEEL_ENOENT: none. */
int dhcp_registry_oldest(struct dhcp_registry *names, struct dhcp_ddns_op *op);

#endif
