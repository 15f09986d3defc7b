/*
 * UPDATE in a worker: the keeper carries it out, and the client hears how it ended when that is on
 * disk. Meanwhile what is needed for the answer is kept here.
 */
#ifndef DNSD_SERVE_UPDATES_H
#define DNSD_SERVE_UPDATES_H

#include "common/runtime/dgram.h"
#include "dnsd/serve/serve.h"

/* One that waits for the keeper. */
struct dns_update_wait;

/* Over UDP: the answer is sent when it is there. 0; else the query's rcode says why not, and it is
 * answered as any other. */
int dns_updates_datagram(struct dns_serve *serve, const struct dns_query *query,
                         struct keel_dgram *d, const struct keel_datagram *datagram);

/* Over a connection: on_answer comes once, with the answer's size in serve->reply behind room for
 * the length; 0: there is none. NULL: as above. */
struct dns_update_wait *
dns_updates_stream(struct dns_serve *serve, const struct dns_query *query,
                   void (*on_answer)(void *arg, const struct dns_query *query, size_t size),
                   void *arg);
/* The client is gone. The update happens all the same. */
void dns_updates_forget(struct dns_update_wait *wait);

#endif
