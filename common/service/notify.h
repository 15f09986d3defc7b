/*
 * systemd: readiness and watchdog by sd_notify(3)'s protocol, sockets by sd_listen_fds(3)'s. Does
 * nothing where systemd did not start us.
 */
#ifndef KEEL_SERVICE_NOTIFY_H
#define KEEL_SERVICE_NOTIFY_H

#include "common/base/err.h"

#include <stdint.h>
#include <sys/types.h>

/* Sends `state` ("READY=1\nSTATUS=...") to $NOTIFY_SOCKET. 0, or KEEL_ENOENT without one. */
int keel_notify(const char *state);
/* "RELOADING=1" with the monotonic time that systemd wants beside it. */
int keel_notify_reloading(void);
/* How often WATCHDOG=1 must be sent (half of $WATCHDOG_USEC), ns; 0: never. */
uint64_t keel_notify_watchdog(void);
/* Number of sockets that systemd passed; they are descriptors 3, 4, ... of which nobody else may
 * think. Sets CLOEXEC on each. Forgets the variables, so that children do not see them. */
unsigned keel_notify_sockets(void);
#define KEEL_NOTIFY_FIRST_FD 3

#endif
