/*
 * Control commands as a worker answers them: the protocol's own, and lag and connections.
 */
#ifndef KEEL_SERVICE_WORKER_COMMAND_H
#define KEEL_SERVICE_WORKER_COMMAND_H

#include "common/service/host.h"

/* Where replies go: text is JSON, borrowed; NULL when memory is out. */
struct keel_replier {
    void (*send)(void *arg, uint32_t id, const char *text);
    void *arg;
};

/* Runs one request ({"command": ..., "args": [...]}) and sends the reply, now or later. The replier
 * is borrowed for the host's life. */
void keel_worker_command(struct keel_host *host, struct keel_loop *loop, const char *sandbox,
                         const struct keel_replier *replier, uint32_t id, const void *request,
                         size_t size);

#endif
