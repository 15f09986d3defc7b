#include "httpd/request/exchange_private.h"

#include "common/base/err.h"

/* --- to the carrier --- */

int http_answer_whole(struct http_exchange *x, struct http_response *response)
{
    http_response_edit(response, &x->request);
    if (http_answer_is_bare(&x->request, response->status)) {
        response->body = (struct keel_str){NULL, 0};
        response->file_size = 0;
        response->joined = false;
    }
    x->status = (uint16_t)response->status;
    x->head_sent = response->head.n + 2;
    x->body_sent = response->body.n + response->file_size;
    return x->connection ? x->carrier->respond(x, response) : KEEL_EOF;
}

int http_answer_head(struct http_exchange *x, struct http_response *response, int64_t length)
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

int http_answer_piece(struct http_exchange *x, const void *bytes, size_t n)
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

void http_answer_end(struct http_exchange *x, bool cut, struct keel_str trailers)
{
    http_exchange_close(x);
    if (x->connection && cut)
        x->carrier->abort(x);
    else if (x->connection && !x->bare)
        x->carrier->end(x, x->counted || x->tunnel ? KEEL_STR("") : trailers);
    else if (x->connection)
        x->carrier->end(x, KEEL_STR(""));
}

/* --- from the handler --- */

int http_exchange_respond(struct http_exchange *x, struct http_response *response)
{
    int err = 0;
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    http_exchange_enter(x);
    int how = http_exchange_keep(x) == 0 ? http_filtered_whole(x, response) : KEEL_ENOMEM;
    if (how == 0) {
        http_exchange_close(x);
        http_answer_whole(x, response);
    } else if (how < 0) {
        http_exchange_give_up(x, 503, true);
        err = KEEL_ENOMEM;
    }
    http_exchange_leave(x);
    return err;
}

int http_exchange_begin(struct http_exchange *x, unsigned status, struct keel_str fields,
                        int64_t length)
{
    struct http_response response;
    int err = KEEL_ENOMEM;
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    http_exchange_enter(x);
    if (http_exchange_keep(x) == 0 &&
        http_response_head(&response, &x->request, status, fields, length) == 0 &&
        http_flow_new(x, &response, &length) == 0)
        err = http_answer_head(x, &response, length);
    else
        http_exchange_give_up(x, 503, true);
    http_exchange_leave(x);
    return err;
}

int http_exchange_begin_response(struct http_exchange *x, struct http_response *response,
                                 int64_t length)
{
    int err = KEEL_ENOMEM;
    if (x->over || x->answer != HTTP_ANSWER_NONE)
        return KEEL_EOF;
    http_exchange_enter(x);
    if (http_exchange_keep(x) == 0 && http_flow_new(x, response, &length) == 0)
        err = http_answer_head(x, response, length);
    else
        http_exchange_give_up(x, 503, true);
    http_exchange_leave(x);
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
    http_exchange_enter(x);
    int err = http_exchange_keep(x);
    if (err == 0)
        err = send_switch(x, protocol, fields);
    if (err == KEEL_ENOMEM)
        http_exchange_give_up(x, 503, true);
    http_exchange_leave(x);
    return err;
}

int http_exchange_write(struct http_exchange *x, const void *bytes, size_t n)
{
    if (x->over || x->answer != HTTP_ANSWER_BEGUN || (x->flow && x->flow->ending))
        return KEEL_EOF;
    if (x->flow ? !http_flow_takes(x->flow, n) : x->counted && n > x->length)
        return KEEL_EINVAL;
    http_exchange_enter(x);
    int err = x->flow ? http_filtered_write(x, bytes, n) : http_answer_piece(x, bytes, n);
    if (err == KEEL_ENOMEM)
        http_exchange_give_up(x, 503, true);
    http_exchange_leave(x);
    return err;
}

int http_exchange_end(struct http_exchange *x, struct keel_str trailers)
{
    if (x->over || x->answer != HTTP_ANSWER_BEGUN || (x->flow && x->flow->ending))
        return KEEL_EOF;
    http_exchange_enter(x);
    if (x->flow && x->flow->length == 0)
        http_filtered_end(x, trailers);
    else
        http_answer_end(x, x->flow || (x->length > 0 && !x->bare), trailers);
    http_exchange_leave(x);
    return 0;
}

void http_exchange_abort(struct http_exchange *x)
{
    if (x->over)
        return;
    http_exchange_enter(x);
    if (x->answer == HTTP_ANSWER_NONE || http_exchange_keep(x) != 0) {
        http_exchange_give_up(x, 500, true);
        x->gone = false;
    } else {
        http_exchange_close(x);
        if (x->connection)
            x->carrier->abort(x);
    }
    http_exchange_leave(x);
}
