/*
 * Content in chunks, beside a second reader that is written for nothing but to be plain: both take
 * the same bytes for content, find the same end, and refuse the same. Cut in two, and byte by byte.
 */
#include <stdlib.h>

#include "common/base/err.h"
#include "httpd/wire/body.h"
#include "httpd/wire/chars.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { NEED = 0, DONE = 1, BAD = -1 };

struct outcome { /* without padding: compared as bytes */
    int64_t state;
    size_t used;       /* DONE: bytes of the body */
    size_t content;    /* bytes of content */
    uint64_t sum;      /* of these */
    uint64_t trailers; /* DONE: the sum of the trailer section's lines */
};

static void add(uint64_t *sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        *sum = (*sum ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void add_content(struct outcome *o, const uint8_t *bytes, size_t size)
{
    add(&o->sum, bytes, size);
    o->content += size;
}

/* The line that begins at *at, without its CRLF: DONE; NEED: its end is not there (complete: but
 * for the LF); BAD: it is longer than `most`, or has a CR or LF where none belongs. */
static int take_line(const uint8_t *bytes, size_t size, size_t *at, size_t most,
                     struct keel_str *line, bool *complete)
{
    *complete = false;
    for (size_t i = *at; i < size; i++) {
        if (i - *at >= most)
            return BAD;
        if (bytes[i] == '\n')
            return BAD;
        if (bytes[i] != '\r')
            continue;
        *line = (struct keel_str){(const char *)bytes + *at, i - *at};
        *complete = true;
        if (i + 1 == size)
            return NEED;
        if (bytes[i + 1] != '\n')
            return BAD;
        *at = i + 2;
        return DONE;
    }
    *line = (struct keel_str){(const char *)bytes + *at, size - *at};
    return NEED;
}

/* 1*15HEXDIG behind zeros, 16 in all, then nothing or ";" and what may stand in a value. complete:
 * the line is all there; else its beginning is looked at. */
static bool read_size(struct keel_str line, bool complete, uint64_t *out)
{
    size_t i = 0;
    *out = 0;
    for (; i < line.n && keel_hex_digit((uint8_t)line.p[i]) >= 0; i++) {
        if (i == 16 || *out >> 56)
            return false;
        *out = *out * 16 + (uint64_t)keel_hex_digit((uint8_t)line.p[i]);
    }
    if (i == line.n)
        return i > 0 || !complete;
    if (i == 0 || line.p[i] != ';')
        return false;
    for (; i < line.n; i++)
        if (!http_is((uint8_t)line.p[i], HTTP_CHAR_VALUE))
            return false;
    return true;
}

static bool read_trailer(struct keel_str line, bool complete)
{
    size_t i = 0;
    while (i < line.n && http_is((uint8_t)line.p[i], HTTP_CHAR_TOKEN))
        i++;
    if (i == line.n)
        return !complete;
    if (i == 0 || line.p[i] != ':')
        return false;
    for (i++; i < line.n; i++)
        if (!http_is((uint8_t)line.p[i], HTTP_CHAR_VALUE))
            return false;
    return true;
}

static struct outcome read_plainly(const uint8_t *bytes, size_t size)
{
    struct outcome o = {NEED, 0, 0, 0, 0};
    struct keel_str line = {NULL, 0};
    size_t at = 0;
    uint64_t length = 1;
    bool complete;
    while (length > 0) {
        int got = take_line(bytes, size, &at, HTTP_CHUNK_LINE_MAX, &line, &complete);
        if (got == BAD || !read_size(line, complete, &length)) {
            o.state = BAD;
            return o;
        }
        if (got == NEED)
            return o;
        size_t n = length < size - at ? (size_t)length : size - at;
        if (length == 0)
            break;
        add_content(&o, bytes + at, n);
        at += n;
        for (const char *p = "\r\n"; *p; p++, at++) {
            if (at >= size)
                return o;
            if (bytes[at] != (uint8_t)*p) {
                o.state = BAD;
                return o;
            }
        }
    }
    size_t begin = at;
    do {
        int got = take_line(bytes, size, &at, HTTP_TRAILER_MAX - (at - begin), &line, &complete);
        if (got == BAD || (line.n > 0 && !read_trailer(line, complete)) ||
            at - begin > HTTP_TRAILER_MAX)
            o.state = BAD;
        if (got != DONE || o.state == BAD)
            return o;
    } while (line.n > 0);
    o.state = DONE;
    o.used = at;
    add(&o.trailers, bytes + begin, at - begin - 2);
    return o;
}

/* In parts of `first` bytes and then `step` each. */
static struct outcome read_in_parts(const uint8_t *bytes, size_t size, size_t first, size_t step)
{
    struct outcome o = {NEED, 0, 0, 0, 0};
    struct http_body body;
    http_body_init(&body, HTTP_BODY_CHUNKED, 0);
    body.trailers = true;
    for (size_t at = 0, end = first; o.state == NEED;) {
        size_t n = end - at, used;
        uint8_t *copy = malloc(n > 0 ? n : 1); /* of just that size, for the sanitizers */
        struct keel_str content;
        if (n > 0)
            memcpy(copy, bytes + at, n);
        int done = http_body_read(&body, copy, n, &used, &content);
        KEEL_ASSERT(used <= n, "more used than given");
        at += used;
        if (done == HTTP_BODY_TRAILER)
            add(&o.trailers, (const uint8_t *)content.p, content.n);
        else if (done >= 0)
            add_content(&o, (const uint8_t *)content.p, content.n);
        o.state = done < 0 ? BAD : done == 1 ? DONE : NEED;
        o.used = o.state == DONE ? at : 0;
        free(copy);
        if (o.state == NEED && content.n == 0) {
            if (end == size)
                break;
            end = size - end < step ? size : end + step;
        }
    }
    if (o.state != DONE)
        o.trailers = 0; /* how much came before a fault depends on the cuts */
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2 || size > 65536)
        return 0;
    size_t cut = bytes[0] * (size - 1) / 255;
    bytes++;
    size--;
    struct outcome plain = read_plainly(bytes, size);
    struct outcome whole = read_in_parts(bytes, size, size, size);
    struct outcome parts = read_in_parts(bytes, size, cut, size);
    struct outcome trickle = read_in_parts(bytes, size, 0, 1);
    KEEL_ASSERT(memcmp(&whole, &parts, sizeof whole) == 0, "a cut changed what the bytes mean");
    KEEL_ASSERT(memcmp(&whole, &trickle, sizeof whole) == 0, "single bytes mean something else");
    KEEL_ASSERT(whole.state == plain.state, "the two readers differ in what they refuse");
    KEEL_ASSERT(whole.used == plain.used && whole.content == plain.content &&
                    whole.sum == plain.sum && whole.trailers == plain.trailers,
                "the two readers differ in the content");
    return 0;
}
