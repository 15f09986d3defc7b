/*
 * What drives exchanges: the chain of steps, what may be told to a handler and sent by it when, and
 * how an exchange ends, once. It knows neither sockets nor versions of HTTP: a carrier takes what
 * is to be sent, and tells what came.
 *
 * The worker has one exchange that is used again and again while requests are answered at once. One
 * that a handler keeps is its own from then on, and the worker takes another.
 */
#ifndef HTTPD_REQUEST_EXCHANGE_H
#define HTTPD_REQUEST_EXCHANGE_H

#include "httpd/request/handler.h"

enum http_content_phase {
    HTTP_CONTENT_NONE,   /* there is no body, or all of it was told */
    HTTP_CONTENT_HELD,   /* nobody asked for it */
    HTTP_CONTENT_READ,   /* it is told as it comes */
    HTTP_CONTENT_PAUSED, /* it is not, for the moment */
};
enum http_answer_phase {
    HTTP_ANSWER_NONE,
    HTTP_ANSWER_BEGUN, /* the head is sent */
    HTTP_ANSWER_ENDED,
};

/* An HTTP/1 connection or an HTTP/2 stream: x->connection and x->stream say which. Errors are
 * negative; then the carrier is about to close. It may say http_exchange_gone inside any call. */
struct http_carrier {
    /* A whole answer. Borrows. */
    int (*respond)(struct http_exchange *x, struct http_response *response);
    /* The head of an answer, then pieces of its body: not when x->bare; of that length when
     * x->counted. write: KEEL_EAGAIN as http_exchange_write. trailers: empty when counted. */
    int (*begin)(struct http_exchange *x, const struct http_response *response);
    int (*write)(struct http_exchange *x, const void *bytes, size_t n);
    int (*end)(struct http_exchange *x, struct keel_str trailers);
    /* The body may come now (again), with 100 Continue before it if `proceed`. */
    void (*read)(struct http_exchange *x, bool proceed);
    /* What was begun cannot be completed, and the client must see that. */
    void (*abort)(struct http_exchange *x);
    /* The exchange is over; it is freed next. */
    void (*over)(struct http_exchange *x);
};

void http_host_init(struct http_host *host);
/* A turn of the loop began, after host->soon: filters go on with what waits for them. */
void http_host_turn(struct http_host *host);
/* No exchange is kept any more. */
void http_host_fini(struct http_host *host);

/* Returns new, or NULL. free takes back one that is over, or was never kept. */
struct http_exchange *http_exchange_new(struct http_host *host);
void http_exchange_free(struct http_exchange *x);

/* Runs the steps of the prepared request's location. HTTP_DONE: *response is the answer.
 * HTTP_LATER: it is kept, or x->over says that it has ended by itself already; then the caller
 * frees it or uses it again, and neither carrier->over nor host->on_over were told.
 * carrier, connection, stream, peer and tls are set. */
enum http_verdict http_exchange_run(struct http_exchange *x, struct http_response *response);

/* A step that stands before the handler whose answers the location's filters are for. */
extern const struct http_handler http_filtered_handler;

/* There is no memory for the caller to carry what http_exchange_run left kept: it is answered with
 * 503, or broken off, and over. */
void http_exchange_deny(struct http_exchange *x);

/* True while on_content may be called. */
static inline bool http_exchange_wants(const struct http_exchange *x)
{
    return x->content == HTTP_CONTENT_READ;
}
/* A piece of the body, a piece of the field lines behind it, and its end; only when wanted. */
void http_exchange_content(struct http_exchange *x, const void *bytes, size_t n);
void http_exchange_trailer(struct http_exchange *x, struct keel_str piece);
void http_exchange_content_end(struct http_exchange *x);
/* Output is welcome again. */
void http_exchange_drained(struct http_exchange *x);
/* The connection or stream is gone: nothing is sent any more. */
void http_exchange_gone(struct http_exchange *x);
/* It cannot go on: is answered with the status (and the connection closes), or broken off when an
 * answer has begun. */
void http_exchange_fail(struct http_exchange *x, unsigned status);

#endif
