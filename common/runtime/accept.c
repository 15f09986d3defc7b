#include "common/runtime/accept.h"

#include <errno.h>
#include <sys/socket.h>

static void acceptor_pause(struct keel_acceptor *a)
{
    a->paused = true;
    keel_io_stop(&a->io);
    keel_timer_start(&a->retry, KEEL_ACCEPT_RETRY, 0);
}

/* Errors of a connection that died in the queue: the next one may be fine (accept(2)). */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET ||
           error == EHOSTUNREACH || error == EOPNOTSUPP || error == ENETUNREACH ||
           error == EPERM || error == ETIMEDOUT;
}

static void on_ready(struct keel_io *io, short what)
{
    struct keel_acceptor *a = KEEL_CONTAINER(io, struct keel_acceptor, io);
    unsigned room = a->room ? a->room(a) : a->batch;
    if (room == 0) {
        acceptor_pause(a);
        return;
    }
    for (unsigned n = room < a->batch ? room : a->batch; n > 0 && a->io.loop; n--) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int fd = accept4(a->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            struct keel_addr peer;
            if (keel_addr_from_sockaddr(&peer, (struct sockaddr *)&from, size) != 0)
                peer = (struct keel_addr){0};
            a->on_accept(a, fd, &peer);
            continue;
        }
        if (is_passing(errno))
            continue;
        if (errno != EAGAIN && !(a->on_full && a->on_full(a, errno)))
            acceptor_pause(a);
        return;
    }
}

static void on_retry(struct keel_timer *timer)
{
    struct keel_acceptor *a = KEEL_CONTAINER(timer, struct keel_acceptor, retry);
    a->paused = false;
    if (keel_io_start(&a->io, timer->loop, a->fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC, "accept",
                      on_ready) != 0)
        acceptor_pause(a);
}

int keel_acceptor_start(struct keel_acceptor *a, struct keel_loop *loop, int fd)
{
    a->fd = fd;
    a->paused = false;
    if (a->batch == 0)
        a->batch = KEEL_ACCEPT_BATCH;
    keel_timer_init(&a->retry, loop, "accept-retry", on_retry);
    return keel_io_start(&a->io, loop, fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC, "accept", on_ready);
}

void keel_acceptor_stop(struct keel_acceptor *a)
{
    keel_timer_stop(&a->retry);
    keel_io_stop(&a->io);
    a->paused = false;
}
