#include "httpd/serve/serve_h2.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/mem.h"

#define DRAIN_ROUND (1 * KEEL_NS_PER_S) /* for a client to learn that it shall go */

struct http_serve_h2 {
    struct http_h2 core;
    uint64_t idle_ns;       /* when a stream was last open */
    uint64_t send_ns;       /* when the client was last seen to take something; 0: nothing waits */
    uint64_t taken;         /* what it had taken by then */
    bool raw;               /* of the stream, not of the bodies */
    uint64_t written;       /* bytes handed to the stream */
    uint32_t requests;      /* that were read */
    uint64_t drain_ns;      /* when it was told to go; 0: it was not */
    bool cut;               /* it went too far, and was counted */
    bool full;              /* output is above the high watermark: nothing is read or sent */
    struct keel_list reads; /* struct reading */
};

#define READ_SIZE 32768 /* of a file that is not in memory, at once */

/* A part of a file, on its way from the disk. It may outlive its connection. */
struct reading {
    struct keel_file_read read;
    struct keel_list node;     /* in the connection's reads */
    struct http_connection *c; /* NULL: gone */
    uint32_t stream;
    int fd; /* its own: the stream's may be closed meanwhile */
    uint64_t at;
    uint8_t *bytes;
};

static struct http_worker *worker_of(const struct http_connection *c)
{
    return http_worker_of(c);
}

static uint64_t now_of(const struct http_connection *c)
{
    return keel_loop_now(c->core.instance->loop);
}

static void end_turn(struct http_connection *c);

static void reading_free(struct reading *r)
{
    if (r->fd >= 0)
        close(r->fd);
    keel_free(r->bytes);
    keel_free(r);
}

static void on_read(struct keel_file_read *read, int err)
{
    struct reading *r = KEEL_CONTAINER(read, struct reading, read);
    struct http_connection *c = r->c;
    uint8_t *bytes = r->bytes;
    if (c) {
        keel_list_remove(&r->node);
        r->bytes = NULL;
        http_h2_give(&c->h2->core, r->stream, r->at, bytes, err ? 0 : read->done);
        end_turn(c);
    }
    reading_free(r);
}

/* Has a thread read what streams wait for. True: one of them goes on at once, to its end. */
static bool start_reads(struct http_connection *c)
{
    struct http_h2_want want;
    bool lost = false;
    while (http_h2_next_want(&c->h2->core, &want)) {
        struct reading *r = keel_calloc(1, sizeof *r);
        size_t size = want.left < READ_SIZE ? (size_t)want.left : READ_SIZE;
        if (r) {
            *r = (struct reading){.c = c,
                                  .stream = want.stream,
                                  .at = want.at,
                                  .fd = fcntl(want.file, F_DUPFD_CLOEXEC, 0),
                                  .bytes = keel_malloc(size)};
            keel_list_init(&r->node);
        }
        if (r && r->bytes && r->fd >= 0 &&
            keel_offload_read(worker_of(c)->files, &r->read, r->fd, (off_t)want.at, r->bytes, size,
                              on_read) == 0) {
            keel_list_push_back(&c->h2->reads, &r->node);
            continue;
        }
        if (r)
            reading_free(r);
        http_h2_give(&c->h2->core, want.stream, want.at, NULL, 0);
        lost = true;
    }
    return lost;
}

/* Hands over what may be sent, up to the high watermark. */
static void send_some(struct http_connection *c)
{
    struct http_serve_h2 *h2 = c->h2;
    struct keel_stream *s = &c->core.stream;
    const uint8_t *bytes;
    while (!h2->full) {
        ssize_t n = http_h2_send(&h2->core, &bytes);
        if (n <= 0)
            return;
        h2->written += (uint64_t)n;
        int err = keel_stream_write(s, bytes, (size_t)n);
        if (err == KEEL_EAGAIN) {
            h2->full = true;
            keel_stream_pause(s);
        } else if (err) {
            return;
        }
    }
}

/* The same, and handlers may write more then. */
static void pump(struct http_connection *c)
{
    struct http_serve_h2 *h2 = c->h2;
    struct http_exchange *x;
    c->busy = true; /* what handlers do meanwhile leaves with the rest */
    do {
        send_some(c);
        x = http_h2_next_drained(&h2->core);
        if (x)
            http_exchange_drained(x);
    } while (x || start_reads(c));
    c->busy = false;
    if (h2->core.frames.cut && !h2->cut)
        http_worker_count_h2_cut(worker_of(c));
    h2->cut = h2->core.frames.cut;
    if (!h2->full && http_h2_is_done(&h2->core))
        keel_stream_finish(&c->core.stream, HTTP_LINGER);
}

/* What the client has taken: of the stream's output while that waits (*raw), else of the bodies,
 * which then wait for its windows. */
static uint64_t taken_of(const struct http_connection *c, bool *raw)
{
    const struct keel_stream *s = &c->core.stream;
    size_t pending = keel_stream_pending(s);
    *raw = pending > 0;
    return pending > 0 ? http_taken_by(s, c->h2->written - pending) : c->h2->core.sent;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the connection has waited too long for any of the things that it waits for. */
static uint64_t due_of(const struct http_connection *c)
{
    const struct http_serve_h2 *h2 = c->h2;
    const struct http_settings *settings = worker_of(c)->settings;
    uint64_t due = UINT64_MAX;
    uint64_t since = h2->requests > 0 ? http_h2_since(&h2->core) : c->core.opened_ns;
    if (since > 0)
        due = sooner(due, since + settings->header_timeout);
    since = http_h2_body_since(&h2->core);
    if (since > 0)
        due = sooner(due, since + settings->body_timeout);
    if (h2->send_ns > 0)
        due = sooner(due, h2->send_ns + settings->send_timeout);
    if (h2->drain_ns > 0)
        due = sooner(due, h2->drain_ns + DRAIN_ROUND);
    if (due == UINT64_MAX)
        due = (h2->core.open > 0 ? now_of(c) : h2->idle_ns) + settings->keepalive_timeout;
    return due;
}

static void set_deadline(struct http_connection *c)
{
    uint64_t now = now_of(c), due = due_of(c);
    keel_stream_deadline(&c->core.stream, due > now ? due - now : 1);
}

/* The end of each callback. */
static void end_turn(struct http_connection *c)
{
    struct http_serve_h2 *h2 = c->h2;
    if (c->busy)
        return; /* the end of that call comes here too */
    pump(c);
    if (h2->core.open > 0)
        h2->idle_ns = now_of(c);
    if (!h2->full && h2->core.sending == 0) {
        h2->send_ns = 0;
    } else if (h2->send_ns == 0) {
        h2->send_ns = now_of(c);
        h2->taken = taken_of(c, &h2->raw);
    }
    set_deadline(c);
}

int http_serve_h2_start(struct http_connection *c)
{
    struct http_worker *w = worker_of(c);
    c->h2 = keel_calloc(1, sizeof *c->h2);
    c->is_h2 = c->h2 != NULL;
    if (c->h2)
        keel_list_init(&c->h2->reads);
    if (!c->h2 || http_h2_init(&c->h2->core, &w->h2, now_of(c)) != 0) {
        keel_stream_close(&c->core.stream);
        return KEEL_ENOMEM;
    }
    c->h2->idle_ns = now_of(c);
    http_worker_count_h2(w);
    if (c->core.instance->draining)
        http_serve_h2_drain(c);
    else
        end_turn(c);
    return 0;
}

void http_serve_h2_stop(struct http_connection *c)
{
    if (!c->is_h2)
        return;
    c->busy = true;
    while (!keel_list_empty(&c->h2->reads)) {
        struct reading *r = KEEL_CONTAINER(c->h2->reads.next, struct reading, node);
        keel_list_remove(&r->node);
        r->c = NULL;
    }
    http_h2_fini(&c->h2->core);
    keel_free(c->h2);
    c->h2 = NULL;
    c->is_h2 = false;
}

/* --- exchanges that handlers keep --- */

static int stream_response(struct http_exchange *x, struct http_response *response)
{
    struct http_connection *c = x->connection;
    http_requests_send(&worker_of(c)->requests, x, response);
    int err = http_h2_respond(&c->h2->core, x->stream, &x->request.head, response);
    end_turn(c);
    return err;
}

static int stream_begin(struct http_exchange *x, const struct http_response *response)
{
    struct http_connection *c = x->connection;
    int err = http_h2_begin(&c->h2->core, x->stream, response);
    end_turn(c);
    return err;
}

static int stream_write(struct http_exchange *x, const void *bytes, size_t n)
{
    struct http_connection *c = x->connection;
    int err = http_h2_write(&c->h2->core, x->stream, bytes, n);
    end_turn(c);
    return err;
}

static int stream_end(struct http_exchange *x, struct keel_str trailers)
{
    struct http_connection *c = x->connection;
    int err = http_h2_end(&c->h2->core, x->stream, trailers);
    end_turn(c);
    return err;
}

static void stream_read(struct http_exchange *x, bool proceed)
{
    struct http_connection *c = x->connection;
    if (proceed)
        http_h2_proceed(&c->h2->core, x->stream);
    bool busy = c->busy;
    c->busy = true; /* what leaves may end the stream that is fed */
    http_h2_feed(&c->h2->core, x->stream);
    c->busy = busy;
    end_turn(c);
}

static void stream_abort(struct http_exchange *x)
{
    struct http_connection *c = x->connection;
    http_h2_cut(&c->h2->core, x->stream);
    end_turn(c);
}

static void stream_over(struct http_exchange *x)
{
    struct http_connection *c = x->connection;
    http_h2_keep(&c->h2->core, x->stream, NULL);
    end_turn(c); /* windows were opened */
}

static const struct http_carrier carrier = {
    .respond = stream_response,
    .begin = stream_begin,
    .write = stream_write,
    .end = stream_end,
    .read = stream_read,
    .abort = stream_abort,
    .over = stream_over,
};

/* --- requests --- */

static void take_request(struct http_connection *c, uint32_t stream)
{
    struct http_worker *w = worker_of(c);
    struct http_exchange *x = w->x;
    struct http_response response;
    x->carrier = &carrier;
    x->connection = c;
    x->stream = stream;
    switch (http_worker_answer(w, &response)) {
    case HTTP_DONE:
        http_requests_send(&w->requests, x, &response);
        http_h2_respond(&c->h2->core, stream, &x->request.head, &response);
        break;
    case HTTP_LATER:
        http_h2_keep(&c->h2->core, stream, x);
        break;
    default:
        break;
    }
}

static void take_bad(struct http_connection *c, uint32_t stream, unsigned status)
{
    struct http_worker *w = worker_of(c);
    struct http_response response;
    http_worker_answer_bad(w, c, status, &response);
    http_h2_respond(&c->h2->core, stream, &w->x->request.head, &response);
}

static unsigned take_bytes(struct http_connection *c, const uint8_t *bytes, size_t size)
{
    struct http_serve_h2 *h2 = c->h2;
    struct http_worker *w = worker_of(c);
    size_t at = 0, used;
    unsigned requests = 0, status;
    uint32_t stream;
    for (;;) {
        w->x->peer = &c->core.stream.peer;
        w->x->tls = keel_stream_is_tls(&c->core.stream);
        enum http_h2_event event =
            http_h2_read(&h2->core, w->host.clock.now_ns, &w->x->request.head, bytes + at,
                         size - at, &used, &stream, &status);
        at += used;
        if (event == HTTP_H2_NEED || event == HTTP_H2_CLOSED)
            return requests;
        requests++;
        if (event == HTTP_H2_REQUEST)
            take_request(c, stream);
        else
            take_bad(c, stream, status);
    }
}

size_t http_serve_h2_data(struct http_connection *c, const uint8_t *bytes, size_t size)
{
    c->busy = true;
    unsigned requests = take_bytes(c, bytes, size);
    c->busy = false;
    if (requests > 0) {
        c->h2->requests += requests;
        http_worker_count_turn(worker_of(c), requests);
    }
    end_turn(c);
    return size;
}

void http_serve_h2_drained(struct http_connection *c)
{
    c->h2->full = false;
    keel_stream_resume(&c->core.stream);
    end_turn(c);
}

/* The client had its time to take something. True when it took next to nothing. */
static bool is_stalled(struct http_connection *c, uint64_t now)
{
    struct http_serve_h2 *h2 = c->h2;
    bool raw;
    uint64_t taken = taken_of(c, &raw);
    bool waits = keel_stream_pending(&c->core.stream) > 0 || h2->core.sending > 0;
    bool watched = h2->send_ns > 0;
    if (watched && now < h2->send_ns + worker_of(c)->settings->send_timeout)
        return false;
    if (waits && watched && raw == h2->raw &&
        taken - h2->taken < http_worker_least_taken(worker_of(c)))
        return true;
    h2->send_ns = waits ? now : 0;
    h2->taken = taken;
    h2->raw = raw;
    return false;
}

void http_serve_h2_deadline(struct http_connection *c)
{
    struct http_serve_h2 *h2 = c->h2;
    const struct http_settings *settings = worker_of(c)->settings;
    uint64_t now = now_of(c);
    if (is_stalled(c, now)) {
        keel_stream_close(&c->core.stream);
        return;
    }
    uint64_t head = h2->requests > 0 ? http_h2_since(&h2->core) : c->core.opened_ns;
    if (h2->drain_ns > 0 && now >= h2->drain_ns + DRAIN_ROUND) {
        http_h2_drain(&h2->core);
        h2->drain_ns = 0;
    }
    if (head > 0 && now >= head + settings->header_timeout) {
        http_h2_close(&h2->core);
    } else if (now >= settings->body_timeout) {
        c->busy = true;
        http_worker_set_clock(worker_of(c));
        http_h2_expire_bodies(&h2->core, now, now - settings->body_timeout);
        c->busy = false;
    }
    if (due_of(c) <= now)
        http_h2_close(&h2->core);
    pump(c);
    if (h2->send_ns > 0 || !http_h2_is_done(&h2->core))
        set_deadline(c);
}

void http_serve_h2_drain(struct http_connection *c)
{
    http_h2_drain(&c->h2->core);
    c->h2->drain_ns = now_of(c);
    end_turn(c);
}

bool http_serve_h2_is_idle(const struct http_connection *c)
{
    return c->h2->core.open == 0;
}

unsigned http_serve_h2_requests(const struct http_connection *c)
{
    return c->h2->requests;
}

uint64_t http_serve_h2_unsent(const struct http_connection *c, uint32_t stream)
{
    return http_h2_unsent(&c->h2->core, stream);
}

unsigned http_serve_h2_streams(const struct http_connection *c)
{
    return c->h2->core.open;
}

const char *http_serve_h2_state(const struct http_connection *c)
{
    const struct http_h2 *h2 = &c->h2->core;
    if (http_h2_is_done(h2))
        return "closing";
    if (c->h2->full || h2->sending > 0)
        return "sending";
    if (http_h2_oldest(h2))
        return "handler";
    return http_h2_body_since(h2) > 0 ? "body" : h2->open > 0 ? "answering" : "idle";
}

const struct http_exchange *http_serve_h2_oldest(const struct http_connection *c)
{
    return http_h2_oldest(&c->h2->core);
}
