/*
 * A worker process: from manifest to READY, then the loop.
 */
#ifndef KEEL_SERVICE_WORKER_H
#define KEEL_SERVICE_WORKER_H

#include "common/service/manifest.h"

/* Runs until the master says stop or is gone; returns the exit status. Borrows the manifest, takes
 * its descriptors. argc and argv are those of main, for the title. */
int keel_worker_run(const struct keel_protocol *protocol, struct keel_manifest *manifest, int argc,
                    char **argv);

/* Helpers that a protocol has. */
unsigned keel_helper_count(const struct keel_protocol *protocol);

/* Exit status of a worker that said FAILED: it will not get better by itself. */
#define KEEL_EXIT_FAILED 3
/* Of the daemon when its configuration is wrong. */
#define KEEL_EXIT_USAGE 2

#endif
