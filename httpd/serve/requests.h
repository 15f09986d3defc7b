/*
 * The requests that are under way in a worker, and which took longest in the last minute: the
 * command `requests`.
 *
 * Under way is what a handler keeps, and a large answer that was handed to its connection and has
 * not left yet. What is answered at once, and leaves at once, is never seen here.
 */
#ifndef HTTPD_SERVE_REQUESTS_H
#define HTTPD_SERVE_REQUESTS_H

#include "common/base/clock.h"
#include "common/service/rows.h"
#include "httpd/request/exchange.h"

#define HTTP_SLOW_REQUESTS 16
#define HTTP_SLOW_TIME (60 * KEEL_NS_PER_S) /* how long one is remembered */
#define HTTP_LARGE_ANSWER (256 * 1024)      /* bytes from which on an answer is followed */

/* Who asked for what. Texts are cut, and what is not printable is escaped. */
struct http_request_text {
    char peer[KEEL_ADDR_TEXT], site[64], location[64], handler[32], method[16];
    char target[256];
    const char *protocol; /* static */
    uint32_t stream;      /* of HTTP/2 */
    bool tls;
};
/* A request that took long. */
struct http_slow_request {
    uint64_t ended_ns, duration_ns; /* 0: none */
    uint64_t received, sent;
    unsigned status;
    struct http_request_text text;
};
struct http_sending; /* a large answer */

struct http_requests {
    struct keel_list sending;
    struct http_sending *spare; /* for the next one; NULL: none */
    struct http_slow_request slow[HTTP_SLOW_REQUESTS];
    /* Of the answer on x->connection and x->stream: bytes that have not left. Set by the worker. */
    uint64_t (*unsent)(void *connection, uint32_t stream);
};

/* All connections are closed before fini. */
void http_requests_init(struct http_requests *requests,
                        uint64_t (*unsent)(void *connection, uint32_t stream));
void http_requests_fini(struct http_requests *requests);

/* The answer is about to be handed to its carrier: if it is a large one, it is followed until its
 * pieces are released (without memory it is not). */
void http_requests_send(struct http_requests *requests, const struct http_exchange *x,
                        struct http_response *response);
/* A request that a handler kept is over: it may be one of the slowest. */
void http_requests_over(struct http_requests *requests, const struct http_exchange *x,
                        uint64_t now_ns);

/* {"running": [...], "slowest": [...], "more": false, "detail": [...]}, the longest first; args as
 * struct keel_rows. Returns new in *result. 0, or an error with diag. */
int http_requests_list(const struct http_requests *requests, const struct http_host *host,
                       json_t *args, uint64_t now_ns, json_t **result, struct keel_diag *diag);

#endif
