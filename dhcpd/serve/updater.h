/*
 * The updater: brings the queue of names to the DNS server, by UDP, by TCP where that does not do.
 * It works in the one worker that serves; what it was about to do when that dies is done again by
 * the next, which the updates are made to bear.
 */
#ifndef DHCPD_SERVE_UPDATER_H
#define DHCPD_SERVE_UPDATER_H

#include "dhcpd/serve/registry.h"
#include "dhcpd/serve/settings.h"

struct dhcp_updater;

/* Returns new. env is open, in no transaction. */
int dhcp_updater_new(struct keel_instance *instance, struct keel_store *env,
                     const struct dhcp_ddns_settings *settings, struct dhcp_updater **out,
                     struct keel_diag *diag);
/* NULL is nothing. */
void dhcp_updater_free(struct dhcp_updater *updater);
/* Queues what follows from an event; inside the batch of its lease. 0 or an error of the store. */
int dhcp_updater_follow(struct dhcp_updater *updater, const struct dhcp_event *event);
/* Sends what can be sent; outside of a batch, when one was committed. */
void dhcp_updater_run(struct dhcp_updater *updater);

/* Control command `ddns`. */
int dhcp_updater_status(struct dhcp_updater *updater, json_t **result, struct keel_diag *diag);

#endif
