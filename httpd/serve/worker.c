#include "httpd/serve/worker.h"

#include "common/base/mem.h"
#include "httpd/handlers/file.h"
#include "httpd/handlers/redirect.h"

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
    M_LOG_LINES,
    M_LOG_LOST,
    M_DENIED,
    M_LIMITED_REQUESTS,
    M_LIMITED_CONNECTIONS,
    M_SECONDS,
    M_H2_CONNECTIONS,
    M_H2_CUT,
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
    {"httpd_access_log_lines_total", KEEL_COUNTER, NULL, "Lines of the access log."},
    {"httpd_access_log_lost_total", KEEL_COUNTER, NULL,
     "Lines of the access log that could not be written."},
    {"httpd_denied_total", KEEL_COUNTER, NULL, "Requests from addresses that may not ask."},
    {"httpd_limited_total", KEEL_COUNTER, "what=\"requests\"",
     "Requests and connections above the limit of one client."},
    {"httpd_limited_total", KEEL_COUNTER, "what=\"connections\"",
     "Requests and connections above the limit of one client."},
    {"httpd_request_seconds", KEEL_HISTOGRAM, NULL,
     "Time from reading a request to handing over its response."},
    {"httpd_http2_connections_total", KEEL_COUNTER, NULL, "Connections that speak HTTP/2."},
    {"httpd_http2_cut_total", KEEL_COUNTER, NULL,
     "Of these, closed because the client reset streams, or sent other frames than requests, "
     "without end."},
    {0},
};

/* Clients that a table has room for: 1 MiB of which only what is used is touched. */
#define CLIENTS 65536

struct http_worker *http_worker_new(struct keel_instance *instance)
{
    struct http_worker *w = keel_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->instance = instance;
    w->settings = instance->settings;
    w->offload = keel_offload_new(instance->loop, 0, 0);
    const struct http_access_log_options log = {.format = w->settings->log,
                                                .buffer = w->settings->log_buffer,
                                                .loop = instance->loop,
                                                .pool = w->offload,
                                                .metrics = &instance->metrics,
                                                .written = M_LOG_LINES,
                                                .lost = M_LOG_LOST};
    const struct http_h2_limits limits = {.head = w->settings->head,
                                          .streams = w->settings->max_streams,
                                          .discard = w->settings->discard};
    http_cache_init(&w->cache, &w->settings->cache, w->offload);
    http_request_init(&w->request);
    if (http_h2_shared_init(&w->h2, &limits) != 0 || !w->offload ||
        (log.format && http_access_log_init(&w->log, &log) != 0) ||
        (w->settings->limited && keel_clients_init(&w->rates, CLIENTS) != 0) ||
        (w->settings->client_connections && keel_clients_init(&w->connections, CLIENTS) != 0)) {
        http_worker_free(w);
        return NULL;
    }
    return w;
}

void http_worker_free(struct http_worker *w)
{
    keel_offload_free(w->offload);
    http_access_log_fini(&w->log);
    keel_clients_fini(&w->rates);
    keel_clients_fini(&w->connections);
    http_h2_shared_fini(&w->h2);
    http_cache_fini(&w->cache);
    http_request_fini(&w->request);
    keel_free(w);
}

void http_worker_set_clock(struct http_worker *w)
{
    http_clock_set(&w->clock, keel_loop_realtime(w->instance->loop),
                   keel_loop_now(w->instance->loop));
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

static void count_response(struct http_worker *w, const struct http_response *response)
{
    struct keel_metrics *m = &w->instance->metrics;
    keel_metric_add(m, M_RESPONSES_1XX + response->status / 100 - 1, 1);
    keel_metric_add(m, M_BYTES, response->head.n + 2 + response->body.n + response->file_size);
}

/* request NULL: what came could not be read as one. */
static void log_response(struct http_worker *w, const struct keel_stream *stream,
                         const struct http_request *request, const struct http_response *response)
{
    if (!w->settings->log)
        return;
    struct http_log_record record = {.request = request,
                                     .response = response,
                                     .peer = &stream->peer,
                                     .tls = keel_stream_is_tls(stream)};
    if (w->settings->log->times_requests)
        record.duration_ns = keel_clock_monotonic() - w->clock.now_ns;
    http_access_log_add(&w->log, &record, w->clock.second);
}

/* May the peer ask here, and now? False: it was answered. */
static bool admit(struct http_worker *w, const struct keel_addr *peer,
                  struct http_response *response)
{
    struct http_request *request = &w->request;
    const struct http_access *access = request->location->access;
    uint64_t wait_ns;
    if (!http_access_allows(access, peer)) {
        keel_metric_add(&w->instance->metrics, M_DENIED, 1);
        http_response_plain(response, request, 403, KEEL_STR(""));
        return false;
    }
    if (access->rate.interval_ns == 0 ||
        keel_clients_take(&w->rates, peer, &access->rate, w->clock.now_ns, &wait_ns))
        return true;
    keel_metric_add(&w->instance->metrics, M_LIMITED_REQUESTS, 1);
    char *field =
        keel_arena_printf(&request->arena, "Retry-After: %llu\r\n",
                          (unsigned long long)(wait_ns + KEEL_NS_PER_S - 1) / KEEL_NS_PER_S);
    http_response_plain(response, request, 429, field ? keel_str(field) : KEEL_STR(""));
    return false;
}

bool http_worker_connect(struct http_worker *w, const struct keel_addr *peer, bool *counted)
{
    *counted = false;
    if (!w->connections.items)
        return true;
    enum keel_admission how =
        keel_clients_enter(&w->connections, peer, w->settings->client_connections);
    *counted = how == KEEL_ADMIT;
    if (how == KEEL_REFUSE)
        keel_metric_add(&w->instance->metrics, M_LIMITED_CONNECTIONS, 1);
    return how != KEEL_REFUSE;
}

void http_worker_disconnect(struct http_worker *w, const struct keel_addr *peer)
{
    keel_clients_leave(&w->connections, peer);
}

void http_worker_answer(struct http_worker *w, const struct keel_stream *stream,
                        struct http_response *response)
{
    struct http_request *request = &w->request;
    *response = (struct http_response){0};
    keel_metric_add(&w->instance->metrics, M_REQUESTS, 1);
    int err = http_request_prepare(request, &w->settings->sites, &w->clock);
    if (err < 0)
        http_response_plain(response, request, (unsigned)-err, KEEL_STR(""));
    else if (request->location->access && !admit(w, &stream->peer, response))
        ; /* it was answered */
    else if (request->location->redirect)
        respond_redirect(request, response);
    else
        http_file_respond(&w->cache, request, response);
    count_response(w, response);
    log_response(w, stream, request, response);
}

void http_worker_answer_bad(struct http_worker *w, const struct keel_stream *stream,
                            unsigned status, struct http_response *response)
{
    *response = (struct http_response){0};
    keel_arena_reset(&w->request.arena);
    w->request.clock = &w->clock;
    w->request.site = NULL;
    w->request.location = NULL;
    w->request.head.keep_alive = false;
    http_response_plain(response, &w->request, status, KEEL_STR(""));
    count_response(w, response);
    log_response(w, stream, NULL, response);
}

void http_worker_count_h2(struct http_worker *w)
{
    keel_metric_add(&w->instance->metrics, M_H2_CONNECTIONS, 1);
}

void http_worker_count_h2_cut(struct http_worker *w)
{
    keel_metric_add(&w->instance->metrics, M_H2_CUT, 1);
}

void http_worker_count_turn(struct http_worker *w, unsigned requests)
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
