#include "httpd/conn/h2_private.h"

/* --- their lives --- */

struct http_h2_stream *http_h2_find(const struct http_h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

struct http_h2_stream *http_h2_stream_new(struct http_h2 *h2, int32_t id)
{
    struct http_h2_stream *stream = keel_slab_alloc(&h2->shared->streams);
    if (!stream)
        return NULL;
    *stream =
        (struct http_h2_stream){.h2 = h2, .id = id, .since_ns = h2->frames.now_ns, .file = -1};
    keel_list_init(&stream->want);
    keel_list_push_back(&h2->streams, &stream->node);
    keel_list_push_back(&h2->bodies, &stream->body);
    keel_list_init(&stream->drain);
    h2->open++;
    return stream;
}

void http_h2_stream_release(struct http_h2_stream *stream)
{
    void (*function)(void *owner) = stream->release;
    stream->release = NULL;
    if (function)
        function(stream->owner);
}

/* n bytes that were held go to the handler, or nowhere. */
static void unhold(struct http_h2 *h2, size_t n)
{
    size_t back = n < h2->owed ? n : h2->owed;
    h2->held -= n;
    h2->owed -= back;
    if (back > 0 && !h2->broken)
        h2->broken = nghttp2_is_fatal(nghttp2_session_consume_connection(h2->session, back));
}

static void drop_input(struct http_h2_stream *stream)
{
    unhold(stream->h2, keel_buf_size(&stream->input));
    keel_buf_fini(&stream->input);
}

void http_h2_stream_free(struct http_h2_stream *stream)
{
    struct http_h2 *h2 = stream->h2;
    struct http_exchange *x = stream->x;
    stream->x = NULL;
    if (x)
        http_exchange_gone(x);
    http_h2_stream_release(stream);
    drop_input(stream);
    keel_buf_fini(&stream->output);
    keel_free(stream->trailers);
    http_h2_fields_release(stream->fields);
    keel_free(stream->given);
    keel_list_remove(&stream->want);
    keel_list_remove(&stream->drain);
    keel_list_remove(&stream->node);
    keel_list_remove(&stream->body);
    h2->open--;
    h2->sending -= stream->sending;
    if (h2->asked == stream)
        h2->asked = NULL;
    if (h2->block == stream)
        h2->block = NULL;
    keel_slab_free(&h2->shared->streams, stream);
}

void http_h2_stream_set_sending(struct http_h2_stream *stream, bool sending)
{
    if (stream->sending == sending)
        return;
    stream->sending = sending;
    if (sending)
        stream->h2->sending++;
    else
        stream->h2->sending--;
}

/* --- the bodies of requests --- */

void http_h2_expire_body(struct http_h2_stream *stream)
{
    keel_list_remove(&stream->body);
    stream->reset_after = true;
    if (stream->answered && !stream->ended)
        nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                  NGHTTP2_NO_ERROR); /* RFC 9113, 8.1 */
}

static void ping(struct http_h2 *h2)
{
    h2->pinged = true;
    nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, (const uint8_t *)HTTP_H2_REST_PING);
}

void http_h2_end_rest(struct http_h2_stream *stream)
{
    if (!stream->unwanted || !stream->answered || stream->ended ||
        stream->rest != HTTP_H2_REST_COMES)
        return;
    stream->rest = stream->h2->pinged ? HTTP_H2_REST_WAITS : HTTP_H2_REST_ASKED;
    if (!stream->h2->pinged)
        ping(stream->h2);
}

void http_h2_rest_asked(struct http_h2 *h2)
{
    bool more = false;
    h2->pinged = false;
    keel_list_for_safe (node, &h2->bodies) {
        struct http_h2_stream *stream = KEEL_CONTAINER(node, struct http_h2_stream, body);
        if (stream->rest == HTTP_H2_REST_ASKED)
            http_h2_expire_body(stream);
        more = more || stream->rest == HTTP_H2_REST_WAITS;
        if (stream->rest == HTTP_H2_REST_WAITS)
            stream->rest = HTTP_H2_REST_ASKED;
    }
    if (more)
        ping(h2);
}

void http_h2_request_ended(struct http_h2_stream *stream)
{
    stream->ended = true;
    keel_list_remove(&stream->body);
    if (stream->x && keel_buf_size(&stream->input) == 0)
        http_exchange_content_end(stream->x);
}

/* The time of a body begins anew. */
static void renew_body(struct http_h2_stream *stream, uint64_t now_ns)
{
    keel_list_remove(&stream->body);
    stream->since_ns = now_ns;
    keel_list_push_back(&stream->h2->bodies, &stream->body);
}

/* The client may send as many bytes of the body more on this stream. */
static int open_window(struct http_h2_stream *stream, size_t n)
{
    int err = nghttp2_session_consume_stream(stream->h2->session, stream->id, n);
    return nghttp2_is_fatal(err) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

int http_h2_take_content(struct http_h2_stream *stream, const uint8_t *bytes, size_t n)
{
    struct http_h2 *h2 = stream->h2;
    bool told = http_exchange_wants(stream->x) && keel_buf_size(&stream->input) == 0;
    bool held = !told && keel_buf_append(&stream->input, bytes, n) == 0;
    renew_body(stream, h2->frames.now_ns);
    h2->held += held ? n : 0;
    /* a stream that waits must not stop the others, but they have a bound together */
    if (held && h2->held > HTTP_H2_INPUT_MAX)
        h2->owed += n;
    else if (nghttp2_is_fatal(nghttp2_session_consume_connection(h2->session, n)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!told && !held)
        http_exchange_fail(stream->x, 503);
    if (!told)
        return 0;
    http_exchange_content(stream->x, bytes, n);
    return open_window(stream, n);
}

uint64_t http_h2_body_since(const struct http_h2 *h2)
{
    if (keel_list_empty(&h2->bodies))
        return 0;
    return KEEL_CONTAINER(h2->bodies.next, struct http_h2_stream, body)->since_ns;
}

void http_h2_expire_bodies(struct http_h2 *h2, uint64_t now_ns, uint64_t before_ns)
{
    while (!h2->broken && !keel_list_empty(&h2->bodies)) {
        struct http_h2_stream *stream =
            KEEL_CONTAINER(h2->bodies.next, struct http_h2_stream, body);
        if (stream->since_ns >= before_ns)
            return;
        if (stream->x && (stream->x->tunnel || !http_exchange_wants(stream->x))) {
            /* it may be silent, or the handler lets it wait */
            renew_body(stream, now_ns);
            continue;
        }
        if (stream->x)
            http_exchange_fail(stream->x, 408);
        http_h2_expire_body(stream);
    }
}

void http_h2_feed(struct http_h2 *h2, uint32_t id)
{
    struct http_h2_stream *stream = h2->broken ? NULL : http_h2_find(h2, (int32_t)id);
    if (!stream || stream->feeding || keel_buf_size(&stream->input) == 0)
        return;
    stream->feeding = true;
    while (stream->x && http_exchange_wants(stream->x) && keel_buf_size(&stream->input) > 0) {
        struct keel_buf all = stream->input; /* what comes meanwhile goes behind it */
        size_t n = keel_buf_size(&all);
        stream->input = (struct keel_buf){.data = NULL};
        unhold(h2, n);
        http_exchange_content(stream->x, keel_buf_bytes(&all), n);
        open_window(stream, n);
        keel_buf_fini(&all);
    }
    stream->feeding = false;
    if (stream->x && stream->ended && keel_buf_size(&stream->input) == 0)
        http_exchange_content_end(stream->x);
}

bool http_h2_is_unwanted(const struct http_h2_stream *stream, const struct http_head *head)
{
    return !stream->ended &&
           (head->expect_continue || (head->body == HTTP_BODY_LENGTH &&
                                      head->content_length > stream->h2->shared->limits.discard +
                                                                 (stream->x ? stream->taken : 0)));
}

void http_h2_keep(struct http_h2 *h2, uint32_t id, struct http_exchange *x)
{
    struct http_h2_stream *stream = h2->broken ? NULL : http_h2_find(h2, (int32_t)id);
    if (!stream) {
        if (x)
            http_exchange_gone(x);
        return;
    }
    if (!x && stream->x) { /* the rest of its body is dropped, as if it began now */
        stream->unwanted =
            stream->unwanted || http_h2_is_unwanted(stream, &stream->x->request.head);
        stream->taken = 0;
        if (!stream->unwanted)
            open_window(stream, keel_buf_size(&stream->input));
        drop_input(stream);
        http_h2_end_rest(stream);
    }
    stream->x = x;
}
