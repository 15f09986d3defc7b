/*
 * An HTTP/1 connection's bytes: heads and bodies. They must give the same events whole and cut in
 * two, and every span of a parsed head must lie within it. The first byte chooses the cut.
 */
#include <stdlib.h>

#include "common/base/err.h"
#include "httpd/conn/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct http_head_limits limits = {.line = 512, .head = 4096, .fields = 32};

/* What happened, folded into numbers, so that two runs can be compared. */
struct digest {
    uint64_t requests, ends, content, status, sum;
};

static void add(struct digest *d, uint64_t value)
{
    d->sum = (d->sum ^ value) * UINT64_C(0x100000001b3);
}

static void check_span(const struct http_head *head, struct http_span span)
{
    KEEL_ASSERT((uint32_t)span.at + span.size <= head->size, "a span leaves the head");
}

static void check_head(struct digest *d, const struct http_head *head)
{
    check_span(head, head->target);
    check_span(head, head->path);
    check_span(head, head->query);
    check_span(head, head->host);
    KEEL_ASSERT(head->count <= HTTP_FIELDS_MAX, "too many fields");
    for (unsigned i = 0; i < head->count; i++) {
        check_span(head, head->fields[i].name);
        check_span(head, head->fields[i].value);
        add(d, head->fields[i].id);
        add(d, head->fields[i].value.size);
    }
    add(d, head->known);
    add(d, head->content_length);
    add(d, (uint64_t)head->keep_alive << 8 | head->body);
}

static size_t offer(struct http_h1 *h1, struct digest *d, const uint8_t *bytes, size_t size)
{
    static struct http_head head;
    size_t at = 0, used;
    enum http_h1_event event;
    uint8_t *copy = malloc(size ? size : 1); /* exactly sized: the sanitizer sees a byte too far */
    if (size > 0)
        memcpy(copy, bytes, size);
    do {
        struct keel_str content;
        unsigned status = 0;
        event = http_h1_read(h1, &limits, &head, copy + at, size - at, &used, &content, &status);
        KEEL_ASSERT(used <= size - at, "more used than given");
        at += used;
        if (event == HTTP_H1_TRAILER)
            content.n = 0; /* lines before a bad one are told when they come by themselves */
        d->content += content.n;
        for (size_t i = 0; i < content.n; i++)
            add(d, (uint8_t)content.p[i]);
        d->status += status;
        d->ends += event == HTTP_H1_END;
        d->requests += event == HTTP_H1_REQUEST;
        if (event == HTTP_H1_REQUEST)
            check_head(d, &head);
    } while (event != HTTP_H1_NEED);
    free(copy);
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    size_t cut = bytes[0] * (size - 1) / 256;
    bytes++;
    size--;
    struct http_h1 whole = {0}, parts = {0};
    struct digest a = {0}, b = {0};
    offer(&whole, &a, bytes, size);
    size_t at = offer(&parts, &b, bytes, cut);
    offer(&parts, &b, bytes + at, size - at);
    KEEL_ASSERT(memcmp(&a, &b, sizeof a) == 0, "cutting the bytes changed what they mean");
    KEEL_ASSERT(whole.state == parts.state, "cutting the bytes changed the state");
    return 0;
}
