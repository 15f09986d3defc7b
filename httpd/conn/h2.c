#include "httpd/conn/h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/err.h"

/* Of what a handler wrote, and waits for the client's window. */
#define OUTPUT_HIGH (256 * 1024)
#define OUTPUT_LOW (64 * 1024)

struct http_h2_stream {
    struct keel_list node; /* in h2->streams */
    struct keel_list body; /* in h2->bodies while the request's body is coming */
    struct http_h2 *h2;
    struct http_exchange *x; /* kept by a handler */
    int32_t id;
    bool begun;             /* a response was given */
    bool sending;           /* some of it waits to leave */
    bool answered;          /* its end left */
    bool unwanted;          /* the rest of the request's body: its window is not opened any more */
    bool reset_after;       /* it took too long: reset behind the answer */
    bool ended;             /* the request is complete */
    bool feeding;           /* http_h2_feed runs */
    bool piecewise;         /* the response is written by a handler, to `output` */
    bool complete;          /* all of it was */
    bool full;              /* the handler was told to stop */
    bool cut;               /* we reset it */
    uint64_t since_ns;      /* when it began */
    uint64_t taken;         /* bytes of the request's body */
    struct keel_buf input;  /* of it, until the handler wants it: its window stays closed */
    struct keel_buf output; /* of the response */
    struct keel_list drain; /* in h2->drained */
    char *trailers;         /* behind it; heap */
    struct http_h2_fields *fields; /* of its head: nghttp2 has no copy */
    /* what is left of the response's body */
    const char *bytes; /* in memory; NULL: in the file */
    int file;
    uint64_t at, left;
    void (*release)(void *owner);
    void *owner;
    /* of a file that is not in memory */
    struct keel_list want; /* in h2->wants */
    char *given;           /* what a thread read of it; heap */
    uint64_t given_at;
    size_t given_size;
    bool lost; /* it could not */
};

enum { /* http_h2.drain */
       DRAIN_NOT,
       DRAIN_TOLD, /* GOAWAY for no stream in particular, and a ping behind it */
       DRAIN_LAST, /* GOAWAY with the last stream */
};
static const uint8_t drain_ping[8] = "draining";

/* --- streams --- */

static struct http_h2_stream *find(struct http_h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

static struct http_h2_stream *stream_new(struct http_h2 *h2, int32_t id)
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

static void release(struct http_h2_stream *stream)
{
    void (*function)(void *owner) = stream->release;
    stream->release = NULL;
    if (function)
        function(stream->owner);
}

static void stream_free(struct http_h2_stream *stream)
{
    struct http_h2 *h2 = stream->h2;
    struct http_exchange *x = stream->x;
    stream->x = NULL;
    if (x)
        http_exchange_gone(x);
    release(stream);
    keel_buf_fini(&stream->input);
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

static void set_sending(struct http_h2_stream *stream, bool sending)
{
    if (stream->sending == sending)
        return;
    stream->sending = sending;
    if (sending)
        stream->h2->sending++;
    else
        stream->h2->sending--;
}

/* The request's body did not end in time. */
static void expire_body(struct http_h2_stream *stream)
{
    keel_list_remove(&stream->body);
    stream->reset_after = true;
    if (stream->answered && !stream->ended)
        nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                  NGHTTP2_NO_ERROR); /* RFC 9113, 8.1 */
}

static void request_ended(struct http_h2_stream *stream)
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

/* The client may send as many bytes of the body more. */
static int open_window(struct http_h2_stream *stream, size_t n)
{
    int err = nghttp2_session_consume_stream(stream->h2->session, stream->id, n);
    return nghttp2_is_fatal(err) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* A piece of a body for a handler: told, or kept until it is wanted. */
static int take_content(struct http_h2_stream *stream, const uint8_t *bytes, size_t n)
{
    struct http_h2 *h2 = stream->h2;
    if (nghttp2_is_fatal(nghttp2_session_consume_connection(h2->session, n)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    renew_body(stream, h2->frames.now_ns);
    if (!http_exchange_wants(stream->x) || keel_buf_size(&stream->input) > 0) {
        if (keel_buf_append(&stream->input, bytes, n) != 0)
            http_exchange_fail(stream->x, 503);
        return 0;
    }
    http_exchange_content(stream->x, bytes, n);
    return open_window(stream, n);
}

/* --- what nghttp2 tells --- */

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
    h2->block = stream_new(h2, frame->hd.stream_id);
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
        add_trailer(find(h2, frame->hd.stream_id), n, v);
    if (h2->frames.cut || more)
        return 0;
    h2->frames.cut = true;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the rest of the block is not told any more */
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t size, void *arg)
{
    struct http_h2 *h2 = arg;
    struct http_h2_stream *stream = find(h2, id);
    if (stream) {
        stream->taken += size;
        if (stream->x)
            return take_content(stream, bytes, size);
        stream->unwanted = stream->unwanted || stream->taken > h2->shared->limits.discard;
    }
    int err = stream && !stream->unwanted ? nghttp2_session_consume(session, id, size)
                                          : nghttp2_session_consume_connection(session, size);
    return nghttp2_is_fatal(err) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_h2 *h2 = arg;
    struct http_h2_stream *stream;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        stream = find(h2, frame->hd.stream_id);
        if (!stream)
            return 0;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            request_ended(stream);
        if (stream == h2->block) {
            h2->asked = stream;
            h2->block = NULL;
        }
        return 0;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && h2->drain == DRAIN_TOLD &&
            memcmp(frame->ping.opaque_data, drain_ping, sizeof drain_ping) == 0)
            http_h2_drain(h2);
        return 0;
    default:
        return 0;
    }
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http_h2 *h2 = arg;
    struct http_h2_stream *stream = find(h2, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR && !(stream && stream->cut))
            http_h2_frames_spend_reset(&h2->frames);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && h2->drain == DRAIN_TOLD)
        nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, drain_ping);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_DATA) {
        h2->sent += frame->hd.length;
        http_h2_frames_earn(&h2->frames);
    }
    if (!stream || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    set_sending(stream, false);
    stream->answered = true;
    release(stream);
    if (stream->reset_after)
        expire_body(stream);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct http_h2_stream *stream = find(arg, id);
    if (stream)
        stream_free(stream);
    return 0;
}

/* A slice of what a handler wrote, into the frame. */
static ssize_t read_output(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct http_h2_stream *stream = source->ptr;
    struct http_h2 *h2 = stream->h2;
    size_t n = keel_buf_size(&stream->output);
    if (n == 0 && !stream->complete) {
        set_sending(stream, false);
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > size)
        n = size;
    if (n > 0)
        memcpy(out, keel_buf_bytes(&stream->output), n);
    keel_buf_consume(&stream->output, n);
    size_t left = keel_buf_size(&stream->output);
    if (stream->full && left <= OUTPUT_LOW && keel_list_empty(&stream->drain))
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
    struct http_h2_stream *stream = find(h2, (int32_t)id);
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

/* A slice of a response's body, into the frame. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
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

/* --- life --- */

int http_h2_shared_init(struct http_h2_shared *shared, const struct http_h2_limits *limits)
{
    *shared = (struct http_h2_shared){.limits = *limits};
    keel_slab_init(&shared->streams, sizeof(struct http_h2_stream), 0);
    if (nghttp2_session_callbacks_new(&shared->callbacks) != 0 ||
        nghttp2_option_new(&shared->option) != 0)
        return KEEL_ENOMEM;
    nghttp2_session_callbacks *c = shared->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_option_set_no_auto_window_update(shared->option, 1);
    nghttp2_option_set_no_closed_streams(shared->option, 1);
    nghttp2_option_set_builtin_recv_extension_type(shared->option, NGHTTP2_PRIORITY_UPDATE);
    return 0;
}

void http_h2_shared_fini(struct http_h2_shared *shared)
{
    nghttp2_session_callbacks_del(shared->callbacks);
    nghttp2_option_del(shared->option);
    keel_slab_fini(&shared->streams);
    http_h2_head_fini(&shared->spare);
    http_h2_heads_fini(&shared->heads);
}

int http_h2_init(struct http_h2 *h2, struct http_h2_shared *shared, uint64_t now_ns)
{
    nghttp2_mem mem = {&h2->memory, http_h2_malloc, http_h2_free, http_h2_calloc, http_h2_realloc};
    *h2 = (struct http_h2){
        .shared = shared,
    };
    http_h2_memory_init(&h2->memory);
    http_h2_frames_init(&h2->frames, now_ns);
    keel_list_init(&h2->streams);
    keel_list_init(&h2->wants);
    keel_list_init(&h2->bodies);
    keel_list_init(&h2->drained);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, shared->limits.streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, shared->limits.head.head},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* RFC 9218 instead */
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    size_t count = sizeof settings / sizeof *settings - !shared->limits.tunnels;
    if (nghttp2_session_server_new3(&h2->session, shared->callbacks, h2, shared->option, &mem) !=
            0 ||
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, count) != 0)
        return KEEL_ENOMEM;
    return 0;
}

void http_h2_fini(struct http_h2 *h2)
{
    h2->broken = true;
    keel_list_for_safe (node, &h2->streams)
        stream_free(KEEL_CONTAINER(node, struct http_h2_stream, node));
    if (!h2->memory.failed)
        nghttp2_session_del(h2->session);
    http_h2_memory_fini(&h2->memory);
    h2->session = NULL;
    http_h2_head_fini(&h2->head);
}

/* --- reading --- */

/* The memory of a head is the connection's only while a frame is incomplete that may be one. */
static void return_memory(struct http_h2 *h2)
{
    bool content;
    if (http_h2_frames_partial(&h2->frames, &content) && !content)
        return;
    if (h2->shared->spare.text.capacity == 0)
        h2->shared->spare = h2->head;
    else
        http_h2_head_fini(&h2->head);
    h2->head = (struct http_h2_head){.start = 0};
}

static void terminate(struct http_h2 *h2, uint32_t error)
{
    if (!h2->broken && !h2->ending)
        nghttp2_session_terminate_session(h2->session, error);
    h2->ending = true;
}

/* A budget may be used up by what is read, and by the resets that are sent for it. */
static void end_cut(struct http_h2 *h2)
{
    if (h2->frames.cut)
        terminate(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static enum http_h2_event ask(struct http_h2 *h2, struct http_head *head, uint32_t *id,
                              unsigned *status)
{
    struct http_h2_stream *stream = h2->asked;
    h2->asked = NULL;
    *id = (uint32_t)stream->id;
    http_h2_frames_earn(&h2->frames);
    int err = http_h2_head_finish(&h2->head, &h2->shared->limits.head, head, !stream->ended);
    *status = (unsigned)-err;
    return err == 0 ? HTTP_H2_REQUEST : HTTP_H2_BAD;
}

enum http_h2_event http_h2_read(struct http_h2 *h2, uint64_t now_ns, struct http_head *head,
                                const uint8_t *bytes, size_t size, size_t *used, uint32_t *stream,
                                unsigned *status)
{
    *used = 0;
    while (*used < size && !h2->frames.cut && !h2->broken) {
        struct keel_str feed;
        *used += http_h2_frames_walk(&h2->frames, now_ns, bytes + *used, size - *used, &feed);
        if (h2->frames.cut)
            break;
        if (feed.n > 0)
            h2->broken = nghttp2_session_mem_recv(h2->session, (const uint8_t *)feed.p, feed.n) < 0;
        h2->broken = h2->broken || h2->memory.failed;
        if (h2->asked && !h2->frames.cut && !h2->broken)
            return ask(h2, head, stream, status);
    }
    return_memory(h2);
    if (!h2->frames.cut && !h2->broken)
        return HTTP_H2_NEED;
    end_cut(h2);
    *used = size;
    return HTTP_H2_CLOSED;
}

uint64_t http_h2_since(const struct http_h2 *h2)
{
    bool content;
    if (!http_h2_frames_partial(&h2->frames, &content) ||
        (content && !keel_list_empty(&h2->bodies)))
        return 0;
    return h2->frames.since_ns;
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
        expire_body(stream);
    }
}

/* --- sending --- */

/* Where the body comes from. 0 or KEEL_ENOMEM. */
static int set_body(struct http_h2_stream *stream, const struct http_response *response)
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

/* Is the rest of a request's body, of which nobody reads anything, worth the wait? */
static bool is_unwanted(const struct http_h2_stream *stream, const struct http_head *head)
{
    return !stream->ended &&
           (head->expect_continue || (head->body == HTTP_BODY_LENGTH &&
                                      head->content_length > stream->h2->shared->limits.discard +
                                                                 (stream->x ? stream->taken : 0)));
}

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
    struct http_h2_stream *stream = h2->broken ? NULL : find(h2, (int32_t)id);
    if (!stream || stream->begun)
        return 0;
    stream->unwanted = stream->unwanted || is_unwanted(stream, head);
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
    int err = set_body(stream, response);
    if (err == 0 && submit(stream, response, stream->left > 0 ? &body : NULL) == 0) {
        stream->begun = true;
        set_sending(stream, true);
        return 0;
    }
    h2->broken = true;
    return KEEL_ENOMEM;
}

int http_h2_begin(struct http_h2 *h2, uint32_t id, const struct http_response *response)
{
    struct http_h2_stream *stream = h2->broken ? NULL : find(h2, (int32_t)id);
    if (!stream || stream->begun)
        return KEEL_EOF;
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_output};
    /* the stream of an answer without a body ends when the handler says so, too */
    if (submit(stream, response, &body) != 0) {
        h2->broken = true;
        return KEEL_ENOMEM;
    }
    stream->begun = stream->piecewise = true;
    set_sending(stream, true);
    return 0;
}

int http_h2_write(struct http_h2 *h2, uint32_t id, const void *bytes, size_t n)
{
    struct http_h2_stream *stream = h2->broken ? NULL : find(h2, (int32_t)id);
    if (!stream || !stream->piecewise || stream->complete)
        return KEEL_EOF;
    if (keel_buf_append(&stream->output, bytes, n) != 0)
        return KEEL_ENOMEM;
    set_sending(stream, true);
    nghttp2_session_resume_data(h2->session, (int32_t)id);
    stream->full = stream->full || keel_buf_size(&stream->output) > OUTPUT_HIGH;
    return stream->full ? KEEL_EAGAIN : 0;
}

int http_h2_end(struct http_h2 *h2, uint32_t id, struct keel_str trailers)
{
    struct http_h2_stream *stream = h2->broken ? NULL : find(h2, (int32_t)id);
    if (!stream || !stream->piecewise || stream->complete)
        return KEEL_EOF;
    if (trailers.n > 0 && !(stream->trailers = keel_strndup(trailers.p, trailers.n))) {
        http_h2_cut(h2, id);
        return KEEL_ENOMEM;
    }
    stream->complete = true;
    keel_list_remove(&stream->drain);
    set_sending(stream, true);
    nghttp2_session_resume_data(h2->session, (int32_t)id);
    return 0;
}

void http_h2_cut(struct http_h2 *h2, uint32_t id)
{
    struct http_h2_stream *stream = h2->broken ? NULL : find(h2, (int32_t)id);
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
    if (!h2->broken && find(h2, (int32_t)id))
        nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, (int32_t)id, NULL, &field, 1, NULL);
    return 0;
}

void http_h2_feed(struct http_h2 *h2, uint32_t id)
{
    struct http_h2_stream *stream = h2->broken ? NULL : find(h2, (int32_t)id);
    if (!stream || stream->feeding || keel_buf_size(&stream->input) == 0)
        return;
    stream->feeding = true;
    while (stream->x && http_exchange_wants(stream->x) && keel_buf_size(&stream->input) > 0) {
        struct keel_buf all = stream->input; /* what comes meanwhile goes behind it */
        size_t n = keel_buf_size(&all);
        stream->input = (struct keel_buf){.data = NULL};
        http_exchange_content(stream->x, keel_buf_bytes(&all), n);
        open_window(stream, n);
        keel_buf_fini(&all);
    }
    stream->feeding = false;
    if (stream->x && stream->ended && keel_buf_size(&stream->input) == 0)
        http_exchange_content_end(stream->x);
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

void http_h2_keep(struct http_h2 *h2, uint32_t id, struct http_exchange *x)
{
    struct http_h2_stream *stream = h2->broken ? NULL : find(h2, (int32_t)id);
    if (!stream) {
        if (x)
            http_exchange_gone(x);
        return;
    }
    if (!x && stream->x) { /* the rest of its body is dropped, as if it began now */
        stream->unwanted = stream->unwanted || is_unwanted(stream, &stream->x->request.head);
        stream->taken = 0;
        if (!stream->unwanted)
            open_window(stream, keel_buf_size(&stream->input));
        keel_buf_fini(&stream->input);
    }
    stream->x = x;
}

ssize_t http_h2_send(struct http_h2 *h2, const uint8_t **bytes)
{
    if (h2->broken)
        return KEEL_EPROTO;
    end_cut(h2);
    if (h2->ending && http_h2_is_done(h2))
        return 0; /* nothing behind GOAWAY, though streams are open */
    ssize_t n = nghttp2_session_mem_send(h2->session, bytes);
    if (n >= 0 && !h2->memory.failed)
        return n;
    h2->broken = true;
    return KEEL_EPROTO;
}

/* --- the end --- */

bool http_h2_is_done(const struct http_h2 *h2)
{
    return h2->broken || (nghttp2_session_want_read(h2->session) == 0 &&
                          nghttp2_session_want_write(h2->session) == 0);
}

void http_h2_drain(struct http_h2 *h2)
{
    if (h2->broken)
        return;
    if (h2->drain == DRAIN_NOT) {
        h2->drain = DRAIN_TOLD;
        nghttp2_submit_shutdown_notice(h2->session); /* the ping follows when that left */
    } else if (h2->drain == DRAIN_TOLD) {
        h2->drain = DRAIN_LAST;
        nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(h2->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
    }
}

void http_h2_close(struct http_h2 *h2)
{
    terminate(h2, NGHTTP2_NO_ERROR);
}
