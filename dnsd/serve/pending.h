/*
 * An answer over a connection that takes more than one turn of the loop: a zone on its way, or what
 * the keeper has to say first. Questions that come behind it wait.
 */
#ifndef DNSD_SERVE_PENDING_H
#define DNSD_SERVE_PENDING_H

#include "common/runtime/stream.h"

/* Embedded by what makes such answers. Who owns the connection calls run, and at last free. */
struct dns_pending {
    struct keel_stream *stream;
    /* Sends what can be sent now. 0: the answer is complete; KEEL_EAGAIN: more when the stream has
     * drained or on_turn is called; other errors: the connection is of no use. now: seconds since
     * 1970. */
    int (*run)(struct dns_pending *pending, uint64_t now);
    /* At whatever point it is: nobody wants the rest. */
    void (*free)(struct dns_pending *pending);
    void (*on_turn)(struct keel_stream *stream); /* set by the owner: call run again */
};

#endif
