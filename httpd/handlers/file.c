#include "httpd/handlers/file.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "httpd/handlers/parts.h"
#include "httpd/handlers/redirect.h"
#include "httpd/request/condition.h"
#include "httpd/request/filter.h"

/* OPTIONS is answered for any path, and for "*" (RFC 9110, 9.3.7). */
static void respond_to_method(struct http_request *request, struct http_response *response)
{
    struct keel_str allow = KEEL_STR("Allow: GET, HEAD, OPTIONS\r\n");
    switch (request->head.method) {
    case HTTP_OPTIONS:
        http_response_plain(response, request, 200, allow);
        break;
    case HTTP_METHOD_OTHER:
        http_response_plain(response, request, 501, KEEL_STR(""));
        break;
    default:
        http_response_plain(response, request, 405, allow);
    }
}

/* The same path with '/' behind it. */
static void respond_directory(struct http_request *request, struct http_response *response)
{
    size_t n = request->path.n;
    char *path = keel_arena_alloc(&request->arena, n + 1);
    if (!path) {
        http_response_plain(response, request, 503, KEEL_STR(""));
        return;
    }
    memcpy(path, request->path.p, n);
    path[n] = '/';
    http_redirect_respond(request, response, 301, KEEL_STR(""), (struct keel_str){path, n + 1});
}

/* at..at+length of the entry's body. */
static void set_body(struct http_response *response, const struct http_entry *entry, uint64_t at,
                     uint64_t length)
{
    if (entry->fd >= 0) {
        response->file = entry->fd;
        response->file_at = at;
        response->file_size = length;
    } else {
        response->body = (struct keel_str){entry->head.p + entry->head.n + 2 + at, (size_t)length};
    }
}

static void respond_part(struct http_request *request, const struct http_entry *entry, uint64_t at,
                         uint64_t length, struct http_response *response)
{
    char range[3 * KEEL_DECIMAL + 2], *p = range;
    p = keel_put_decimal(p, at);
    *p++ = '-';
    p = keel_put_decimal(p, at + length - 1);
    *p++ = '/';
    p = keel_put_decimal(p, entry->size);
    const struct keel_str pieces[] = {KEEL_STR("Content-Type: "),
                                      entry->type,
                                      KEEL_STR("\r\nContent-Range: bytes "),
                                      {range, (size_t)(p - range)},
                                      KEEL_STR("\r\n")};
    struct keel_str content =
        http_head_join(pieces, sizeof pieces / sizeof *pieces, &request->arena);
    if (!content.p || http_parts_head(response, request, entry, content, length) != 0) {
        *response = (struct http_response){.close = true};
        http_response_plain(response, request, 503, KEEL_STR(""));
        return;
    }
    set_body(response, entry, at, length);
}

/* Who asks for what. */
struct asking {
    struct http_cache *cache;
    struct http_request *request;
    struct http_exchange *x; /* NULL: it cannot be kept */
};

/* Range is for GET alone (RFC 9110, 14.2). HTTP_NEXT: it is not followed. */
static enum http_verdict respond_range(const struct asking *asking, struct http_entry *entry,
                                       struct http_response *response)
{
    struct http_request *request = asking->request;
    struct http_range ranges[HTTP_RANGES_MAX];
    unsigned count;
    if (request->head.method != HTTP_GET || entry->etag.n == 0 ||
        !http_condition_range(&request->head, entry->etag, entry->modified, request->clock->second))
        return HTTP_NEXT;
    switch (http_range_parse(http_head_value(&request->head, HTTP_FIELD_RANGE), entry->size, ranges,
                             &count)) {
    case HTTP_RANGE_PART:
        if (count > 1)
            return http_parts_respond(request, asking->x, asking->cache->looks, entry, ranges,
                                      count, response);
        respond_part(request, entry, ranges[0].at, ranges[0].length, response);
        return HTTP_DONE;
    case HTTP_RANGE_UNSATISFIABLE: {
        char *field = keel_arena_printf(&request->arena, "Content-Range: bytes */%llu\r\n",
                                        (unsigned long long)entry->size);
        http_response_plain(response, request, 416, field ? keel_str(field) : KEEL_STR(""));
        return HTTP_DONE;
    }
    default:
        return HTTP_NEXT;
    }
}

/* True when a condition of the request decided. */
static bool respond_condition(struct http_request *request, struct http_entry *entry,
                              struct http_response *response)
{
    if (!(request->head.known & HTTP_CONDITIONAL_FIELDS) || entry->etag.n == 0)
        return false;
    switch (http_condition_check(&request->head, entry->etag, entry->modified,
                                 request->clock->second)) {
    case HTTP_NOT_MODIFIED:
        response->status = 304;
        response->head = entry->head304;
        return true;
    case HTTP_FAILED:
        http_response_plain(response, request, 412, KEEL_STR(""));
        return true;
    default:
        return false;
    }
}

/* The response is as the worker gives it: empty. */
static enum http_verdict respond_entry(const struct asking *asking, struct http_entry *entry,
                                       struct http_response *response)
{
    struct http_request *request = asking->request;
    http_entry_set_date(entry, request->clock);
    response->status = 200; /* all else is zero */
    response->joined = entry->fd < 0;
    response->hold = http_entry_hold;
    response->release = http_entry_release;
    response->owner = entry;
    if (respond_condition(request, entry, response))
        return HTTP_DONE;
    if (http_head_has(&request->head, HTTP_FIELD_RANGE)) {
        enum http_verdict verdict = respond_range(asking, entry, response);
        if (verdict != HTTP_NEXT)
            return verdict;
    }
    response->head = entry->head;
    if (request->head.method == HTTP_GET)
        set_body(response, entry, 0, entry->size);
    return HTTP_DONE;
}

/* --- files that filters change --- */

/* A 304 about what has the validators of that head. KEEL_ENOMEM: no memory. */
static int respond_not_modified(struct http_request *request, const struct http_entry *entry,
                                const struct http_response *own, struct http_response *response)
{
    struct http_header_rule items[] = {
        {.op = HTTP_HEADER_REMOVE, .name = KEEL_STR("ETag")},
        {.op = HTTP_HEADER_REMOVE, .name = KEEL_STR("Last-Modified")},
    };
    bool dated = http_response_value(own, KEEL_STR("last-modified")).p != NULL;
    const struct http_header_rules rules = {.items = items, .count = dated ? 1 : 2};
    struct keel_str etag = http_response_value(own, KEEL_STR("etag"));
    char *line = keel_arena_printf(&request->arena, "ETag: %.*s\r\n", (int)etag.n, etag.p);
    *response = (struct http_response){.status = 304, .head = entry->head304};
    return line ? http_response_rules(response, request, &rules, keel_str(etag.n > 0 ? line : ""))
                : KEEL_ENOMEM;
}

/* The conditions of a request for what has that head. HTTP_NEXT: it is to be sent. */
static enum http_verdict respond_validators(struct http_request *request,
                                            const struct http_entry *entry,
                                            const struct http_response *own,
                                            struct http_response *response)
{
    struct keel_str etag = http_response_value(own, KEEL_STR("etag"));
    bool dated = http_response_value(own, KEEL_STR("last-modified")).p != NULL;
    switch (http_condition_check(&request->head, etag, dated ? entry->modified : HTTP_NO_DATE,
                                 request->clock->second)) {
    case HTTP_NOT_MODIFIED:
        if (respond_not_modified(request, entry, own, response) != 0)
            http_response_plain(response, request, 503, KEEL_STR(""));
        return HTTP_DONE;
    case HTTP_FAILED:
        http_response_plain(response, request, 412, KEEL_STR(""));
        return HTTP_DONE;
    default:
        return HTTP_NEXT;
    }
}

/* The file through the filters of its location, when one of them wants its body: always the whole
 * of it, because ranges are of what they make. Behind the head `own`. HTTP_NEXT: none does. */
static enum http_verdict respond_filtered(const struct asking *asking, struct http_entry *entry,
                                          struct http_response *own, struct http_response *response)
{
    struct http_request *request = asking->request;
    struct http_exchange *x = asking->x;
    int64_t length = (int64_t)entry->size;
    http_entry_set_date(entry, request->clock);
    int how = http_flow_ask(x, own, &length);
    if (how == 0)
        return HTTP_NEXT;
    enum http_verdict verdict =
        how > 0 ? respond_validators(request, entry, own, response) : HTTP_NEXT;
    if (verdict == HTTP_NEXT && how > 0 && entry->fd < 0) {
        *response = *own;
        if (request->head.method == HTTP_GET)
            set_body(response, entry, 0, entry->size);
        return HTTP_DONE;
    }
    if (verdict == HTTP_NEXT && how > 0 && asking->cache->looks)
        verdict = http_parts_respond_whole(x, asking->cache->looks, entry, own);
    if (verdict == HTTP_NEXT) {
        http_response_plain(response, request, 503, KEEL_STR(""));
        verdict = HTTP_DONE;
    }
    if (verdict == HTTP_DONE)
        http_flow_free(x); /* the filters are asked about this answer, too */
    return verdict;
}

/* A file that a module's filter wants. */
static enum http_verdict respond_changed(const struct asking *asking, struct http_entry *entry,
                                         struct http_response *response)
{
    struct http_response own = {.status = 200,
                                .head = entry->head,
                                .hold = http_entry_hold,
                                .release = http_entry_release,
                                .owner = entry};
    if (!asking->x || !asking->request->location->filters_files)
        return HTTP_NEXT;
    return respond_filtered(asking, entry, &own, response);
}

/* A file that is too large to be compressed in memory, for a client that takes a coding: compressed
 * while it is sent. HTTP_NEXT: as it is. */
static enum http_verdict respond_coded(const struct asking *asking, struct http_entry *entry,
                                       struct http_response *response)
{
    struct http_request *request = asking->request;
    const struct http_head *head = &request->head;
    struct http_response own = {.status = 200, .head = entry->head};
    if (!asking->x || !asking->cache->looks || entry->size > request->site->compress_max ||
        !request->location->filters || http_head_has(head, HTTP_FIELD_RANGE) ||
        !http_head_has(head, HTTP_FIELD_ACCEPT_ENCODING) || (head->major == 1 && head->minor == 0))
        return HTTP_NEXT;
    return respond_filtered(asking, entry, &own, response);
}

/* entry NULL: it cannot be had now. HTTP_DONE, or HTTP_LATER: the exchange ends by itself. */
static enum http_verdict respond_found(const struct asking *asking, struct http_entry *entry,
                                       struct http_response *response)
{
    struct http_request *request = asking->request;
    if (entry && entry->kind != HTTP_RESOURCE_DIRECTORY && entry->status == 200) {
        enum http_verdict verdict = respond_changed(asking, entry, response);
        if (verdict != HTTP_NEXT)
            return verdict;
        struct http_entry *best =
            entry->negotiated ? http_cache_negotiate(asking->cache, entry, request) : entry;
        if (best == entry && entry->negotiated && entry->fd >= 0) {
            verdict = respond_coded(asking, entry, response);
            if (verdict != HTTP_NEXT)
                return verdict;
        }
        return respond_entry(asking, best, response);
    }
    if (!entry)
        http_response_retry(response, request, 503, KEEL_NS_PER_S);
    else if (entry->kind == HTTP_RESOURCE_DIRECTORY)
        respond_directory(request, response);
    else
        http_response_plain(response, request, entry->status, KEEL_STR(""));
    return HTTP_DONE;
}

/* HTTP_NEXT: the loop would wait for a disk. */
static enum http_verdict respond_cached(const struct asking *asking, struct http_response *response)
{
    struct http_request *request = asking->request;
    bool blocks = false;
    if (request->head.method != HTTP_GET && request->head.method != HTTP_HEAD) {
        respond_to_method(request, response);
        return HTTP_DONE;
    }
    struct http_entry *entry = http_cache_get(asking->cache, request, &blocks);
    return blocks ? HTTP_NEXT : respond_found(asking, entry, response);
}

bool http_file_respond(struct http_cache *cache, struct http_request *request,
                       struct http_response *response)
{
    const struct asking asking = {.cache = cache, .request = request};
    *response = (struct http_response){0};
    return respond_cached(&asking, response) == HTTP_DONE;
}

/* --- behind a thread that looks --- */

struct waiting {
    struct http_file_state state;
    struct http_waiter waiter;
    struct http_exchange *x;
    struct http_cache *cache;
};

static void on_loaded(struct http_waiter *waiter, struct http_entry *entry)
{
    struct waiting *waiting = KEEL_CONTAINER(waiter, struct waiting, waiter);
    struct http_exchange *x = waiting->x;
    const struct asking asking = {.cache = waiting->cache, .request = &x->request, .x = x};
    struct http_response response = {0};
    if (x->request.clock->refresh)
        x->request.clock->refresh(x->request.clock);
    x->state = NULL;
    keel_free(waiting);
    if (respond_found(&asking, entry, &response) == HTTP_DONE)
        http_exchange_respond(x, &response);
}

static void stop_waiting(struct http_exchange *x)
{
    struct waiting *waiting = x->state;
    http_cache_leave(&waiting->waiter);
    keel_free(waiting);
}

static void on_drained(struct http_exchange *x)
{
    const struct http_file_state *state = x->state;
    if (state && state->on_drained)
        state->on_drained(x);
}

static void on_gone(struct http_exchange *x)
{
    const struct http_file_state *state = x->state;
    if (state)
        state->on_gone(x);
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    struct http_cache *cache = state;
    const struct asking asking = {.cache = cache, .request = &x->request, .x = x};
    enum http_verdict verdict = respond_cached(&asking, response);
    if (verdict != HTTP_NEXT)
        return verdict;
    struct waiting *waiting = keel_calloc(1, sizeof *waiting);
    if (waiting) {
        *waiting = (struct waiting){
            .state.on_gone = stop_waiting, .waiter.on_loaded = on_loaded, .x = x, .cache = cache};
        if (http_cache_load(cache, &x->request, &waiting->waiter) == 0) {
            x->state = waiting;
            return HTTP_LATER;
        }
        keel_free(waiting);
    }
    return respond_found(&asking, NULL, response);
}

const struct http_handler http_file_handler = {HTTP_HANDLER, .name = "file", .respond = respond,
                                               .on_drained = on_drained, .on_gone = on_gone};
