/*
 * Where a daemon keeps its things by default: /var/lib and /run for root, the XDG state and
 * runtime directories for everybody else.
 */
#ifndef KEEL_SERVICE_PATHS_H
#define KEEL_SERVICE_PATHS_H

#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* "/var/lib/keel/dnsd" or "$XDG_STATE_HOME/keel/dnsd". KEEL_ENOSPC when it does not fit. */
int keel_path_state(char *out, size_t size, const char *daemon);
/* The directory of the control sockets: "/run/keel" or "$XDG_RUNTIME_DIR/keel"; where a user has
 * no runtime directory, the state directory's parent. */
int keel_path_control_dir(char *out, size_t size);
/* "/run/keel/dnsd.sock" and so on. */
int keel_path_control(char *out, size_t size, const char *daemon);
/* Makes a directory and its missing parents (mode 0755; the last one `mode`). An existing one is
 * left as it is. owner/group (uid_t)-1: as created. */
int keel_path_make(const char *path, mode_t mode, uid_t owner, gid_t group, struct keel_diag *diag);

/* Differs when the file was written or replaced; 0: it is not there. */
uint64_t keel_path_signature(const char *path);

#endif
