/*
 * The input of a stream: one recv a readiness into the loop's buffer, and the owner's leftovers.
 */
#include "common/runtime/stream_private.h"

#include "common/base/err.h"
#include "common/base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_TURN 4  /* recv calls while each one fills the buffer */
#define SMALL_INPUT 16384 /* kept input that is cheaper to copy than to grow */
/* Dropped after our FIN, before it is a reset after all. */
#define LINGER_BYTES (16 * 1024 * 1024)

void keel_stream_drop_input(struct keel_stream *s)
{
    if (!s->input)
        return;
    keel_free(s->input);
    s->input = NULL;
    s->input_size = 0;
    s->input_power = 0;
}

/* Makes s->input hold at least size bytes. */
static bool reserve_input(struct keel_stream *s, size_t size)
{
    uint8_t power = s->input_power > 0 ? s->input_power : 8;
    if (s->input_power > 0 && size <= (size_t)1 << power)
        return true;
    while ((size_t)1 << power < size)
        power++;
    uint8_t *grown = keel_realloc(s->input, (size_t)1 << power);
    if (!grown) {
        keel_stream_fail(s, KEEL_END_RESET, ENOMEM);
        return false;
    }
    s->input = grown;
    s->input_power = power;
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
        keel_stream_drop_input(s);
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
    s->error = (int16_t)(errno == EBADF ? EPIPE : errno);
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

void keel_stream_read(struct keel_stream *s)
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
            keel_stream_fail(s, KEEL_END_TLS, 0);
        } else if (n == KEEL_ESYS) {
            keel_stream_fail(s, KEEL_END_RESET, s->error);
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

void keel_stream_drain(struct keel_stream *s)
{
    struct keel_loop *loop = s->io.loop;
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = recv(keel_stream_fd(s), loop->input, KEEL_LOOP_SCRATCH, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            keel_stream_fail(s, n == 0 ? KEEL_END_PEER : KEEL_END_RESET, n == 0 ? 0 : errno);
            return;
        }
        s->input_size += (uint32_t)n;
        if (s->input_size > LINGER_BYTES) {
            keel_stream_fail(s, KEEL_END_PEER, 0);
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
        keel_stream_update(s);
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
        keel_stream_update(s);
}

void keel_stream_offer(struct keel_stream *s)
{
    s->flags &= ~(uint32_t)KEEL_ST_OFFER;
    if (s->flags & (KEEL_ST_PAUSED | KEEL_ST_FINISH | KEEL_ST_HANDSHAKE | KEEL_ST_CONNECTING))
        return;
    if (s->input_size > 0)
        deliver(s, s->input, s->input_size, s->input_size);
    /* While it was paused, OpenSSL may have kept what the descriptor will not announce again. */
    if (s->tls && !(s->flags & (KEEL_ST_CLOSING | KEEL_ST_EOF))) {
        keel_stream_tls_turn(s);
        keel_stream_read(s);
    }
}
