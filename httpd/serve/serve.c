#include "httpd/serve/serve.h"

#include "common/base/mem.h"
#include "common/service/module.h"
#include "httpd/conn/h1.h"
#include "httpd/handlers/file.h"
#include "httpd/handlers/redirect.h"
#include "httpd/serve/settings.h"

/* What a connection waits for: what its deadline means. */
enum http_wait {
    WAIT_HEAD, /* the rest of a head, or the first byte of the first one: absolute */
    WAIT_IDLE, /* the next request */
    WAIT_BODY, /* the rest of a body: absolute */
    WAIT_SEND, /* the peer to take what it was sent */
};

struct http_connection {
    struct keel_connection core;
    struct http_h1 h1;
    uint32_t unsent; /* WAIT_SEND: low bits of what was pending when it began */
    uint8_t wait;    /* enum http_wait */
    bool paused;     /* output is above the high watermark: no request is read */
};
_Static_assert(sizeof(struct http_connection) - sizeof(struct keel_stream) <= 256,
               "a connection is small");

struct http_worker {
    struct keel_instance *instance;
    const struct http_settings *settings;
    struct http_cache cache;
    struct http_clock clock;
    struct http_request request; /* the one that is being answered */
};

enum {
    M_REQUESTS,
    M_RESPONSES_1XX,
    M_RESPONSES_2XX,
    M_RESPONSES_3XX,
    M_RESPONSES_4XX,
    M_RESPONSES_5XX,
    M_BYTES,
    M_CACHE_HITS,
    M_CACHE_MISSES,
    M_CACHE_BYTES,
    M_CACHE_ENTRIES,
    M_SECONDS,
};
const struct keel_metric http_metrics[] = {
    {"httpd_requests_total", KEEL_COUNTER, NULL, "Requests whose head was read."},
    {"httpd_responses_total", KEEL_COUNTER, "class=\"1xx\"", "Responses by class of status."},
    {"httpd_responses_total", KEEL_COUNTER, "class=\"2xx\"", "Responses by class of status."},
    {"httpd_responses_total", KEEL_COUNTER, "class=\"3xx\"", "Responses by class of status."},
    {"httpd_responses_total", KEEL_COUNTER, "class=\"4xx\"", "Responses by class of status."},
    {"httpd_responses_total", KEEL_COUNTER, "class=\"5xx\"", "Responses by class of status."},
    {"httpd_response_bytes_total", KEEL_COUNTER, NULL, "Bytes of responses, heads included."},
    {"httpd_file_cache_hits_total", KEEL_COUNTER, NULL, "Requests answered from the file cache."},
    {"httpd_file_cache_misses_total", KEEL_COUNTER, NULL,
     "Requests for which the file system was asked."},
    {"httpd_file_cache_bytes", KEEL_GAUGE, NULL, "Memory of the file cache."},
    {"httpd_file_cache_entries", KEEL_GAUGE, NULL, "Paths in the file cache."},
    {"httpd_request_seconds", KEEL_HISTOGRAM, NULL,
     "Time from reading a request to handing over its response."},
    {0},
};

#define LINGER (2 * KEEL_NS_PER_S)     /* for a peer to take our last words */
#define DRAIN_IDLE (1 * KEEL_NS_PER_S) /* for an idle peer's last request */
#define COPY_MAX 16384                 /* larger bodies are borrowed from the cache */

static struct http_connection *connection_of(struct keel_stream *s)
{
    return KEEL_CONTAINER(keel_connection_of(s), struct http_connection, core);
}
static struct http_worker *worker_of(const struct http_connection *c)
{
    return c->core.instance->state;
}

/* --- responses --- */

static void wait_for(struct http_connection *c, enum http_wait wait, uint64_t ns)
{
    c->wait = (uint8_t)wait;
    keel_stream_deadline(&c->core.stream, ns);
}

static void finish(struct http_connection *c)
{
    http_h1_close(&c->h1);
    keel_stream_finish(&c->core.stream, LINGER);
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

static void count_response(struct http_worker *w, const struct http_response *response)
{
    struct keel_metrics *m = &w->instance->metrics;
    keel_metric_add(m, M_RESPONSES_1XX + response->status / 100 - 1, 1);
    keel_metric_add(m, M_BYTES, response->head.n + 2 + response->body.n + response->file_size);
}

static void respond(struct http_connection *c, struct http_response *response)
{
    struct http_worker *w = worker_of(c);
    const struct http_head *head = &w->request.head;
    bool keep = head->keep_alive && !response->close && !w->instance->draining;
    /* a body that nobody reads is dropped; a long one, or one that waits for 100, ends it all */
    if (c->h1.state == HTTP_H1_BODY &&
        (head->expect_continue ||
         (head->body == HTTP_BODY_LENGTH && head->content_length > w->settings->discard)))
        keep = false;
    count_response(w, response);
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
    struct http_worker *w = worker_of(c);
    struct http_response response = {0};
    keel_arena_reset(&w->request.arena);
    w->request.clock = &w->clock;
    w->request.head.keep_alive = false;
    http_response_plain(&response, &w->request, status, KEEL_STR(""));
    respond(c, &response);
}

/* --- requests --- */

/* The location's redirect: its target instead of the prefix, the rest of the path behind it. */
static void respond_redirect(struct http_request *request, struct http_response *response)
{
    const struct http_location *location = request->location;
    struct keel_str rest = {request->path.p + location->prefix.n,
                            request->path.n - location->prefix.n};
    http_redirect_respond(request, response, location->redirect, location->redirect_to, rest);
}

static void on_request(struct http_connection *c)
{
    struct http_worker *w = worker_of(c);
    struct http_request *request = &w->request;
    struct http_response response = {0};
    keel_metric_add(&w->instance->metrics, M_REQUESTS, 1);
    int err = http_request_prepare(request, &w->settings->sites, &w->clock);
    if (err < 0)
        http_response_plain(&response, request, (unsigned)-err, KEEL_STR(""));
    else if (request->location->redirect)
        respond_redirect(request, &response);
    else
        http_file_respond(&w->cache, request, &response);
    respond(c, &response);
}

static void set_deadline(struct http_connection *c)
{
    const struct http_settings *settings = worker_of(c)->settings;
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

/* What a turn did, told once a turn. */
static void count_turn(struct http_worker *w, unsigned requests)
{
    struct keel_metrics *m = &w->instance->metrics;
    uint64_t ns = keel_clock_monotonic() - w->clock.now_ns;
    for (unsigned i = 0; i < requests; i++)
        keel_metric_observe(m, M_SECONDS, ns / requests);
    keel_metric_set(m, M_CACHE_HITS, w->cache.hits);
    keel_metric_set(m, M_CACHE_MISSES, w->cache.misses);
    keel_metric_set(m, M_CACHE_BYTES, w->cache.memory);
    keel_metric_set(m, M_CACHE_ENTRIES, w->cache.entries);
}

static void set_clock(struct http_worker *w)
{
    http_clock_set(&w->clock, keel_loop_realtime(w->instance->loop),
                   keel_loop_now(w->instance->loop));
}

/* All requests in the bytes are answered; the stream sends the answers in one go. */
static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    struct http_connection *c = connection_of(s);
    struct http_worker *w = worker_of(c);
    size_t at = 0, used;
    unsigned requests = 0, status;
    struct keel_str content;
    enum http_h1_event event = HTTP_H1_END;
    set_clock(w);
    while (event != HTTP_H1_NEED && !c->paused) {
        event = http_h1_read(&c->h1, &w->settings->head, &w->request.head, bytes + at, size - at,
                             &used, &content, &status);
        at += used;
        if (event == HTTP_H1_REQUEST) {
            requests++;
            on_request(c);
        } else if (event == HTTP_H1_BAD) {
            respond_bad(c, status);
        } else if (event == HTTP_H1_CONTENT && c->h1.taken > w->settings->discard) {
            finish(c);
        }
    }
    if (requests > 0)
        count_turn(w, requests);
    set_deadline(c);
    return at;
}

static void on_drained(struct keel_stream *s)
{
    struct http_connection *c = connection_of(s);
    c->paused = false;
    keel_stream_resume(s);
}

static void on_deadline(struct keel_stream *s)
{
    struct http_connection *c = connection_of(s);
    struct http_worker *w = worker_of(c);
    size_t pending = keel_stream_pending(s);
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
    } else if (c->wait == WAIT_BODY || http_h1_in_head(&c->h1)) {
        set_clock(w);
        w->request.head.minor = 1;
        w->request.head.method = HTTP_METHOD_OTHER;
        respond_bad(c, 408);
    } else {
        finish(c);
    }
}

const struct keel_stream_ops http_stream_ops = {
    .name = "http",
    .on_data = on_data,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
};
const size_t http_connection_size = sizeof(struct http_connection);

/* --- the instance --- */

int http_serve_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct http_worker *w = keel_calloc(1, sizeof *w);
    if (!w)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    w->instance = instance;
    w->settings = instance->settings;
    http_cache_init(&w->cache, &w->settings->cache);
    http_request_init(&w->request);
    instance->state = w;
    return 0;
}

void http_serve_stop(struct keel_instance *instance)
{
    struct http_worker *w = instance->state;
    http_cache_fini(&w->cache);
    http_request_fini(&w->request);
    keel_free(w);
    instance->state = NULL;
}

static int hurry_idle(void *arg, struct keel_connection *connection)
{
    struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    if (c->wait == WAIT_IDLE && c->h1.state == HTTP_H1_HEAD)
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
    wait_for(c, WAIT_HEAD, worker_of(c)->settings->header_timeout);
}

bool http_serve_evictable(struct keel_connection *connection)
{
    const struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    return c->h1.state != HTTP_H1_BODY && keel_stream_pending(&connection->stream) == 0;
}

/* --- commands --- */

static int run_cache(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    const struct http_cache *cache = &((struct http_worker *)instance->state)->cache;
    *result = json_pack("{s:I,s:I,s:I,s:I,s:I}", "entries", (json_int_t)cache->entries, "bytes",
                        (json_int_t)cache->memory, "open-files", (json_int_t)cache->files, "hits",
                        (json_int_t)cache->hits, "misses", (json_int_t)cache->misses);
    return *result ? 0 : KEEL_ENOMEM;
}

static int run_cache_flush(struct keel_instance *instance, json_t *args, json_t **result,
                           struct keel_diag *diag)
{
    http_cache_flush(&((struct http_worker *)instance->state)->cache);
    *result = NULL;
    return 0;
}

const struct keel_command http_commands[] = {
    {"cache", "", "What the file cache holds", KEEL_COMMAND_ALL, run_cache},
    {"cache-flush", "", "Forget all cached files", KEEL_COMMAND_ALL, run_cache_flush},
    {0},
};
