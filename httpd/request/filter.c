#include "httpd/request/filter.h"

#include <stdio.h>

#include "common/base/err.h"
#include "httpd/request/condition.h"

int64_t http_flow_length(const struct http_response *response)
{
    uint64_t length;
    struct keel_str value = http_response_value(response, KEEL_STR("content-length"));
    return value.p && keel_parse_u64(value, INT64_MAX, &length) == 0 ? (int64_t)length : -1;
}

static void release(const struct http_filter *filter, void *state)
{
    if (filter->release)
        filter->release(state);
}

static int add(struct http_exchange *x, const struct http_filter *filter, void *state)
{
    if (!x->flow) {
        x->flow = keel_calloc(1, sizeof *x->flow);
        if (x->flow) {
            x->flow->x = x;
            keel_list_init(&x->flow->due);
        }
    }
    if (!x->flow || x->flow->count == HTTP_FILTERS_MAX) {
        release(filter, state);
        return KEEL_ENOMEM;
    }
    x->flow->items[x->flow->count].filter = filter;
    x->flow->items[x->flow->count++].state = state;
    return 0;
}

/* May a filter have the body of such an answer? Parts of one would be filtered apart. */
static bool is_whole(const struct http_response *response)
{
    unsigned status = response->status;
    return response->file_size == 0 && status >= 200 && status != 204 && status != 205 &&
           status != 206 && status != 304;
}

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
#define WITHOUT(text)                                                                              \
    {                                                                                              \
        .op = HTTP_HEADER_REMOVE, .name = NAME(text)                                               \
    }

/* Takes out what is no longer true: the length (it had `before` bytes), digests, and where a filter
 * is not exact what tells one body from another (RFC 9110, 8.8), and that parts of it can be had
 * (14.3). */
static int correct(struct http_exchange *x, struct http_response *response, int64_t before,
                   bool exact)
{
    static struct http_header_rule items[] = {
        WITHOUT("Content-Length"), WITHOUT("Content-MD5"),    WITHOUT("Digest"),
        WITHOUT("Repr-Digest"),    WITHOUT("Content-Digest"), /* so far of all filters */
        WITHOUT("ETag"),           WITHOUT("Last-Modified"),  WITHOUT("Accept-Ranges"),
    };
    int64_t length = x->flow->promised;
    unsigned from = length == before ? 1 : 0, to = exact ? 5 : sizeof items / sizeof *items;
    const struct http_header_rules rules = {.items = items + from, .count = to - from};
    char line[48] = "";
    if (length != before && length >= 0)
        snprintf(line, sizeof line, "Content-Length: %lld\r\n", (long long)length);
    return http_response_rules(response, &x->request, &rules, keel_str(line));
}

int http_flow_ask(struct http_exchange *x, struct http_response *response, int64_t *length)
{
    const struct http_filter_use *use = x->request.location->filters;
    int64_t before = *length;
    bool whole = is_whole(response), exact = true;
    int result = 0;
    for (; use && use->filter && result >= 0; use++) {
        void *state = NULL;
        result = use->filter->head(x, use->settings, response, length, &state);
        if (result != 1)
            continue;
        if (whole && use->filter->body) {
            exact = exact && use->filter->exact;
            result = add(x, use->filter, state);
        } else {
            release(use->filter, state);
        }
    }
    if (x->flow) {
        x->flow->promised = *length;
        x->flow->counted = before >= 0;
        x->flow->length = before >= 0 ? (uint64_t)before : 0;
    } else {
        *length = before;
    }
    if (result >= 0 && x->flow)
        result = correct(x, response, before, exact);
    if (result < 0)
        http_flow_free(x);
    return result < 0 ? KEEL_ENOMEM : x->flow != NULL;
}

/* Has the client what the filters make, by the tag that they gave it? The handler could not know:
 * it has compared with its own. */
static bool is_known(const struct http_exchange *x, const struct http_response *response)
{
    const struct http_head *head = &x->request.head;
    if (response->status != 200 || !http_head_has(head, HTTP_FIELD_IF_NONE_MATCH))
        return false;
    struct keel_str etag = http_response_value(response, KEEL_STR("ETag"));
    if (keel_str_begins(etag, KEEL_STR("W/")))
        etag = (struct keel_str){etag.p + 2, etag.n - 2};
    return etag.n > 0 && http_condition_check(head, etag, HTTP_NO_DATE, 0) == HTTP_NOT_MODIFIED;
}

/* Makes a 304 of a head (RFC 9110, 15.4.5). */
static int make_not_modified(struct http_exchange *x, struct http_response *response)
{
    static struct http_header_rule items[] = {
        WITHOUT("Content-Length"),
        WITHOUT("Content-Type"),
        WITHOUT("Content-Encoding"),
        WITHOUT("Accept-Ranges"),
    };
    const struct http_header_rules rules = {.items = items, .count = sizeof items / sizeof *items};
    struct keel_str fields = response->head, line;
    keel_str_split(&fields, '\n', &line);
    const char *head = keel_arena_printf(&x->request.arena, "HTTP/1.1 304 Not Modified\r\n%.*s",
                                         (int)fields.n, fields.p ? fields.p : "");
    if (!head)
        return KEEL_ENOMEM;
    response->status = 304;
    response->head = keel_str(head);
    response->body = (struct keel_str){NULL, 0};
    return http_response_rules(response, &x->request, &rules, KEEL_STR(""));
}

int http_flow_new(struct http_exchange *x, struct http_response *response, int64_t *length)
{
    int err = 0;
    if (x->flow)
        *length = x->flow->promised;
    else
        err = http_flow_ask(x, response, length);
    if (err >= 0 && x->flow && is_known(x, response)) {
        err = make_not_modified(x, response);
        *length = -1;
    }
    if (x->flow && (err < 0 || http_answer_is_bare(&x->request, response->status)))
        http_flow_free(x);
    return err < 0 ? err : 0;
}

void http_flow_free(struct http_exchange *x)
{
    struct http_flow *flow = x->flow;
    if (!flow)
        return;
    x->flow = NULL;
    keel_list_remove(&flow->due);
    for (unsigned i = 0; i < flow->count; i++)
        release(flow->items[i].filter, flow->items[i].state);
    keel_buf_fini(&flow->pending);
    keel_buf_fini(&flow->out);
    keel_buf_fini(&flow->next);
    keel_free(flow);
}

bool http_flow_takes(struct http_flow *flow, size_t n)
{
    if (flow->counted && n > flow->length)
        return false;
    flow->length -= flow->counted ? n : 0;
    return true;
}

int http_flow_pass(struct http_flow *flow, const void *bytes, size_t n, enum http_piece piece)
{
    for (unsigned i = 0; i < flow->count; i++) {
        keel_buf_clear(&flow->next);
        int err = flow->items[i].filter->body(flow->items[i].state, bytes, n, piece, &flow->next);
        if (err || flow->next.failed)
            return err ? err : flow->next.failed;
        struct keel_buf done = flow->next;
        flow->next = flow->out;
        flow->out = done;
        bytes = keel_buf_bytes(&flow->out);
        n = keel_buf_size(&flow->out);
        if (n == 0 && piece == HTTP_PIECE_MORE)
            break; /* it was held back */
    }
    return 0;
}
