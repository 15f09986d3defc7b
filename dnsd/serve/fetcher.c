#include "dnsd/serve/fetcher.h"

#include "common/base/mem.h"
#include "common/runtime/sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIME (10 * KEEL_NS_PER_S)
#define FIRST_TRY (1500 * KEEL_NS_PER_MS) /* each later one waits twice as long */
#define DATAGRAM_MAX 4096

static uint64_t seconds(const struct dns_fetcher *f)
{
    return keel_loop_realtime(f->loop) / KEEL_NS_PER_S;
}

/* The conversation is over; its owner may free us. */
static void end(struct dns_fetcher *f)
{
    void (*on_end)(struct dns_fetcher *) = f->on_end;
    keel_timer_stop(&f->timer);
    keel_io_stop(&f->io);
    f->on_end = NULL;
    if (on_end)
        on_end(f);
}

/* --- over a stream --- */

static struct dns_fetcher *of(struct keel_stream *s)
{
    return KEEL_CONTAINER(s, struct dns_fetcher, stream);
}

/* What the engine wants to say. */
static void say(struct dns_fetcher *f)
{
    struct keel_buf *out = &f->fetch.out;
    if (keel_buf_size(out) > 0)
        keel_stream_write(&f->stream, keel_buf_bytes(out), keel_buf_size(out));
    keel_buf_clear(out);
}

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct dns_fetcher *f = of(s);
    size_t used;
    enum dns_fetch_outcome outcome = dns_fetch_data(&f->fetch, bytes, size, &used, seconds(f));
    if (outcome == DNS_FETCH_MORE) {
        say(f);
        keel_stream_deadline(s, f->idle_ns);
        return used;
    }
    keel_stream_close(s);
    end(f);
    return used;
}

static void on_open(struct keel_stream *s)
{
    struct dns_fetcher *f = of(s);
    /* "dot" is all that we offer; a server that knows nothing of ALPN, as NSD 4.6, is taken too */
    keel_stream_deadline(s, f->idle_ns);
}

static const char *reason_of(const struct dns_fetcher *f, enum keel_stream_end why, char *text,
                             size_t size)
{
    switch (why) {
    case KEEL_END_PEER:
        return "the connection was closed too early";
    case KEEL_END_TIMEOUT:
        return "nothing came for too long";
    case KEEL_END_TLS:
        return "TLS failed, or the certificate is not the right one";
    case KEEL_END_CONNECT:
        snprintf(text, size, "cannot connect: %s", strerror(f->stream.error));
        return text;
    default:
        snprintf(text, size, "the connection broke: %s", strerror(f->stream.error));
        return text;
    }
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct dns_fetcher *f = of(s);
    char text[128];
    f->streaming = false;
    if (f->abandoned) {
        dns_fetcher_free(f);
        return;
    }
    dns_fetch_abort(&f->fetch, reason_of(f, why, text, sizeof text));
    end(f);
}

static const struct keel_stream_ops stream_ops = {
    .name = "fetch",
    .on_data = on_data,
    .on_open = on_open,
    .on_close = on_close,
};

static int start_stream(struct dns_fetcher *f, const struct dns_primary *primary)
{
    int err = keel_stream_connect(&f->stream, f->loop, &primary->addr, NULL, &stream_ops,
                                  CONNECT_TIME, primary->tls, primary->name);
    if (err)
        return err;
    f->streaming = true;
    /* the longest message must fit, or it would wait for ever */
    f->stream.input_limit = 2 + UINT16_MAX;
    say(f);
    return 0;
}

/* --- over UDP --- */

static void on_ready(struct keel_io *io, short what)
{
    struct dns_fetcher *f = KEEL_CONTAINER(io, struct dns_fetcher, io);
    uint8_t bytes[DATAGRAM_MAX];
    ssize_t n = recv(f->fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) { /* nobody is there */
        f->silent = true;
        dns_fetch_abort(&f->fetch, strerror(errno));
    }
    if (n < 0 || dns_fetch_message(&f->fetch, bytes, (size_t)n, seconds(f)) != DNS_FETCH_MORE)
        end(f);
}

static void send_query(struct dns_fetcher *f)
{
    const struct keel_buf *out = &f->fetch.out;
    /* what cannot be sent now is sent again in a while */
    ssize_t n = send(f->fd, keel_buf_bytes(out), keel_buf_size(out), 0);
    (void)n;
    keel_timer_start(&f->timer, FIRST_TRY << f->tries++, 0);
}

static void on_timer(struct keel_timer *timer)
{
    struct dns_fetcher *f = KEEL_CONTAINER(timer, struct dns_fetcher, timer);
    if (f->tries < DNS_FETCHER_TRIES) {
        send_query(f);
        return;
    }
    f->silent = true;
    dns_fetch_abort(&f->fetch, "no answer");
    end(f);
}

/* A socket of its own, connected: a port that nobody guesses, and nobody else's answers. */
static int start_udp(struct dns_fetcher *f, const struct dns_primary *primary)
{
    f->fd = keel_sock_connect(&primary->addr, NULL, SOCK_DGRAM, NULL);
    if (f->fd < 0)
        return KEEL_ESYS;
    int err =
        keel_io_start(&f->io, f->loop, f->fd, KEEL_READ, KEEL_PRIORITY_TRAFFIC, "fetch", on_ready);
    if (err == 0)
        send_query(f);
    return err;
}

/* --- life --- */

struct dns_fetcher *dns_fetcher_new(struct keel_loop *loop, const struct dns_primary *primary,
                                    const struct dns_fetch_options *options, uint64_t idle_ns,
                                    void (*on_end)(struct dns_fetcher *fetcher), void *arg)
{
    struct dns_fetcher *f = keel_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->loop = loop;
    f->peer = primary->addr;
    f->encrypted = primary->tls != NULL;
    f->began_ns = keel_loop_now(loop);
    f->idle_ns = idle_ns;
    f->fd = -1;
    f->on_end = on_end;
    f->arg = arg;
    keel_timer_init(&f->timer, loop, "fetch", on_timer);
    int err = dns_fetch_start(&f->fetch, options, seconds(f));
    if (err == 0)
        err = options->udp ? start_udp(f, primary) : start_stream(f, primary);
    if (err == 0)
        return f;
    dns_fetcher_free(f);
    return NULL;
}

void dns_fetcher_free(struct dns_fetcher *f)
{
    if (!f)
        return;
    f->on_end = NULL;
    if (f->streaming) { /* on_close comes now, or when the running callback ends */
        f->abandoned = true;
        keel_stream_close(&f->stream);
        return;
    }
    keel_timer_stop(&f->timer);
    keel_io_stop(&f->io);
    if (f->fd >= 0)
        close(f->fd);
    dns_fetch_fini(&f->fetch);
    keel_free(f);
}
