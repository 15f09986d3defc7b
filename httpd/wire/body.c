#include "httpd/wire/body.h"

#include "httpd/wire/chars.h"

enum chunk_state {
    CHUNK_SIZE,      /* the first digit of a chunk's size */
    CHUNK_SIZE_MORE, /* further digits */
    CHUNK_EXTENSION, /* ";name=value": read over */
    CHUNK_SIZE_LF,
    CHUNK_CONTENT,
    CHUNK_CONTENT_CR,
    CHUNK_CONTENT_LF,
    CHUNK_TRAILER, /* at the start of a trailer line */
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF, /* of the empty line that ends the body */
    CHUNK_DONE,
};

void http_body_init(struct http_body *body, enum http_body_kind kind, uint64_t length)
{
    *body = (struct http_body){.kind = (uint8_t)kind, .left = length};
}

/* One byte of a chunk's first line. */
static int size_line_byte(struct http_body *body, uint8_t c)
{
    int digit = keel_hex_digit(c);
    if (++body->line > HTTP_CHUNK_LINE_MAX)
        return KEEL_EPROTO;
    if (body->state == CHUNK_SIZE || body->state == CHUNK_SIZE_MORE) {
        if (digit >= 0) {
            if (body->left >> 56)
                return KEEL_EPROTO; /* no overflow, and no zeros without end either */
            body->left = body->left << 4 | (uint64_t)digit;
            body->state = CHUNK_SIZE_MORE;
            return body->line <= 16 ? 0 : KEEL_EPROTO;
        }
        if (body->state == CHUNK_SIZE)
            return KEEL_EPROTO;
        if (c == ';') {
            body->state = CHUNK_EXTENSION;
            return 0;
        }
    }
    if (c == '\r') {
        body->state = CHUNK_SIZE_LF;
        return 0;
    }
    return body->state == CHUNK_EXTENSION && http_is(c, HTTP_CHAR_VALUE) ? 0 : KEEL_EPROTO;
}

/* One byte of the trailer section: field lines as strict as in a head, but dropped. */
static int trailer_byte(struct http_body *body, uint8_t c)
{
    if (++body->line > HTTP_TRAILER_MAX)
        return KEEL_EPROTO;
    switch (body->state) {
    case CHUNK_TRAILER:
        if (c != '\r' && !http_is(c, HTTP_CHAR_TOKEN))
            return KEEL_EPROTO;
        body->state = c == '\r' ? CHUNK_LAST_LF : CHUNK_TRAILER_NAME;
        return 0;
    case CHUNK_TRAILER_NAME:
        if (c == ':')
            body->state = CHUNK_TRAILER_VALUE;
        return c == ':' || http_is(c, HTTP_CHAR_TOKEN) ? 0 : KEEL_EPROTO;
    case CHUNK_TRAILER_VALUE:
        if (c == '\r')
            body->state = CHUNK_TRAILER_LF;
        return c == '\r' || http_is(c, HTTP_CHAR_VALUE) ? 0 : KEEL_EPROTO;
    case CHUNK_TRAILER_LF:
        body->state = CHUNK_TRAILER;
        return c == '\n' ? 0 : KEEL_EPROTO;
    default:
        body->state = CHUNK_DONE;
        return c == '\n' ? 0 : KEEL_EPROTO;
    }
}

/* One byte of the framing around the content. */
static int framing_byte(struct http_body *body, uint8_t c)
{
    switch (body->state) {
    case CHUNK_SIZE:
    case CHUNK_SIZE_MORE:
    case CHUNK_EXTENSION:
        return size_line_byte(body, c);
    case CHUNK_SIZE_LF:
        body->state = body->left > 0 ? CHUNK_CONTENT : CHUNK_TRAILER;
        body->line = 0;
        return c == '\n' ? 0 : KEEL_EPROTO;
    case CHUNK_CONTENT_CR:
        body->state = CHUNK_CONTENT_LF;
        return c == '\r' ? 0 : KEEL_EPROTO;
    case CHUNK_CONTENT_LF:
        body->state = CHUNK_SIZE;
        return c == '\n' ? 0 : KEEL_EPROTO;
    default:
        return trailer_byte(body, c);
    }
}

static void take_content(struct http_body *body, const uint8_t *bytes, size_t size, size_t *used,
                         struct keel_str *content)
{
    size_t n = size - *used < body->left ? size - *used : (size_t)body->left;
    *content = (struct keel_str){(const char *)bytes + *used, n};
    *used += n;
    body->left -= n;
}

static bool in_trailer(const struct http_body *body)
{
    return body->state >= CHUNK_TRAILER && body->state <= CHUNK_TRAILER_LF;
}

/* A piece of the trailer section; empty when what comes is the line that ends it. */
static int take_trailer(struct http_body *body, const uint8_t *bytes, size_t size, size_t *used,
                        struct keel_str *piece)
{
    size_t from = *used;
    while (*used < size && in_trailer(body)) {
        int err = trailer_byte(body, bytes[(*used)++]);
        if (err != 0)
            return err;
    }
    *piece = (struct keel_str){(const char *)bytes + from,
                               *used - from - (body->state == CHUNK_LAST_LF)};
    return 0;
}

int http_body_read(struct http_body *body, const uint8_t *bytes, size_t size, size_t *used,
                   struct keel_str *content)
{
    *used = 0;
    *content = (struct keel_str){NULL, 0};
    if (body->kind != HTTP_BODY_CHUNKED) {
        take_content(body, bytes, size, used, content);
        return body->left == 0;
    }
    while (*used < size && body->state != CHUNK_DONE) {
        if (body->state == CHUNK_CONTENT) {
            take_content(body, bytes, size, used, content);
            if (body->left == 0)
                body->state = CHUNK_CONTENT_CR;
            return 0;
        }
        if (body->trailers && in_trailer(body)) {
            int err = take_trailer(body, bytes, size, used, content);
            if (err != 0 || content->n > 0)
                return err ? err : HTTP_BODY_TRAILER;
            continue;
        }
        int err = framing_byte(body, bytes[(*used)++]);
        if (err != 0)
            return err;
    }
    return body->state == CHUNK_DONE;
}
