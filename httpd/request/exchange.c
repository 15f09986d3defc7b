#include "httpd/request/exchange_private.h"

#include "common/base/err.h"

#define SPARES_MAX 32

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

int http_exchange_keep(struct http_exchange *x)
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

void http_exchange_enter(struct http_exchange *x)
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

void http_exchange_leave(struct http_exchange *x)
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

void http_exchange_close(struct http_exchange *x)
{
    x->answer = HTTP_ANSWER_ENDED;
    x->content = HTTP_CONTENT_NONE;
    x->over = true;
}

void http_exchange_give_up(struct http_exchange *x, unsigned status, bool close)
{
    if (x->over)
        return;
    unsigned answer = x->answer;
    http_exchange_close(x);
    x->gone = true;
    if (!x->connection || status == 0)
        return;
    if (answer == HTTP_ANSWER_NONE) {
        struct http_response response = {.status = 0};
        http_response_plain(&response, &x->request, status, KEEL_STR(""));
        response.close = response.close || close;
        http_answer_whole(x, &response);
    } else {
        x->carrier->abort(x);
    }
}

/* --- the chain --- */

enum http_verdict http_exchange_go(struct http_exchange *x, struct http_response *response)
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
    http_exchange_give_up(x, 503, true);
    x->depth--;
    tell_gone(x);
    http_flow_free(x);
}

enum http_verdict http_exchange_run(struct http_exchange *x, struct http_response *response)
{
    const struct http_step *steps = x->request.location->steps;
    x->step = steps ? steps : x->host->plain;
    x->depth = 1;
    enum http_verdict verdict = http_exchange_go(x, response);
    if (verdict == HTTP_LATER && http_exchange_keep(x) != 0)
        http_exchange_give_up(x, 503, true);
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
    http_exchange_enter(x);
    x->step++;
    x->state = NULL;
    if (http_exchange_go(x, &response) == HTTP_DONE) {
        int how = http_filtered_whole(x, &response);
        x->served = true; /* nobody keeps it */
        if (how < 0)
            http_exchange_give_up(x, 503, true);
        else if (how == 0) {
            http_exchange_close(x);
            http_answer_whole(x, &response);
        }
    }
    http_exchange_leave(x);
    return 0;
}

/* --- what the carrier tells --- */

void http_exchange_drained(struct http_exchange *x)
{
    if (x->over || (!x->flow && !x->step->handler->on_drained))
        return;
    http_exchange_enter(x);
    if (x->flow) {
        x->flow->blocked = false;
        http_filtered_go_on(x);
    } else {
        x->step->handler->on_drained(x);
    }
    http_exchange_leave(x);
}

void http_exchange_gone(struct http_exchange *x)
{
    http_exchange_enter(x);
    x->connection = NULL;
    http_exchange_give_up(x, 0, true);
    http_exchange_leave(x);
}

void http_exchange_fail(struct http_exchange *x, unsigned status)
{
    http_exchange_enter(x);
    http_exchange_give_up(x, status, true);
    http_exchange_leave(x);
}
