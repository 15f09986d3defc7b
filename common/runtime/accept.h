/*
 * Taking connections from a listening descriptor, a batch at a time, without spinning when
 * descriptors run out.
 */
#ifndef KEEL_RUNTIME_ACCEPT_H
#define KEEL_RUNTIME_ACCEPT_H

#include "common/base/addr.h"
#include "common/runtime/loop.h"
#include "common/runtime/timer.h"

/* Connections taken in one callback, so that those already open get their turn. */
#define KEEL_ACCEPT_BATCH 16

struct keel_acceptor {
    struct keel_io io;
    struct keel_timer retry;
    int fd; /* stays the caller's */
    /* Takes fd (nonblocking, CLOEXEC). */
    void (*on_accept)(struct keel_acceptor *a, int fd, const struct keel_addr *peer);
    /* Before each batch: how many may be taken now. 0: accepting pauses for KEEL_ACCEPT_RETRY. */
    unsigned (*room)(struct keel_acceptor *a);
    /* Descriptors or memory ran out (errno): true when some were freed and it may go on. */
    bool (*on_full)(struct keel_acceptor *a, int error);
};
#define KEEL_ACCEPT_RETRY (50 * KEEL_NS_PER_MS)

/* The callbacks are set by the caller before; room and on_full may be NULL. 0; KEEL_ESYS: the
 * descriptor cannot be watched now, which is tried again until it can, or keel_acceptor_stop. */
int keel_acceptor_start(struct keel_acceptor *a, struct keel_loop *loop, int fd);
void keel_acceptor_stop(struct keel_acceptor *a);

#endif
