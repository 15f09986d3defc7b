/*
 * Header fields of a request: where they stand in the received bytes, and which known name each
 * one has, so that handlers ask by number and by bit mask instead of comparing text.
 */
#ifndef HTTPD_WIRE_FIELD_H
#define HTTPD_WIRE_FIELD_H

#include "common/base/str.h"

/* Known names, shortest first: the order is that of the table in field.c. */
enum http_field_id {
    HTTP_FIELD_OTHER,
    HTTP_FIELD_TE,
    HTTP_FIELD_HOST,
    HTTP_FIELD_RANGE,
    HTTP_FIELD_ACCEPT,
    HTTP_FIELD_COOKIE,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_REFERER,
    HTTP_FIELD_TRAILER,
    HTTP_FIELD_UPGRADE,
    HTTP_FIELD_IF_MATCH,
    HTTP_FIELD_IF_RANGE,
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_KEEP_ALIVE,
    HTTP_FIELD_USER_AGENT,
    HTTP_FIELD_CONTENT_TYPE,
    HTTP_FIELD_AUTHORIZATION,
    HTTP_FIELD_CACHE_CONTROL,
    HTTP_FIELD_IF_NONE_MATCH,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_HTTP2_SETTINGS,
    HTTP_FIELD_ACCEPT_ENCODING,
    HTTP_FIELD_ACCEPT_LANGUAGE,
    HTTP_FIELD_X_FORWARDED_FOR,
    HTTP_FIELD_PROXY_CONNECTION,
    HTTP_FIELD_CONTENT_ENCODING,
    HTTP_FIELD_IF_MODIFIED_SINCE,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_IF_UNMODIFIED_SINCE,
    HTTP_FIELD_COUNT
};
#define HTTP_FIELD_BIT(id) (UINT64_C(1) << (id))

/* A piece of the received bytes. */
struct http_span {
    uint16_t at, size;
};
struct http_field {
    struct http_span name, value; /* value without the blanks around it */
    uint16_t id;                  /* enum http_field_id */
};

/* The number of a name in any spelling of its letters. */
enum http_field_id http_field_find(const uint8_t *name, size_t size);
/* Its text in lower case; empty for HTTP_FIELD_OTHER. Static storage. */
struct keel_str http_field_name(enum http_field_id id);

#endif
