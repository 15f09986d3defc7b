/*
 * Those who follow the leases: names in the DNS, and hooks. Events are written down in the batch of
 * their leases, and told when it is committed.
 */
#ifndef DHCPD_SERVE_FOLLOW_H
#define DHCPD_SERVE_FOLLOW_H

#include "dhcpd/engine/engine.h"
#include "dhcpd/serve/hook.h"
#include "dhcpd/serve/settings.h"
#include "dhcpd/serve/updater.h"

struct dhcp_follow {
    struct dhcp_events events;    /* of the running batch; no items: nobody follows */
    unsigned written;             /* of them */
    struct dhcp_updater *updater; /* NULL: none */
    struct dhcp_hooks hooks;
};

/* Before the engine is made, which is given the events. env is open, in no transaction. 0 or an
 * error with diag. */
int dhcp_follow_open(struct dhcp_follow *follow, struct keel_instance *instance,
                     struct keel_store *env, const struct dhcp_settings *settings,
                     struct keel_diag *diag);
void dhcp_follow_close(struct dhcp_follow *follow);
/* Where the engine's events go; NULL: nobody follows. */
static inline struct dhcp_events *dhcp_follow_events(struct dhcp_follow *follow)
{
    return follow->events.items ? &follow->events : NULL;
}

/* True while the running batch may take as many messages again as come at once. */
bool dhcp_follow_room(const struct dhcp_follow *follow);
/* In a batch: finds leases that expired. all: also those that only a sweep finds. */
void dhcp_follow_settle(struct dhcp_follow *follow, struct dhcp_engine *engine, bool all);
/* In a batch, after each message: writes down what follows from it. */
void dhcp_follow_write(struct dhcp_follow *follow);
/* The batch was committed: tells. */
void dhcp_follow_done(struct dhcp_follow *follow);
/* It was not: nobody is told, and the engine forgets what was lost. env is in no transaction; when
 * it cannot be read either, the engine stays as it is (see dhcp_durable_commit). */
void dhcp_follow_lost(struct dhcp_follow *follow, struct dhcp_engine *engine,
                      struct keel_store *env);

#endif
