#include "common/service/channel.h"

#include "common/base/mem.h"
#include "common/base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEAD_SIZE 12

/* A message that waits for room. */
struct queued {
    struct keel_list node;
    unsigned fd_count;
    int fds[KEEL_MESSAGE_FDS];
    size_t size;
    uint8_t bytes[]; /* head and payload */
};

int keel_channel_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
        return KEEL_ESYS;
    /* a burst of passed connections or a long reply should seldom need the queue */
    int size = 1 << 20;
    for (int i = 0; i < 2; i++)
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

/* One packet out. 0, KEEL_EAGAIN or KEEL_EOF. */
static int send_packet(int fd, const struct iovec *iov, unsigned iovs, const int *fds,
                       unsigned fd_count)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * KEEL_MESSAGE_FDS)];
    } control;
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = iovs};
    if (fd_count > 0) {
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fd_count);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? KEEL_EAGAIN : KEEL_EOF;
}

int keel_channel_try(struct keel_channel *channel, uint32_t type, uint32_t a, uint32_t b,
                     const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    KEEL_ASSERT(size <= KEEL_MESSAGE_MAX && fd_count <= KEEL_MESSAGE_FDS, "message too large");
    if (channel->fd < 0)
        return KEEL_EOF;
    if (!keel_list_empty(&channel->queue))
        return KEEL_EAGAIN; /* order is kept */
    uint32_t head[3] = {type, a, b};
    struct iovec iov[2] = {{head, HEAD_SIZE}, {(void *)bytes, size}};
    return send_packet(channel->fd, iov, size ? 2 : 1, fds, fd_count);
}

static void close_fds(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static void queued_free(struct queued *q)
{
    close_fds(q->fds, q->fd_count);
    keel_list_remove(&q->node);
    keel_free(q);
}

static struct queued *queued_new(uint32_t type, uint32_t a, uint32_t b, const void *bytes,
                                 size_t size, const int *fds, unsigned fd_count)
{
    struct queued *q = keel_malloc(sizeof *q + HEAD_SIZE + size);
    if (!q)
        return NULL;
    uint32_t head[3] = {type, a, b};
    keel_list_init(&q->node);
    q->fd_count = 0;
    q->size = HEAD_SIZE + size;
    memcpy(q->bytes, head, HEAD_SIZE);
    if (size > 0)
        memcpy(q->bytes + HEAD_SIZE, bytes, size);
    for (unsigned i = 0; i < fd_count; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            queued_free(q);
            return NULL;
        }
        q->fds[q->fd_count++] = fd;
    }
    return q;
}

/* `before` is where it goes: the list for its end, or a message of it. */
static int enqueue(struct keel_channel *channel, struct keel_list *before, struct queued *q)
{
    if (!q)
        return KEEL_ENOMEM;
    keel_list_push_back(before, &q->node);
    if (channel->io.loop)
        keel_io_change(&channel->io, KEEL_READ | KEEL_WRITE);
    return 0;
}

int keel_channel_send(struct keel_channel *channel, uint32_t type, uint32_t a, uint32_t b,
                      const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    int err = keel_channel_try(channel, type, a, b, bytes, size, fds, fd_count);
    if (err != KEEL_EAGAIN)
        return err;
    return enqueue(channel, &channel->queue, queued_new(type, a, b, bytes, size, fds, fd_count));
}

/* Sends queued messages while there is room. 0 when the queue is empty. */
static int send_queue(struct keel_channel *channel)
{
    while (!keel_list_empty(&channel->queue)) {
        struct queued *q = KEEL_CONTAINER(channel->queue.next, struct queued, node);
        struct iovec iov = {q->bytes, q->size};
        int err = send_packet(channel->fd, &iov, 1, q->fds, q->fd_count);
        if (err == KEEL_EAGAIN)
            return err;
        queued_free(q);
    }
    return 0;
}

int keel_channel_receive(int fd, struct keel_message *message, uint8_t *space, int *fds)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * KEEL_MESSAGE_FDS)];
    } control;
    struct iovec iov = {space, KEEL_MESSAGE_MAX + HEAD_SIZE};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof control.space};
    ssize_t n;
    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : KEEL_ESYS;
    if (n == 0)
        return KEEL_EOF;
    message->fds = fds;
    message->fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        message->fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), message->fd_count * sizeof(int));
    }
    uint32_t head[3] = {0};
    if (n >= HEAD_SIZE)
        memcpy(head, space, HEAD_SIZE);
    message->type = head[0];
    message->a = head[1];
    message->b = head[2];
    message->bytes = space + HEAD_SIZE;
    message->size = n >= HEAD_SIZE ? (size_t)n - HEAD_SIZE : 0;
    return 1;
}

static void take_back_sent(struct keel_channel *channel, int other_end,
                           bool (*wanted)(void *arg, struct keel_message *message), void *arg)
{
    uint8_t space[KEEL_MESSAGE_MAX + HEAD_SIZE];
    int fds[KEEL_MESSAGE_FDS];
    struct keel_message m;
    struct keel_list *first = channel->queue.next; /* what was sent comes before it */
    while (keel_channel_receive(other_end, &m, space, fds) == 1) {
        if (!wanted(arg, &m))
            enqueue(channel, first,
                    queued_new(m.type, m.a, m.b, m.bytes, m.size, m.fds, m.fd_count));
        close_fds(fds, m.fd_count);
    }
}

void keel_channel_take_back(struct keel_channel *channel, int other_end,
                            bool (*wanted)(void *arg, struct keel_message *message), void *arg)
{
    take_back_sent(channel, other_end, wanted, arg);
    keel_list_for_safe (node, &channel->queue) {
        struct queued *q = KEEL_CONTAINER(node, struct queued, node);
        uint32_t head[3];
        memcpy(head, q->bytes, HEAD_SIZE);
        struct keel_message m = {.type = head[0],
                                 .a = head[1],
                                 .b = head[2],
                                 .bytes = q->bytes + HEAD_SIZE,
                                 .size = q->size - HEAD_SIZE,
                                 .fds = q->fds,
                                 .fd_count = q->fd_count};
        if (wanted(arg, &m))
            queued_free(q);
    }
}

static void channel_end(struct keel_channel *channel)
{
    keel_io_stop(&channel->io);
    if (channel->on_end)
        channel->on_end(channel);
}

static void on_ready(struct keel_io *io, short what)
{
    struct keel_channel *channel = KEEL_CONTAINER(io, struct keel_channel, io);
    if ((what & KEEL_WRITE) && send_queue(channel) == 0)
        keel_io_change(io, KEEL_READ);
    if (!(what & KEEL_READ))
        return;
    uint8_t space[KEEL_MESSAGE_MAX + HEAD_SIZE];
    int fds[KEEL_MESSAGE_FDS];
    for (int i = 0; i < 32 && channel->fd >= 0; i++) {
        struct keel_message message;
        int got = keel_channel_receive(channel->fd, &message, space, fds);
        if (got == 0)
            return;
        if (got < 0) {
            channel_end(channel);
            return;
        }
        channel->on_message(channel, &message);
        close_fds(fds, message.fd_count);
    }
}

int keel_channel_start(struct keel_channel *channel, struct keel_loop *loop, int fd,
                       void (*on_message)(struct keel_channel *, struct keel_message *),
                       void (*on_end)(struct keel_channel *))
{
    channel->fd = fd;
    channel->on_message = on_message;
    channel->on_end = on_end;
    keel_list_init(&channel->queue);
    int err = keel_io_start(&channel->io, loop, fd, KEEL_READ, KEEL_PRIORITY_CONTROL, "channel",
                            on_ready);
    if (err)
        channel->fd = -1;
    return err;
}

void keel_channel_stop(struct keel_channel *channel)
{
    if (channel->fd < 0)
        return;
    keel_io_stop(&channel->io);
    while (!keel_list_empty(&channel->queue))
        queued_free(KEEL_CONTAINER(channel->queue.next, struct queued, node));
    close(channel->fd);
    channel->fd = -1;
}

void keel_channel_flush(struct keel_channel *channel, int wait_ms)
{
    uint64_t until = keel_clock_monotonic() + (uint64_t)wait_ms * KEEL_NS_PER_MS;
    while (channel->fd >= 0 && send_queue(channel) == KEEL_EAGAIN) {
        uint64_t now = keel_clock_monotonic();
        struct pollfd p = {.fd = channel->fd, .events = POLLOUT};
        if (now >= until || poll(&p, 1, (int)((until - now) / KEEL_NS_PER_MS) + 1) <= 0)
            return;
    }
}
