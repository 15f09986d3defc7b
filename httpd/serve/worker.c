#include "httpd/serve/worker.h"

#include "common/base/mem.h"
#include "common/base/clock.h"
#include "common/service/log.h"
#include "httpd/handlers/status.h"
#include "httpd/serve/connection.h"
#include "httpd/serve/describe.h"
#include "httpd/serve/metrics.h"

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
    {"httpd_file_cache_watches", KEEL_GAUGE, NULL, "Directories that are watched for it."},
    {"httpd_file_cache_changes_total", KEEL_COUNTER, NULL,
     "Entries of the file cache for which a watch told of a change."},
    {"httpd_access_log_lines_total", KEEL_COUNTER, NULL, "Lines of the access log."},
    {"httpd_access_log_lost_total", KEEL_COUNTER, NULL,
     "Lines of the access log that could not be written."},
    {"httpd_denied_total", KEEL_COUNTER, NULL, "Requests from addresses that may not ask."},
    {"httpd_limited_total", KEEL_COUNTER, "what=\"requests\"",
     "Requests and connections above the limit of one client."},
    {"httpd_limited_total", KEEL_COUNTER, "what=\"connections\"",
     "Requests and connections above the limit of one client."},
    {"httpd_limited_total", KEEL_COUNTER, "what=\"passwords\"",
     "Requests and connections above the limit of one client."},
    {"httpd_request_seconds", KEEL_HISTOGRAM, NULL,
     "Time from reading a request to handing over its response."},
    {"httpd_http2_connections_total", KEEL_COUNTER, NULL, "Connections that speak HTTP/2."},
    {"httpd_http2_cut_total", KEEL_COUNTER, NULL,
     "Of these, closed because the client reset streams, or sent other frames than requests, "
     "without end."},
    {"httpd_auth_checks_total", KEEL_COUNTER, NULL,
     "Passwords that were compared with a hash; those that were right before are not."},
    {"httpd_auth_failed_total", KEEL_COUNTER, NULL, "Of these, wrong ones."},
    {0},
};

/* Clients that a table has room for: 1 MiB of which only what is used is touched. */
#define CLIENTS 65536
#define FILE_THREADS 16 /* made when they are needed */
#define FILE_QUEUE 65536

static void refresh_clock(struct http_clock *clock)
{
    http_worker_set_clock(KEEL_CONTAINER(clock, struct http_worker, host.clock));
}

static void on_over(struct http_host *host, struct http_exchange *x);

/* Their files come later. 0 or KEEL_ENOMEM. */
static int open_logs(struct http_worker *w)
{
    w->logs = keel_calloc(w->settings->log_count + 1, sizeof *w->logs);
    int err = w->logs ? 0 : KEEL_ENOMEM;
    for (unsigned i = 0; i < w->settings->log_count && !err; i++) {
        const struct http_access_log_options options = {.format = &w->settings->logs[i]->format,
                                                        .buffer = w->settings->logs[i]->buffer,
                                                        .loop = w->instance->loop,
                                                        .pool = w->offload,
                                                        .metrics = &w->instance->metrics,
                                                        .written = HTTP_M_LOG_LINES,
                                                        .lost = HTTP_M_LOG_LOST};
        err = http_access_log_init(&w->logs[i], &options);
    }
    return err;
}

/* What is allocated. */
static int fill(struct http_worker *w, struct keel_diag *diag)
{
    const struct http_h2_limits limits = {.head = w->settings->head,
                                          .streams = w->settings->max_streams,
                                          .tunnels = http_chains_tunnel(&w->settings->handlers),
                                          .discard = w->settings->discard,
                                          .asks_for_files = true};
    w->x = http_exchange_new(&w->host);
    if (http_figures_init(&w->figures, w->instance, &w->settings->sites) != 0 ||
        http_h2_shared_init(&w->h2, &limits) != 0 || !w->offload || !w->files || !w->x ||
        open_logs(w) != 0 ||
        (w->settings->client_connections && keel_clients_init(&w->connections, CLIENTS) != 0))
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    return http_chains_start(&w->settings->handlers, &w->host, &w->cache, diag);
}

/* Work that filters left for the next turn. */
static void on_turn(struct keel_timer *timer)
{
    struct http_worker *w = KEEL_CONTAINER(timer, struct http_worker, turn);
    http_worker_set_clock(w);
    http_host_turn(&w->host);
}

static void soon(struct http_host *host)
{
    struct http_worker *w = KEEL_CONTAINER(host, struct http_worker, host);
    if (!keel_timer_pending(&w->turn))
        keel_timer_start(&w->turn, 0, 0);
}

int http_worker_new(struct keel_instance *instance, struct http_worker **out,
                    struct keel_diag *diag)
{
    struct http_worker *w = keel_calloc(1, sizeof *w);
    if (!w)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    http_host_init(&w->host);
    keel_timer_init(&w->turn, instance->loop, "http filters", on_turn);
    w->host.soon = soon;
    http_follow_init(&w->follow, instance->loop);
    http_requests_init(&w->requests, http_serve_unsent);
    w->instance = instance;
    w->settings = instance->settings;
    w->offload = keel_offload_new(instance->loop, 0, 0);
    w->files = keel_offload_new(instance->loop, FILE_THREADS, FILE_QUEUE);
    if (w->files)
        keel_offload_serve_streams(w->files);
    w->host.loop = instance->loop;
    w->host.offload = w->offload;
    w->host.instance = instance;
    w->host.on_over = on_over;
    w->host.least =
        (struct http_least){.rate = w->settings->min_rate, .window_ns = w->settings->body_timeout};
    w->host.clock.refresh = refresh_clock;
    http_cache_init(&w->cache, &w->settings->cache, w->offload, w->files);
    http_cache_watch(&w->cache, instance->loop);
    http_pages_watch(&((struct http_settings *)instance->settings)->pages, instance->loop);
    int err = fill(w, diag);
    if (err)
        http_worker_free(w);
    else
        *out = w;
    return err;
}

void http_worker_free(struct http_worker *w)
{
    keel_offload_free(w->files);
    keel_offload_free(w->offload);
    keel_timer_stop(&w->turn);
    http_pages_unwatch(&((struct http_settings *)w->instance->settings)->pages);
    http_chains_stop(&w->settings->handlers, &w->host);
    for (unsigned i = 0; w->logs && i < w->settings->log_count; i++)
        http_access_log_fini(&w->logs[i]);
    keel_free(w->logs);
    http_follow_fini(&w->follow);
    http_requests_fini(&w->requests);
    http_figures_fini(&w->figures);
    keel_clients_fini(&w->connections);
    http_h2_shared_fini(&w->h2);
    http_cache_fini(&w->cache);
    if (w->x)
        http_exchange_free(w->x);
    http_host_fini(&w->host);
    keel_free(w);
}

void http_worker_set_clock(struct http_worker *w)
{
    struct http_clock *clock = &w->host.clock;
    uint64_t now = keel_loop_now(w->instance->loop);
    if (now >= clock->now_ns && now < clock->next_ns)
        clock->now_ns = now; /* in the same second: a date that is set is seen in the next one */
    else
        http_clock_set(clock, keel_loop_realtime(w->instance->loop), now);
}

/* --- requests --- */

/* Of all requests, and of those for the site, which has figures of its own (or NULL). */
static void count_response(struct http_worker *w, struct http_site_figures *site,
                           const struct http_response *response)
{
    struct keel_metrics *m = &w->instance->metrics;
    if (site)
        keel_metric_add(&site->metrics, HTTP_S_REQUESTS, 1);
    if (response->status == 0)
        return; /* the client left before there was an answer */
    unsigned class = response->status / 100 - 1;
    uint64_t bytes = response->head.n + 2 + response->body.n + response->file_size;
    keel_metric_add(m, HTTP_M_RESPONSES_1XX + class, 1);
    keel_metric_add(m, HTTP_M_BYTES, bytes);
    if (!site)
        return;
    keel_metric_add(&site->metrics, HTTP_S_RESPONSES_1XX + class, 1);
    keel_metric_add(&site->metrics, HTTP_S_BYTES, bytes);
}

/* NULL: none. */
static inline struct http_access_log *log_of(const struct http_worker *w,
                                             const struct http_request *request)
{
    unsigned number = request && request->site ? request->site->log : w->settings->log;
    return number > 0 ? &w->logs[number - 1] : NULL;
}

/* A request was read and prepared, and somebody follows. */
static void follow_request(struct http_worker *w, int prepared)
{
    w->follow.hits = w->cache.hits;
    w->follow.misses = w->cache.misses;
    w->x->step = NULL; /* nobody has answered it */
    http_follow_asked(&w->follow, w->x, prepared);
}

/* Since then. */
static const char *cache_state(const struct http_worker *w)
{
    return w->cache.hits != w->follow.hits       ? "hit"
           : w->cache.misses != w->follow.misses ? "miss"
                                                 : "-";
}

/* request NULL: what came could not be read as one. */
static void tell_response(struct http_worker *w, const struct http_exchange *x,
                          const struct http_request *request, const struct http_response *response,
                          uint64_t began_ns)
{
    bool followed = http_follow_on(&w->follow);
    struct http_access_log *log = log_of(w, request);
    struct http_log_record record = {
        .request = request, .response = response, .peer = x->peer, .tls = x->tls};
    if (followed || log->options.format->times_requests)
        record.duration_ns = keel_clock_monotonic() - began_ns;
    if (followed)
        http_follow_answered(&w->follow, &record, x, x->kept ? "-" : cache_state(w));
    if (log)
        http_access_log_add(log, &record, w->host.clock.second);
}

static inline void log_response(struct http_worker *w, const struct http_exchange *x,
                                const struct http_request *request,
                                const struct http_response *response, uint64_t began_ns)
{
    if (log_of(w, request) || http_follow_on(&w->follow))
        tell_response(w, x, request, response, began_ns);
}

/* An exchange that was kept is over. */
static void on_over(struct http_host *host, struct http_exchange *x)
{
    struct http_worker *w = KEEL_CONTAINER(host, struct http_worker, host);
    const struct http_response response = {.status = x->status,
                                           .head = {"", x->head_sent > 2 ? x->head_sent - 2 : 0},
                                           .file_size = x->body_sent};
    http_worker_set_clock(w);
    struct http_site_figures *site = http_figures_of(&w->figures, x->request.site);
    count_response(w, site, &response);
    uint64_t now = keel_clock_monotonic();
    keel_metric_observe(&w->instance->metrics, HTTP_M_SECONDS, now - x->began_ns);
    if (site)
        keel_metric_observe(&site->metrics, HTTP_S_SECONDS, now - x->began_ns);
    http_requests_over(&w->requests, x, now);
    log_response(w, x, &x->request, &response, x->began_ns);
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
        keel_metric_add(&w->instance->metrics, HTTP_M_LIMITED_CONNECTIONS, 1);
    return how != KEEL_REFUSE;
}

void http_worker_disconnect(struct http_worker *w, const struct keel_addr *peer)
{
    keel_clients_leave(&w->connections, peer);
}

/* The handler kept the worker's exchange: it needs another one. */
static enum http_verdict let_go(struct http_worker *w, struct http_exchange *x)
{
    w->apart++;
    if (http_follow_on(&w->follow))
        http_follow_kept(&w->follow, x, cache_state(w));
    if (!x->over) {
        struct http_exchange *next = http_exchange_new(&w->host);
        if (next) {
            w->x = next;
            return HTTP_LATER;
        }
        http_exchange_deny(x);
    }
    on_over(&w->host, x);
    http_exchange_free(x);
    w->x = http_exchange_new(&w->host); /* the one that was just freed, at least */
    return HTTP_NEXT;
}

/* Who the client is, by the certificate that it showed for this very site: one that came in under
 * the rules of another site must not get here by its Host (RFC 9110, 15.5.20). False: it was
 * answered. */
static bool identify(struct http_exchange *x, struct http_response *response)
{
    const struct keel_stream *stream = &((struct http_connection *)x->connection)->core.stream;
    struct http_request *request = &x->request;
    char subject[2048];
    if (keel_stream_tls_tag(stream) != (int)request->site->id) {
        if (request->site->clients == HTTP_CLIENTS_OPTIONAL)
            return true;
        http_response_plain(response, request, 421, KEEL_STR(""));
        return false;
    }
    size_t n = keel_stream_peer_subject(stream, subject, sizeof subject);
    const char *copy = n > 0 ? keel_arena_strndup(&request->arena, subject, n) : NULL;
    if (copy)
        request->client_subject = (struct keel_str){copy, n};
    return true;
}

enum http_verdict http_worker_answer(struct http_worker *w, struct http_response *response)
{
    struct http_exchange *x = w->x;
    struct http_request *request = &x->request;
    const struct http_connection *connection = x->connection;
    *response = (struct http_response){0};
    keel_metric_add(&w->instance->metrics, HTTP_M_REQUESTS, 1);
    const struct http_origin origin = {(unsigned)connection->core.endpoint->tag, x->tls, x->peer};
    int result = http_request_prepare(request, &w->settings->sites, &origin, &w->host.clock);
    if (http_follow_on(&w->follow))
        follow_request(w, result);
    if (result == -500)
        keel_warning("http", "rewrites of a path go on without end", "site=%s target=%.*s",
                     request->site->name.p, request->head.target.size,
                     http_span_str(&request->head, request->head.target).p);
    if (result < 0)
        http_response_plain(response, request, (unsigned)-result, KEEL_STR(""));
    else if (request->site->clients && !identify(x, response))
        ; /* it was answered */
    else if (result > 0)
        http_response_redirect(response, request, (unsigned)result, request->moved);
    else if (http_exchange_run(x, response) == HTTP_LATER)
        return let_go(w, x);
    http_response_edit(response, request);
    struct http_site_figures *site = http_figures_of(&w->figures, request->site);
    count_response(w, site, response);
    if (site)
        http_figures_observe_later(&w->figures, site);
    log_response(w, x, request, response, w->host.clock.now_ns);
    return HTTP_DONE;
}

/* Whose client it is, as far as that is known without a request. */
static const struct http_site *site_of(const struct http_worker *w, const struct http_connection *c)
{
    const struct http_sites *sites = &w->settings->sites;
    int tag = keel_stream_tls_tag(&c->core.stream);
    if (tag >= 0 && (unsigned)tag < sites->count)
        return &sites->items[tag];
    return http_route_site(sites, KEEL_STR(""), (unsigned)c->core.endpoint->tag);
}

void http_worker_answer_bad(struct http_worker *w, const struct http_connection *c, unsigned status,
                            struct http_response *response)
{
    struct http_exchange *x = w->x;
    struct http_request *request = &x->request;
    *response = (struct http_response){0};
    keel_arena_reset(&request->arena);
    x->peer = &c->core.stream.peer;
    x->tls = keel_stream_is_tls(&c->core.stream);
    request->clock = &w->host.clock;
    request->site = site_of(w, c);
    request->location = request->site->base;
    request->head.keep_alive = false;
    http_response_plain(response, request, status, KEEL_STR(""));
    http_response_edit(response, request);
    count_response(w, NULL, response);
    log_response(w, x, NULL, response, w->host.clock.now_ns);
}

uint64_t http_worker_least_taken(const struct http_worker *w)
{
    uint64_t n = w->settings->min_rate * (w->settings->send_timeout / KEEL_NS_PER_MS) / 1000;
    return n > 0 ? n : 1;
}

void http_worker_count_h2(struct http_worker *w)
{
    keel_metric_add(&w->instance->metrics, HTTP_M_H2_CONNECTIONS, 1);
}

void http_worker_count_h2_cut(struct http_worker *w)
{
    keel_metric_add(&w->instance->metrics, HTTP_M_H2_CUT, 1);
}

void http_worker_count_turn(struct http_worker *w, unsigned requests)
{
    struct keel_metrics *m = &w->instance->metrics;
    uint64_t ns = keel_clock_monotonic() - w->host.clock.now_ns;
    if (requests > w->apart)
        keel_metric_observe_many(m, HTTP_M_SECONDS, ns / requests, requests - w->apart);
    http_figures_end_turn(&w->figures, ns / requests);
    w->apart = 0;
    keel_metric_set(m, HTTP_M_CACHE_HITS, w->cache.hits);
    struct http_watch_figures watch;
    http_watch_figures(w->cache.watch, &watch);
    if (!w->cache.changed && watch.changes == keel_metric_get(m, HTTP_M_CACHE_CHANGES))
        return; /* as after most requests */
    w->cache.changed = false;
    keel_metric_set(m, HTTP_M_CACHE_MISSES, w->cache.misses);
    keel_metric_set(m, HTTP_M_CACHE_BYTES, w->cache.memory + watch.memory);
    keel_metric_set(m, HTTP_M_CACHE_WATCHES, watch.folders);
    keel_metric_set(m, HTTP_M_CACHE_CHANGES, watch.changes);
    keel_metric_set(m, HTTP_M_CACHE_ENTRIES, w->cache.entries);
}

/* --- commands --- */

static int run_cache(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    const struct http_cache *cache = &((struct http_worker *)instance->state)->cache;
    struct http_watch_figures watch;
    http_watch_figures(cache->watch, &watch);
    *result = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "entries", (json_int_t)cache->entries,
                        "bytes", (json_int_t)(cache->memory + watch.memory), "open-files",
                        (json_int_t)cache->files, "watches", (json_int_t)watch.folders, "changes",
                        (json_int_t)watch.changes, "hits", (json_int_t)cache->hits, "misses",
                        (json_int_t)cache->misses);
    return *result ? 0 : KEEL_ENOMEM;
}

static int run_cache_flush(struct keel_instance *instance, json_t *args, json_t **result,
                           struct keel_diag *diag)
{
    http_cache_flush(&((struct http_worker *)instance->state)->cache);
    *result = NULL;
    return 0;
}

static int run_trace(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    struct http_worker *w = instance->state;
    return http_follow_trace(&w->follow, args, result, diag);
}

static int run_requests(struct keel_instance *instance, json_t *args, json_t **result,
                        struct keel_diag *diag)
{
    const struct http_worker *w = instance->state;
    return http_requests_list(&w->requests, &w->host, args, keel_clock_monotonic(), result, diag);
}

static int run_sites(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    struct keel_sums sums;
    if (keel_instance_sum(instance, &sums) != 0)
        return KEEL_ENOMEM;
    *result = http_status_sites(&sums);
    keel_sums_fini(&sums);
    return *result ? 0 : KEEL_ENOMEM;
}

const struct keel_command http_commands[] = {
    {"cache", "", "What the file cache holds", KEEL_COMMAND_ALL, run_cache},
    {"cache-flush", "", "Forget all cached files", KEEL_COMMAND_ALL, run_cache_flush},
    {"requests", KEEL_ROWS_USAGE, "Requests under way, and the slowest ones of the last minute",
     KEEL_COMMAND_ALL, run_requests},
    {"sites", "", "What each site was asked, in all workers", KEEL_COMMAND_ONE, run_sites},
    {"trace", HTTP_TRACE_USAGE, "Follow requests and responses, live", KEEL_COMMAND_ALL, run_trace},
    {0},
};
