/*
 * The command `connections`: the open connections of a worker. Nothing is counted for it while they
 * are served; what there is to say is asked of the kernel and of OpenSSL when the command comes.
 */
#ifndef KEEL_SERVICE_CONNECTIONS_H
#define KEEL_SERVICE_CONNECTIONS_H

#include "common/service/host.h"
#include "common/service/rows.h"

#define KEEL_CONNECTIONS_USAGE KEEL_ROWS_USAGE

/* {"open": N, "connections": [...], "more": false, "detail": [...]}: oldest first. Returns new in
 * *result; 0, or an error with diag. KEEL_EAGAIN: there are many, of which some are looked at in
 * each turn of the loop, and the reply comes in the end. */
int keel_connections_list(struct keel_host *host, struct keel_loop *loop, json_t *args,
                          json_t **result, struct keel_diag *diag);
/* Those that are being made are answered with an error: the host ends. */
void keel_connections_abort(struct keel_list *listings);

#endif
