#include "httpd/request/exchange_private.h"

#include "common/base/err.h"

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
    http_exchange_enter(x);
    x->body_limit = limit > 0 ? limit : http_max_body(x->request.site, x->request.location);
    if (http_exchange_keep(x) != 0) {
        http_exchange_give_up(x, 503, true);
        err = KEEL_ENOMEM;
    } else if (head->body == HTTP_BODY_LENGTH && head->content_length > x->body_limit) {
        http_exchange_give_up(x, 413, false);
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
    http_exchange_leave(x);
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
    http_exchange_enter(x);
    x->content = HTTP_CONTENT_READ;
    if (!x->tunnel)
        http_rate_wait(&x->rate, now_of(x));
    if (!x->end_due && x->connection)
        x->carrier->read(x, false);
    http_exchange_leave(x);
}

void http_exchange_content(struct http_exchange *x, const void *bytes, size_t n)
{
    http_exchange_enter(x);
    x->body_taken += n;
    if (x->body_taken > x->body_limit)
        http_exchange_give_up(x, 413, false);
    else if (!http_rate_take(&x->rate, &x->host->least, x->host->clock.now_ns, n))
        http_exchange_give_up(x, 408, true);
    else
        x->step->handler->on_content(x, bytes, n);
    http_exchange_leave(x);
}

void http_exchange_trailer(struct http_exchange *x, struct keel_str piece)
{
    http_exchange_enter(x);
    if (keel_buf_append(&x->trailer, piece.p, piece.n) != 0)
        http_exchange_give_up(x, 503, true);
    http_exchange_leave(x);
}

void http_exchange_content_end(struct http_exchange *x)
{
    http_exchange_enter(x);
    x->end_due = true;
    x->trailers =
        (struct keel_str){(char *)keel_buf_bytes(&x->trailer), keel_buf_size(&x->trailer)};
    http_exchange_leave(x);
}
