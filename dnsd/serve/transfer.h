/*
 * A zone on its way out over a TCP connection: made message by message as the client reads.
 */
#ifndef DNSD_SERVE_TRANSFER_H
#define DNSD_SERVE_TRANSFER_H

#include "dnsd/serve/serve.h"

/* What lets transfers go on in turn, once a process. 0 or KEEL_ESYS. */
int dns_turns_init(struct dns_turns *turns, struct keel_loop *loop);
void dns_turns_fini(struct dns_turns *turns);

struct dns_transfer_out; /* one under way */

/* Begins the answer to a query with DNS_TRANSFER_ZONE. Returns new; NULL: too many are under way,
 * or memory is out. */
struct dns_transfer_out *dns_transfer_new(struct dns_serve *serve, struct keel_stream *stream,
                                          const struct dns_query *query,
                                          void (*on_turn)(struct keel_stream *stream));
/* Sends as much as the stream takes and as is fair to others. 0: it was all; KEEL_EAGAIN: more when
 * the stream has drained or on_turn is called; other errors: the connection is of no use. now:
 * seconds since 1970. */
int dns_transfer_run(struct dns_transfer_out *transfer, uint64_t now);
/* Frees it; logs and counts how it ended. NULL: nothing. */
void dns_transfer_free(struct dns_transfer_out *transfer);

#endif
