/*
 * The head of an HTTP/1 request: strict, because whatever two parsers can read in two ways is how
 * requests are smuggled. Any ambiguity is 400 (RFC 9112).
 *
 * Two steps, so that a slow sender costs no more than a fast one: `scan` looks for the end of the
 * head and remembers how far it looked; `parse` runs once, over the complete head.
 */
#ifndef HTTPD_WIRE_HEAD_H
#define HTTPD_WIRE_HEAD_H

#include "common/base/err.h"
#include "httpd/wire/field.h"

#define HTTP_FIELDS_MAX 128 /* most fields of any head */
#define HTTP_HEAD_MAX 65000 /* most bytes of any head: offsets are 16 bits */

/* Limits of one head, from the configuration. */
struct http_head_limits {
    uint32_t line;   /* request line or field line without CRLF: 414, 431 */
    uint32_t head;   /* all lines; <= HTTP_HEAD_MAX: 431 */
    uint32_t fields; /* <= HTTP_FIELDS_MAX: 431 */
};

enum http_method {
    HTTP_METHOD_OTHER, /* a well-formed token that is none of these */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
};
enum http_target_form {                        /* RFC 9112, 3.2 */
                        HTTP_TARGET_ORIGIN,    /* "/where?q=now" */
                        HTTP_TARGET_ABSOLUTE,  /* "http://www.example.org/pub" */
                        HTTP_TARGET_AUTHORITY, /* "www.example.com:80", CONNECT only */
                        HTTP_TARGET_ASTERISK,  /* "*", OPTIONS only */
};
enum http_body_kind {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
};

/* How far a head was looked through. All zero where a new head begins. */
struct http_head_scan {
    uint32_t next;    /* first byte not looked at */
    uint32_t line_at; /* where the current line begins */
    uint16_t lines;   /* complete lines that are not empty */
    uint16_t skip;    /* an empty line before the request line: 2 bytes, or 0 */
};

/* A parsed head. Spans are relative to `bytes` (borrows). */
struct http_head {
    const uint8_t *bytes;
    uint32_t size;           /* with the empty line */
    uint8_t method;          /* enum http_method */
    uint8_t form;            /* enum http_target_form */
    uint8_t major;           /* 1, or 2: then minor is 0 */
    uint8_t minor;           /* 0 or 1 of HTTP/1 */
    uint8_t body;            /* enum http_body_kind */
    bool keep_alive;         /* the client wants the connection to stay */
    bool expect_continue;    /* it waits for 100 before it sends the body */
    uint16_t count;          /* fields */
    uint64_t known;          /* HTTP_FIELD_BIT of each known name that is there */
    uint64_t content_length; /* of HTTP_BODY_LENGTH */
    struct http_span method_text, target;
    struct http_span path;  /* the target's path as it was sent, "/" at least; empty for
                               authority and asterisk form */
    struct http_span query; /* behind '?', without it */
    struct http_span host;  /* from an absolute target, else from Host; without port, may be
                               empty; brackets of an IPv6 literal included */
    uint16_t port;          /* 0: none given */
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* Looks for the end of the head that begins at bytes. Returns its size with the empty line, 0 when
 * more bytes are needed, or the negative status to answer with: -400, -414, -431. */
int http_head_scan(struct http_head_scan *scan, const struct http_head_limits *limits,
                   const uint8_t *bytes, size_t size);
/* Parses a complete head of `size` bytes as scan found it, behind scan->skip. Returns 0 or the
 * negative status: -400, -417, -431, -501, -505. head->minor and keep_alive are set in any case. */
int http_head_parse(struct http_head *head, const uint8_t *bytes, size_t size);
/* A head of which each part is known, and well-formed: tokens, a target of HTTP_CHAR_TARGET, values
 * of HTTP_CHAR_VALUE without blanks around them. */
struct http_head_parts {
    const uint8_t *bytes; /* the text that parse would read, and all spans are of */
    size_t size;
    struct http_span method, target;
    const struct http_field *fields;
    unsigned count;
};
/* What they mean together: does and returns what parse does, HTTP/1.1 being the version. */
int http_head_assemble(struct http_head *head, const struct http_head_parts *parts);

static inline struct keel_str http_span_str(const struct http_head *head, struct http_span span)
{
    return (struct keel_str){(const char *)head->bytes + span.at, span.size};
}
static inline bool http_head_has(const struct http_head *head, enum http_field_id id)
{
    return head->known & HTTP_FIELD_BIT(id);
}
/* The value of the first field of a known name; empty (p NULL) when there is none. */
struct keel_str http_head_value(const struct http_head *head, enum http_field_id id);
/* "host", "host:80", "[::1]:80" (RFC 3986, 3.2 without userinfo). port 0: none. 0 or KEEL_EINVAL.
 */
int http_authority_parse(struct keel_str text, struct keel_str *host, uint16_t *port);

#endif
