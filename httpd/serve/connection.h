/*
 * A connection, as the files that serve it share it.
 */
#ifndef HTTPD_SERVE_CONNECTION_H
#define HTTPD_SERVE_CONNECTION_H

#include "common/runtime/sock.h"
#include "httpd/conn/h1.h"
#include "httpd/serve/worker.h"

#define HTTP_LINGER (2 * KEEL_NS_PER_S) /* for a peer to take our last words */
/* The same for one that still sends a body: it may look at the answer only when all is sent, and a
 * reset before that would take the answer away. */
#define HTTP_LINGER_BODY (15 * KEEL_NS_PER_S)

/* What a connection waits for: what its deadline means. */
enum http_wait {
    WAIT_HEAD,  /* the rest of a head, or the first byte of the first one: absolute */
    WAIT_TAKE,  /* the next request, and first whether the peer takes the last answer */
    WAIT_IDLE,  /* the next request */
    WAIT_BODY,  /* the rest of a body: absolute, or its next bytes when a handler reads it */
    WAIT_LATER, /* a handler: its own business */
    WAIT_SEND,  /* the peer to take what it was sent */
};

struct http_connection {
    struct keel_connection core;
    struct http_h1 h1;
    struct http_exchange *x;  /* of HTTP/1, kept by a handler: nothing behind it is read */
    struct http_serve_h2 *h2; /* heap; NULL: HTTP/1, and all below is its */
    uint32_t taken;           /* WAIT_SEND: low bits of what the peer had taken when it began */
    uint32_t requests;        /* that were read */
    uint8_t wait;             /* enum http_wait */
    bool counted;             /* against the connections of its client */
    bool chunked;             /* the answer under way is */
    bool last;                /* the connection ends with it */
    bool eof;                 /* the client sends no more */
    bool busy;                /* on_data runs */
    bool paused;              /* output is above the high watermark: no request is read */
};
_Static_assert(sizeof(struct http_connection) - sizeof(struct keel_stream) <= 256,
               "a connection is small");

static inline struct http_connection *http_connection_of(struct keel_stream *s)
{
    return KEEL_CONTAINER(keel_connection_of(s), struct http_connection, core);
}
static inline struct http_worker *http_worker_of(const struct http_connection *c)
{
    return c->core.instance->state;
}
/* Bytes that the peer has taken: acknowledged ones, or, where there are no such, what the caller
 * knows. */
static inline uint64_t http_taken_by(const struct keel_stream *s, uint64_t known)
{
    uint64_t acked = keel_sock_acked(keel_stream_fd(s));
    return acked > 0 ? acked : known;
}

#endif
