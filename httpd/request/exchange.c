#include "httpd/request/exchange.h"

#include "common/base/err.h"
#include "httpd/request/filter.h"

#define SPARES_MAX 32
#define SLICE ((size_t)16384) /* through the filters of one answer in a turn */
#define TURN ((size_t)65536)  /* and of all */

/* --- life --- */

void http_host_init(struct http_host *host)
{
    *host = (struct http_host){.loop = NULL};
    keel_list_init(&host->kept);
    keel_list_init(&host->due);
}

void http_host_fini(struct http_host *host)
{
    while (host->spare) {
        struct http_exchange *x = host->spare;
        host->spare = x->next;
        http_request_fini(&x->request);
        keel_free(x);
    }
    host->spares = 0;
}

struct http_exchange *http_exchange_new(struct http_host *host)
{
    struct http_exchange *x = host->spare;
    if (x) {
        host->spare = x->next;
        host->spares--;
        return x;
    }
    x = keel_malloc(sizeof *x);
    if (!x)
        return NULL;
    *x = (struct http_exchange){.host = host};
    http_request_init(&x->request);
    keel_list_init(&x->node);
    return x;
}

/* As good as new, with warm memory. */
static void clear(struct http_exchange *x)
{
    keel_list_remove(&x->node);
    http_flow_free(x);
    keel_arena_reset(&x->request.arena);
    x->state = NULL;
    x->trailers = (struct keel_str){NULL, 0};
    keel_buf_fini(&x->trailer);
    x->connection = NULL;
    x->body_taken = x->head_sent = x->body_sent = 0;
    x->status = 0;
    x->content = HTTP_CONTENT_NONE;
    x->answer = HTTP_ANSWER_NONE;
    x->rate = (struct http_rate){0};
    x->counted = x->bare = x->tunnel = false;
    x->length = 0;
    x->kept = x->over = x->gone = x->end_due = x->served = false;
}

void http_exchange_free(struct http_exchange *x)
{
    struct http_host *host = x->host;
    clear(x);
    if (host->spares >= SPARES_MAX) {
        http_request_fini(&x->request);
        keel_free(x);
        return;
    }
    x->next = host->spare;
    host->spare = x;
    host->spares++;
}

static struct keel_str moved(struct keel_str text, const uint8_t *from, size_t size,
                             const uint8_t *to)
{
    const uint8_t *p = (const uint8_t *)text.p;
    if (p >= from && p < from + size)
        text.p = (const char *)to + (p - from);
    return text;
}

/* Gives the exchange memory of its own. 0 or KEEL_ENOMEM. */
static int keep(struct http_exchange *x)
{
    struct http_request *request = &x->request;
    const uint8_t *from = request->head.bytes;
    size_t size = request->head.size;
    if (x->kept)
        return 0;
    uint8_t *to = keel_arena_memdup(&request->arena, from, size);
    if (!to)
        return KEEL_ENOMEM;
    request->head.bytes = to;
    request->path = moved(request->path, from, size, to);
    request->query = moved(request->query, from, size, to);
    request->user = moved(request->user, from, size, to);
    x->address = *x->peer;
    x->peer = &x->address;
    x->content = request->head.body == HTTP_BODY_NONE ? HTTP_CONTENT_NONE : HTTP_CONTENT_HELD;
    x->began_ns = x->host->clock.now_ns;
    x->kept = true;
    keel_list_push_back(&x->host->kept, &x->node);
    return 0;
}

/* --- calls into the handler --- */

/* Nothing happens to x inside; what is due then happens in `leave`. */
static void enter(struct http_exchange *x)
{
    x->depth++;
}

static void tell_end(struct http_exchange *x)
{
    x->end_due = false;
    x->content = HTTP_CONTENT_NONE;
    x->depth++;
    x->step->handler->on_content(x, NULL, 0);
    x->depth--;
}

static void tell_gone(struct http_exchange *x)
{
    if (!x->gone)
        return;
    x->gone = false;
    if (x->served)
        return;
    x->depth++;
    x->step->handler->on_gone(x);
    x->depth--;
}

/* The outermost call ends. */
static void leave(struct http_exchange *x)
{
    if (--x->depth > 0)
        return;
    if (x->end_due && !x->over && x->content == HTTP_CONTENT_READ)
        tell_end(x);
    if (!x->over)
        return;
    tell_gone(x);
    http_flow_free(x);
    x->host->on_over(x->host, x);
    if (x->connection)
        x->carrier->over(x);
    http_exchange_free(x);
}

/* The handler has had its last word: on_gone is not called. */
static void end(struct http_exchange *x)
{
    x->answer = HTTP_ANSWER_ENDED;
    x->content = HTTP_CONTENT_NONE;
    x->over = true;
}

static int send_whole(struct http_exchange *x, struct http_response *response)
{
    http_response_edit(response, &x->request);
    x->status = (uint16_t)response->status;
    x->head_sent = response->head.n + 2;
    x->body_sent = response->body.n + response->file_size;
    return x->connection ? x->carrier->respond(x, response) : KEEL_EOF;
}

/* Ends it over the handler's head. status 0: there is nobody to answer. */
static void fail(struct http_exchange *x, unsigned status, bool close)
{
    if (x->over)
        return;
    unsigned answer = x->answer;
    end(x);
    x->gone = true;
    if (!x->connection || status == 0)
        return;
    if (answer == HTTP_ANSWER_NONE) {
        struct http_response response = {.status = 0};
        http_response_plain(&response, &x->request, status, KEEL_STR(""));
        response.close = response.close || close;
        send_whole(x, &response);
    } else {
        x->carrier->abort(x);
    }
}

/* --- the chain --- */

/* Runs from x->step on. */
static enum http_verdict run(struct http_exchange *x, struct http_response *response)
{
    enum http_verdict verdict;
    for (; x->step->handler; x->step++) {
        const struct http_step *step = x->step;
        verdict =
            step->handler->respond(x, x->host->states[step->number], step->settings, response);
        if (verdict != HTTP_NEXT)
            return verdict;
    }
    http_response_plain(response, &x->request, 404, KEEL_STR(""));
    return HTTP_DONE;
}

void http_exchange_deny(struct http_exchange *x)
{
    x->depth++;
    fail(x, 503, true);
    x->depth--;
    tell_gone(x);
    http_flow_free(x);
}

enum http_verdict http_exchange_run(struct http_exchange *x, struct http_response *response)
{
    const struct http_step *steps = x->request.location->steps;
    x->step = steps ? steps : x->host->plain;
    x->depth = 1;
    enum http_verdict verdict = run(x, response);
    if (verdict == HTTP_LATER && keep(x) != 0)
        fail(x, 503, true);
    x->depth = 0;
    if (verdict == HTTP_LATER && x->end_due && !x->over && x->content == HTTP_CONTENT_READ)
        tell_end(x);
    if (verdict == HTTP_LATER) {
        tell_gone(x);
        if (x->over)
            http_flow_free(x);
    }
    return verdict;
}

int http_exchange_next(struct http_exchange *x)
{
    struct http_response response = {.status = 0};
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    enter(x);
    x->step++;
    x->state = NULL;
    if (run(x, &response) == HTTP_DONE) {
        end(x);
        send_whole(x, &response);
    }
    leave(x);
    return 0;
}

/* --- the request's body --- */

/* The handler may come at any time: the host's clock is of the last turn that read something. */
static uint64_t now_of(struct http_exchange *x)
{
    struct http_clock *clock = &x->host->clock;
    if (clock->refresh)
        clock->refresh(clock);
    return clock->now_ns;
}

int http_exchange_read(struct http_exchange *x, uint64_t limit)
{
    const struct http_head *head = &x->request.head;
    int err = 0;
    if (x->over)
        return KEEL_EOF;
    enter(x);
    x->body_limit = limit > 0 ? limit : http_max_body(x->request.site, x->request.location);
    if (keep(x) != 0) {
        fail(x, 503, true);
        err = KEEL_ENOMEM;
    } else if (head->body == HTTP_BODY_LENGTH && head->content_length > x->body_limit) {
        fail(x, 413, false);
        err = KEEL_ELIMIT;
    } else if (x->content == HTTP_CONTENT_NONE) {
        x->content = HTTP_CONTENT_READ;
        x->end_due = true;
    } else if (x->content == HTTP_CONTENT_HELD) {
        bool proceed = head->expect_continue && x->answer == HTTP_ANSWER_NONE;
        x->request.head.expect_continue = false;
        x->content = HTTP_CONTENT_READ;
        http_rate_wait(&x->rate, now_of(x));
        x->carrier->read(x, proceed);
    }
    leave(x);
    return err;
}

void http_exchange_pause(struct http_exchange *x)
{
    if (x->content != HTTP_CONTENT_READ)
        return;
    x->content = HTTP_CONTENT_PAUSED;
    http_rate_pause(&x->rate, now_of(x));
}

void http_exchange_resume(struct http_exchange *x)
{
    if (x->content != HTTP_CONTENT_PAUSED || x->over)
        return;
    enter(x);
    x->content = HTTP_CONTENT_READ;
    if (!x->tunnel)
        http_rate_wait(&x->rate, now_of(x));
    if (!x->end_due && x->connection)
        x->carrier->read(x, false);
    leave(x);
}

void http_exchange_content(struct http_exchange *x, const void *bytes, size_t n)
{
    enter(x);
    x->body_taken += n;
    if (x->body_taken > x->body_limit)
        fail(x, 413, false);
    else if (!http_rate_take(&x->rate, &x->host->least, x->host->clock.now_ns, n))
        fail(x, 408, true);
    else
        x->step->handler->on_content(x, bytes, n);
    leave(x);
}

void http_exchange_trailer(struct http_exchange *x, struct keel_str piece)
{
    enter(x);
    if (keel_buf_append(&x->trailer, piece.p, piece.n) != 0)
        fail(x, 503, true);
    leave(x);
}

void http_exchange_content_end(struct http_exchange *x)
{
    enter(x);
    x->end_due = true;
    x->trailers =
        (struct keel_str){(char *)keel_buf_bytes(&x->trailer), keel_buf_size(&x->trailer)};
    leave(x);
}

/* --- the answer --- */

/* The head of an answer whose body comes piece by piece; length as it is sent. */
static int send_head(struct http_exchange *x, struct http_response *response, int64_t length)
{
    http_response_edit(response, &x->request);
    x->answer = HTTP_ANSWER_BEGUN;
    x->status = (uint16_t)response->status;
    x->head_sent = response->head.n + 2;
    x->counted = length >= 0;
    x->length = length >= 0 ? (uint64_t)length : 0;
    x->bare = http_answer_is_bare(&x->request, response->status);
    return x->connection ? x->carrier->begin(x, response) : KEEL_EOF;
}

/* A whole answer that filters want goes as one that comes piece by piece, and the handler is done
 * with it. 1: so it was; 0: it stays whole, perhaps with another head; or KEEL_ENOMEM. */
static int filter_whole(struct http_exchange *x, struct http_response *response)
{
    int64_t length = http_flow_length(response);
    if (!x->request.location->filters || response->hold || response->file_size > 0 ||
        response->status < 200 || response->status > 299)
        return 0;
    int err = http_flow_new(x, response, &length);
    if (err || !x->flow)
        return err;
    if (keep(x) != 0)
        return KEEL_ENOMEM;
    x->served = true;
    if (send_head(x, response, length) == 0)
        http_exchange_write(x, response->body.p, response->body.n);
    http_exchange_end(x, KEEL_STR(""));
    return 1;
}

static enum http_verdict respond_filtered(struct http_exchange *x, void *state, void *settings,
                                          struct http_response *response)
{
    x->step++;
    enum http_verdict verdict = run(x, response);
    int how = verdict == HTTP_DONE ? filter_whole(x, response) : 0;
    if (how < 0) {
        http_flow_free(x);
        http_response_plain(response, &x->request, 503, KEEL_STR(""));
    }
    return how == 1 ? HTTP_LATER : verdict;
}

const struct http_handler http_filtered_handler = {HTTP_HANDLER, .name = "filtered",
                                                   .respond = respond_filtered};

int http_exchange_respond(struct http_exchange *x, struct http_response *response)
{
    int err = 0;
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    enter(x);
    int how = keep(x) == 0 ? filter_whole(x, response) : KEEL_ENOMEM;
    if (how == 0) {
        end(x);
        send_whole(x, response);
    } else if (how < 0) {
        fail(x, 503, true);
        err = KEEL_ENOMEM;
    }
    leave(x);
    return err;
}

int http_exchange_begin(struct http_exchange *x, unsigned status, struct keel_str fields,
                        int64_t length)
{
    struct http_response response;
    int err = KEEL_ENOMEM;
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    enter(x);
    if (keep(x) == 0 && http_response_head(&response, &x->request, status, fields, length) == 0 &&
        http_flow_new(x, &response, &length) == 0)
        err = send_head(x, &response, length);
    else
        fail(x, 503, true);
    leave(x);
    return err;
}

int http_exchange_begin_response(struct http_exchange *x, struct http_response *response,
                                 int64_t length)
{
    int err = KEEL_ENOMEM;
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    enter(x);
    if (keep(x) == 0 && http_flow_new(x, response, &length) == 0)
        err = send_head(x, response, length);
    else
        fail(x, 503, true);
    leave(x);
    return err;
}

static int send_switch(struct http_exchange *x, const char *protocol, struct keel_str fields)
{
    struct http_request *request = &x->request;
    struct http_response response;
    unsigned status = request->head.major == 1 ? 101 : 200;
    /* on HTTP/2 the two lines go: conn/h2.c */
    char *all = keel_arena_printf(&request->arena, "Upgrade: %s\r\nConnection: Upgrade\r\n%.*s",
                                  protocol, (int)fields.n, fields.n ? fields.p : "");
    if (!all || http_response_head(&response, request, status, keel_str(all), -1) != 0)
        return KEEL_ENOMEM;
    x->tunnel = true;
    x->answer = HTTP_ANSWER_BEGUN;
    x->content = HTTP_CONTENT_READ;
    x->body_limit = UINT64_MAX;
    x->status = (uint16_t)status;
    x->head_sent = response.head.n + 2;
    if (!x->connection)
        return KEEL_EOF;
    int err = x->carrier->begin(x, &response);
    if (err == 0)
        x->carrier->read(x, false);
    return err;
}

int http_exchange_upgrade(struct http_exchange *x, const char *protocol, struct keel_str fields)
{
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    if (!http_request_asks_for(&x->request, protocol))
        return KEEL_EINVAL;
    enter(x);
    int err = keep(x);
    if (err == 0)
        err = send_switch(x, protocol, fields);
    if (err == KEEL_ENOMEM)
        fail(x, 503, true);
    leave(x);
    return err;
}

/* Gives bytes of the body to the carrier; x may be over then. */
static int send_piece(struct http_exchange *x, const void *bytes, size_t n)
{
    int err = 0;
    if (x->counted && n > x->length)
        return KEEL_EINVAL;
    x->length -= x->counted ? n : 0;
    if (n > 0 && !x->bare) {
        x->body_sent += n;
        err = x->connection ? x->carrier->write(x, bytes, n) : KEEL_EOF;
    }
    return err;
}

static void send_end(struct http_exchange *x, bool cut, struct keel_str trailers)
{
    end(x);
    if (x->connection && cut)
        x->carrier->abort(x);
    else if (x->connection && !x->bare)
        x->carrier->end(x, x->counted || x->tunnel ? KEEL_STR("") : trailers);
    else if (x->connection)
        x->carrier->end(x, KEEL_STR(""));
}

/* --- through filters --- */

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
    int err = http_flow_pass(flow, bytes, n, piece);
    if (err == 0)
        err = send_piece(x, keel_buf_bytes(&flow->out), keel_buf_size(&flow->out));
    if (err == KEEL_EAGAIN)
        flow->blocked = true;
    else if (err == KEEL_ENOMEM || err == KEEL_EINVAL)
        fail(x, 503, true);
}

static int filter_write(struct http_exchange *x, const void *bytes, size_t n)
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

/* What is due after a turn, or when output is welcome again. */
static void filter_go_on(struct http_exchange *x)
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
            send_end(x, false, flow->trailers);
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
        enter(x);
        filter_go_on(x);
        leave(x);
    }
    if (!keel_list_empty(&host->due))
        host->soon(host);
}

/* The handler is done; its filters may not be. */
static void filter_end(struct http_exchange *x, struct keel_str trailers)
{
    struct http_flow *flow = x->flow;
    if (trailers.n > 0 &&
        !(trailers.p = keel_arena_memdup(&x->request.arena, trailers.p, trailers.n))) {
        x->served = true;
        fail(x, 503, true);
        return;
    }
    flow->trailers = trailers;
    flow->ending = x->served = true;
    if (x->content != HTTP_CONTENT_NONE)
        x->content = HTTP_CONTENT_HELD;
    if (keel_buf_size(&flow->pending) == 0)
        filter_go_on(x);
    else if (!flow->blocked)
        filter_later(x);
}

int http_exchange_write(struct http_exchange *x, const void *bytes, size_t n)
{
    if (x->over || x->answer != HTTP_ANSWER_BEGUN || (x->flow && x->flow->ending))
        return KEEL_EOF;
    if (x->flow ? !http_flow_takes(x->flow, n) : x->counted && n > x->length)
        return KEEL_EINVAL;
    enter(x);
    int err = x->flow ? filter_write(x, bytes, n) : send_piece(x, bytes, n);
    if (err == KEEL_ENOMEM)
        fail(x, 503, true);
    leave(x);
    return err;
}

int http_exchange_end(struct http_exchange *x, struct keel_str trailers)
{
    if (x->over || x->answer != HTTP_ANSWER_BEGUN || (x->flow && x->flow->ending))
        return KEEL_EOF;
    enter(x);
    if (x->flow && x->flow->length == 0)
        filter_end(x, trailers);
    else
        send_end(x, x->flow || (x->length > 0 && !x->bare), trailers);
    leave(x);
    return 0;
}

void http_exchange_abort(struct http_exchange *x)
{
    if (x->over)
        return;
    enter(x);
    if (x->answer == HTTP_ANSWER_NONE || keep(x) != 0) {
        fail(x, 500, true);
        x->gone = false;
    } else {
        end(x);
        if (x->connection)
            x->carrier->abort(x);
    }
    leave(x);
}

void http_exchange_drained(struct http_exchange *x)
{
    if (x->over || (!x->flow && !x->step->handler->on_drained))
        return;
    enter(x);
    if (x->flow) {
        x->flow->blocked = false;
        filter_go_on(x);
    } else {
        x->step->handler->on_drained(x);
    }
    leave(x);
}

void http_exchange_gone(struct http_exchange *x)
{
    enter(x);
    x->connection = NULL;
    fail(x, 0, true);
    leave(x);
}

void http_exchange_fail(struct http_exchange *x, unsigned status)
{
    enter(x);
    fail(x, status, true);
    leave(x);
}
