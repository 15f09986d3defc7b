/*
 * What the files of an HTTP/2 connection share: its streams. Not for anybody else.
 *
 *   h2.c         the connection: its life, bytes in, bytes out, its end
 *   h2_session.c what nghttp2 tells of the frames that came and left
 *   h2_stream.c  streams, and the bodies of requests
 *   h2_respond.c responses of handlers
 *   h2_source.c  the bodies of responses, a frame at a time
 */
#ifndef HTTPD_CONN_H2_PRIVATE_H
#define HTTPD_CONN_H2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include "common/base/err.h"
#include "httpd/conn/h2.h"

/* Of bodies of requests, in all streams together, that no handler wants yet: what comes beyond that
 * keeps the connection's window shut, too. */
#define HTTP_H2_INPUT_MAX (512 * 1024)
/* Of what a handler wrote, and waits for the client's window. */
#define HTTP_H2_OUTPUT_HIGH (256 * 1024)
#define HTTP_H2_OUTPUT_LOW (64 * 1024)

struct http_h2_stream {
    struct keel_list node; /* in h2->streams */
    struct keel_list body; /* in h2->bodies while the request's body is coming */
    struct http_h2 *h2;
    struct http_exchange *x; /* kept by a handler */
    int32_t id;
    bool begun;             /* a response was given */
    bool sending;           /* some of it waits to leave */
    bool answered;          /* its end left */
    bool unwanted;          /* the rest of the request's body: its window is not opened any more */
    bool reset_after;       /* it took too long: reset behind the answer */
    uint8_t rest;           /* enum http_h2_rest */
    bool ended;             /* the request is complete */
    bool feeding;           /* http_h2_feed runs */
    bool piecewise;         /* the response is written by a handler, to `output` */
    bool complete;          /* all of it was */
    bool full;              /* the handler was told to stop */
    bool cut;               /* we reset it */
    uint64_t since_ns;      /* when it began */
    uint64_t taken;         /* bytes of the request's body */
    struct keel_buf input;  /* of it, until the handler wants it: its window stays closed */
    struct keel_buf output; /* of the response */
    struct keel_list drain; /* in h2->drained */
    char *trailers;         /* behind it; heap */
    struct http_h2_fields *fields; /* of its head: nghttp2 has no copy */
    /* what is left of the response's body */
    const char *bytes; /* in memory; NULL: in the file */
    int file;
    uint64_t at, left;
    void (*release)(void *owner);
    void *owner;
    /* of a file that is not in memory */
    struct keel_list want; /* in h2->wants */
    char *given;           /* what a thread read of it; heap */
    uint64_t given_at;
    size_t given_size;
    bool lost; /* it could not */
};

/* What becomes of the rest of a request's body that is unwanted, once the answer has left. A client
 * must not lose the answer by the reset (RFC 9113, 8.1), but curl 7.88 does when it finds both at
 * once: so the reset follows when the answer to a ping shows that the client has seen all. */
enum http_h2_rest {
    HTTP_H2_REST_COMES,
    HTTP_H2_REST_WAITS, /* for the next ping */
    HTTP_H2_REST_ASKED, /* the ping is under way */
};

enum { /* http_h2.drain */
       DRAIN_NOT,
       DRAIN_TOLD, /* GOAWAY for no stream in particular, and a ping behind it */
       DRAIN_LAST, /* GOAWAY with the last stream */
};
/* The contents of the pings. */
#define HTTP_H2_DRAIN_PING "draining"
#define HTTP_H2_REST_PING "answered"

/* --- h2_stream.c --- */

/* NULL: there is none (any more). */
struct http_h2_stream *http_h2_find(const struct http_h2 *h2, int32_t id);
/* The body of its request is to come. NULL: no memory. */
struct http_h2_stream *http_h2_stream_new(struct http_h2 *h2, int32_t id);
/* A handler that keeps its exchange is told. */
void http_h2_stream_free(struct http_h2_stream *stream);
/* What the response's body was borrowed from is not needed any more. */
void http_h2_stream_release(struct http_h2_stream *stream);
void http_h2_stream_set_sending(struct http_h2_stream *stream, bool sending);
/* A piece of a body for a handler: told, or kept until it is wanted. 0 or an error of nghttp2. */
int http_h2_take_content(struct http_h2_stream *stream, const uint8_t *bytes, size_t n);
void http_h2_request_ended(struct http_h2_stream *stream);
/* The request's body did not end in time: what is sent is the last that the stream hears. */
void http_h2_expire_body(struct http_h2_stream *stream);
/* Something was found out about it: if it is answered, and its rest unwanted, it is reset soon. */
void http_h2_end_rest(struct http_h2_stream *stream);
/* The client answered the ping. */
void http_h2_rest_asked(struct http_h2 *h2);
/* Is the rest of a request's body, of which nobody reads anything, worth the wait? */
bool http_h2_is_unwanted(const struct http_h2_stream *stream, const struct http_head *head);

/* --- h2_session.c --- */

void http_h2_set_callbacks(struct nghttp2_session_callbacks *c);

/* --- h2_source.c: callbacks of nghttp2, whose source is the stream --- */

/* Where a response's body comes from. 0 or KEEL_ENOMEM. */
int http_h2_set_body(struct http_h2_stream *stream, const struct http_response *response);
/* A slice of it, into the frame. */
ssize_t http_h2_read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                          uint32_t *flags, nghttp2_data_source *source, void *arg);
/* A slice of what a handler wrote. */
ssize_t http_h2_read_output(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                            uint32_t *flags, nghttp2_data_source *source, void *arg);

#endif
