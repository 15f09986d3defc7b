/*
 * The output of a stream: pieces are collected while callbacks run and leave at their end.
 */
#include "common/runtime/stream_private.h"

#include "common/runtime/sock.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define WRITE_PER_TURN (512 * 1024) /* bytes to one peer before the others' turn */
#define FILE_SLICE (256 * 1024)     /* of these, by sendfile */
#define FAST_AFTER (4 << 20)        /* of these in one go: the client is fast */
#define FILE_READ (64 * 1024)       /* where sendfile cannot */
#define IOVECS 64

void keel_stream_drop_output(struct keel_stream *s)
{
    struct keel_stream_queue *q = s->output;
    s->output = NULL;
    if (q)
        keel_queue_free(s->io.loop->pool, q);
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
    s->error = (int16_t)errno;
    return KEEL_ESYS;
}

/* Sends from a file range. Bytes, KEEL_EAGAIN, or KEEL_ESYS with s->error. */
static ssize_t send_file(struct keel_stream *s, struct keel_piece *piece)
{
    off_t offset = (off_t)piece->offset;
    size_t size = piece->size < FILE_SLICE ? (size_t)piece->size : FILE_SLICE;
    const uint8_t *bytes;
    ssize_t n = keel_stream_take_file(s, piece, size, &bytes);
    if (n < 0)
        return n;
    if (n > 0) {
        struct iovec read = {(void *)(uintptr_t)bytes, (size_t)n};
        return send_iovec(s, &read, 1, false);
    }
    n = sendfile(keel_stream_fd(s), piece->file, &offset, size);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return KEEL_EAGAIN;
    if (n < 0 && errno != EINVAL && errno != ENOSYS) {
        s->error = (int16_t)errno;
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

/* A client that takes so much in one go does not play dead: the kernel may keep more for it, and
 * what it asks us for it asks less often. */
static void note_file_sent(struct keel_stream *s, size_t n)
{
    struct keel_stream_queue *q = s->output;
    uint64_t before = q->files;
    q->files += n;
    if (before < FAST_AFTER && q->files >= FAST_AFTER && !(s->flags & KEEL_ST_PIPE))
        keel_sock_set_unsent(keel_stream_fd(s), KEEL_SOCK_UNSENT_ANY);
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
            unsigned count = keel_queue_iovec(q, iov, IOVECS, WRITE_PER_TURN - sent, &expected);
            n = send_iovec(s, iov, count, q->size > expected);
        }
        if (n < 0)
            return (int)n;
        sent += (size_t)n;
        if (file)
            note_file_sent(s, (size_t)n);
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
        keel_stream_fail(s, KEEL_END_PEER, 0);
        return;
    }
    s->flags |= KEEL_ST_FIN;
    keel_stream_drop_input(s); /* input_size counts what is dropped from here on */
    keel_deadline_set(&s->deadline, s->io.loop, s->linger_ms * KEEL_NS_PER_MS);
}

void keel_stream_flush(struct keel_stream *s)
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
        keel_stream_fail(s, err == KEEL_ETLS ? KEEL_END_TLS : KEEL_END_RESET, s->error);
        return;
    }
    if (err == KEEL_EAGAIN) {
        s->flags |= KEEL_ST_BLOCKED;
        if (keel_stream_waits_for_file(s) && (!s->tls || keel_stream_tls_pending(s) == 0))
            s->flags &= ~(uint32_t)KEEL_ST_BLOCKED; /* for a disk, not for the peer */
        if (s->output)
            keel_queue_settle(s->io.loop->pool, s->output);
    } else {
        s->flags &= ~(uint32_t)KEEL_ST_BLOCKED;
        keel_stream_drop_output(s);
    }
    if ((s->flags & KEEL_ST_HIGH) && keel_stream_pending(s) <= (size_t)s->low_k * 1024) {
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
        keel_stream_fail(s, KEEL_END_RESET, ENOMEM);
    if (err)
        return err;
    if (!(s->flags & KEEL_ST_BLOCKED))
        keel_task_start(s->io.loop, &s->flush);
    if (keel_stream_pending(s) <= (size_t)s->high_k * 1024)
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
    size_t high_k = high / 1024 + (high % 1024 != 0), low_k = low / 1024;
    s->high_k = high_k < UINT16_MAX ? (uint16_t)high_k : UINT16_MAX;
    s->low_k = low_k < s->high_k ? (uint16_t)low_k : s->high_k;
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
    s->linger_ms = (uint16_t)(ms < UINT16_MAX ? ms : UINT16_MAX);
    s->flags |= KEEL_ST_FINISH;
    /* on_data may be looking at the kept input: dropped with the stream, or in send_fin. */
    keel_task_start(s->io.loop, &s->flush);
    if (s->depth == 0)
        keel_stream_update(s);
}
