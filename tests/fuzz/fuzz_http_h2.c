/*
 * The frames of an HTTP/2 client, behind its preface: requests are answered, everything else is
 * nghttp2's and ours to judge. They must give the same requests and the same bytes to send whole
 * and cut in two, and whatever a response holds must be let go. The first byte chooses the cut.
 */
#include <stdlib.h>

#include "common/base/err.h"
#include "httpd/conn/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct http_h2_limits limits = {
    .head = {.line = 512, .head = 2048, .fields = 32}, .streams = 8, .discard = 100};
static struct http_head head;

struct digest {
    uint64_t requests, refused, sent, closed, sum;
};

static void add(struct digest *d, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        d->sum = (d->sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static void add_span(struct digest *d, struct http_span span)
{
    KEEL_ASSERT((uint32_t)span.at + span.size <= head.size, "a span leaves the head");
    add(d, head.bytes + span.at, span.size);
}

static void add_head(struct digest *d)
{
    KEEL_ASSERT(head.major == 2 && head.count <= HTTP_FIELDS_MAX, "a head of HTTP/2");
    add_span(d, head.method_text);
    add_span(d, head.target);
    add_span(d, head.path);
    add_span(d, head.query);
    add_span(d, head.host);
    for (unsigned i = 0; i < head.count; i++) {
        add_span(d, head.fields[i].name);
        add_span(d, head.fields[i].value);
        const uint8_t *value = head.bytes + head.fields[i].value.at;
        KEEL_ASSERT(!memchr(value, '\n', head.fields[i].value.size), "a value ends its line");
    }
    add(d, &head.known, sizeof head.known);
    add(d, &head.body, sizeof head.body);
}

static unsigned held;

static void hold(void *owner)
{
    held++;
}
static void let_go(void *owner)
{
    held--;
}

static void send_all(struct http_h2 *h2, struct digest *d)
{
    const uint8_t *out;
    ssize_t n;
    while ((n = http_h2_send(h2, &out)) > 0) {
        add(d, out, (size_t)n);
        d->sent += (uint64_t)n;
    }
}

static void offer(struct http_h2 *h2, struct digest *d, const uint8_t *bytes, size_t size)
{
    static char body[20000];
    size_t at = 0, used;
    enum http_h2_event event;
    uint8_t *copy = malloc(size ? size : 1); /* exactly sized: the sanitizer sees a byte too far */
    if (size > 0)
        memcpy(copy, bytes, size);
    do {
        uint32_t stream = 0;
        unsigned status = 200;
        event = http_h2_read(h2, 1, &head, copy + at, size - at, &used, &stream, &status);
        KEEL_ASSERT(used <= size - at, "more used than given");
        at += used;
        if (event == HTTP_H2_REQUEST)
            add_head(d);
        if (event == HTTP_H2_REQUEST || event == HTTP_H2_BAD) {
            bool refused = event == HTTP_H2_BAD;
            d->requests += !refused;
            d->refused += refused;
            add(d, &status, sizeof status);
            http_h2_respond(
                h2, stream, &head,
                &(struct http_response){
                    .status = refused ? status : 200,
                    .head = KEEL_STR("HTTP/1.1 200 OK\r\nServer: x\r\nConnection: x\r\n"),
                    .body = {body, !refused && head.count % 2 ? sizeof body : 10},
                    .hold = refused ? NULL : hold,
                    .release = refused ? NULL : let_go});
        }
    } while (event == HTTP_H2_REQUEST || event == HTTP_H2_BAD);
    KEEL_ASSERT(at == size, "all bytes are used");
    free(copy);
}

/* Cut at `first`: nothing is sent before all came, so that both runs may say the same. */
static struct digest run(const uint8_t *bytes, size_t size, size_t first)
{
    struct http_h2_shared shared;
    struct http_h2 h2;
    struct digest d = {0};
    KEEL_ASSERT(http_h2_shared_init(&shared, &limits) == 0, "there is memory");
    KEEL_ASSERT(http_h2_init(&h2, &shared, 1) == 0, "there is memory");
    offer(&h2, &d, (const uint8_t *)"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    offer(&h2, &d, bytes, first);
    offer(&h2, &d, bytes + first, size - first);
    send_all(&h2, &d);
    d.closed = http_h2_is_done(&h2);
    KEEL_ASSERT(held <= h2.open, "a response is held by its stream");
    http_h2_fini(&h2);
    http_h2_shared_fini(&shared);
    KEEL_ASSERT(held == 0, "what was held is let go");
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2 || size > 16384) /* beyond, WINDOW_UPDATEs depend on the cuts */
        return 0;
    size_t cut = bytes[0] * (size - 1) / 256;
    struct digest whole = run(bytes + 1, size - 1, size - 1);
    struct digest parts = run(bytes + 1, size - 1, cut);
    /* which of two things that end a connection is seen first may depend on the cut */
    if (whole.closed && parts.closed)
        whole.sum = parts.sum = 0;
    KEEL_ASSERT(memcmp(&whole, &parts, sizeof whole) == 0, "cutting the bytes changed the answer");
    return 0;
}
