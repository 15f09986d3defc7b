#include "httpd/conn/h1.h"

#include <stdio.h>

static enum http_h1_event bad(struct http_h1 *h1, int err, unsigned *status)
{
    h1->state = HTTP_H1_CLOSED;
    *status = (unsigned)-err;
    return HTTP_H1_BAD;
}

static enum http_h1_event read_head(struct http_h1 *h1, const struct http_head_limits *limits,
                                    struct http_head *head, const uint8_t *bytes, size_t size,
                                    size_t *used, unsigned *status)
{
    if (size == 0)
        return HTTP_H1_NEED;
    /* what an answer to a head that cannot be read goes by */
    head->major = head->minor = 1;
    head->method = HTTP_METHOD_OTHER;
    head->keep_alive = false;
    int end = http_head_scan(&h1->scan, limits, bytes, size);
    if (end == 0)
        return HTTP_H1_NEED;
    if (end < 0)
        return bad(h1, end, status);
    unsigned skip = h1->scan.skip;
    int err = http_head_parse(head, bytes + skip, (size_t)end - skip);
    if (err < 0)
        return bad(h1, err, status);
    *used = (size_t)end;
    h1->scan = (struct http_head_scan){0};
    if (head->body != HTTP_BODY_NONE) {
        http_body_init(&h1->body, head->body, head->content_length);
        h1->body.trailers = true;
        h1->taken = 0;
        h1->state = HTTP_H1_BODY;
    }
    return HTTP_H1_REQUEST;
}

static enum http_h1_event read_body(struct http_h1 *h1, const uint8_t *bytes, size_t size,
                                    size_t *used, struct keel_str *content, unsigned *status)
{
    int done = http_body_read(&h1->body, bytes, size, used, content);
    if (done < 0)
        return bad(h1, -400, status);
    h1->taken = *used > UINT32_MAX - h1->taken ? UINT32_MAX : h1->taken + (uint32_t)*used;
    if (done == HTTP_BODY_TRAILER)
        return HTTP_H1_TRAILER;
    if (content->n > 0)
        return HTTP_H1_CONTENT; /* the end is told by the next call */
    if (!done)
        return HTTP_H1_NEED;
    h1->scan = (struct http_head_scan){0};
    h1->state = HTTP_H1_HEAD;
    return HTTP_H1_END;
}

enum http_h1_event http_h1_read(struct http_h1 *h1, const struct http_head_limits *limits,
                                struct http_head *head, const uint8_t *bytes, size_t size,
                                size_t *used, struct keel_str *content, unsigned *status)
{
    *used = 0;
    *content = (struct keel_str){NULL, 0};
    switch (h1->state) {
    case HTTP_H1_HEAD:
        return read_head(h1, limits, head, bytes, size, used, status);
    case HTTP_H1_BODY:
        return read_body(h1, bytes, size, used, content, status);
    case HTTP_H1_TUNNEL:
        *used = size;
        *content = (struct keel_str){(const char *)bytes, size};
        return size > 0 ? HTTP_H1_CONTENT : HTTP_H1_NEED;
    default:
        *used = size; /* whatever follows is dropped */
        return HTTP_H1_NEED;
    }
}

/* What stands between a response's head and its body. */
static struct keel_str framing(const struct http_head *head, bool keep, bool chunked)
{
    if (keep && head->minor == 1)
        return chunked ? KEEL_STR("Transfer-Encoding: chunked\r\n\r\n") : KEEL_STR("\r\n");
    if (keep)
        return KEEL_STR("Connection: keep-alive\r\n\r\n");
    return chunked ? KEEL_STR("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
                   : KEEL_STR("Connection: close\r\n\r\n");
}

unsigned http_h1_response(const struct http_head *head, const struct http_response *response,
                          bool keep, struct keel_str pieces[HTTP_H1_PIECES])
{
    pieces[0] = response->head;
    if (keep && head->minor == 1 && (response->joined || response->body.n == 0)) {
        pieces[0].n += 2 + response->body.n;
        return 1;
    }
    pieces[1] = framing(head, keep, false);
    pieces[2] = response->body;
    return response->body.n > 0 ? 3 : 2;
}

unsigned http_h1_begin(const struct http_head *head, const struct http_response *response,
                       bool keep, bool chunked, struct keel_str pieces[HTTP_H1_PIECES])
{
    pieces[0] = response->head;
    pieces[1] = framing(head, keep, chunked);
    return 2;
}

size_t http_h1_chunk(char line[HTTP_H1_CHUNK_LINE], size_t n)
{
    return (size_t)snprintf(line, HTTP_H1_CHUNK_LINE, "%zx\r\n", n);
}
