/*
 * One side of an HTTP/2 connection (RFC 9113), without the connection: received bytes in, requests
 * out; responses in, bytes to send out. Framing, HPACK and flow control are nghttp2's; what a
 * request means, how much a peer may ask for, and where bodies come from is decided here.
 *
 * A response's body is read, from memory or a file, when a frame of it may leave: nothing is
 * buffered for a peer that does not read.
 */
#ifndef HTTPD_CONN_H2_H
#define HTTPD_CONN_H2_H

#include <sys/types.h>

#include "common/base/mem.h"
#include "httpd/conn/h2_fields.h"
#include "httpd/conn/h2_frames.h"
#include "httpd/conn/h2_head.h"
#include "httpd/conn/h2_memory.h"
#include "httpd/request/exchange.h"
#include "httpd/wire/body.h"

struct http_h2_limits {
    struct http_head_limits head;
    uint32_t streams;    /* most at once; more are refused */
    bool tunnels;        /* extended CONNECT is offered (RFC 8441) */
    uint64_t discard;    /* most bytes of a body that are read and dropped */
    bool asks_for_files; /* those that are not in memory: http_h2_next_want */
};

/* What the connections of a worker share. */
struct http_h2_shared {
    struct nghttp2_session_callbacks *callbacks;
    struct nghttp2_option *option;
    struct http_h2_limits limits;
    struct keel_slab streams;
    struct http_h2_pool pool;   /* memory of nghttp2's sessions */
    struct http_h2_head spare;  /* memory for the head under way */
    struct http_h2_heads heads; /* of responses */
};
/* 0 or KEEL_ENOMEM; fini in any case. */
int http_h2_shared_init(struct http_h2_shared *shared, const struct http_h2_limits *limits);
void http_h2_shared_fini(struct http_h2_shared *shared);

struct http_h2 {
    struct nghttp2_session *session;
    struct http_h2_memory memory; /* all of the session's */
    struct http_h2_shared *shared;
    struct http_h2_frames frames; /* fed one at a time: at most one request comes of a call */
    /* The head under way, and what the frame just read gave. */
    struct http_h2_head head;
    struct http_h2_stream *asked; /* its request is complete */
    struct http_h2_stream *block; /* of the head under way; NULL: dropped (a trailer section) */
    bool broken;                  /* memory is out, or the session failed */
    bool ending;                  /* GOAWAY is queued, or left, and nothing follows it */
    bool pinged;                  /* a ping is under way behind answers to unread bodies */
    uint8_t drain;
    uint32_t open;            /* streams */
    uint32_t sending;         /* of these, with some of a response that waits to leave */
    uint64_t sent;            /* bytes of bodies that left */
    size_t held;              /* of bodies of requests, not wanted yet */
    size_t owed;              /* of these, what the connection's window was not opened for */
    struct keel_list streams; /* open ones, oldest first */
    struct keel_list wants;   /* streams that wait for a part of a file */
    struct keel_list drained; /* streams whose handler may write again */
    struct keel_list bodies;  /* streams whose request body is coming, oldest first */
};

/* 0 or KEEL_ENOMEM; fini in any case. Our SETTINGS wait to be sent. */
int http_h2_init(struct http_h2 *h2, struct http_h2_shared *shared, uint64_t now_ns);
/* Releases what unsent responses hold. */
void http_h2_fini(struct http_h2 *h2);

enum http_h2_event {
    HTTP_H2_NEED,    /* all bytes are used up */
    HTTP_H2_REQUEST, /* head is a new request, on *stream. It borrows from h2 until the next read */
    HTTP_H2_BAD,     /* the request on *stream is answered with *status */
    HTTP_H2_CLOSED,  /* the peer broke the protocol or went too far: send, then close */
};
/* Reads up to one event from bytes and says how many of them are used up: all when it is NEED or
 * CLOSED. Bodies of requests go to the exchanges of http_h2_keep, within the call, or are counted
 * and dropped. */
enum http_h2_event http_h2_read(struct http_h2 *h2, uint64_t now_ns, struct http_head *head,
                                const uint8_t *bytes, size_t size, size_t *used, uint32_t *stream,
                                unsigned *status);
/* Queues a response; holds its owner until the end of it left, copies a body that has none. Does
 * nothing when the stream is gone. The window of a request body that is too long for `discard`, or
 * that waits for a 100, is not opened any more: the client ends it, or the stream is reset (RFC
 * 9113, 8.1) when the client has seen the answer. 0 or KEEL_ENOMEM (the connection fails). */
int http_h2_respond(struct http_h2 *h2, uint32_t stream, const struct http_head *head,
                    const struct http_response *response);
/* A handler keeps the exchange of the stream: it is told of the request's body, and when the stream
 * ends first. x NULL: it is over. */
void http_h2_keep(struct http_h2 *h2, uint32_t stream, struct http_exchange *x);
/* Of such a stream: 100 Continue; what came of the body and was not wanted is, now; a response
 * piece by piece, as http_carrier; and the end of one that cannot be completed. */
int http_h2_proceed(struct http_h2 *h2, uint32_t stream);
void http_h2_feed(struct http_h2 *h2, uint32_t stream);
int http_h2_begin(struct http_h2 *h2, uint32_t stream, const struct http_response *response);
int http_h2_write(struct http_h2 *h2, uint32_t stream, const void *bytes, size_t n);
int http_h2_end(struct http_h2 *h2, uint32_t stream, struct keel_str trailers);
void http_h2_cut(struct http_h2 *h2, uint32_t stream);
/* Bytes of the body of a stream's response that have not left; 0: there is none. */
uint64_t http_h2_unsent(const struct http_h2 *h2, uint32_t stream);
/* The exchange of the oldest stream that a handler keeps; NULL: none. */
const struct http_exchange *http_h2_oldest(const struct http_h2 *h2);
/* The next exchange whose output fell below its low watermark; NULL: none. Ask after
 * http_h2_send. */
struct http_exchange *http_h2_next_drained(struct http_h2 *h2);
/* The next bytes to send, borrowed until the next call of any function here, for this connection or
 * another of the worker. Returns how many; 0:
 * none now; KEEL_EPROTO: the session failed, close. */
ssize_t http_h2_send(struct http_h2 *h2, const uint8_t **bytes);
/* Nothing is to be read or sent any more: after GOAWAY, the peer's or ours, and the last stream. */
bool http_h2_is_done(const struct http_h2 *h2);

/* Ends the connection without losing what is in flight: at the first call the peer is told to open
 * no more streams, and when its answer to a ping shows that it knows, or at the second call, which
 * ones were the last (RFC 9113, 6.8). */
void http_h2_drain(struct http_h2 *h2);
/* GOAWAY without error, and nothing more. */
void http_h2_close(struct http_h2 *h2);
/* When the frame or header block that is incomplete began; 0: none is. */
uint64_t http_h2_since(const struct http_h2 *h2);
/* When the oldest request began whose body is not complete; 0: none. */
uint64_t http_h2_body_since(const struct http_h2 *h2);
/* Resets the streams of such requests that began before then, once their responses left; what a
 * handler reads is answered with 408 when its last bytes came before then. */
void http_h2_expire_bodies(struct http_h2 *h2, uint64_t now_ns, uint64_t before_ns);

/* A part of a file that is not in memory, without which a stream does not go on. */
struct http_h2_want {
    uint32_t stream;
    int file; /* open as long as the stream is */
    uint64_t at, left;
};
/* False: none. Each is followed by http_h2_give. */
bool http_h2_next_want(struct http_h2 *h2, struct http_h2_want *want);
/* What was read at `at`: takes the bytes (keel_free). n 0: none can be had. The stream may be gone.
 */
void http_h2_give(struct http_h2 *h2, uint32_t stream, uint64_t at, void *bytes, size_t n);

#endif
