#include "httpd/serve/requests.h"

#include "common/base/mem.h"
#include "common/base/str.h"

struct http_sending {
    struct keel_list node;
    struct keel_addr peer;
    void *connection;
    uint32_t stream;
    uint64_t began_ns, size, received;
    unsigned status;
    struct http_request_text text;
    /* the response's own */
    void (*hold)(void *owner);
    void (*release)(void *owner);
    void *owner;
    struct http_requests *requests;
};

void http_requests_init(struct http_requests *requests,
                        uint64_t (*unsent)(void *connection, uint32_t stream))
{
    *requests = (struct http_requests){.unsent = unsent};
    keel_list_init(&requests->sending);
}

void http_requests_fini(struct http_requests *requests)
{
    keel_free(requests->spare);
    requests->spare = NULL;
}

/* --- who asked for what --- */

static void put(char *out, size_t size, struct keel_str text)
{
    if (text.n == 0)
        text = KEEL_STR("-");
    keel_escape(out, size, text.p, text.n);
}

static void describe(struct http_request_text *out, const struct http_exchange *x)
{
    const struct http_request *request = &x->request;
    const struct http_head *head = &request->head;
    const struct keel_str none = {NULL, 0};
    keel_addr_format(out->peer, sizeof out->peer, x->peer);
    put(out->site, sizeof out->site, request->site ? request->site->name : none);
    put(out->location, sizeof out->location, request->location ? request->location->prefix : none);
    put(out->method, sizeof out->method, http_span_str(head, head->method_text));
    put(out->target, sizeof out->target, http_span_str(head, head->target));
    put(out->handler, sizeof out->handler,
        x->step && x->step->handler ? keel_str(x->step->handler->name) : none);
    out->protocol = head->major == 2 ? "HTTP/2" : head->minor == 1 ? "HTTP/1.1" : "HTTP/1.0";
    out->stream = head->major == 2 ? x->stream : 0;
    out->tls = x->tls;
}

/* --- large answers --- */

static void hold(void *owner)
{
    struct http_sending *sending = owner;
    sending->hold(sending->owner);
    keel_list_push_back(&sending->requests->sending, &sending->node);
    sending->requests->spare = NULL;
}

static void release(void *owner)
{
    struct http_sending *sending = owner;
    keel_list_remove(&sending->node);
    sending->release(sending->owner);
    keel_free(sending);
}

void http_requests_send(struct http_requests *requests, const struct http_exchange *x,
                        struct http_response *response)
{
    uint64_t size = response->body.n + response->file_size;
    if (size < HTTP_LARGE_ANSWER || !response->hold)
        return;
    struct http_sending *sending = requests->spare;
    if (!sending && !(sending = keel_malloc(sizeof *sending)))
        return;
    *sending = (struct http_sending){.peer = *x->peer,
                                     .connection = x->connection,
                                     .stream = x->stream,
                                     .began_ns = x->kept ? x->began_ns : x->host->clock.now_ns,
                                     .size = size,
                                     .received = x->body_taken,
                                     .status = response->status,
                                     .hold = response->hold,
                                     .release = response->release,
                                     .owner = response->owner,
                                     .requests = requests};
    describe(&sending->text, x);
    response->hold = hold;
    response->release = release;
    response->owner = sending;
    requests->spare = sending; /* until it is held, if at all */
}

/* --- the slowest --- */

/* The place for one that took so long; NULL: sixteen others took longer. */
static struct http_slow_request *place_for(struct http_requests *requests, uint64_t now_ns,
                                           uint64_t duration_ns)
{
    struct http_slow_request *least = &requests->slow[0];
    for (unsigned i = 0; i < HTTP_SLOW_REQUESTS; i++) {
        struct http_slow_request *slow = &requests->slow[i];
        if (slow->duration_ns == 0 || now_ns - slow->ended_ns > HTTP_SLOW_TIME)
            return slow;
        if (slow->duration_ns < least->duration_ns)
            least = slow;
    }
    return least->duration_ns < duration_ns ? least : NULL;
}

void http_requests_over(struct http_requests *requests, const struct http_exchange *x,
                        uint64_t now_ns)
{
    uint64_t duration_ns = now_ns > x->began_ns ? now_ns - x->began_ns : 1;
    struct http_slow_request *slow = place_for(requests, now_ns, duration_ns);
    if (!slow)
        return;
    *slow = (struct http_slow_request){.ended_ns = now_ns,
                                       .duration_ns = duration_ns,
                                       .received = x->body_taken,
                                       .sent = x->head_sent + x->body_sent,
                                       .status = x->status};
    describe(&slow->text, x);
}

/* --- the list --- */

/* All rows have all fields. size -1: not known; status 0: none yet; ago_ns UINT64_MAX: it runs. */
static json_t *row_of(const struct http_request_text *t, const char *state, uint64_t duration_ns,
                      uint64_t received, uint64_t sent, int64_t size, unsigned status,
                      uint64_t ago_ns)
{
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:I, s:I}", "peer", t->peer, "protocol",
                  t->protocol, "site", t->site, "method", t->method, "target", t->target, "handler",
                  t->handler, "state", state, "seconds", (double)duration_ns / 1e9, "received",
                  (json_int_t)received, "sent", (json_int_t)sent);
    json_object_set_new(row, "size", size < 0 ? json_null() : json_integer((json_int_t)size));
    json_object_set_new(row, "status", status ? json_integer((json_int_t)status) : json_null());
    json_object_set_new(row, "ago",
                        ago_ns == UINT64_MAX ? json_null() : json_real((double)ago_ns / 1e9));
    json_object_set_new(row, "location", json_string(t->location));
    json_object_set_new(row, "tls", json_boolean(t->tls));
    json_object_set_new(row, "stream",
                        t->stream ? json_integer((json_int_t)t->stream) : json_null());
    return row;
}

/* What an exchange that is kept waits for. */
static const char *state_of(const struct http_exchange *x)
{
    if (x->tunnel && x->answer != HTTP_ANSWER_NONE)
        return "tunnel";
    if (x->answer != HTTP_ANSWER_NONE)
        return "sending";
    return x->content == HTTP_CONTENT_READ ? "body" : "handler";
}

static int list_kept(struct keel_rows *rows, const struct http_host *host, uint64_t now_ns,
                     struct keel_diag *diag)
{
    int err = 0;
    keel_list_for (node, &host->kept) {
        const struct http_exchange *x = KEEL_CONTAINER(node, struct http_exchange, node);
        struct http_request_text text;
        if (!keel_rows_wants(rows, x->peer))
            continue;
        describe(&text, x);
        uint64_t duration_ns = now_ns > x->began_ns ? now_ns - x->began_ns : 0;
        err = keel_rows_add(
            rows,
            row_of(&text, state_of(x), duration_ns, x->body_taken, x->head_sent + x->body_sent,
                   x->counted ? (int64_t)(x->body_sent + x->length) : -1, x->status, UINT64_MAX),
            diag);
        if (err)
            break;
    }
    return err;
}

static int list_sending(struct keel_rows *rows, const struct http_requests *requests,
                        uint64_t now_ns, struct keel_diag *diag)
{
    int err = 0;
    keel_list_for (node, &requests->sending) {
        const struct http_sending *s = KEEL_CONTAINER(node, struct http_sending, node);
        if (!keel_rows_wants(rows, &s->peer))
            continue;
        uint64_t unsent = requests->unsent(s->connection, s->stream);
        err = keel_rows_add(rows,
                            row_of(&s->text, "sending",
                                   now_ns > s->began_ns ? now_ns - s->began_ns : 0, s->received,
                                   s->size > unsent ? s->size - unsent : 0, (int64_t)s->size,
                                   s->status, UINT64_MAX),
                            diag);
        if (err)
            break;
    }
    return err;
}

static int list_slowest(struct keel_rows *rows, const struct http_requests *requests,
                        uint64_t now_ns, struct keel_diag *diag)
{
    int err = 0;
    for (unsigned i = 0; i < HTTP_SLOW_REQUESTS && !err; i++) {
        const struct http_slow_request *slow = &requests->slow[i];
        struct keel_addr peer;
        if (slow->duration_ns == 0 || now_ns - slow->ended_ns > HTTP_SLOW_TIME ||
            (rows->has_client && (keel_addr_parse(&peer, keel_str(slow->text.peer), 0, NULL) != 0 ||
                                  !keel_rows_wants(rows, &peer))))
            continue;
        err = keel_rows_add(rows,
                            row_of(&slow->text, "done", slow->duration_ns, slow->received,
                                   slow->sent, -1, slow->status, now_ns - slow->ended_ns),
                            diag);
    }
    return err;
}

static const char *const detail[] = {"protocol", "received", "size", "location",
                                     "tls",      "stream",   NULL};

int http_requests_list(const struct http_requests *requests, const struct http_host *host,
                       json_t *args, uint64_t now_ns, json_t **result, struct keel_diag *diag)
{
    struct keel_rows running, slowest = {0};
    int err = keel_rows_init(&running, args, diag);
    if (!err)
        err = keel_rows_init(&slowest, args, diag);
    if (!err)
        err = keel_rows_check(
            &running, row_of(&(struct http_request_text){.protocol = "-"}, "-", 0, 0, 0, 0, 0, 0),
            diag);
    if (!err)
        err = list_kept(&running, host, now_ns, diag);
    if (!err)
        err = list_sending(&running, requests, now_ns, diag);
    if (!err)
        err = list_slowest(&slowest, requests, now_ns, diag);
    if (!err)
        err = keel_rows_sort(&running, "seconds", diag);
    if (!err)
        err = keel_rows_sort(&slowest, "seconds", diag);
    if (!err)
        *result = keel_rows_end(
            &running, json_pack("{s:O, s:O}", "running", running.list, "slowest", slowest.list),
            detail);
    keel_rows_fini(&running);
    keel_rows_fini(&slowest);
    return err;
}
