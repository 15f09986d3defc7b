/*
 * The head of an HTTP/2 request, from its decoded fields (RFC 9113, 8.3).
 *
 * An extended CONNECT (RFC 8441) becomes what asks for the same on HTTP/1.1, a request with
 * Upgrade; its method is HTTP_CONNECT all the same.
 *
 * The fields are put as the text of an HTTP/1.1 head, with the parts of it remembered, and mean
 * what that text would (wire/head.h): so a request means the same whichever way it came, and what
 * HTTP/1.1 cannot say unambiguously is refused here too.
 */
#ifndef HTTPD_CONN_H2_HEAD_H
#define HTTPD_CONN_H2_HEAD_H

#include "common/base/buf.h"
#include "httpd/wire/head.h"

/* A head under way. All-zero: no memory yet. */
struct http_h2_head {
    struct keel_buf text; /* values of the pseudo fields, then from `start` on the HTTP/1.1 head */
    struct keel_buf cookies; /* the crumbs of Cookie, joined: RFC 9113, 8.2.3 */
    struct keel_buf lines;   /* of struct http_field: what is in the text, from `start` on */
    struct http_span method, scheme, authority, path, protocol; /* in text */
    struct http_span line_method, line_target;                  /* in the request line */
    uint32_t start;                                             /* 0: no request line yet */
    uint32_t received; /* RFC 9113, 10.5.1: name, value and 32 */
    uint16_t fields;
    int16_t status; /* the first error, negative; 0: none */
};

/* Starts a new one in the memory of the one before. */
void http_h2_head_begin(struct http_h2_head *head);
void http_h2_head_fini(struct http_h2_head *head);
/* One field, in the order of the field section; pseudo fields come first. A field too many or too
 * long is dropped and remembered. 0, or KEEL_ELIMIT when the sender goes on and on. */
int http_h2_head_add(struct http_h2_head *head, const struct http_head_limits *limits,
                     struct keel_str name, struct keel_str value);
/* The end of the field section. Fills *out, which borrows from head until the next begin; has_body:
 * the stream goes on. 0, or the negative status to answer with: -400, -414, -417, -431, -503. */
int http_h2_head_finish(struct http_h2_head *head, const struct http_head_limits *limits,
                        struct http_head *out, bool has_body);

#endif
