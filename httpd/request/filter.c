#include "httpd/request/filter.h"

#include "common/base/err.h"

struct keel_str http_response_value(const struct http_response *response, struct keel_str name)
{
    struct keel_str rest = response->head, line, field;
    while (rest.p && keel_str_split(&rest, '\n', &line)) {
        if (!keel_str_split(&line, ':', &field) || !line.p || !keel_str_equal_nocase(field, name))
            continue;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        return keel_str_trim(line);
    }
    return (struct keel_str){NULL, 0};
}

int64_t http_flow_length(const struct http_response *response)
{
    uint64_t length;
    struct keel_str value = http_response_value(response, KEEL_STR("content-length"));
    return value.p && keel_parse_u64(value, INT64_MAX, &length) == 0 ? (int64_t)length : -1;
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
        filter->release(state);
        return KEEL_ENOMEM;
    }
    x->flow->items[x->flow->count].filter = filter;
    x->flow->items[x->flow->count++].state = state;
    return 0;
}

/* Content-Length is no longer true. */
static int drop_length(struct http_exchange *x, struct http_response *response)
{
    struct http_header_rule rule = {.op = HTTP_HEADER_REMOVE, .name = KEEL_STR("Content-Length")};
    const struct http_header_rules rules = {.items = &rule, .count = 1};
    response->head = http_head_edit(response->head, &rules, KEEL_STR(""), &x->request.arena);
    response->joined = false;
    return response->head.p ? 0 : KEEL_ENOMEM;
}

int http_flow_new(struct http_exchange *x, struct http_response *response, int64_t *length)
{
    const struct http_filter_use *use = x->request.location->filters;
    int64_t promised = *length;
    int result = 0;
    for (; use && use->filter && result >= 0; use++) {
        void *state = NULL;
        result = use->filter->head(x, use->settings, response, length, &state);
        if (result == 1)
            result = add(x, use->filter, state);
    }
    if (result >= 0 && promised >= 0 && *length < 0)
        result = drop_length(x, response);
    if (x->flow && (result < 0 || http_answer_is_bare(&x->request, response->status)))
        http_flow_free(x);
    if (x->flow) {
        x->flow->counted = promised >= 0;
        x->flow->length = promised >= 0 ? (uint64_t)promised : 0;
    }
    return result < 0 ? KEEL_ENOMEM : 0;
}

void http_flow_free(struct http_exchange *x)
{
    struct http_flow *flow = x->flow;
    if (!flow)
        return;
    x->flow = NULL;
    keel_list_remove(&flow->due);
    for (unsigned i = 0; i < flow->count; i++)
        flow->items[i].filter->release(flow->items[i].state);
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
    }
    return 0;
}
