/*
 * What an operator sees of single requests as they come: the command `trace`.
 */
#ifndef HTTPD_SERVE_FOLLOW_H
#define HTTPD_SERVE_FOLLOW_H

#include "common/runtime/stream.h"
#include "common/service/trace.h"
#include "httpd/log/format.h"
#include "httpd/request/exchange.h"

struct keel_connection;

struct http_follow {
    struct keel_trace trace;
    struct http_log_format line; /* of an answer */
    uint64_t hits, misses;       /* of the file cache, before the request that is answered now */
};

void http_follow_init(struct http_follow *follow, struct keel_loop *loop);
void http_follow_fini(struct http_follow *follow);

/* What sessions of trace are told of, if there are any: see http_follow_on. */

/* A connection: made; its TLS handshake is done; closed after so many requests. */
void http_follow_opened(struct http_follow *follow, const struct keel_connection *c);
void http_follow_secured(struct http_follow *follow, const struct keel_connection *c);
void http_follow_closed(struct http_follow *follow, const struct keel_connection *c,
                        enum keel_stream_end why, unsigned requests);
/* A request's head was read, and looked at: `prepared` is what http_request_prepare said. */
void http_follow_asked(struct http_follow *follow, const struct http_exchange *x, int prepared);
/* A handler keeps it; cache: "hit", "miss", "-" for the file cache. */
void http_follow_kept(struct http_follow *follow, const struct http_exchange *x, const char *cache);
/* It was answered. */
void http_follow_answered(struct http_follow *follow, const struct http_log_record *record,
                          const struct http_exchange *x, const char *cache);
static inline bool http_follow_on(const struct http_follow *follow)
{
    return keel_trace_on(&follow->trace);
}

/* keel_trace_parse. */
int http_follow_parse(void *filter, const char *argument, struct keel_diag *diag);
/* `run` of the commands, but for the worker. */
int http_follow_trace(struct http_follow *follow, json_t *args, json_t **result,
                      struct keel_diag *diag);
#define HTTP_TRACE_USAGE                                                                           \
    "[client=PREFIX] [site=NAME] [path=PREFIX] [status=CODE|Nxx] [events=answers|all|fields]"

#endif
