/*
 * NOTIFY at work: sockets, timers and the file of what was told to whom. One worker of all does it.
 *
 * That one is worker 0 of the newest generation, once the older one has begun to leave: a lock in
 * the state directory passes from one to the other. Before that a server that hears of news would
 * come and find the old zone.
 */
#ifndef DNSD_SERVE_NOTIFIER_H
#define DNSD_SERVE_NOTIFIER_H

#include "common/service/module.h"

struct dns_notifying;

/* Starts in worker 0 when somebody is to be told; *out is new, or NULL when there is nothing to do.
 * 0, or KEEL_ENOMEM, KEEL_ESYS with diag. */
int dns_notifying_start(struct keel_instance *instance, struct dns_notifying **out,
                        struct keel_diag *diag);
/* Saves what was told, and lets the next one take over. NULL: nothing. */
void dns_notifying_stop(struct dns_notifying *notifying);

#endif
