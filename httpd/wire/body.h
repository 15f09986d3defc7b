/*
 * The body of an HTTP/1 message: by length, or in chunks (RFC 9112, 6 and 7). Bytes in, content
 * out, in place; nothing is kept but a few numbers.
 */
#ifndef HTTPD_WIRE_BODY_H
#define HTTPD_WIRE_BODY_H

#include "common/base/err.h"
#include "httpd/wire/head.h"

#define HTTP_CHUNK_LINE_MAX 1024 /* a chunk's size with its extensions */
#define HTTP_TRAILER_MAX 8192    /* the trailer section */

struct http_body {
    uint64_t left; /* content bytes still to come, of the body or the chunk */
    uint16_t line; /* bytes of the chunk line, or of the trailer section */
    uint8_t kind;  /* enum http_body_kind */
    uint8_t state; /* of the chunk decoder */
    bool trailers; /* they are wanted */
};
#define HTTP_BODY_TRAILER 2

void http_body_init(struct http_body *body, enum http_body_kind kind, uint64_t length);
/* Takes *used of size bytes and gives at most one piece of content (borrows from bytes; n 0: none).
 * Returns 1 when the body is complete, 0 when it goes on (call again while bytes are left), or
 * KEEL_EPROTO: answer 400 and close. With body->trailers: HTTP_BODY_TRAILER when the piece is of
 * the trailer section instead, whose field lines have their CRLF. */
int http_body_read(struct http_body *body, const uint8_t *bytes, size_t size, size_t *used,
                   struct keel_str *content);

#endif
