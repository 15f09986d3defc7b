/*
 * Commands that are followed until somebody stops it (common/service/trace.h): the same question
 * again and again, and the lines of all workers in the order of their time.
 */
#ifndef KEEL_KEELCTL_WATCH_H
#define KEEL_KEELCTL_WATCH_H

#include "common/base/err.h"
#include "common/keelctl/console.h"

#include <jansson.h>

/* True when the reply to a command says that it is one to follow. */
bool keelctl_is_watch(const json_t *reply);
/* Follows it until SIGINT or SIGTERM, which are caught meanwhile, or until the daemon is gone or
 * refuses. path: of the control socket. Returns an exit status; diag: why, when it is not
 * KEELCTL_OK. */
int keelctl_watch(const struct keelctl_options *options, const char *path, const char *const *words,
                  int count, struct keel_diag *diag);

#endif
