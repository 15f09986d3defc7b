/*
 * A zone on its way out over a TCP connection: made message by message as the client reads.
 */
#ifndef DNSD_SERVE_TRANSFER_H
#define DNSD_SERVE_TRANSFER_H

#include "dnsd/serve/pending.h"
#include "dnsd/serve/serve.h"

/* What lets transfers go on in turn, once a process. 0 or KEEL_ESYS. */
int dns_turns_init(struct dns_turns *turns, struct keel_loop *loop);
void dns_turns_fini(struct dns_turns *turns);

/* Begins the answer to a query with DNS_TRANSFER_ZONE, which sends as much as the stream takes and
 * as is fair to others; how it ended is logged and counted. Returns new; NULL: too many are under
 * way, or memory is out. */
struct dns_pending *dns_transfer_new(struct dns_serve *serve, struct keel_stream *stream,
                                     const struct dns_query *query,
                                     void (*on_turn)(struct keel_stream *stream));

#endif
