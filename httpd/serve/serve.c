#include "httpd/serve/serve.h"

#include <sys/socket.h>

#include "common/service/module.h"
#include "httpd/serve/connection.h"
#include "httpd/serve/serve_h2.h"
#include "httpd/serve/settings_access.h"

#define DRAIN_IDLE (1 * KEEL_NS_PER_S) /* for an idle peer's last request */
#define COPY_MAX 16384                 /* larger bodies are borrowed from the cache */

/* --- responses --- */

static void wait_for(struct http_connection *c, enum http_wait wait, uint64_t ns)
{
    c->wait = wait;
    keel_stream_deadline(&c->core.stream, ns);
}

static void finish(struct http_connection *c)
{
    bool sending = c->h1.state == HTTP_H1_BODY && !c->eof;
    http_h1_close(&c->h1);
    keel_stream_finish(&c->core.stream, sending ? HTTP_LINGER_BODY : HTTP_LINGER);
}

/* Queues the response. KEEL_EAGAIN: above the high watermark; other errors: the stream closes. */
static int write_response(struct http_connection *c, const struct http_head *head,
                          struct http_response *response, bool keep)
{
    struct keel_stream *s = &c->core.stream;
    struct keel_str pieces[HTTP_H1_PIECES];
    bool borrow = response->hold && response->body.n > COPY_MAX;
    if (borrow)
        response->joined = false;
    unsigned count = http_h1_response(head, response, keep, pieces);
    int err = 0;
    for (unsigned i = 0; i < count - borrow && (err == 0 || err == KEEL_EAGAIN); i++)
        err = keel_stream_write(s, pieces[i].p, pieces[i].n);
    if (!borrow && response->file_size == 0)
        return err;
    /* from here on the stream calls release, whatever happens */
    response->hold(response->owner);
    if (borrow)
        return keel_stream_write_borrowed(s, response->body.p, response->body.n, response->release,
                                          response->owner);
    return keel_stream_write_file(s, response->file, response->file_at, response->file_size,
                                  response->release, response->owner);
}

/* May the connection stay, although a part of the request's body is still to come? A short rest is
 * dropped; behind a long one, or one that waits for 100, it closes. */
static bool keeps_body(const struct http_connection *c, const struct http_head *head)
{
    return c->h1.state != HTTP_H1_BODY ||
           (!head->expect_continue && (head->body != HTTP_BODY_LENGTH ||
                                       c->h1.body.left <= http_worker_of(c)->settings->discard));
}

static bool keeps(const struct http_connection *c, const struct http_head *head)
{
    return head->keep_alive && !c->core.instance->draining && c->h1.state != HTTP_H1_CLOSED;
}

static void respond(struct http_connection *c, const struct http_head *head,
                    struct http_response *response)
{
    bool keep = keeps(c, head) && !response->close && keeps_body(c, head);
    if (write_response(c, head, response, keep) == KEEL_EAGAIN && keep) {
        c->paused = true;
        keel_stream_pause(&c->core.stream);
    }
    if (!keep)
        finish(c);
}

/* An answer to what could not be read as a request. */
static void respond_bad(struct http_connection *c, unsigned status)
{
    struct http_response response;
    struct http_worker *w = http_worker_of(c);
    http_worker_answer_bad(w, c, status, &response);
    respond(c, &w->x->request.head, &response);
}

/* --- exchanges that handlers keep --- */

static void set_deadline(struct http_connection *c);

/* Is there nothing to be read, because a handler keeps an exchange? The end of a body that has no
 * byte of its own is read in any case. */
static bool is_held(const struct http_connection *c)
{
    bool comes = c->h1.state == HTTP_H1_BODY || c->h1.state == HTTP_H1_TUNNEL;
    return c->x && !http_h1_body_is_read(&c->h1) && !(comes && http_exchange_wants(c->x));
}

/* The client sends no more, and what it sent was read. */
static void end_of_input(struct http_connection *c)
{
    if (is_held(c))
        return;
    if (c->x && c->h1.state == HTTP_H1_TUNNEL) {
        http_h1_close(&c->h1);
        http_exchange_content_end(c->x);
    } else if (c->x) {
        http_exchange_fail(c->x, 400);
    } else {
        finish(c);
    }
}

/* What waits may be read (again): now, or when the running callback is done with it. */
static void go_on(struct http_connection *c)
{
    struct keel_stream *s = &c->core.stream;
    if (c->busy || c->h1.state == HTTP_H1_CLOSED)
        return;
    set_deadline(c);
    if (c->eof && s->input_size == 0) {
        end_of_input(c);
    } else if (!c->paused) {
        keel_stream_pause(s);
        keel_stream_resume(s);
    }
}

static int carry_response(struct http_exchange *x, struct http_response *response)
{
    struct http_connection *c = x->connection;
    http_requests_send(&http_worker_of(c)->requests, x, response);
    respond(c, &x->request.head, response);
    return 0;
}

static void carry_read(struct http_exchange *x, bool proceed)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_connection *c = x->connection;
    if (proceed)
        keel_stream_write(&c->core.stream, text, sizeof text - 1);
    go_on(c);
}

static int carry_begin(struct http_exchange *x, const struct http_response *response)
{
    struct http_connection *c = x->connection;
    const struct http_head *head = &x->request.head;
    struct keel_str pieces[HTTP_H1_PIECES];
    bool open = !x->counted && !x->bare && !x->tunnel;
    c->chunked = open && head->minor == 1;
    if (x->tunnel)
        http_h1_tunnel(&c->h1);
    /* a body that is being read may still end; what is left of it then is looked at in the end */
    c->last = x->tunnel || !keeps(c, head) || (open && !c->chunked) ||
              (x->content == HTTP_CONTENT_HELD && !keeps_body(c, head));
    unsigned count = http_h1_begin(head, response, !c->last || x->tunnel, c->chunked, pieces);
    for (unsigned i = 0; i < count; i++)
        keel_stream_write(&c->core.stream, pieces[i].p, pieces[i].n);
    return 0;
}

static int carry_write(struct http_exchange *x, const void *bytes, size_t n)
{
    struct http_connection *c = x->connection;
    struct keel_stream *s = &c->core.stream;
    char line[HTTP_H1_CHUNK_LINE];
    if (!c->chunked)
        return keel_stream_write(s, bytes, n);
    keel_stream_write(s, line, http_h1_chunk(line, n));
    keel_stream_write(s, bytes, n);
    return keel_stream_write(s, "\r\n", 2);
}

static int carry_end(struct http_exchange *x, struct keel_str trailers)
{
    struct http_connection *c = x->connection;
    struct keel_stream *s = &c->core.stream;
    if (c->chunked) {
        keel_stream_write(s, "0\r\n", 3);
        keel_stream_write(s, trailers.p, trailers.n);
        keel_stream_write(s, "\r\n", 2);
    }
    if (c->last || !keeps_body(c, &x->request.head))
        finish(c);
    return 0;
}

/* A body that ends with the connection must not seem to end here: it is reset. */
static void carry_abort(struct http_exchange *x)
{
    struct http_connection *c = x->connection;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    http_h1_close(&c->h1);
    setsockopt(keel_stream_fd(&c->core.stream), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    keel_stream_close(&c->core.stream);
}

static void carry_over(struct http_exchange *x)
{
    struct http_connection *c = x->connection;
    if (c->x != x)
        return; /* it was never kept */
    c->x = NULL;
    c->h1.taken = 0;
    c->wait = WAIT_IDLE;
    go_on(c);
}

static const struct http_carrier carrier = {
    .respond = carry_response,
    .begin = carry_begin,
    .write = carry_write,
    .end = carry_end,
    .read = carry_read,
    .abort = carry_abort,
    .over = carry_over,
};

/* --- requests --- */

/* Of the time that a connection waits for its next request: until it is looked at whether the peer
 * takes the last answer. */
static uint64_t first_wait(const struct http_settings *settings)
{
    return settings->send_timeout < settings->keepalive_timeout ? settings->send_timeout
                                                                : settings->keepalive_timeout;
}

static void set_deadline(struct http_connection *c)
{
    const struct http_settings *settings = http_worker_of(c)->settings;
    if (c->h1.state == HTTP_H1_CLOSED)
        return; /* the linger time runs */
    if (is_held(c) || c->h1.state == HTTP_H1_TUNNEL) {
        if (c->wait != WAIT_LATER)
            wait_for(c, WAIT_LATER, settings->send_timeout);
    } else if (c->h1.state == HTTP_H1_BODY) {
        if (c->wait != WAIT_BODY || c->x)
            wait_for(c, WAIT_BODY, settings->body_timeout);
    } else if (http_h1_in_head(&c->h1)) {
        if (c->wait != WAIT_HEAD)
            wait_for(c, WAIT_HEAD, settings->header_timeout);
    } else {
        wait_for(c, WAIT_TAKE, first_wait(settings));
    }
}

/* The first bytes of the connection are the preface of HTTP/2 (RFC 9113, 3.3), or begin it so far
 * that HTTP/1 has no use for them. Over TLS the handshake chooses. */
static bool begins_h2(const struct http_connection *c, const uint8_t *bytes, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t n = size < sizeof preface - 1 ? size : sizeof preface - 1;
    return c->requests == 0 && http_worker_of(c)->settings->http2 &&
           !keel_stream_is_tls(&c->core.stream) && memcmp(bytes, preface, n) == 0;
}

static void take_request(struct http_connection *c)
{
    struct http_worker *w = http_worker_of(c);
    struct http_exchange *x = w->x;
    struct http_response response;
    x->carrier = &carrier;
    x->connection = c;
    x->peer = &c->core.stream.peer;
    x->tls = keel_stream_is_tls(&c->core.stream);
    c->requests += c->requests < HTTP_REQUESTS_TOLD;
    c->wait = WAIT_IDLE; /* what comes next has a time of its own */
    switch (http_worker_answer(w, &response)) {
    case HTTP_DONE:
        http_requests_send(&w->requests, x, &response);
        respond(c, &x->request.head, &response);
        break;
    case HTTP_LATER:
        c->x = x;
        break;
    default:
        break;
    }
}

/* What came is of a body: a handler's, or nobody's. */
static void take_body(struct http_connection *c, enum http_h1_event event, struct keel_str content)
{
    struct http_exchange *x = c->x;
    if (event == HTTP_H1_CONTENT && x)
        http_exchange_content(x, content.p, content.n);
    else if (event == HTTP_H1_TRAILER && x)
        http_exchange_trailer(x, content);
    else if (event == HTTP_H1_CONTENT && c->h1.taken > http_worker_of(c)->settings->discard)
        finish(c);
    else if (event == HTTP_H1_END && x)
        http_exchange_content_end(x);
    if (event == HTTP_H1_END)
        c->wait = WAIT_IDLE;
}

/* All requests in the bytes are answered, up to one that a handler keeps; the stream sends the
 * answers in one go. */
static size_t take_bytes(struct http_connection *c, const uint8_t *bytes, size_t size)
{
    struct http_worker *w = http_worker_of(c);
    size_t at = 0, used;
    unsigned requests = 0, status;
    struct keel_str content;
    enum http_h1_event event = HTTP_H1_END;
    while (event != HTTP_H1_NEED && !c->paused && !is_held(c)) {
        bool answered = c->h1.state == HTTP_H1_BODY; /* the answer leaves before the body came */
        if (at == size && c->h1.state == HTTP_H1_HEAD) {
            event = HTTP_H1_NEED; /* as after nearly every request */
            break;
        }
        event = http_h1_read(&c->h1, &w->settings->head, &w->x->request.head, bytes + at, size - at,
                             &used, &content, &status);
        at += used;
        if (event == HTTP_H1_REQUEST) {
            requests++;
            take_request(c);
        } else if (event == HTTP_H1_BAD && begins_h2(c, bytes + at, size - at)) {
            return http_serve_h2_start(c) == 0 ? http_serve_h2_data(c, bytes, size) : size;
        } else if (event == HTTP_H1_BAD && c->x) {
            http_exchange_fail(c->x, status);
        } else if (event == HTTP_H1_BAD && answered) {
            finish(c); /* a second answer would be taken for the next request's */
        } else if (event == HTTP_H1_BAD) {
            respond_bad(c, status);
        } else if (event != HTTP_H1_NEED) {
            take_body(c, event, content);
        }
    }
    if (requests > 0)
        http_worker_count_turn(w, requests);
    if (c->eof && event == HTTP_H1_NEED && c->h1.state != HTTP_H1_CLOSED)
        end_of_input(c);
    set_deadline(c);
    return at;
}

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct http_connection *c = http_connection_of(s);
    http_worker_set_clock(http_worker_of(c));
    if (c->is_h2)
        return http_serve_h2_data(c, bytes, size);
    c->busy = true;
    size_t used = take_bytes(c, bytes, size);
    c->busy = false;
    return used;
}

/* The client sends no more: what is complete is still answered. */
static void on_eof(struct keel_stream *s)
{
    struct http_connection *c = http_connection_of(s);
    c->eof = true;
    if (c->is_h2)
        keel_stream_finish(s, 0);
    else if (!c->paused)
        end_of_input(c);
    if (!c->is_h2 && c->x) /* the handler's time to answer one who may be gone */
        wait_for(c, WAIT_LATER, http_worker_of(c)->settings->send_timeout);
}

static void on_drained(struct keel_stream *s)
{
    struct http_connection *c = http_connection_of(s);
    if (c->is_h2) {
        http_serve_h2_drained(c);
        return;
    }
    c->paused = false;
    if (c->x)
        http_exchange_drained(c->x);
    go_on(c);
}

static void on_deadline(struct keel_stream *s)
{
    struct http_connection *c = http_connection_of(s);
    struct http_worker *w = http_worker_of(c);
    size_t pending = keel_stream_pending(s);
    if (c->is_h2) {
        http_serve_h2_deadline(c);
        return;
    }
    if (pending > 0) {
        /* hardly anything taken since the last look: the peer is gone, or plays dead */
        uint32_t taken = (uint32_t)http_taken_by(s, (uint64_t)0 - pending);
        if (c->wait == WAIT_SEND && taken - c->taken < http_worker_least_taken(w)) {
            keel_stream_close(s);
            return;
        }
        c->taken = taken;
        wait_for(c, WAIT_SEND, w->settings->send_timeout);
    } else if (c->wait == WAIT_SEND && c->x) {
        set_deadline(c);
    } else if (c->wait == WAIT_TAKE && w->settings->keepalive_timeout > first_wait(w->settings)) {
        wait_for(c, WAIT_IDLE, w->settings->keepalive_timeout - first_wait(w->settings));
    } else if (c->wait == WAIT_SEND) {
        wait_for(c, WAIT_IDLE, w->settings->keepalive_timeout);
    } else if (c->h1.state != HTTP_H1_BODY && http_h1_in_head(&c->h1)) {
        http_worker_set_clock(w);
        w->x->request.head.major = w->x->request.head.minor = 1;
        w->x->request.head.method = HTTP_METHOD_OTHER;
        respond_bad(c, 408);
    } else if (c->eof && c->x) {
        keel_stream_close(s); /* nobody knows whether there is still somebody to answer to */
    } else if (is_held(c) || c->h1.state == HTTP_H1_TUNNEL) {
        wait_for(c, WAIT_LATER, w->settings->send_timeout);
    } else if (c->x) {
        http_worker_set_clock(w);
        http_exchange_fail(c->x, 408);
    } else {
        finish(c);
    }
}

/* The TLS handshake is done. */
static void on_open(struct keel_stream *s)
{
    struct http_connection *c = http_connection_of(s);
    struct http_worker *w = http_worker_of(c);
    if (http_follow_on(&w->follow))
        http_follow_secured(&w->follow, &c->core);
    if (keel_str_equal(keel_stream_alpn(s), KEEL_STR("h2")))
        http_serve_h2_start(c);
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct http_connection *c = http_connection_of(s);
    struct http_worker *w = http_worker_of(c);
    unsigned requests = c->is_h2 ? http_serve_h2_requests(c) : c->requests;
    struct http_exchange *x = c->is_h2 ? NULL : c->x;
    if (x) {
        c->x = NULL;
        http_exchange_gone(x);
    }
    http_serve_h2_stop(c);
    if (http_follow_on(&w->follow))
        http_follow_closed(&w->follow, &c->core, why, requests);
    if (c->counted)
        http_worker_disconnect(w, &s->peer);
}

const struct keel_stream_ops http_stream_ops = {
    .name = "http",
    .on_data = on_data,
    .on_open = on_open,
    .on_eof = on_eof,
    .on_close = on_close,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
};

/* --- the instance --- */

int http_serve_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct http_worker *w = NULL;
    int err = http_worker_new(instance, &w, diag);
    instance->state = w;
    return err;
}

void http_serve_stop(struct keel_instance *instance)
{
    http_worker_free(instance->state);
    instance->state = NULL;
}

void http_serve_log_file(struct keel_instance *instance, unsigned index, int fd)
{
    http_access_log_use(&((struct http_worker *)instance->state)->logs[index], fd);
}

int http_serve_file(struct keel_instance *instance, const char *path, const char *text, size_t size,
                    struct keel_diag *diag)
{
    return http_users_file_changed(instance->settings, path, (struct keel_str){text, size}, diag);
}

static int hurry_idle(void *arg, struct keel_connection *connection)
{
    struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    if (c->is_h2)
        http_serve_h2_drain(c);
    else if ((c->wait == WAIT_IDLE || c->wait == WAIT_TAKE) && c->h1.state == HTTP_H1_HEAD && !c->x)
        wait_for(c, WAIT_IDLE, DRAIN_IDLE);
    return 0;
}

void http_serve_drain(struct keel_instance *instance)
{
    keel_instance_each_connection(instance, hurry_idle, NULL);
}

void http_serve_connect(struct keel_connection *connection)
{
    struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    struct http_worker *w = http_worker_of(c);
    if (http_follow_on(&w->follow))
        http_follow_opened(&w->follow, connection);
    bool counted, may = http_worker_connect(w, &connection->stream.peer, &counted);
    c->counted = counted;
    if (may)
        wait_for(c, WAIT_HEAD, w->settings->header_timeout);
    else
        keel_stream_close(&connection->stream);
}

bool http_serve_evictable(struct keel_connection *connection)
{
    const struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    return (c->is_h2 ? http_serve_h2_is_idle(c) : c->h1.state != HTTP_H1_BODY && !c->x) &&
           keel_stream_pending(&connection->stream) == 0;
}
