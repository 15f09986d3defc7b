/*
 * Where log lines go. Private to the log. Nothing here waits for a reader for long, and nothing
 * allocates.
 */
#ifndef KEEL_SERVICE_LOG_TARGET_H
#define KEEL_SERVICE_LOG_TARGET_H

#include "common/service/log.h"

#include <limits.h>
#include <stddef.h>

struct log_target {
    enum keel_log_target kind;
    int fd;              /* -1: not connected; STDERR_FILENO is never closed */
    char path[PATH_MAX]; /* FILE, and the socket of SYSLOG and JOURNAL */
    bool torn;           /* FILE: the last write stopped inside a line */
    bool stuck;          /* STDERR: its reader does not read; no more waiting for it */
};

/* Opens what options say. 0, or an error with diag and *target as it was. */
int log_target_open(struct log_target *target, const struct keel_log_options *options,
                    struct keel_diag *diag);
void log_target_close(struct log_target *target);
/* Opens the same again; the old descriptor stays when that fails. */
int log_target_reopen(struct log_target *target, struct keel_diag *diag);
/* One line in one piece. False: it is lost. */
bool log_target_write(struct log_target *target, const char *line, size_t size);

#endif
