/*
 * UPDATE in a worker: the keeper carries it out, and the client hears how it ended when that is on
 * disk. Meanwhile what is needed for the answer is kept here.
 */
#ifndef DNSD_SERVE_UPDATES_H
#define DNSD_SERVE_UPDATES_H

#include "common/runtime/dgram.h"
#include "dnsd/serve/pending.h"
#include "dnsd/serve/serve.h"

/* Over UDP: the answer is sent when it is there. 0; KEEL_ESYS or KEEL_EBUSY: there will be none,
 * and the query is answered as any other (with SERVFAIL). */
int dns_updates_datagram(struct dns_serve *serve, const struct dns_query *query,
                         struct keel_dgram *d);

/* Over a connection. Returns new, to be run when it says on_turn; NULL: as above. When it is freed
 * before its end the update happens all the same. */
struct dns_pending *dns_updates_stream(struct dns_serve *serve, struct keel_stream *stream,
                                       const struct dns_query *query,
                                       void (*on_turn)(struct keel_stream *stream));

#endif
