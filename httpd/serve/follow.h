/*
 * What an operator sees of single requests: `trace` follows those that fit a filter, live;
 * `requests` lists those that are under way, and which took longest in the last minute.
 */
#ifndef HTTPD_SERVE_FOLLOW_H
#define HTTPD_SERVE_FOLLOW_H

#include "common/service/trace.h"
#include "httpd/log/format.h"
#include "httpd/request/exchange.h"

#define HTTP_SLOW_REQUESTS 16
#define HTTP_SLOW_TIME (60 * KEEL_NS_PER_S) /* how long one is remembered */

/* A request that took long. Texts are cut, and what is not printable is escaped. */
struct http_slow_request {
    uint64_t ended_ns, duration_ns; /* 0: none */
    uint64_t bytes;
    unsigned status;
    char peer[KEEL_ADDR_TEXT], site[64], handler[32], method[16], target[256];
};

struct http_follow {
    struct keel_trace trace;
    struct http_log_format line; /* of a trace */
    struct http_slow_request slow[HTTP_SLOW_REQUESTS];
};

void http_follow_init(struct http_follow *follow, struct keel_loop *loop);
void http_follow_fini(struct http_follow *follow);

/* Tells the sessions of trace, if there are any, of a request that was answered. */
void http_follow_tell(struct http_follow *follow, const struct http_log_record *record);
static inline bool http_follow_on(const struct http_follow *follow)
{
    return keel_trace_on(&follow->trace);
}
/* A request that a handler kept is over: it may be one of the slowest. */
void http_follow_over(struct http_follow *follow, const struct http_exchange *x, uint64_t now_ns,
                      uint64_t duration_ns);

/* keel_trace_parse. */
int http_follow_parse(void *filter, const char *argument, struct keel_diag *diag);
/* `run` of the commands, but for the worker. */
int http_follow_trace(struct http_follow *follow, json_t *args, json_t **result,
                      struct keel_diag *diag);
#define HTTP_TRACE_USAGE "[client=PREFIX] [site=NAME] [path=PREFIX] [status=CODE|Nxx]"
/* Returns new: {"running": [...], "slowest": [...]}, NULL when memory is out. */
json_t *http_follow_requests(const struct http_follow *follow, const struct http_host *host,
                             uint64_t now_ns);

#endif
