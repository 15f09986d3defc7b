/*
 * NOTIFY at work: sockets, timers and the file of what was told to whom. The keeper does it, as
 * long as it is the owner of the zones; a server that hears of news finds them at every worker.
 */
#ifndef DNSD_SERVE_NOTIFIER_H
#define DNSD_SERVE_NOTIFIER_H

#include "common/service/module.h"
#include "dnsd/transfer/notify.h"

struct dns_notifying;

/* Returns new, with nobody to tell; NULL: no memory. */
struct dns_notifying *dns_notifying_new(struct keel_instance *instance);
void dns_notifying_free(struct dns_notifying *notifying); /* NULL: nothing */

/* As dns_notifier_add, for some; and dns_notifier_forget. */
int dns_notifying_add(struct dns_notifying *notifying, const struct dns_notify_target *targets,
                      unsigned count);
void dns_notifying_forget(struct dns_notifying *notifying, const struct dns_zone *zone);

/* From now on who has not heard is told: all workers serve the zones as they are. */
void dns_notifying_begin(struct dns_notifying *notifying);
/* All workers serve another version of this one. */
void dns_notifying_zone(struct dns_notifying *notifying, const struct dns_zone *zone);
/* Saves what was told and tells no more: another's turn. */
void dns_notifying_stop(struct dns_notifying *notifying);

#endif
