#include "httpd/conn/h2_private.h"

/* --- life --- */

int http_h2_shared_init(struct http_h2_shared *shared, const struct http_h2_limits *limits)
{
    *shared = (struct http_h2_shared){.limits = *limits};
    keel_slab_init(&shared->streams, sizeof(struct http_h2_stream), 0);
    if (http_h2_pool_init(&shared->pool) != 0 ||
        nghttp2_session_callbacks_new(&shared->callbacks) != 0 ||
        nghttp2_option_new(&shared->option) != 0)
        return KEEL_ENOMEM;
    http_h2_set_callbacks(shared->callbacks);
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
    http_h2_pool_fini(&shared->pool);
    http_h2_head_fini(&shared->spare);
    http_h2_heads_fini(&shared->heads);
}

int http_h2_init(struct http_h2 *h2, struct http_h2_shared *shared, uint64_t now_ns)
{
    nghttp2_mem mem = {&h2->memory, http_h2_malloc, http_h2_free, http_h2_calloc, http_h2_realloc};
    *h2 = (struct http_h2){
        .shared = shared,
    };
    http_h2_memory_init(&h2->memory, &shared->pool);
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
        http_h2_stream_free(KEEL_CONTAINER(node, struct http_h2_stream, node));
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

uint64_t http_h2_unsent(const struct http_h2 *h2, uint32_t stream)
{
    const struct http_h2_stream *it = http_h2_find(h2, (int32_t)stream);
    return it ? it->left : 0;
}

const struct http_exchange *http_h2_oldest(const struct http_h2 *h2)
{
    keel_list_for (node, &h2->streams) {
        const struct http_h2_stream *stream = KEEL_CONTAINER(node, struct http_h2_stream, node);
        if (stream->x)
            return stream->x;
    }
    return NULL;
}

/* --- sending --- */

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
