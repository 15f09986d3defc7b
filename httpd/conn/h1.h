/*
 * One side of an HTTP/1 connection, without the connection: received bytes in, requests out; and
 * a response in, the pieces to send out.
 */
#ifndef HTTPD_CONN_H1_H
#define HTTPD_CONN_H1_H

#include "httpd/request/request.h"
#include "httpd/wire/body.h"

enum http_h1_state {
    HTTP_H1_HEAD,   /* a request's head is to come; nothing, or its first bytes, are there */
    HTTP_H1_BODY,   /* a request was told; its body is coming */
    HTTP_H1_TUNNEL, /* what comes is another protocol's: CONTENT without an END */
    HTTP_H1_CLOSED, /* no further request is read: the last one said so, or was malformed */
};
struct http_h1 {
    union {
        struct http_body body;      /* HTTP_H1_BODY */
        struct http_head_scan scan; /* HTTP_H1_HEAD */
    };
    uint32_t taken; /* bytes of the body so far, framing included */
    uint8_t state;  /* enum http_h1_state */
};

enum http_h1_event {
    HTTP_H1_NEED,    /* more bytes */
    HTTP_H1_REQUEST, /* head is a new request; a body follows as CONTENT and END */
    HTTP_H1_CONTENT, /* a piece of the body */
    HTTP_H1_TRAILER, /* a piece of the field lines behind it */
    HTTP_H1_END,     /* the body is complete */
    HTTP_H1_BAD,     /* malformed: answer with *status, then close */
};

/* An all-zero http_h1 waits for its first request. Reads one event from bytes and says how many of
 * them are used up; bytes that are not must be given again, with what came since. Call it until it
 * returns NEED: an END may come from no bytes. content borrows from bytes. */
enum http_h1_event http_h1_read(struct http_h1 *h1, const struct http_head_limits *limits,
                                struct http_head *head, const uint8_t *bytes, size_t size,
                                size_t *used, struct keel_str *content, unsigned *status);
/* True while a head has begun but is not complete. */
static inline bool http_h1_in_head(const struct http_h1 *h1)
{
    return h1->state == HTTP_H1_HEAD && h1->scan.next > 0;
}
/* True when of a body only its END is to come, which takes no bytes. */
static inline bool http_h1_body_is_read(const struct http_h1 *h1)
{
    return h1->state == HTTP_H1_BODY && h1->body.kind == HTTP_BODY_LENGTH && h1->body.left == 0;
}
static inline void http_h1_tunnel(struct http_h1 *h1)
{
    h1->state = HTTP_H1_TUNNEL;
}
static inline void http_h1_close(struct http_h1 *h1)
{
    h1->state = HTTP_H1_CLOSED;
}

/* The pieces of a response, in order, but for a file: head with the Connection it needs and the
 * empty line, then the body. keep: the connection stays. Returns how many pieces. */
#define HTTP_H1_PIECES 3
unsigned http_h1_response(const struct http_head *head, const struct http_response *response,
                          bool keep, struct keel_str pieces[HTTP_H1_PIECES]);
/* The head of an answer whose body follows piece by piece, in chunks unless its length is known or
 * it has none. As above: returns how many pieces. */
unsigned http_h1_begin(const struct http_head *head, const struct http_response *response,
                       bool keep, bool chunked, struct keel_str pieces[HTTP_H1_PIECES]);
/* The line before a chunk of n bytes, n > 0; behind it comes "\r\n". Returns its size. */
#define HTTP_H1_CHUNK_LINE 20
size_t http_h1_chunk(char line[HTTP_H1_CHUNK_LINE], size_t n);

#endif
