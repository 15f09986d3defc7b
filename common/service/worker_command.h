/*
 * Control commands as a worker answers them: the protocol's own, and lag and connections.
 */
#ifndef KEEL_SERVICE_WORKER_COMMAND_H
#define KEEL_SERVICE_WORKER_COMMAND_H

#include "common/service/host.h"

/* Runs one request ({"command": ..., "args": [...]}) and returns the reply as new JSON text (for
 * free(3)); NULL when memory is out. */
char *keel_worker_command(struct keel_host *host, struct keel_loop *loop, const char *sandbox,
                          const void *request, size_t size);

#endif
