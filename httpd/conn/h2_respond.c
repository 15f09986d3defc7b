#include "httpd/conn/h2_private.h"

/* Queues the head, and a body that comes from there; NULL: none. 0 or KEEL_ENOMEM. */
static int submit(struct http_h2_stream *stream, const struct http_response *response,
                  const nghttp2_data_provider *body)
{
    struct http_h2 *h2 = stream->h2;
    stream->fields = http_h2_fields_get(&h2->shared->heads, response->status, response->head);
    if (!stream->fields)
        return KEEL_ENOMEM;
    int err = nghttp2_submit_response(h2->session, stream->id, stream->fields->list,
                                      stream->fields->count, body);
    return err == 0 ? 0 : KEEL_ENOMEM;
}

int http_h2_respond(struct http_h2 *h2, uint32_t id, const struct http_head *head,
                    const struct http_response *response)
{
    struct http_h2_stream *stream = h2->broken ? NULL : http_h2_find(h2, (int32_t)id);
    if (!stream || stream->begun)
        return 0;
    stream->unwanted = stream->unwanted || http_h2_is_unwanted(stream, head);
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = http_h2_read_body};
    int err = http_h2_set_body(stream, response);
    if (err == 0 && submit(stream, response, stream->left > 0 ? &body : NULL) == 0) {
        stream->begun = true;
        http_h2_stream_set_sending(stream, true);
        return 0;
    }
    h2->broken = true;
    return KEEL_ENOMEM;
}

int http_h2_begin(struct http_h2 *h2, uint32_t id, const struct http_response *response)
{
    struct http_h2_stream *stream = h2->broken ? NULL : http_h2_find(h2, (int32_t)id);
    if (!stream || stream->begun)
        return KEEL_EOF;
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = http_h2_read_output};
    /* the stream of an answer without a body ends when the handler says so, too */
    if (submit(stream, response, &body) != 0) {
        h2->broken = true;
        return KEEL_ENOMEM;
    }
    stream->begun = stream->piecewise = true;
    http_h2_stream_set_sending(stream, true);
    return 0;
}

int http_h2_write(struct http_h2 *h2, uint32_t id, const void *bytes, size_t n)
{
    struct http_h2_stream *stream = h2->broken ? NULL : http_h2_find(h2, (int32_t)id);
    if (!stream || !stream->piecewise || stream->complete)
        return KEEL_EOF;
    if (keel_buf_append(&stream->output, bytes, n) != 0)
        return KEEL_ENOMEM;
    http_h2_stream_set_sending(stream, true);
    nghttp2_session_resume_data(h2->session, (int32_t)id);
    stream->full = stream->full || keel_buf_size(&stream->output) > HTTP_H2_OUTPUT_HIGH;
    return stream->full ? KEEL_EAGAIN : 0;
}

int http_h2_end(struct http_h2 *h2, uint32_t id, struct keel_str trailers)
{
    struct http_h2_stream *stream = h2->broken ? NULL : http_h2_find(h2, (int32_t)id);
    if (!stream || !stream->piecewise || stream->complete)
        return KEEL_EOF;
    if (trailers.n > 0 && !(stream->trailers = keel_strndup(trailers.p, trailers.n))) {
        http_h2_cut(h2, id);
        return KEEL_ENOMEM;
    }
    stream->complete = true;
    keel_list_remove(&stream->drain);
    http_h2_stream_set_sending(stream, true);
    nghttp2_session_resume_data(h2->session, (int32_t)id);
    return 0;
}

void http_h2_cut(struct http_h2 *h2, uint32_t id)
{
    struct http_h2_stream *stream = h2->broken ? NULL : http_h2_find(h2, (int32_t)id);
    if (!stream)
        return;
    stream->cut = true;
    nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
}

int http_h2_proceed(struct http_h2 *h2, uint32_t id)
{
    const nghttp2_nv field = {.name = (uint8_t *)(uintptr_t) ":status",
                              .namelen = 7,
                              .value = (uint8_t *)(uintptr_t) "100",
                              .valuelen = 3};
    if (!h2->broken && http_h2_find(h2, (int32_t)id))
        nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, (int32_t)id, NULL, &field, 1, NULL);
    return 0;
}

struct http_exchange *http_h2_next_drained(struct http_h2 *h2)
{
    while (!keel_list_empty(&h2->drained)) {
        struct http_h2_stream *stream =
            KEEL_CONTAINER(h2->drained.next, struct http_h2_stream, drain);
        keel_list_remove(&stream->drain);
        stream->full = false;
        if (stream->x)
            return stream->x;
    }
    return NULL;
}
