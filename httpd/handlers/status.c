#include "httpd/handlers/status.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/service/module.h"
#include "httpd/handlers/listing.h"
#include "httpd/serve/metrics.h"

/* --- JSON --- */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *seconds(const struct keel_metrics *m, unsigned index, double percent)
{
    return json_real(keel_metric_percentile(m, index, percent) / 1e9);
}

/* Of the whole table or of a site's: both begin alike. */
static json_t *traffic(const struct keel_metrics *m, unsigned index)
{
    uint64_t count = keel_metric_count(m, index);
    double mean = count ? (double)keel_metric_sum(m, index) / (double)count / 1e9 : 0;
    json_t *classes = json_object();
    for (unsigned i = 0; i < 5; i++) {
        const char name[] = {(char)('1' + i), 'x', 'x', '\0'};
        json_object_set_new(classes, name, number(keel_metric_get(m, HTTP_S_RESPONSES_1XX + i)));
    }
    return json_pack("{s:o, s:o, s:o, s:{s:f, s:o, s:o, s:o, s:o}}", "requests",
                     number(keel_metric_get(m, HTTP_S_REQUESTS)), "responses", classes, "bytes",
                     number(keel_metric_get(m, HTTP_S_BYTES)), "seconds", "mean", mean, "p50",
                     seconds(m, index, 50), "p90", seconds(m, index, 90), "p99",
                     seconds(m, index, 99), "p99.9", seconds(m, index, 99.9));
}
_Static_assert((int)HTTP_S_REQUESTS == HTTP_M_REQUESTS &&
                   (int)HTTP_S_RESPONSES_1XX == HTTP_M_RESPONSES_1XX &&
                   (int)HTTP_S_BYTES == HTTP_M_BYTES,
               "the tables begin alike");

static json_t *cache(const struct keel_metrics *m)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "entries",
                     number(keel_metric_get(m, HTTP_M_CACHE_ENTRIES)), "bytes",
                     number(keel_metric_get(m, HTTP_M_CACHE_BYTES)), "hits",
                     number(keel_metric_get(m, HTTP_M_CACHE_HITS)), "misses",
                     number(keel_metric_get(m, HTTP_M_CACHE_MISSES)));
}

static json_t *traffic_and_cache(const struct keel_metrics *m)
{
    json_t *all = traffic(m, HTTP_M_SECONDS);
    json_object_set_new(all, "cache", cache(m));
    return all;
}

json_t *http_status_sites(const struct keel_sums *sums)
{
    json_t *sites = json_array();
    for (unsigned i = 0; i < sums->count; i++) {
        json_t *row = json_pack("{s:s}", "site", sums->series[i].name);
        json_t *figures = traffic(&sums->series[i].metrics, HTTP_S_SECONDS);
        json_object_update(row, figures);
        json_decref(figures);
        json_array_append_new(sites, row);
    }
    return sites;
}

static uint64_t uptime(const struct http_host *host, const struct keel_sums *sums)
{
    uint64_t now = host->clock.second > 0 ? (uint64_t)host->clock.second : 0;
    return now > sums->started_s ? now - sums->started_s : 0;
}

static void put_json(struct keel_buf *out, const struct http_host *host,
                     const struct keel_sums *sums)
{
    const struct keel_instance *instance = host->instance;
    json_t *root = json_pack(
        "{s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o}", "uptime", number(uptime(host, sums)),
        "generation", number(sums->generation), "workers", number(sums->workers), "connections",
        "open", number(sums->open), "accepted", number(sums->accepted), "evicted",
        number(sums->evicted), "all", traffic_and_cache(&sums->metrics), "worker",
        traffic_and_cache(&instance->metrics), "sites", http_status_sites(sums));
    json_object_set_new(json_object_get(root, "worker"), "number", json_integer(instance->worker));
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    if (!text)
        out->failed = KEEL_ENOMEM;
    keel_buf_puts(out, text ? text : "");
    keel_buf_puts(out, "\n");
    free(text);
    json_decref(root);
}

/* --- HTML --- */

static void put_row(struct keel_buf *out, const char *name, const struct keel_metrics *m,
                    unsigned index)
{
    char size[32];
    keel_buf_puts(out, "<tr><th>");
    http_html_append(out, name);
    keel_buf_printf(out, "<td>%llu", (unsigned long long)keel_metric_get(m, HTTP_S_REQUESTS));
    for (unsigned i = 0; i < 5; i++)
        keel_buf_printf(out, "<td>%llu",
                        (unsigned long long)keel_metric_get(m, HTTP_S_RESPONSES_1XX + i));
    keel_format_size(size, sizeof size, keel_metric_get(m, HTTP_S_BYTES));
    keel_buf_printf(
        out, "<td>%s<td>%.6f<td>%.6f<td>%.6f\n", size, keel_metric_percentile(m, index, 50) / 1e9,
        keel_metric_percentile(m, index, 90) / 1e9, keel_metric_percentile(m, index, 99) / 1e9);
}

static void put_html(struct keel_buf *out, const struct http_host *host,
                     const struct keel_sums *sums)
{
    const struct keel_instance *instance = host->instance;
    const struct keel_metrics *m = &sums->metrics;
    char up[64], size[32];
    keel_format_duration(up, sizeof up, uptime(host, sums) * KEEL_NS_PER_S);
    keel_format_size(size, sizeof size, keel_metric_get(m, HTTP_M_CACHE_BYTES));
    keel_buf_printf(
        out,
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>httpd</title>"
        "<style>body{font-family:sans-serif;margin:2em}th{text-align:left}"
        "td{text-align:right}td,th{padding:0 1em 0 0}</style></head>\n<body><h1>httpd</h1>\n"
        "<p>Up %s, generation %llu, %llu workers; this is worker %u.\n"
        "<p>Connections: %llu open, %llu taken, %llu closed to make room.\n"
        "<p>File cache: %llu entries, %s, %llu hits, %llu misses.\n"
        "<table><tr><th><th>requests<th>1xx<th>2xx<th>3xx<th>4xx<th>5xx<th>bytes"
        "<th>50%% s<th>90%% s<th>99%% s\n",
        up, (unsigned long long)sums->generation, (unsigned long long)sums->workers,
        instance->worker, (unsigned long long)sums->open, (unsigned long long)sums->accepted,
        (unsigned long long)sums->evicted,
        (unsigned long long)keel_metric_get(m, HTTP_M_CACHE_ENTRIES), size,
        (unsigned long long)keel_metric_get(m, HTTP_M_CACHE_HITS),
        (unsigned long long)keel_metric_get(m, HTTP_M_CACHE_MISSES));
    put_row(out, "all", m, HTTP_M_SECONDS);
    put_row(out, "this worker", &instance->metrics, HTTP_M_SECONDS);
    for (unsigned i = 0; i < sums->count; i++)
        put_row(out, sums->series[i].name, &sums->series[i].metrics, HTTP_S_SECONDS);
    keel_buf_puts(out, "</table></body></html>\n");
}

/* --- the handler --- */

static bool is_local(const struct keel_addr *peer)
{
    struct keel_addr space;
    const struct keel_addr *a = keel_addr_unmapped(peer, &space);
    if (keel_addr_family(a) == AF_INET)
        return ntohl(a->in4.sin_addr.s_addr) >> 24 == 127;
    return keel_addr_family(a) == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

static bool wants_prometheus(const struct http_request *request)
{
    const struct keel_str end = KEEL_STR("/metrics");
    struct keel_str path = request->path;
    size_t prefix = request->location->prefix.n;
    if (keel_str_equal(request->query, KEEL_STR("format=prometheus")))
        return true;
    return path.n >= prefix + end.n - 1 && path.n >= end.n &&
           memcmp(path.p + path.n - end.n, end.p, end.n) == 0;
}

static void answer(struct http_exchange *x, struct http_response *response)
{
    struct http_request *request = &x->request;
    struct keel_str fields =
        KEEL_STR("Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n");
    struct keel_sums sums;
    struct keel_buf text = {0};
    int err = keel_instance_sum(x->host->instance, &sums);
    if (!err && wants_prometheus(request)) {
        fields = KEEL_STR("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                          "Cache-Control: no-store\r\n");
        err = keel_instance_print(x->host->instance, &sums, &text);
    } else if (!err && request->json) {
        fields = KEEL_STR("Content-Type: application/json\r\nCache-Control: no-store\r\n");
        put_json(&text, x->host, &sums);
    } else if (!err) {
        put_html(&text, x->host, &sums);
    }
    size_t size = keel_buf_size(&text);
    const char *body =
        err || text.failed ? NULL : keel_arena_memdup(&request->arena, keel_buf_bytes(&text), size);
    if (body)
        http_response_content(response, request, 200, fields, (struct keel_str){body, size});
    else
        http_response_plain(response, request, 503, KEEL_STR(""));
    keel_buf_fini(&text);
    keel_sums_fini(&sums);
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    const struct http_status *status = settings;
    uint8_t method = x->request.head.method;
    if (status->local_only && !is_local(x->peer))
        http_response_plain(response, &x->request, 403, KEEL_STR(""));
    else if (method != HTTP_GET && method != HTTP_HEAD)
        http_response_plain(response, &x->request, 405, KEEL_STR("Allow: GET, HEAD\r\n"));
    else if (!x->host->instance->board)
        http_response_plain(response, &x->request, 503, KEEL_STR(""));
    else
        answer(x, response);
    return HTTP_DONE;
}

const struct http_handler http_status_handler = {HTTP_HANDLER, .name = "status",
                                                 .respond = respond};
