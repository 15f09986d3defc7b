#include "common/service/peers.h"

#include "common/base/mem.h"

#include <unistd.h>

/* For what is still queued when we leave. */
#define FLUSH_MS 100

struct keel_peer {
    struct keel_channel channel; /* fd -1: not there */
    struct keel_peers *peers;
};

static unsigned number_of(const struct keel_peer *peer)
{
    return (unsigned)(peer - peer->peers->list);
}

static void on_channel_message(struct keel_channel *channel, struct keel_message *message)
{
    struct keel_peer *peer = KEEL_CONTAINER(channel, struct keel_peer, channel);
    peer->peers->on_message(peer->peers, number_of(peer), message);
}

static void on_channel_end(struct keel_channel *channel)
{
    struct keel_peer *peer = KEEL_CONTAINER(channel, struct keel_peer, channel);
    keel_channel_stop(channel);
    peer->peers->on_change(peer->peers, number_of(peer), false);
}

int keel_peers_init(struct keel_peers *peers, struct keel_loop *loop, unsigned count,
                    void (*on_change)(struct keel_peers *peers, unsigned peer, bool up),
                    void (*on_message)(struct keel_peers *peers, unsigned peer,
                                       struct keel_message *message))
{
    *peers = (struct keel_peers){.loop = loop, .on_change = on_change, .on_message = on_message};
    peers->list = keel_calloc(count + 1, sizeof *peers->list); /* never of size 0 */
    if (!peers->list)
        return KEEL_ENOMEM;
    peers->count = count;
    for (unsigned i = 0; i < count; i++) {
        peers->list[i].peers = peers;
        peers->list[i].channel.fd = -1;
    }
    return 0;
}

void keel_peers_fini(struct keel_peers *peers)
{
    for (unsigned i = 0; i < peers->count; i++) {
        keel_channel_flush(&peers->list[i].channel, FLUSH_MS);
        keel_channel_stop(&peers->list[i].channel);
    }
    keel_free(peers->list);
    peers->list = NULL;
    peers->count = 0;
}

int keel_peers_connect(struct keel_peers *peers, unsigned peer, int fd)
{
    if (peer >= peers->count) {
        close(fd);
        return KEEL_EINVAL;
    }
    struct keel_channel *channel = &peers->list[peer].channel;
    if (channel->fd >= 0)
        on_channel_end(channel);
    if (keel_channel_start(channel, peers->loop, fd, on_channel_message, on_channel_end) != 0) {
        close(fd);
        return KEEL_ESYS;
    }
    peers->on_change(peers, peer, true);
    return 0;
}

int keel_peers_send(struct keel_peers *peers, unsigned peer, uint32_t type, uint32_t a, uint32_t b,
                    const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    if (peer >= peers->count)
        return KEEL_EOF;
    return keel_channel_send(&peers->list[peer].channel, type, a, b, bytes, size, fds, fd_count);
}
