#include "common/runtime/accept.h"

#include "common/runtime/sock.h"

#include <errno.h>

static void acceptor_pause(struct keel_acceptor *a)
{
    keel_io_stop(&a->io);
    keel_timer_start(&a->retry, KEEL_ACCEPT_RETRY, 0);
}

static void on_ready(struct keel_io *io, short what)
{
    struct keel_acceptor *a = KEEL_CONTAINER(io, struct keel_acceptor, io);
    struct keel_accepted accepted[KEEL_ACCEPT_BATCH];
    unsigned room = a->room ? a->room(a) : KEEL_ACCEPT_BATCH;
    if (room == 0) {
        acceptor_pause(a);
        return;
    }
    int n = keel_sock_accept(a->fd, accepted, room < KEEL_ACCEPT_BATCH ? room : KEEL_ACCEPT_BATCH);
    bool again = n == KEEL_ELIMIT && a->on_full && a->on_full(a, errno);
    if (n < 0 && !again)
        acceptor_pause(a);
    for (int i = 0; i < n; i++)
        a->on_accept(a, accepted[i].fd, &accepted[i].peer);
}

static int watch(struct keel_acceptor *a, struct keel_loop *loop)
{
    int err =
        keel_io_start(&a->io, loop, a->fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC, "accept", on_ready);
    if (err)
        acceptor_pause(a);
    return err;
}

static void on_retry(struct keel_timer *timer)
{
    watch(KEEL_CONTAINER(timer, struct keel_acceptor, retry), timer->loop);
}

int keel_acceptor_start(struct keel_acceptor *a, struct keel_loop *loop, int fd)
{
    a->fd = fd;
    keel_timer_init(&a->retry, loop, "accept-retry", on_retry);
    return watch(a, loop);
}

void keel_acceptor_stop(struct keel_acceptor *a)
{
    keel_timer_stop(&a->retry);
    keel_io_stop(&a->io);
}
