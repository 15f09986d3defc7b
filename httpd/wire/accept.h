/*
 * Content codings, and which of them a client takes (RFC 9110, 12.5.3).
 */
#ifndef HTTPD_WIRE_ACCEPT_H
#define HTTPD_WIRE_ACCEPT_H

#include "common/base/err.h"
#include "httpd/wire/head.h"

enum http_coding {
    HTTP_GZIP,
    HTTP_BR,
    HTTP_ZSTD,
    HTTP_CODING_COUNT,
    HTTP_IDENTITY = HTTP_CODING_COUNT
};
/* "gzip"; and the end of the name of a file that has it, ".gz". */
const char *http_coding_name(enum http_coding coding);
const char *http_coding_suffix(enum http_coding coding);

/* Weights in thousandths; 0: not acceptable. */
struct http_accept {
    uint16_t weight[HTTP_CODING_COUNT + 1]; /* by enum http_coding, identity last */
    bool identity_named;                    /* its weight was given, and counts as a wish */
};
/* Reads all Accept-Encoding fields of a head. Without one, or when any is malformed, only identity
 * is acceptable. */
void http_accept_read(struct http_accept *accept, const struct http_head *head);
/* One field's value into accept, which was all zero before the first. 0 or KEEL_EINVAL. */
struct http_accept_list {
    uint16_t weight[HTTP_CODING_COUNT + 1], any;
    uint8_t named; /* 1 << coding; 1 << (HTTP_CODING_COUNT + 1): "*" */
};
int http_accept_parse(struct http_accept_list *list, struct keel_str value);

/* A qvalue (RFC 9110, 12.4.2): thousandths, or KEEL_EINVAL. */
int http_qvalue_parse(struct keel_str text);
/* The weight that the Accept fields give a media type; 1000 without any. type in lower case. */
unsigned http_accept_type(const struct http_head *head, struct keel_str type);

#endif
