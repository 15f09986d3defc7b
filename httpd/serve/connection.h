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
    union {
        struct http_exchange *x;  /* of HTTP/1, kept by a handler: nothing behind it is read */
        struct http_serve_h2 *h2; /* heap */
    };
    /* all below is HTTP/1's */
    uint32_t taken;         /* WAIT_SEND: low bits of what the peer had taken when it began */
    uint32_t requests : 22; /* that were read, and no more than it can tell */
    uint32_t wait : 3;      /* enum http_wait */
    bool is_h2 : 1;         /* but this: it speaks HTTP/2, and has h2 */
    bool counted : 1;       /* and this: against the connections of its client */
    bool chunked : 1;       /* the answer under way is */
    bool last : 1;          /* the connection ends with it */
    bool eof : 1;           /* the client sends no more */
    bool busy : 1;          /* on_data runs */
    bool paused : 1;        /* output is above the high watermark: no request is read */
};
#define HTTP_REQUESTS_TOLD ((1u << 22) - 1)
/* What 400 bytes for an idle connection leave beside what libevent has for each descriptor. */
_Static_assert(sizeof(struct http_connection) <= 352, "a connection is small");

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
