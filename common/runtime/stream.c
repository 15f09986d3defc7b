#include "common/runtime/stream_private.h"

#include "common/base/mem.h"
#include "common/runtime/sock.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

_Static_assert(sizeof(struct keel_stream) <= 320, "an idle connection is small");

#define DEFAULT_HIGH (256 * 1024)
#define DEFAULT_LOW (64 * 1024)
#define READS_PER_TURN 4             /* recv calls while each one fills the buffer */
#define WRITE_PER_TURN (1024 * 1024) /* bytes to one peer before the others' turn */
#define FILE_SLICE (256 * 1024)      /* of these, by sendfile */
#define FILE_READ (64 * 1024)        /* where sendfile cannot */
#define IOVECS 64
#define SMALL_INPUT 16384               /* kept input that is cheaper to copy than to grow */
#define LINGER_BYTES (16 * 1024 * 1024) /* dropped after our FIN, before it is a reset after all   \
                                         */

static void on_io(struct keel_io *io, short what);
static void on_task(struct keel_task *task);
static void on_deadline(struct keel_deadline *deadline);

/* ---- Life ---- */

static void stream_init(struct keel_stream *s, const struct keel_stream_ops *ops,
                        const struct keel_addr *peer)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->input_limit = KEEL_STREAM_INPUT_LIMIT;
    s->high = DEFAULT_HIGH;
    s->low = DEFAULT_LOW;
    if (peer)
        s->peer = *peer;
    keel_deadline_init(&s->deadline, on_deadline);
    keel_task_init(&s->flush, on_task);
}

static void drop_input(struct keel_stream *s)
{
    keel_free(s->input);
    s->input = NULL;
    s->input_size = s->input_capacity = 0;
}

static void drop_output(struct keel_stream *s)
{
    struct keel_stream_queue *q = s->output;
    s->output = NULL;
    if (q)
        keel_queue_free(s->io.loop->pool, q);
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
    drop_output(s);
    drop_input(s);
    if (s->tls)
        keel_stream_tls_free(s);
    keel_io_stop(&s->io);
    if (fd >= 0)
        close(fd);
    s->ops->on_close(s, (enum keel_stream_end)s->end);
}

/* Ends it for this reason as soon as none of its callbacks runs. */
static void fail(struct keel_stream *s, enum keel_stream_end why, int error)
{
    if (s->flags & KEEL_ST_CLOSING)
        return;
    s->flags |= KEEL_ST_CLOSING;
    s->end = (uint8_t)why;
    s->error = error;
    if (s->depth == 0)
        keel_task_start(s->io.loop, &s->flush);
}

/* Polls for what the state asks for. */
static void update_interest(struct keel_stream *s)
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
    if (keel_io_change(&s->io, what))
        fail(s, KEEL_END_RESET, errno);
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
    if (!(s->flags & KEEL_ST_CLOSING))
        update_interest(s);
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

/* ---- Output ---- */

ssize_t keel_stream_read_file(struct keel_stream *s, const struct keel_piece *piece, uint8_t *out,
                              size_t size)
{
    if (size > piece->size)
        size = (size_t)piece->size;
    ssize_t n;
    do
        n = pread(piece->file, out, size, (off_t)piece->offset);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    s->error = n == 0 ? ENODATA : errno;
    return KEEL_ESYS;
}

/* Sends memory; more: something follows at once. Bytes or KEEL_ESYS with s->error. */
static ssize_t send_iovec(struct keel_stream *s, struct iovec *iov, unsigned count, bool more)
{
    int fd = keel_stream_fd(s);
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    ssize_t n = -1;
    for (unsigned tries = 0; tries < 3; tries++) {
        if (s->flags & KEEL_ST_PIPE) {
            n = writev(fd, iov, (int)count);
        } else if (count == 1) {
            n = send(fd, iov->iov_base, iov->iov_len, flags);
        } else {
            struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
            n = sendmsg(fd, &msg, flags);
        }
        if (n >= 0)
            return n;
        if (errno == ENOTSOCK && !(s->flags & KEEL_ST_PIPE))
            s->flags |= KEEL_ST_PIPE;
        else if (errno != EINTR)
            break;
    }
    if (errno == EAGAIN)
        return KEEL_EAGAIN;
    s->error = errno;
    return KEEL_ESYS;
}

/* Sends from a file range. Bytes, KEEL_EAGAIN, or KEEL_ESYS with s->error. */
static ssize_t send_file(struct keel_stream *s, const struct keel_piece *piece)
{
    off_t offset = (off_t)piece->offset;
    size_t size = piece->size < FILE_SLICE ? (size_t)piece->size : FILE_SLICE;
    ssize_t n = sendfile(keel_stream_fd(s), piece->file, &offset, size);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return KEEL_EAGAIN;
    if (n < 0 && errno != EINVAL && errno != ENOSYS) {
        s->error = errno;
        return KEEL_ESYS;
    }
    if (n == 0) {
        s->error = ENODATA;
        return KEEL_ESYS;
    }
    /* A file system without sendfile. */
    struct keel_loop *loop = s->io.loop;
    n = keel_stream_read_file(s, piece, loop->input, FILE_READ);
    if (n < 0)
        return n;
    struct iovec iov = {loop->input, (size_t)n};
    return send_iovec(s, &iov, 1, false);
}

/* 0: the queue is empty; KEEL_EAGAIN: poll for writing; KEEL_ESYS with s->error. */
static int flush_plain(struct keel_stream *s)
{
    struct keel_stream_pool *pool = s->io.loop->pool;
    struct keel_stream_queue *q = s->output;
    size_t sent = 0;
    while (q->size > 0) {
        struct keel_piece *file = keel_queue_front_file(q);
        size_t expected;
        ssize_t n;
        if (sent >= (file ? FILE_SLICE : WRITE_PER_TURN))
            return KEEL_EAGAIN; /* the others' turn */
        if (file) {
            expected = 1;
            n = send_file(s, file);
        } else {
            struct iovec iov[IOVECS];
            unsigned count = keel_queue_iovec(q, iov, IOVECS, &expected);
            n = send_iovec(s, iov, count, q->size > expected);
        }
        if (n < 0)
            return (int)n;
        sent += (size_t)n;
        keel_queue_consume(pool, q, (size_t)n);
        if (s->flags & KEEL_ST_CLOSING)
            return KEEL_EAGAIN;
        if ((size_t)n < expected)
            return KEEL_EAGAIN; /* full: no second call to be told so */
    }
    return 0;
}

/* Everything left after keel_stream_finish: FIN, and then the peer's turn to close. */
static void send_fin(struct keel_stream *s)
{
    if (s->tls) {
        int err = keel_stream_tls_shutdown(s);
        if (err == KEEL_EAGAIN) {
            s->flags |= KEEL_ST_BLOCKED;
            return;
        }
    }
    s->flags &= ~(uint32_t)KEEL_ST_BLOCKED;
    if (s->linger_ms == 0 || (s->flags & (KEEL_ST_EOF | KEEL_ST_PIPE)) ||
        shutdown(keel_stream_fd(s), SHUT_WR) < 0) {
        fail(s, KEEL_END_PEER, 0);
        return;
    }
    s->flags |= KEEL_ST_FIN;
    drop_input(s); /* input_size counts what is dropped from here on */
    keel_deadline_set(&s->deadline, s->io.loop, s->linger_ms * KEEL_NS_PER_MS);
}

static void flush(struct keel_stream *s)
{
    const uint32_t not_yet = KEEL_ST_CONNECTING | KEEL_ST_HANDSHAKE | KEEL_ST_FIN | KEEL_ST_CLOSING;
    if (s->flags & not_yet)
        return;
    int err = 0;
    if (s->tls)
        err = keel_stream_tls_flush(s);
    else if (s->output)
        err = flush_plain(s);
    if (s->flags & KEEL_ST_CLOSING)
        return; /* a release function closed it */
    if (err == KEEL_ETLS || err == KEEL_ESYS) {
        fail(s, err == KEEL_ETLS ? KEEL_END_TLS : KEEL_END_RESET, s->error);
        return;
    }
    if (err == KEEL_EAGAIN) {
        s->flags |= KEEL_ST_BLOCKED;
        if (s->output)
            keel_queue_settle(s->io.loop->pool, s->output);
    } else {
        s->flags &= ~(uint32_t)KEEL_ST_BLOCKED;
        drop_output(s);
    }
    if ((s->flags & KEEL_ST_HIGH) && keel_stream_pending(s) <= s->low) {
        s->flags &= ~(uint32_t)KEEL_ST_HIGH;
        if (s->ops->on_drained && !(s->flags & KEEL_ST_FINISH))
            s->ops->on_drained(s);
    }
    if ((s->flags & KEEL_ST_FINISH) && !(s->flags & KEEL_ST_CLOSING) && !s->output &&
        err != KEEL_EAGAIN)
        send_fin(s);
}

/* The queue to append to; NULL when nothing may be written or (KEEL_ENOMEM) memory is out. */
static struct keel_stream_queue *open_output(struct keel_stream *s, int *err)
{
    *err = KEEL_EOF;
    if (s->flags & (KEEL_ST_CLOSING | KEEL_ST_CLOSED | KEEL_ST_FINISH))
        return NULL;
    *err = KEEL_ENOMEM;
    if (!s->output)
        s->output = keel_queue_new(s->io.loop->pool);
    return s->output;
}

/* After appending (err 0) or failing to. */
static int written(struct keel_stream *s, int err)
{
    if (err == KEEL_ENOMEM)
        fail(s, KEEL_END_RESET, ENOMEM);
    if (err)
        return err;
    if (!(s->flags & KEEL_ST_BLOCKED))
        keel_task_start(s->io.loop, &s->flush);
    if (keel_stream_pending(s) <= s->high)
        return 0;
    s->flags |= KEEL_ST_HIGH;
    return KEEL_EAGAIN;
}

int keel_stream_write(struct keel_stream *s, const void *bytes, size_t size)
{
    int err;
    struct keel_stream_queue *q = open_output(s, &err);
    if (q)
        err = keel_queue_copy(s->io.loop->pool, q, bytes, size);
    return written(s, err);
}

int keel_stream_write_borrowed(struct keel_stream *s, const void *bytes, size_t size,
                               void (*release)(void *arg), void *arg)
{
    int err;
    struct keel_stream_queue *q = open_output(s, &err);
    if (q)
        err = size > 0 ? keel_queue_borrow(q, bytes, size, release, arg) : 0;
    int result = written(s, err);
    if ((err || size == 0) && release)
        release(arg);
    return result;
}

int keel_stream_write_file(struct keel_stream *s, int file, uint64_t offset, uint64_t size,
                           void (*release)(void *arg), void *arg)
{
    int err;
    struct keel_stream_queue *q = open_output(s, &err);
    if (q)
        err = size > 0 ? keel_queue_file(q, file, offset, size, release, arg) : 0;
    int result = written(s, err);
    if ((err || size == 0) && release)
        release(arg);
    return result;
}

size_t keel_stream_pending(const struct keel_stream *s)
{
    size_t n = s->output ? (size_t)s->output->size : 0;
    return s->tls ? n + keel_stream_tls_pending(s) : n;
}

void keel_stream_watermarks(struct keel_stream *s, size_t high, size_t low)
{
    s->high = high < UINT32_MAX ? (uint32_t)high : UINT32_MAX;
    s->low = low < s->high ? (uint32_t)low : s->high;
}

/* ---- Input ---- */

/* Makes s->input hold at least size bytes. */
static bool reserve_input(struct keel_stream *s, size_t size)
{
    if (size <= s->input_capacity)
        return true;
    size_t capacity = s->input_capacity > 0 ? s->input_capacity : 256;
    while (capacity < size)
        capacity *= 2;
    uint8_t *grown = keel_realloc(s->input, capacity);
    if (!grown) {
        fail(s, KEEL_END_RESET, ENOMEM);
        return false;
    }
    s->input = grown;
    s->input_capacity = (uint32_t)capacity;
    return true;
}

/* Hands size bytes to the owner; `kept` of them at the front are in s->input already (all of them
 * when bytes == s->input). Keeps what is not used. */
static void deliver(struct keel_stream *s, const uint8_t *bytes, size_t size, size_t kept)
{
    s->flags &= ~(uint32_t)KEEL_ST_OFFER;
    size_t used = s->ops->on_data(s, bytes, size);
    KEEL_ASSERT(used <= size, "on_data uses no more than it is given");
    if (s->flags & (KEEL_ST_CLOSING | KEEL_ST_FINISH))
        return;
    size_t rest = size - used;
    if (rest == 0) {
        drop_input(s);
        s->flags &= ~(uint32_t)KEEL_ST_OFFER;
        return;
    }
    if (bytes == s->input) {
        memmove(s->input, bytes + used, rest);
    } else if (used == 0 && kept > 0) {
        if (!reserve_input(s, size))
            return;
        memcpy(s->input + kept, bytes + kept, size - kept);
    } else {
        if (!reserve_input(s, rest))
            return;
        memcpy(s->input, bytes + used, rest);
    }
    s->input_size = (uint32_t)rest;
    if (rest >= s->input_limit)
        s->flags |= KEEL_ST_FULL;
    /* Paused and resumed inside on_data: once more, if that can lead anywhere. */
    if ((s->flags & KEEL_ST_OFFER) && used > 0)
        keel_task_start(s->io.loop, &s->flush);
    else
        s->flags &= ~(uint32_t)KEEL_ST_OFFER;
}

static void peer_is_done(struct keel_stream *s)
{
    s->flags |= KEEL_ST_EOF;
    if (s->ops->on_eof)
        s->ops->on_eof(s);
    else
        keel_stream_finish(s, 0);
}

/* One recv, or what TLS has. Bytes, KEEL_EAGAIN, KEEL_EOF, KEEL_ETLS or KEEL_ESYS (s->error). */
static ssize_t pull(struct keel_stream *s, uint8_t *bytes, size_t size, bool *more)
{
    if (s->tls)
        return keel_stream_tls_read(s, bytes, size, more);
    int fd = keel_stream_fd(s);
    ssize_t n = -1;
    if (!(s->flags & KEEL_ST_PIPE)) {
        n = recv(fd, bytes, size, 0);
        if (n < 0 && errno == ENOTSOCK)
            s->flags |= KEEL_ST_PIPE;
    }
    if (s->flags & KEEL_ST_PIPE)
        n = read(fd, bytes, size);
    *more = n == (ssize_t)size;
    if (n > 0)
        return n;
    if (n == 0)
        return KEEL_EOF;
    if (errno == EAGAIN || errno == EINTR)
        return KEEL_EAGAIN;
    /* A pipe's writing end is "readable" when its reader is gone. */
    s->error = errno == EBADF ? EPIPE : errno;
    return KEEL_ESYS;
}

/* Where the next bytes go, and how many: behind the kept ones, so that the owner sees one run. */
static uint8_t *input_room(struct keel_stream *s, size_t *room)
{
    struct keel_loop *loop = s->io.loop;
    size_t kept = s->input_size;
    *room = s->input_limit > kept ? s->input_limit - kept : 0;
    if (kept <= SMALL_INPUT) {
        if (*room > KEEL_LOOP_SCRATCH - kept)
            *room = KEEL_LOOP_SCRATCH - kept;
        if (kept > 0)
            memcpy(loop->input, s->input, kept);
        return loop->input;
    }
    if (*room > KEEL_LOOP_SCRATCH)
        *room = KEEL_LOOP_SCRATCH;
    return reserve_input(s, kept + *room) ? s->input : NULL;
}

static void read_input(struct keel_stream *s)
{
    const uint32_t stop =
        KEEL_ST_PAUSED | KEEL_ST_FULL | KEEL_ST_EOF | KEEL_ST_FINISH | KEEL_ST_CLOSING;
    for (unsigned i = 0; i < READS_PER_TURN && !(s->flags & stop); i++) {
        bool more = false;
        size_t kept = s->input_size, room;
        uint8_t *bytes = input_room(s, &room);
        if (!bytes)
            return;
        if (room == 0) { /* the limit was lowered meanwhile */
            s->flags |= KEEL_ST_FULL;
            return;
        }
        ssize_t n = pull(s, bytes + kept, room, &more);
        if (n > 0) {
            if (bytes == s->input)
                s->input_size = (uint32_t)(kept + (size_t)n);
            deliver(s, bytes, kept + (size_t)n, kept);
        } else if (n == KEEL_EOF) {
            peer_is_done(s);
        } else if (n == KEEL_ETLS) {
            fail(s, KEEL_END_TLS, 0);
        } else if (n == KEEL_ESYS) {
            fail(s, KEEL_END_RESET, s->error);
        }
        if (!more)
            return;
    }
    /* Plain: the descriptor is still readable, and says so. TLS: OpenSSL holds what is left. */
    if (s->tls && !(s->flags & stop)) {
        s->flags |= KEEL_ST_OFFER;
        keel_task_start(s->io.loop, &s->flush);
    }
}

/* After our FIN: read and drop, so that the peer gets everything and no reset. */
static void drain_input(struct keel_stream *s)
{
    struct keel_loop *loop = s->io.loop;
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = recv(keel_stream_fd(s), loop->input, KEEL_LOOP_SCRATCH, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            fail(s, n == 0 ? KEEL_END_PEER : KEEL_END_RESET, n == 0 ? 0 : errno);
            return;
        }
        s->input_size += (uint32_t)n;
        if (s->input_size > LINGER_BYTES) {
            fail(s, KEEL_END_PEER, 0);
            return;
        }
        if (n < KEEL_LOOP_SCRATCH)
            return;
    }
}

void keel_stream_pause(struct keel_stream *s)
{
    s->flags |= KEEL_ST_PAUSED;
    s->flags &= ~(uint32_t)KEEL_ST_OFFER;
    if (s->depth == 0 && !(s->flags & KEEL_ST_CLOSING))
        update_interest(s);
}

void keel_stream_resume(struct keel_stream *s)
{
    if (!(s->flags & (KEEL_ST_PAUSED | KEEL_ST_FULL)))
        return;
    s->flags &= ~(uint32_t)(KEEL_ST_PAUSED | KEEL_ST_FULL);
    if (s->flags & (KEEL_ST_CLOSING | KEEL_ST_FINISH))
        return;
    if (s->input_size > 0 || s->tls || s->depth > 0) {
        s->flags |= KEEL_ST_OFFER;
        keel_task_start(s->io.loop, &s->flush);
    }
    if (s->depth == 0)
        update_interest(s);
}

static void offer_again(struct keel_stream *s)
{
    s->flags &= ~(uint32_t)KEEL_ST_OFFER;
    if (s->flags & (KEEL_ST_PAUSED | KEEL_ST_FINISH | KEEL_ST_HANDSHAKE | KEEL_ST_CONNECTING))
        return;
    if (s->input_size > 0)
        deliver(s, s->input, s->input_size, s->input_size);
    /* While it was paused, OpenSSL may have kept what the descriptor will not announce again. */
    if (s->tls && !(s->flags & (KEEL_ST_CLOSING | KEEL_ST_EOF))) {
        keel_stream_tls_turn(s);
        read_input(s);
    }
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
            read_input(s);
        break;
    case KEEL_EAGAIN:
        break;
    case KEEL_EOF:
        fail(s, KEEL_END_PEER, 0);
        break;
    case KEEL_ESYS:
        fail(s, KEEL_END_RESET, s->error);
        break;
    default:
        fail(s, KEEL_END_TLS, 0);
    }
    if (!(s->flags & KEEL_ST_CLOSING) && keel_stream_tls_pending(s) > 0)
        s->flags |= KEEL_ST_BLOCKED;
}

static void connected(struct keel_stream *s)
{
    int error = keel_sock_error(keel_stream_fd(s));
    if (error != 0) {
        fail(s, KEEL_END_CONNECT, error);
        return;
    }
    s->flags &= ~(uint32_t)KEEL_ST_CONNECTING;
    if (s->flags & KEEL_ST_HANDSHAKE)
        shake_hands(s);
    else
        opened(s);
}

/* ---- Entries from the loop ---- */

static void on_io(struct keel_io *io, short what)
{
    struct keel_stream *s = KEEL_CONTAINER(io, struct keel_stream, io);
    enter(s);
    if (s->tls)
        keel_stream_tls_turn(s);
    if (s->flags & KEEL_ST_CONNECTING) {
        connected(s);
    } else if (s->flags & KEEL_ST_HANDSHAKE) {
        shake_hands(s);
    } else {
        if ((what & KEEL_WRITE) && (s->flags & KEEL_ST_BLOCKED))
            flush(s);
        if ((what & KEEL_READ) && (s->flags & KEEL_ST_FIN))
            drain_input(s);
        else if (what & KEEL_READ)
            read_input(s);
    }
    leave(s);
}

static void on_task(struct keel_task *task)
{
    struct keel_stream *s = KEEL_CONTAINER(task, struct keel_stream, flush);
    enter(s);
    if (!(s->flags & KEEL_ST_CLOSING) && (s->flags & KEEL_ST_OFFER))
        offer_again(s);
    if (!(s->flags & (KEEL_ST_CLOSING | KEEL_ST_BLOCKED)))
        flush(s);
    leave(s);
}

static void on_deadline(struct keel_deadline *deadline)
{
    struct keel_stream *s = KEEL_CONTAINER(deadline, struct keel_stream, deadline);
    const uint32_t opening = KEEL_ST_CONNECTING | KEEL_ST_HANDSHAKE;
    enter(s);
    if ((s->flags & KEEL_ST_CLIENT) && (s->flags & opening)) {
        fail(s, KEEL_END_CONNECT, ETIMEDOUT);
    } else if (s->flags & KEEL_ST_FIN) {
        fail(s, KEEL_END_PEER, 0);
    } else if ((s->flags & (opening | KEEL_ST_FINISH)) || !s->ops->on_deadline) {
        fail(s, KEEL_END_TIMEOUT, ETIMEDOUT);
    } else {
        s->ops->on_deadline(s);
        if (!(s->flags & (KEEL_ST_CLOSING | KEEL_ST_FINISH)) && s->deadline.at_ns == 0)
            fail(s, KEEL_END_TIMEOUT, ETIMEDOUT);
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
    int err = keel_io_start(&s->io, loop, fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC, ops->name, on_io);
    if (err)
        return err;
    if (tls) {
        err = keel_stream_tls_start(s, tls, false, NULL, NULL);
        if (err) {
            keel_io_stop(&s->io);
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
    int err = keel_io_start(&s->io, loop, fd, s->interest, KEEL_PRIORITY_TRAFFIC, ops->name, on_io);
    if (err)
        return err;
    if (fd < 0)
        fail(s, KEEL_END_CONNECT, error);
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
        keel_io_stop(&s->io);
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

void keel_stream_finish(struct keel_stream *s, uint64_t linger_ns)
{
    if (s->flags & (KEEL_ST_CLOSING | KEEL_ST_CLOSED | KEEL_ST_FINISH))
        return;
    if (s->flags & (KEEL_ST_CONNECTING | KEEL_ST_HANDSHAKE)) {
        keel_stream_close(s);
        return;
    }
    uint64_t ms = (linger_ns + KEEL_NS_PER_MS - 1) / KEEL_NS_PER_MS;
    s->linger_ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
    s->flags |= KEEL_ST_FINISH;
    /* on_data may be looking at the kept input: dropped with the stream, or in send_fin. */
    keel_task_start(s->io.loop, &s->flush);
    if (s->depth == 0)
        update_interest(s);
}

bool keel_stream_is_tls(const struct keel_stream *s)
{
    return s->tls != NULL;
}
