#include "httpd/conn/h2_private.h"

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_h2 *h2 = arg;
    if (h2->head.text.capacity == 0) { /* the worker lends some, until return_memory */
        struct http_h2_head empty = h2->head;
        h2->head = h2->shared->spare;
        h2->shared->spare = empty;
    }
    h2->block = NULL;
    http_h2_head_begin(&h2->head);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        h2->head.status = -400; /* it is no head; what a handler wants of it is its own */
        return 0;
    }
    h2->block = http_h2_stream_new(h2, frame->hd.stream_id);
    if (!h2->block)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, h2->block);
    return 0;
}

static void add_trailer(struct http_h2_stream *stream, struct keel_str name, struct keel_str value)
{
    struct http_exchange *x = stream ? stream->x : NULL;
    if (!x)
        return;
    if (stream->h2->head.received > HTTP_TRAILER_MAX) {
        http_exchange_fail(x, 431);
        return;
    }
    http_exchange_trailer(x, name);
    if (stream->x)
        http_exchange_trailer(x, KEEL_STR(": "));
    if (stream->x)
        http_exchange_trailer(x, value);
    if (stream->x)
        http_exchange_trailer(x, KEEL_STR("\r\n"));
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *arg)
{
    struct http_h2 *h2 = arg;
    struct keel_str n = {(const char *)name, name_size}, v = {(const char *)value, value_size};
    bool more = http_h2_head_add(&h2->head, &h2->shared->limits.head, n, v) == 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        add_trailer(http_h2_find(h2, frame->hd.stream_id), n, v);
    if (h2->frames.cut || more)
        return 0;
    h2->frames.cut = true;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the rest of the block is not told any more */
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t size, void *arg)
{
    struct http_h2 *h2 = arg;
    struct http_h2_stream *stream = http_h2_find(h2, id);
    if (stream) {
        stream->taken += size;
        if (stream->x)
            return http_h2_take_content(stream, bytes, size);
        stream->unwanted = stream->unwanted || stream->taken > h2->shared->limits.discard;
        http_h2_end_rest(stream);
    }
    int err = stream && !stream->unwanted ? nghttp2_session_consume(session, id, size)
                                          : nghttp2_session_consume_connection(session, size);
    return nghttp2_is_fatal(err) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void take_ping_answer(struct http_h2 *h2, const uint8_t *contents)
{
    if (h2->drain == DRAIN_TOLD && memcmp(contents, HTTP_H2_DRAIN_PING, 8) == 0)
        http_h2_drain(h2);
    else if (h2->pinged && memcmp(contents, HTTP_H2_REST_PING, 8) == 0)
        http_h2_rest_asked(h2);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_h2 *h2 = arg;
    struct http_h2_stream *stream;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        stream = http_h2_find(h2, frame->hd.stream_id);
        if (!stream)
            return 0;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            http_h2_request_ended(stream);
        if (stream == h2->block) {
            h2->asked = stream;
            h2->block = NULL;
        }
        return 0;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            take_ping_answer(h2, frame->ping.opaque_data);
        return 0;
    default:
        return 0;
    }
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_h2 *h2 = arg;
    struct http_h2_stream *stream = http_h2_find(h2, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR && !(stream && stream->cut))
            http_h2_frames_spend_reset(&h2->frames);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && h2->drain == DRAIN_TOLD)
        nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, (const uint8_t *)HTTP_H2_DRAIN_PING);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_DATA) {
        h2->sent += frame->hd.length;
        http_h2_frames_earn(&h2->frames);
    }
    if (!stream || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    http_h2_stream_set_sending(stream, false);
    stream->answered = true;
    http_h2_stream_release(stream);
    if (stream->reset_after)
        http_h2_expire_body(stream);
    else
        http_h2_end_rest(stream);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct http_h2_stream *stream = http_h2_find(arg, id);
    if (stream)
        http_h2_stream_free(stream);
    return 0;
}

void http_h2_set_callbacks(nghttp2_session_callbacks *c)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
}
