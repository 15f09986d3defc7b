/*
 * The field lines of a response as nghttp2 wants them. Answers out of the cache of files have the
 * same lines again and again: those were split, put in lower case and copied once.
 */
#ifndef HTTPD_CONN_H2_FIELDS_H
#define HTTPD_CONN_H2_FIELDS_H

#include <nghttp2/nghttp2.h>

#include "common/base/str.h"

#define HTTP_H2_FIELDS_MAX 128 /* of a response; what is more is left out */
#define HTTP_H2_HEADS 64       /* that are remembered */

/* The fields of one head. nghttp2 gets the names and values without a copy of its own: held until
 * the frame left, or never will. */
struct http_h2_fields {
    uint32_t references;
    uint16_t status;
    uint16_t count;
    struct keel_str head; /* what they were made of */
    nghttp2_nv list[];    /* :status first */
};

/* An all-zero struct is one that remembers nothing. */
struct http_h2_heads {
    struct http_h2_fields *known[HTTP_H2_HEADS]; /* by where the head was, and then its text */
};
void http_h2_heads_fini(struct http_h2_heads *heads);

/* The fields of a head: its status, and the lines behind the first, without those that HTTP/2 has
 * its own means for (RFC 9113, 8.2.2). Returns a reference for the caller to release; NULL: no
 * memory. */
struct http_h2_fields *http_h2_fields_get(struct http_h2_heads *heads, unsigned status,
                                          struct keel_str head);
/* NULL is allowed. */
void http_h2_fields_release(struct http_h2_fields *fields);

/* Field lines as up to `most` fields, which borrow from the text and which nghttp2 copies. Returns
 * how many. */
size_t http_h2_fields_split(struct keel_str text, nghttp2_nv *fields, size_t most);

#endif
