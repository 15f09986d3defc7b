#include "httpd/request/exchange_private.h"

#include "common/base/err.h"

#define SLICE ((size_t)16384) /* through the filters of one answer in a turn */
#define TURN ((size_t)65536)  /* and of all */

/* The filters go on with this answer in the next turn. */
static void filter_later(struct http_exchange *x)
{
    keel_list_remove(&x->flow->due);
    keel_list_push_back(&x->host->due, &x->flow->due);
    x->host->soon(x->host);
}

/* One slice, at most. */
static void filter_piece(struct http_exchange *x, const void *bytes, size_t n,
                         enum http_piece piece)
{
    struct http_flow *flow = x->flow;
    flow->taken += n;
    x->host->filtered += n;
    flow->unflushed = piece == HTTP_PIECE_MORE;
    int err = KEEL_EINVAL;
    if (http_flow_pass(flow, bytes, n, piece) == 0)
        err = http_answer_piece(x, keel_buf_bytes(&flow->out), keel_buf_size(&flow->out));
    if (err == KEEL_EAGAIN)
        flow->blocked = true;
    else if (err == KEEL_ENOMEM || err == KEEL_EINVAL) /* a filter failed, or put out too much */
        http_exchange_give_up(x, 503, true);
}

int http_filtered_write(struct http_exchange *x, const void *bytes, size_t n)
{
    struct http_flow *flow = x->flow;
    size_t room = 0;
    if (!flow->blocked && keel_buf_size(&flow->pending) == 0 && flow->taken < SLICE &&
        x->host->filtered < TURN)
        room = SLICE - flow->taken;
    room = room < n ? room : n;
    if (room > 0)
        filter_piece(x, bytes, room, HTTP_PIECE_MORE);
    if (x->over)
        return KEEL_EOF;
    if (room < n && keel_buf_append(&flow->pending, (const uint8_t *)bytes + room, n - room) != 0)
        return KEEL_ENOMEM;
    if (!flow->blocked && n > 0)
        filter_later(x); /* to go on, or to flush when nothing more came */
    flow->waiting = flow->blocked || keel_buf_size(&flow->pending) > 0;
    return flow->waiting ? KEEL_EAGAIN : 0;
}

void http_filtered_go_on(struct http_exchange *x)
{
    struct http_flow *flow = x->flow;
    struct keel_buf *pending = &flow->pending;
    size_t n = keel_buf_size(pending) < SLICE ? keel_buf_size(pending) : SLICE;
    flow->taken = 0;
    if (n > 0 && !flow->blocked) {
        filter_piece(x, keel_buf_bytes(pending), n, HTTP_PIECE_MORE);
        keel_buf_consume(pending, n);
    }
    if (!x->over && keel_buf_size(pending) == 0 && flow->ending) {
        filter_piece(x, NULL, 0, HTTP_PIECE_END);
        if (!x->over)
            http_answer_end(x, x->length > 0 && !x->bare, flow->trailers);
    }
    if (x->over || flow->blocked)
        return;
    if (keel_buf_size(pending) > 0) {
        filter_later(x);
        return;
    }
    size_t before = x->host->filtered;
    if (flow->waiting) {
        flow->waiting = false;
        if (!x->served && x->step->handler->on_drained)
            x->step->handler->on_drained(x);
    }
    /* when the handler has paused, its client gets all that there is */
    if (!x->over && !flow->blocked && flow->unflushed && x->host->filtered == before &&
        keel_buf_size(pending) == 0)
        filter_piece(x, NULL, 0, HTTP_PIECE_FLUSH);
}

void http_host_turn(struct http_host *host)
{
    host->filtered = 0;
    while (host->filtered < TURN && !keel_list_empty(&host->due)) {
        struct http_flow *flow = KEEL_CONTAINER(host->due.next, struct http_flow, due);
        struct http_exchange *x = flow->x;
        keel_list_remove(&flow->due);
        host->filtered++; /* so that this ends, whatever they do */
        http_exchange_enter(x);
        http_filtered_go_on(x);
        http_exchange_leave(x);
    }
    if (!keel_list_empty(&host->due))
        host->soon(host);
}

/* The handler is done; its filters may not be. */
void http_filtered_end(struct http_exchange *x, struct keel_str trailers)
{
    struct http_flow *flow = x->flow;
    if (trailers.n > 0 &&
        !(trailers.p = keel_arena_memdup(&x->request.arena, trailers.p, trailers.n))) {
        x->served = true;
        http_exchange_give_up(x, 503, true);
        return;
    }
    flow->trailers = trailers;
    flow->ending = x->served = true;
    if (x->content != HTTP_CONTENT_NONE)
        x->content = HTTP_CONTENT_HELD;
    if (keel_buf_size(&flow->pending) == 0)
        http_filtered_go_on(x);
    else if (!flow->blocked)
        filter_later(x);
}

int http_filtered_whole(struct http_exchange *x, struct http_response *response)
{
    int64_t length = http_flow_length(response);
    if (!x->request.location->filters)
        return 0;
    int err = http_flow_new(x, response, &length);
    if (err || !x->flow)
        return err;
    if (http_exchange_keep(x) != 0)
        return KEEL_ENOMEM;
    x->served = true;
    if (response->close)
        x->request.head.keep_alive = false;
    if (http_answer_head(x, response, length) == 0)
        http_exchange_write(x, response->body.p, response->body.n);
    http_exchange_end(x, KEEL_STR(""));
    return 1;
}

static enum http_verdict respond_filtered(struct http_exchange *x, void *state, void *settings,
                                          struct http_response *response)
{
    x->step++;
    enum http_verdict verdict = http_exchange_go(x, response);
    int how = verdict == HTTP_DONE ? http_filtered_whole(x, response) : 0;
    if (how < 0) {
        http_flow_free(x);
        http_response_plain(response, &x->request, 503, KEEL_STR(""));
    }
    return how == 1 ? HTTP_LATER : verdict;
}

const struct http_handler http_filtered_handler = {HTTP_HANDLER, .name = "filtered",
                                                   .respond = respond_filtered};
