/*
 * The figures of a worker, by number: the order of http_metrics.
 */
#ifndef HTTPD_SERVE_METRICS_H
#define HTTPD_SERVE_METRICS_H

#include "common/service/metric.h"

enum http_metric_id {
    HTTP_M_REQUESTS,
    HTTP_M_RESPONSES_1XX,
    HTTP_M_RESPONSES_2XX,
    HTTP_M_RESPONSES_3XX,
    HTTP_M_RESPONSES_4XX,
    HTTP_M_RESPONSES_5XX,
    HTTP_M_BYTES,
    HTTP_M_CACHE_HITS,
    HTTP_M_CACHE_MISSES,
    HTTP_M_CACHE_BYTES,
    HTTP_M_CACHE_ENTRIES,
    HTTP_M_CACHE_WATCHES,
    HTTP_M_CACHE_CHANGES,
    HTTP_M_LOG_LINES,
    HTTP_M_LOG_LOST,
    HTTP_M_DENIED,
    HTTP_M_LIMITED_REQUESTS,
    HTTP_M_LIMITED_CONNECTIONS,
    HTTP_M_AUTH_LIMITED,
    HTTP_M_SECONDS,
    HTTP_M_H2_CONNECTIONS,
    HTTP_M_H2_CUT,
    HTTP_M_AUTH_CHECKS,
    HTTP_M_AUTH_FAILED,
};
extern const struct keel_metric http_metrics[];

/* Of a site (serve/figures.h): those of all requests, in their order, and then its own. */
enum http_site_metric_id {
    HTTP_S_REQUESTS,
    HTTP_S_RESPONSES_1XX,
    HTTP_S_BYTES = HTTP_S_RESPONSES_1XX + 5,
    HTTP_S_SECONDS,
};

#endif
