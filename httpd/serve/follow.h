/*
 * What an operator sees of single requests as they come: the command `trace`.
 */
#ifndef HTTPD_SERVE_FOLLOW_H
#define HTTPD_SERVE_FOLLOW_H

#include "common/service/trace.h"
#include "httpd/log/format.h"
#include "httpd/request/exchange.h"

struct http_follow {
    struct keel_trace trace;
    struct http_log_format line; /* of a trace */
};

void http_follow_init(struct http_follow *follow, struct keel_loop *loop);
void http_follow_fini(struct http_follow *follow);

/* Tells the sessions of trace, if there are any, of a request that was answered. */
void http_follow_tell(struct http_follow *follow, const struct http_log_record *record);
static inline bool http_follow_on(const struct http_follow *follow)
{
    return keel_trace_on(&follow->trace);
}

/* keel_trace_parse. */
int http_follow_parse(void *filter, const char *argument, struct keel_diag *diag);
/* `run` of the commands, but for the worker. */
int http_follow_trace(struct http_follow *follow, json_t *args, json_t **result,
                      struct keel_diag *diag);
#define HTTP_TRACE_USAGE "[client=PREFIX] [site=NAME] [path=PREFIX] [status=CODE|Nxx]"

#endif
