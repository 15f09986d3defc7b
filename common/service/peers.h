/*
 * The peers of a process, by their number: the helpers of a worker, or the workers of a helper.
 * Each is a channel, which comes and goes with the process at its other end.
 */
#ifndef KEEL_SERVICE_PEERS_H
#define KEEL_SERVICE_PEERS_H

#include "common/service/channel.h"

#include <stdbool.h>

struct keel_peer;

/* Embedded. */
struct keel_peers {
    struct keel_loop *loop;
    struct keel_peer *list;
    unsigned count;
    /* A peer is there, or no longer. */
    void (*on_change)(struct keel_peers *peers, unsigned peer, bool up);
    /* The message is borrowed; descriptors as keel_message says. */
    void (*on_message)(struct keel_peers *peers, unsigned peer, struct keel_message *message);
};

/* count peers (0: none), of which nobody is there yet. 0 or KEEL_ENOMEM. */
int keel_peers_init(struct keel_peers *peers, struct keel_loop *loop, unsigned count,
                    void (*on_change)(struct keel_peers *peers, unsigned peer, bool up),
                    void (*on_message)(struct keel_peers *peers, unsigned peer,
                                       struct keel_message *message));
/* Closes all channels, without a callback; waits a moment for each that still has something to
 * send. Safe on a zeroed struct. */
void keel_peers_fini(struct keel_peers *peers);
/* A channel to a peer: takes fd, also on error. It replaces the one there was, which is down first.
 * 0, KEEL_EINVAL (no such peer), KEEL_ESYS. */
int keel_peers_connect(struct keel_peers *peers, unsigned peer, int fd);
/* As keel_channel_send; KEEL_EOF when the peer is not there, or no such peer. */
int keel_peers_send(struct keel_peers *peers, unsigned peer, uint32_t type, uint32_t a, uint32_t b,
                    const void *bytes, size_t size, const int *fds, unsigned fd_count);

#endif
