/*
 * Conditional requests (RFC 9110, 13): does a representation with this tag and date satisfy them?
 */
#ifndef HTTPD_REQUEST_CONDITION_H
#define HTTPD_REQUEST_CONDITION_H

#include "httpd/wire/head.h"

enum http_condition {
    HTTP_PROCEED,
    HTTP_NOT_MODIFIED, /* 304; only for GET and HEAD */
    HTTP_FAILED,       /* 412 */
};
/* The fields that make a request more than a plain one: when none is there, nothing to check. */
#define HTTP_CONDITIONAL_FIELDS                                                                    \
    (HTTP_FIELD_BIT(HTTP_FIELD_IF_MATCH) | HTTP_FIELD_BIT(HTTP_FIELD_IF_NONE_MATCH) |              \
     HTTP_FIELD_BIT(HTTP_FIELD_IF_MODIFIED_SINCE) |                                                \
     HTTP_FIELD_BIT(HTTP_FIELD_IF_UNMODIFIED_SINCE))

#define HTTP_NO_DATE INT64_MIN /* when it was modified is not known, or not told */

/* In the order of RFC 9110, 13.2.2. etag with its quotes, strong, or empty: there is none; times in
 * seconds since 1970. */
enum http_condition http_condition_check(const struct http_head *head, struct keel_str etag,
                                         int64_t modified, int64_t now);
/* May Range be followed (If-Range absent, or it names exactly this representation)? A date does so
 * only when it is a strong validator: RFC 9110, 8.8.2.2. */
bool http_condition_range(const struct http_head *head, struct keel_str etag, int64_t modified,
                          int64_t now);

#endif
