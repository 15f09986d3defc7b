#include "httpd/serve/serve.h"

#include "common/service/module.h"
#include "httpd/serve/connection.h"
#include "httpd/serve/serve_h2.h"

#define DRAIN_IDLE (1 * KEEL_NS_PER_S) /* for an idle peer's last request */
#define COPY_MAX 16384                 /* larger bodies are borrowed from the cache */

/* --- responses --- */

static void wait_for(struct http_connection *c, enum http_wait wait, uint64_t ns)
{
    c->wait = (uint8_t)wait;
    keel_stream_deadline(&c->core.stream, ns);
}

static void finish(struct http_connection *c)
{
    http_h1_close(&c->h1);
    keel_stream_finish(&c->core.stream, HTTP_LINGER);
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

static void respond(struct http_connection *c, struct http_response *response)
{
    struct http_worker *w = http_worker_of(c);
    const struct http_head *head = &w->request.head;
    bool keep = head->keep_alive && !response->close && !w->instance->draining;
    /* a body that nobody reads is dropped; a long one, or one that waits for 100, ends it all */
    if (c->h1.state == HTTP_H1_BODY &&
        (head->expect_continue ||
         (head->body == HTTP_BODY_LENGTH && head->content_length > w->settings->discard)))
        keep = false;
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
    http_worker_answer_bad(http_worker_of(c), &c->core.stream, status, &response);
    respond(c, &response);
}

/* --- requests --- */

static void set_deadline(struct http_connection *c)
{
    const struct http_settings *settings = http_worker_of(c)->settings;
    if (c->h1.state == HTTP_H1_CLOSED)
        return; /* the linger time runs */
    if (c->h1.state == HTTP_H1_BODY) {
        if (c->wait != WAIT_BODY)
            wait_for(c, WAIT_BODY, settings->body_timeout);
    } else if (http_h1_in_head(&c->h1)) {
        if (c->wait != WAIT_HEAD)
            wait_for(c, WAIT_HEAD, settings->header_timeout);
    } else {
        wait_for(c, WAIT_IDLE, settings->keepalive_timeout);
    }
}

/* The first bytes of the connection are the preface of HTTP/2 (RFC 9113, 3.3), or begin it so far
 * that HTTP/1 has no use for them. Over TLS the handshake chooses. */
static bool begins_h2(const struct http_connection *c, const uint8_t *bytes, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t n = size < sizeof preface - 1 ? size : sizeof preface - 1;
    return !c->spoke && http_worker_of(c)->settings->http2 &&
           !keel_stream_is_tls(&c->core.stream) && memcmp(bytes, preface, n) == 0;
}

/* All requests in the bytes are answered; the stream sends the answers in one go. */
static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct http_connection *c = http_connection_of(s);
    struct http_worker *w = http_worker_of(c);
    size_t at = 0, used;
    unsigned requests = 0, status;
    struct keel_str content;
    enum http_h1_event event = HTTP_H1_END;
    http_worker_set_clock(w);
    if (c->h2)
        return http_serve_h2_data(c, bytes, size);
    while (event != HTTP_H1_NEED && !c->paused) {
        bool answered = c->h1.state == HTTP_H1_BODY; /* the answer leaves before the body came */
        event = http_h1_read(&c->h1, &w->settings->head, &w->request.head, bytes + at, size - at,
                             &used, &content, &status);
        at += used;
        if (event == HTTP_H1_REQUEST) {
            struct http_response response;
            requests++;
            c->spoke = true;
            c->wait = WAIT_IDLE; /* what comes next has a time of its own */
            http_worker_answer(w, s, &response);
            respond(c, &response);
        } else if (event == HTTP_H1_BAD && begins_h2(c, bytes + at, size - at)) {
            return http_serve_h2_start(c) == 0 ? http_serve_h2_data(c, bytes, size) : size;
        } else if (event == HTTP_H1_BAD && answered) {
            finish(c); /* a second answer would be taken for the next request's */
        } else if (event == HTTP_H1_BAD) {
            respond_bad(c, status);
        } else if (event == HTTP_H1_END) {
            c->wait = WAIT_IDLE;
        } else if (event == HTTP_H1_CONTENT && c->h1.taken > w->settings->discard) {
            finish(c);
        }
    }
    if (requests > 0)
        http_worker_count_turn(w, requests);
    set_deadline(c);
    return at;
}

static void on_drained(struct keel_stream *s)
{
    struct http_connection *c = http_connection_of(s);
    if (c->h2) {
        http_serve_h2_drained(c);
        return;
    }
    c->paused = false;
    keel_stream_resume(s);
}

static void on_deadline(struct keel_stream *s)
{
    struct http_connection *c = http_connection_of(s);
    struct http_worker *w = http_worker_of(c);
    size_t pending = keel_stream_pending(s);
    if (c->h2) {
        http_serve_h2_deadline(c);
        return;
    }
    if (pending > 0) {
        /* nothing taken since the last look: the peer is gone, or plays dead */
        if (c->wait == WAIT_SEND && (uint32_t)pending == c->unsent) {
            keel_stream_close(s);
            return;
        }
        c->unsent = (uint32_t)pending;
        wait_for(c, WAIT_SEND, w->settings->send_timeout);
    } else if (c->wait == WAIT_SEND) {
        wait_for(c, WAIT_IDLE, w->settings->keepalive_timeout);
    } else if (c->h1.state != HTTP_H1_BODY && http_h1_in_head(&c->h1)) {
        http_worker_set_clock(w);
        w->request.head.major = w->request.head.minor = 1;
        w->request.head.method = HTTP_METHOD_OTHER;
        respond_bad(c, 408);
    } else {
        finish(c);
    }
}

/* The TLS handshake is done. */
static void on_open(struct keel_stream *s)
{
    if (keel_str_equal(keel_stream_alpn(s), KEEL_STR("h2")))
        http_serve_h2_start(http_connection_of(s));
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct http_connection *c = http_connection_of(s);
    http_serve_h2_stop(c);
    if (c->counted)
        http_worker_disconnect(http_worker_of(c), &s->peer);
}

const struct keel_stream_ops http_stream_ops = {
    .name = "http",
    .on_data = on_data,
    .on_open = on_open,
    .on_close = on_close,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
};
const size_t http_connection_size = sizeof(struct http_connection);

/* --- the instance --- */

int http_serve_start(struct keel_instance *instance, struct keel_diag *diag)
{
    instance->state = http_worker_new(instance);
    return instance->state ? 0 : keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

void http_serve_stop(struct keel_instance *instance)
{
    http_worker_free(instance->state);
    instance->state = NULL;
}

void http_serve_log_file(struct keel_instance *instance, unsigned index, int fd)
{
    http_access_log_use(&((struct http_worker *)instance->state)->log, fd);
}

static int hurry_idle(void *arg, struct keel_connection *connection)
{
    struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    if (c->h2)
        http_serve_h2_drain(c);
    else if (c->wait == WAIT_IDLE && c->h1.state == HTTP_H1_HEAD)
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
    if (http_worker_connect(w, &connection->stream.peer, &c->counted))
        wait_for(c, WAIT_HEAD, w->settings->header_timeout);
    else
        keel_stream_close(&connection->stream);
}

bool http_serve_evictable(struct keel_connection *connection)
{
    const struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    return (c->h2 ? http_serve_h2_is_idle(c) : c->h1.state != HTTP_H1_BODY) &&
           keel_stream_pending(&connection->stream) == 0;
}
