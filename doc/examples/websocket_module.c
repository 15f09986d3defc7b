/*
 * A module for httpd: a WebSocket (RFC 6455) that sends each message back.
 *
 *     cc -shared -fPIC websocket_module.c -o websocket_module.so $(pkg-config --cflags libkeel)
 *
 *     module "websocket" { file = "websocket_module.so" }
 *     site "example.org" {
 *       location "/echo" { handler = "websocket"  argument = "30s" }
 *     }
 *
 * It works over HTTP/1.1 (Upgrade) and HTTP/2 (RFC 8441) alike. The argument says after how long a
 * silent client is pinged; one that is silent as long again is closed. Requests that ask for no
 * WebSocket go to the site's files.
 */
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/runtime/timer.h"
#include "httpd/request/handler.h"

#define MESSAGE_MAX ((size_t)4 << 20)
#define CONTROL_MAX 125 /* RFC 6455, 5.5 */
#define HEAD_MAX 14

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };
enum { PROTOCOL_ERROR = 1002, NOT_UTF8 = 1007, TOO_BIG = 1009, SERVER_ERROR = 1011 };

struct websocket {
    struct http_exchange *x;
    struct keel_timer timer; /* for a silent client */
    bool heard;              /* something, since the timer fired last */
    bool pinged;
    uint8_t kind;            /* of the message under way: TEXT or BINARY; 0: none is */
    struct keel_buf message; /* of which this has come */
    /* the frame under way */
    uint8_t head[HEAD_MAX];
    unsigned head_size;
    bool in_payload;
    uint64_t left, at; /* of its payload */
    uint8_t control[CONTROL_MAX];
};

static void websocket_free(struct websocket *ws)
{
    keel_timer_stop(&ws->timer);
    keel_buf_fini(&ws->message);
    keel_free(ws);
}

/* --- sending --- */

/* False: it is over, and ws belongs to on_gone. What is written too fast stops what is read, so
 * that a client which does not read is not read from. */
static bool send_frame(struct websocket *ws, unsigned kind, const void *payload, size_t n)
{
    uint8_t head[10] = {(uint8_t)(FIN | kind)}; /* servers do not mask */
    unsigned size = 2, length = n < 126 ? 0 : n < 65536 ? 2 : 8;
    head[1] = (uint8_t)(length == 0 ? n : length == 2 ? 126 : 127);
    while (length-- > 0)
        head[size++] = (uint8_t)((uint64_t)n >> (8 * length));
    int err = http_exchange_write(ws->x, head, size);
    if (n > 0 && (err == 0 || err == KEEL_EAGAIN))
        err = http_exchange_write(ws->x, payload, n);
    if (err == KEEL_EAGAIN)
        http_exchange_pause(ws->x);
    return err == 0 || err == KEEL_EAGAIN;
}

/* The last frame, and the end of both (RFC 6455, 7.1.1). Always false: ws is gone. */
static bool finish(struct websocket *ws, const uint8_t *payload, size_t n)
{
    struct http_exchange *x = ws->x;
    if (send_frame(ws, CLOSE, payload, n) && http_exchange_end(x, KEEL_STR("")) == 0)
        websocket_free(ws);
    return false;
}

static bool fail(struct websocket *ws, unsigned code)
{
    const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    return finish(ws, payload, sizeof payload);
}

/* --- receiving: each function says false when ws must not be touched any more --- */

static bool is_utf8(const uint8_t *p, size_t n)
{
    size_t length;
    for (size_t at = 0; at < n; at += length) {
        length = keel_utf8_length(p + at, n - at);
        if (length == 0)
            return false;
    }
    return true;
}

/* RFC 6455, 7.4: codes that stand for the want of one do not go on the wire. */
static bool is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static bool take_close(struct websocket *ws, size_t n)
{
    const uint8_t *p = ws->control;
    if (n == 1 || (n >= 2 && !is_close_code((unsigned)(p[0] << 8 | p[1]))))
        return fail(ws, PROTOCOL_ERROR);
    if (n > 2 && !is_utf8(p + 2, n - 2))
        return fail(ws, NOT_UTF8);
    return finish(ws, p, n < 2 ? 0 : 2);
}

static bool take_message(struct websocket *ws)
{
    const uint8_t *bytes = keel_buf_bytes(&ws->message);
    size_t n = keel_buf_size(&ws->message);
    uint8_t kind = ws->kind;
    if (kind == TEXT && !is_utf8(bytes, n))
        return fail(ws, NOT_UTF8);
    if (!send_frame(ws, kind, bytes, n))
        return false;
    ws->kind = 0;
    keel_buf_fini(&ws->message);
    return true;
}

static bool end_frame(struct websocket *ws)
{
    ws->head_size = 0;
    ws->in_payload = false;
    switch (ws->head[0] & 15) {
    case CLOSE:
        return take_close(ws, ws->at);
    case PING:
        return send_frame(ws, PONG, ws->control, ws->at);
    case PONG:
        return true;
    default:
        return ws->head[0] & FIN ? take_message(ws) : true;
    }
}

/* How long the head is, as far as it has come; one without a mask is wrong, whatever follows. */
static unsigned head_length(const struct websocket *ws)
{
    if (ws->head_size < 2 || !(ws->head[1] & 0x80))
        return 2;
    unsigned length = ws->head[1] & 127;
    return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
}

/* RFC 6455, 5.2 to 5.5: what a frame may be, here and now. */
static bool end_head(struct websocket *ws)
{
    unsigned opcode = ws->head[0] & 15;
    if (!(ws->head[1] & 0x80))
        return fail(ws, PROTOCOL_ERROR);
    unsigned size = head_length(ws) - 4;
    bool control = opcode >= CLOSE, first = opcode == TEXT || opcode == BINARY;
    ws->left = ws->head[1] & 127;
    if (size > 2) {
        ws->left = 0;
        for (unsigned i = 2; i < size; i++)
            ws->left = ws->left << 8 | ws->head[i];
        if (ws->left < (size == 4 ? 126 : 65536) || ws->left >> 63)
            return fail(ws, PROTOCOL_ERROR); /* not the shortest form */
    }
    bool known = first || opcode == CONTINUATION || (control && opcode <= PONG);
    bool due = control || first == (ws->kind == 0);
    if (!known || !due || ws->head[0] & 0x70 ||
        (control && (ws->left > CONTROL_MAX || !(ws->head[0] & FIN))))
        return fail(ws, PROTOCOL_ERROR);
    if (!control && ws->left > MESSAGE_MAX - keel_buf_size(&ws->message))
        return fail(ws, TOO_BIG);
    if (first)
        ws->kind = (uint8_t)opcode;
    ws->at = 0;
    ws->in_payload = true;
    return ws->left > 0 || end_frame(ws);
}

static bool take_payload(struct websocket *ws, const uint8_t *bytes, size_t n)
{
    const uint8_t *mask = ws->head + head_length(ws) - 4;
    bool control = (ws->head[0] & 15) >= CLOSE;
    uint8_t *to = control ? ws->control + ws->at : keel_buf_reserve(&ws->message, n);
    if (!to)
        return fail(ws, SERVER_ERROR);
    for (size_t i = 0; i < n; i++)
        to[i] = bytes[i] ^ mask[(ws->at + i) & 3];
    if (!control)
        keel_buf_commit(&ws->message, n);
    ws->at += n;
    ws->left -= n;
    return ws->left > 0 || end_frame(ws);
}

static void on_content(struct http_exchange *x, const void *content, size_t n)
{
    struct websocket *ws = x->state;
    const uint8_t *bytes = content, *end = bytes + n;
    bool open = true;
    if (n == 0) { /* gone without a close frame */
        if (http_exchange_end(x, KEEL_STR("")) == 0)
            websocket_free(ws);
        return;
    }
    ws->heard = true;
    while (open && bytes < end) {
        if (!ws->in_payload) {
            ws->head[ws->head_size++] = *bytes++;
            if (ws->head_size >= 2 && ws->head_size == head_length(ws))
                open = end_head(ws);
        } else {
            size_t part = (size_t)(end - bytes);
            part = part < ws->left ? part : (size_t)ws->left;
            open = take_payload(ws, bytes, part);
            bytes += part;
        }
    }
}

static void on_drained(struct http_exchange *x)
{
    struct websocket *ws = x->state;
    ws->heard = true; /* it reads, at least */
    http_exchange_resume(x);
}

static void on_gone(struct http_exchange *x)
{
    websocket_free(x->state);
}

static void on_timer(struct keel_timer *timer)
{
    struct websocket *ws = KEEL_CONTAINER(timer, struct websocket, timer);
    if (ws->pinged && !ws->heard) {
        fail(ws, SERVER_ERROR);
        return;
    }
    ws->pinged = !ws->heard;
    ws->heard = false;
    if (ws->pinged)
        send_frame(ws, PING, NULL, 0);
}

/* --- the opening --- */

static struct keel_str field(const struct http_head *head, struct keel_str name)
{
    for (unsigned i = 0; i < head->count; i++)
        if (keel_str_equal_nocase(http_span_str(head, head->fields[i].name), name))
            return http_span_str(head, head->fields[i].value);
    return (struct keel_str){NULL, 0};
}

/* What proves to a client of HTTP/1.1 that this is no mistake; empty on HTTP/2, and without a key.
 */
static struct keel_str accept_line(struct http_exchange *x)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
    struct keel_str key = field(&x->request.head, KEEL_STR("Sec-WebSocket-Key"));
    uint8_t digest[KEEL_SHA1_SIZE], nonce[16];
    char text[32];
    if (x->request.head.major != 1 ||
        keel_parse_base64(key, nonce, sizeof nonce) != (int)sizeof nonce)
        return KEEL_STR("");
    keel_sha1(key.p, key.n, guid, sizeof guid - 1, digest);
    keel_format_base64(text, sizeof text, digest, sizeof digest);
    return keel_str(keel_arena_printf(&x->request.arena, "Sec-WebSocket-Accept: %s\r\n", text));
}

static int configure(struct keel_arena *arena, const char *argument, void **settings,
                     struct keel_access *access, struct keel_diag *diag)
{
    uint64_t *patience = keel_arena_alloc(arena, sizeof *patience);
    *settings = patience;
    if (!patience)
        return KEEL_ENOMEM;
    if (keel_parse_duration(keel_str(argument ? argument : "30s"), patience) != 0 || *patience == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "a time like 30s expected");
    return 0;
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    const uint64_t patience = *(const uint64_t *)settings;
    struct http_request *request = &x->request;
    if (!http_request_asks_for(request, "websocket"))
        return HTTP_NEXT;
    if (!keel_str_equal(field(&request->head, KEEL_STR("Sec-WebSocket-Version")), KEEL_STR("13"))) {
        http_response_plain(response, request, 426, KEEL_STR("Sec-WebSocket-Version: 13\r\n"));
        return HTTP_DONE;
    }
    struct keel_str fields = accept_line(x);
    if (request->head.major == 1 && fields.n == 0) {
        http_response_plain(response, request, 400, KEEL_STR(""));
        return HTTP_DONE;
    }
    struct websocket *ws = keel_calloc(1, sizeof *ws);
    if (!ws) {
        http_response_plain(response, request, 503, KEEL_STR(""));
        return HTTP_DONE;
    }
    ws->x = x;
    x->state = ws;
    keel_timer_init(&ws->timer, x->host->loop, "websocket", on_timer);
    keel_timer_start(&ws->timer, patience, patience);
    http_exchange_upgrade(x, "websocket", fields);
    return HTTP_LATER;
}

extern const struct http_handler http_module;
const struct http_handler http_module = {
    HTTP_HANDLER,       .name = "websocket",      .configure = configure,
    .respond = respond, .on_content = on_content, .on_drained = on_drained,
    .on_gone = on_gone, .tunnels = true};
