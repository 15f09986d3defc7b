#include "httpd/serve/describe.h"

#include "httpd/serve/connection.h"
#include "httpd/serve/serve_h2.h"

uint64_t http_serve_unsent(void *connection, uint32_t stream)
{
    const struct http_connection *c = connection;
    return c->is_h2 ? http_serve_h2_unsent(c, stream) : keel_stream_pending(&c->core.stream);
}

/* Of HTTP/1. */
static const char *state_of(const struct http_connection *c)
{
    static const char *const names[] = {
        [WAIT_HEAD] = "head", [WAIT_TAKE] = "idle",     [WAIT_IDLE] = "idle",
        [WAIT_BODY] = "body", [WAIT_LATER] = "handler", [WAIT_SEND] = "sending"};
    if (c->h1.state == HTTP_H1_CLOSED)
        return "closing";
    if (c->h1.state == HTTP_H1_TUNNEL)
        return "tunnel";
    if (keel_stream_pending(&c->core.stream) > 0)
        return "sending";
    return names[c->wait];
}

void http_serve_describe(struct keel_connection *connection, json_t *row)
{
    const struct http_connection *c = KEEL_CONTAINER(connection, struct http_connection, core);
    char target[256] = "";
    unsigned requests = c->is_h2 ? http_serve_h2_requests(c) : c->requests;
    const struct http_exchange *x = c->is_h2 ? http_serve_h2_oldest(c) : c->x;
    if (x) {
        struct keel_str text = http_span_str(&x->request.head, x->request.head.target);
        keel_escape(target, sizeof target, text.p, text.n);
    }
    json_object_set_new(row, "protocol", json_string(c->is_h2 ? "HTTP/2" : "HTTP/1"));
    json_object_set_new(row, "state", json_string(c->is_h2 ? http_serve_h2_state(c) : state_of(c)));
    json_object_set_new(row, "requests", json_integer((json_int_t)requests));
    json_object_set_new(row, "streams",
                        c->is_h2 ? json_integer(http_serve_h2_streams(c)) : json_null());
    json_object_set_new(row, "target", target[0] ? json_string(target) : json_null());
}
