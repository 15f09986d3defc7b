#include <errno.h>
#include <sys/uio.h>

#include "httpd/conn/h2_private.h"

int http_h2_set_body(struct http_h2_stream *stream, const struct http_response *response)
{
    if (response->file_size > 0) {
        stream->file = response->file;
        stream->at = response->file_at;
        stream->left = response->file_size;
    } else {
        stream->bytes = response->body.p;
        stream->left = response->body.n;
    }
    if (stream->left == 0)
        return 0;
    if (response->hold) {
        response->hold(response->owner);
        stream->release = response->release;
        stream->owner = response->owner;
        return 0;
    }
    char *copy = keel_memdup(response->body.p, response->body.n);
    if (!copy)
        return KEEL_ENOMEM;
    stream->bytes = copy;
    stream->release = keel_free;
    stream->owner = copy;
    return 0;
}

ssize_t http_h2_read_output(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct http_h2_stream *stream = source->ptr;
    struct http_h2 *h2 = stream->h2;
    size_t n = keel_buf_size(&stream->output);
    if (n == 0 && !stream->complete) {
        http_h2_stream_set_sending(stream, false);
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > size)
        n = size;
    if (n > 0)
        memcpy(out, keel_buf_bytes(&stream->output), n);
    keel_buf_consume(&stream->output, n);
    size_t left = keel_buf_size(&stream->output);
    if (stream->full && left <= HTTP_H2_OUTPUT_LOW && keel_list_empty(&stream->drain))
        keel_list_push_back(&h2->drained, &stream->drain);
    if (left > 0 || !stream->complete)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers) {
        nghttp2_nv fields[HTTP_H2_FIELDS_MAX];
        size_t count = http_h2_fields_split(keel_str(stream->trailers), fields, HTTP_H2_FIELDS_MAX);
        if (count > 0 && nghttp2_submit_trailer(session, id, fields, count) == 0)
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return (ssize_t)n;
}

/* Of a file: bytes, or an error of nghttp2. What is not in memory is asked for. */
static ssize_t read_file(struct http_h2_stream *stream, uint8_t *out, size_t size)
{
    bool asks = stream->h2->shared->limits.asks_for_files;
    uint64_t used = stream->at - stream->given_at;
    ssize_t n;
    if (stream->given && used < stream->given_size) {
        if (size > stream->given_size - used)
            size = stream->given_size - (size_t)used;
        memcpy(out, stream->given + used, size);
        return (ssize_t)size;
    }
    keel_free(stream->given);
    stream->given = NULL;
    struct iovec iov = {out, size};
    do
        n = preadv2(stream->file, &iov, 1, (off_t)stream->at, asks ? RWF_NOWAIT : 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && asks && !stream->lost) {
        keel_list_push_back(&stream->h2->wants, &stream->want);
        return NGHTTP2_ERR_DEFERRED;
    }
    /* it became shorter than the length that was promised */
    return n > 0 ? n : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

bool http_h2_next_want(struct http_h2 *h2, struct http_h2_want *want)
{
    if (keel_list_empty(&h2->wants))
        return false;
    struct http_h2_stream *stream = KEEL_CONTAINER(h2->wants.next, struct http_h2_stream, want);
    keel_list_remove(&stream->want);
    *want = (struct http_h2_want){.stream = (uint32_t)stream->id,
                                  .file = stream->file,
                                  .at = stream->at,
                                  .left = stream->left};
    return true;
}

void http_h2_give(struct http_h2 *h2, uint32_t id, uint64_t at, void *bytes, size_t n)
{
    struct http_h2_stream *stream = http_h2_find(h2, (int32_t)id);
    if (!stream || stream->given || n == 0) {
        keel_free(bytes);
        bytes = NULL;
    }
    if (!stream)
        return;
    if (bytes) {
        stream->given = bytes;
        stream->given_at = at;
        stream->given_size = n;
    }
    stream->lost = n == 0;
    nghttp2_session_resume_data(h2->session, (int32_t)id);
}

ssize_t http_h2_read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                          uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct http_h2_stream *stream = source->ptr;
    if (size > stream->left)
        size = (size_t)stream->left;
    if (stream->bytes) {
        memcpy(out, stream->bytes + stream->at, size);
    } else {
        ssize_t n = read_file(stream, out, size);
        if (n < 0)
            return n;
        size = (size_t)n;
    }
    stream->at += size;
    stream->left -= size;
    if (stream->left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}
