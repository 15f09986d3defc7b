#include "common/runtime/stream_private.h"

#include "common/runtime/sock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct keel_stream) <= 272, "an idle connection is small");

#define DEFAULT_HIGH_K 256
#define DEFAULT_LOW_K 64

static void on_event(evutil_socket_t fd, short what, void *arg);
static void on_task(struct keel_task *task);
static void on_deadline(struct keel_deadline *deadline);

/* ---- Life ---- */

static void stream_init(struct keel_stream *s, const struct keel_stream_ops *ops,
                        const struct keel_addr *peer)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->input_limit = KEEL_STREAM_INPUT_LIMIT;
    s->high_k = DEFAULT_HIGH_K;
    s->low_k = DEFAULT_LOW_K;
    if (peer)
        s->peer = *peer;
    keel_deadline_init(&s->deadline, on_deadline);
    keel_task_init(&s->flush, on_task);
}

/* The end of it. Nothing may touch s afterwards: its owner frees it in on_close. */
static void destroy(struct keel_stream *s)
{
    int fd = keel_stream_fd(s);
    /* Release functions that write, or close it once more, find it closed. */
    s->flags |= KEEL_ST_CLOSED | KEEL_ST_CLOSING;
    s->depth++;
    keel_deadline_clear(&s->deadline);
    keel_task_stop(&s->flush);
    keel_stream_drop_output(s);
    keel_stream_drop_input(s);
    if (s->tls)
        keel_stream_tls_free(s);
    keel_poll_stop(&s->io);
    if (fd >= 0)
        close(fd);
    s->ops->on_close(s, (enum keel_stream_end)s->end);
}

void keel_stream_fail(struct keel_stream *s, enum keel_stream_end why, int error)
{
    if (s->flags & KEEL_ST_CLOSING)
        return;
    s->flags |= KEEL_ST_CLOSING;
    s->end = (uint8_t)why;
    s->error = (int16_t)error;
    if (s->depth == 0)
        keel_task_start(s->io.loop, &s->flush);
}

/* Nothing of it: it waits for bytes, as most streams do most of the time. */
#define NOT_PLAIN                                                                                  \
    (KEEL_ST_PAUSED | KEEL_ST_FULL | KEEL_ST_EOF | KEEL_ST_FINISH | KEEL_ST_CONNECTING |           \
     KEEL_ST_HANDSHAKE | KEEL_ST_FIN | KEEL_ST_BLOCKED)

void keel_stream_update(struct keel_stream *s)
{
    short what = 0;
    const uint32_t deaf = KEEL_ST_PAUSED | KEEL_ST_FULL | KEEL_ST_EOF | KEEL_ST_FINISH;
    if (s->flags & KEEL_ST_CONNECTING)
        what = KEEL_WRITE;
    else if ((s->flags & (KEEL_ST_HANDSHAKE | KEEL_ST_FIN)) || !(s->flags & deaf))
        what = KEEL_READ;
    if (s->flags & KEEL_ST_BLOCKED)
        what |= KEEL_WRITE;
    if (what == s->interest || keel_stream_fd(s) < 0)
        return;
    if (keel_poll_change(&s->io, what))
        keel_stream_fail(s, KEEL_END_RESET, errno);
    else
        s->interest = (uint8_t)what;
}

static void enter(struct keel_stream *s)
{
    s->depth++;
}

/* The other end of each entry: here a close that came up inside takes place. */
static void leave(struct keel_stream *s)
{
    if (--s->depth > 0)
        return;
    if (s->interest == KEEL_READ && !(s->flags & (NOT_PLAIN | KEEL_ST_CLOSING)))
        return;
    if (!(s->flags & KEEL_ST_CLOSING))
        keel_stream_update(s);
    if (s->flags & KEEL_ST_CLOSING)
        destroy(s);
}

void keel_stream_close(struct keel_stream *s)
{
    if (s->flags & KEEL_ST_CLOSED)
        return;
    if (!(s->flags & KEEL_ST_CLOSING)) {
        s->flags |= KEEL_ST_CLOSING;
        s->end = KEEL_END_LOCAL;
    }
    if (s->depth == 0)
        destroy(s);
}

/* ---- Opening ---- */

static void opened(struct keel_stream *s)
{
    if (s->flags & KEEL_ST_CLIENT)
        keel_deadline_clear(&s->deadline);
    if (s->ops->on_open)
        s->ops->on_open(s);
    if (s->output || (s->flags & KEEL_ST_FINISH))
        keel_task_start(s->io.loop, &s->flush);
}

static void shake_hands(struct keel_stream *s)
{
    int err = keel_stream_tls_handshake(s);
    s->flags &= ~(uint32_t)KEEL_ST_BLOCKED;
    switch (err) {
    case 0:
        s->flags &= ~(uint32_t)KEEL_ST_HANDSHAKE;
        opened(s);
        /* The first request may have come with the end of the handshake. */
        if (!(s->flags & KEEL_ST_CLOSING))
            keel_stream_read(s);
        break;
    case KEEL_EAGAIN:
        break;
    case KEEL_EOF:
        keel_stream_fail(s, KEEL_END_PEER, 0);
        break;
    case KEEL_ESYS:
        keel_stream_fail(s, KEEL_END_RESET, s->error);
        break;
    default:
        keel_stream_fail(s, KEEL_END_TLS, 0);
    }
    if (s->flags & KEEL_ST_CLOSING)
        return;
    if (keel_stream_tls_holds(s))
        keel_task_start(s->io.loop, &s->flush);
    else if (keel_stream_tls_pending(s) > 0)
        s->flags |= KEEL_ST_BLOCKED;
}

static void connected(struct keel_stream *s)
{
    int error = keel_sock_error(keel_stream_fd(s));
    if (error != 0) {
        keel_stream_fail(s, KEEL_END_CONNECT, error);
        return;
    }
    s->flags &= ~(uint32_t)KEEL_ST_CONNECTING;
    if (s->flags & KEEL_ST_HANDSHAKE)
        shake_hands(s);
    else
        opened(s);
}

/* ---- Entries from the loop ---- */

static void on_io(struct keel_stream *s, short what)
{
    enter(s);
    if (s->tls)
        keel_stream_tls_turn(s);
    if (s->flags & KEEL_ST_CONNECTING) {
        connected(s);
    } else if (s->flags & KEEL_ST_HANDSHAKE) {
        shake_hands(s);
    } else {
        if ((what & KEEL_WRITE) && (s->flags & KEEL_ST_BLOCKED))
            keel_stream_flush(s);
        if ((what & KEEL_READ) && (s->flags & KEEL_ST_FIN))
            keel_stream_drain(s);
        else if (what & KEEL_READ)
            keel_stream_read(s);
    }
    leave(s);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct keel_stream *s = KEEL_CONTAINER(arg, struct keel_stream, io);
    /* The callbacks may free the memory of s. */
    struct keel_loop *loop = s->io.loop;
    const char *name = s->ops->name;
    keel_loop_enter(loop);
    on_io(s, what);
    keel_loop_leave(loop, name);
}

static void on_task(struct keel_task *task)
{
    struct keel_stream *s = KEEL_CONTAINER(task, struct keel_stream, flush);
    enter(s);
    if (!(s->flags & KEEL_ST_CLOSING) && (s->flags & KEEL_ST_OFFER))
        keel_stream_offer(s);
    if (!(s->flags & (KEEL_ST_CLOSING | KEEL_ST_BLOCKED)))
        keel_stream_flush(s);
    leave(s);
}

static void on_deadline(struct keel_deadline *deadline)
{
    struct keel_stream *s = KEEL_CONTAINER(deadline, struct keel_stream, deadline);
    const uint32_t opening = KEEL_ST_CONNECTING | KEEL_ST_HANDSHAKE;
    enter(s);
    if ((s->flags & KEEL_ST_CLIENT) && (s->flags & opening)) {
        keel_stream_fail(s, KEEL_END_CONNECT, ETIMEDOUT);
    } else if (s->flags & KEEL_ST_FIN) {
        keel_stream_fail(s, KEEL_END_PEER, 0);
    } else if ((s->flags & (opening | KEEL_ST_FINISH)) || !s->ops->on_deadline) {
        keel_stream_fail(s, KEEL_END_TIMEOUT, ETIMEDOUT);
    } else {
        s->ops->on_deadline(s);
        if (!(s->flags & (KEEL_ST_CLOSING | KEEL_ST_FINISH)) && s->deadline.at == 0)
            keel_stream_fail(s, KEEL_END_TIMEOUT, ETIMEDOUT);
    }
    leave(s);
}

/* ---- Starting ---- */

int keel_stream_start(struct keel_stream *s, struct keel_loop *loop, int fd,
                      const struct keel_stream_ops *ops, const struct keel_addr *peer,
                      struct keel_tls_context *tls)
{
    stream_init(s, ops, peer);
    s->interest = KEEL_READ;
    int err = keel_poll_start(&s->io, loop, fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC, on_event);
    if (err)
        return err;
    if (tls) {
        err = keel_stream_tls_start(s, tls, false, NULL, NULL);
        if (err) {
            keel_poll_stop(&s->io);
            return err;
        }
        s->flags |= KEEL_ST_HANDSHAKE;
    }
    return 0;
}

/* A connection under way on fd; fd < 0: it failed already, with errno. */
static int start_client(struct keel_stream *s, struct keel_loop *loop, int fd,
                        const struct keel_stream_ops *ops, uint64_t timeout_ns)
{
    int error = errno;
    s->flags = KEEL_ST_CLIENT | KEEL_ST_CONNECTING;
    s->interest = fd >= 0 ? KEEL_WRITE : 0;
    int err = keel_poll_start(&s->io, loop, fd, s->interest, KEEL_PRIORITY_TRAFFIC, on_event);
    if (err)
        return err;
    if (fd < 0)
        keel_stream_fail(s, KEEL_END_CONNECT, error);
    else if (timeout_ns > 0)
        keel_deadline_set(&s->deadline, loop, timeout_ns);
    return 0;
}

int keel_stream_connect(struct keel_stream *s, struct keel_loop *loop, const struct keel_addr *addr,
                        const struct keel_addr *local, const struct keel_stream_ops *ops,
                        uint64_t timeout_ns, struct keel_tls_context *tls, const char *server_name)
{
    stream_init(s, ops, addr);
    int fd = keel_sock_connect(addr, local, SOCK_STREAM, NULL);
    int err = start_client(s, loop, fd, ops, timeout_ns);
    if (!err && tls) {
        err = keel_stream_tls_start(s, tls, true, server_name, addr);
        s->flags |= KEEL_ST_HANDSHAKE;
    }
    if (err) {
        keel_deadline_clear(&s->deadline);
        keel_task_stop(&s->flush);
        keel_poll_stop(&s->io);
        if (fd >= 0)
            close(fd);
    }
    return err;
}

int keel_stream_connect_unix(struct keel_stream *s, struct keel_loop *loop, const char *path,
                             const struct keel_stream_ops *ops, uint64_t timeout_ns)
{
    stream_init(s, ops, NULL);
    int fd = keel_sock_connect_unix(path, SOCK_STREAM, NULL);
    int err = start_client(s, loop, fd, ops, timeout_ns);
    if (err && fd >= 0)
        close(fd);
    return err;
}

/* ---- The rest ---- */

void keel_stream_deadline(struct keel_stream *s, uint64_t after_ns)
{
    if (s->flags & (KEEL_ST_CLOSED | KEEL_ST_FIN))
        return;
    if (after_ns == 0)
        keel_deadline_clear(&s->deadline);
    else
        keel_deadline_set(&s->deadline, s->io.loop, after_ns);
}

bool keel_stream_is_tls(const struct keel_stream *s)
{
    return s->tls != NULL;
}
