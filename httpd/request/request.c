#include "httpd/request/request.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "httpd/wire/accept.h"
#include "httpd/wire/chars.h"
#include "httpd/wire/path.h"
#include "httpd/wire/status.h"

void http_clock_set(struct http_clock *clock, uint64_t realtime_ns, uint64_t monotonic_ns)
{
    int64_t second = (int64_t)(realtime_ns / 1000000000u);
    clock->now_ns = monotonic_ns;
    clock->next_ns = monotonic_ns + (1000000000u - realtime_ns % 1000000000u);
    if (second == clock->second && clock->date[0])
        return;
    clock->second = second;
    http_date_format(clock->date, second);
}

void http_request_init(struct http_request *request)
{
    memset(request, 0, sizeof *request);
    keel_arena_init(&request->arena, 16384);
}

void http_request_fini(struct http_request *request)
{
    keel_arena_fini(&request->arena);
}

/* A page as JSON: asked for by name, or liked better than HTML. */
static bool wants_json(const struct http_request *request)
{
    const struct http_head *head = &request->head;
    if (keel_str_equal(request->query, KEEL_STR("format=json")))
        return true;
    return http_head_has(head, HTTP_FIELD_ACCEPT) &&
           http_accept_type(head, KEEL_STR("application/json")) >
               http_accept_type(head, KEEL_STR("text/html"));
}

/* Runs one list of rewrites over the request. As http_rewrite_apply. */
static int rewrite(struct http_request *request, struct http_expressions *expressions,
                   const struct http_origin *origin, const struct http_rewrites *rules)
{
    struct http_rewritten state = {request->path, request->query, {NULL, 0}};
    struct http_asked asked = {.head = &request->head, .tls = origin->tls, .peer = origin->peer};
    if (rules->count == 0)
        return 0;
    int result = http_rewrite_apply(expressions, rules, &request->arena, &asked, &state);
    request->path = state.path;
    request->query = state.query;
    request->moved = state.location;
    return result;
}

/* The location of the path, as the rewrites of the site and then those of locations leave it. A
 * location's are tried when the path comes to it, and not again while it stays. */
static int find_location(struct http_request *request, struct http_expressions *expressions,
                         const struct http_origin *origin)
{
    enum { REWRITES_MAX = 10 };
    const struct http_site *site = request->site;
    bool can = expressions && request->path.n > 0;
    int result = can ? rewrite(request, expressions, origin, &site->rewrites) : 0;
    request->location = http_route_location(site, request->path);
    for (unsigned i = 0; can && result >= 0 && result <= 1; i++) {
        const struct http_location *from = request->location;
        result = rewrite(request, expressions, origin, &from->rewrites);
        if (result != 1)
            break;
        request->location = http_route_location(site, request->path);
        if (request->location == from)
            break;
        if (i == REWRITES_MAX)
            result = -500;
    }
    return result == 1 ? 0 : result;
}

int http_request_prepare(struct http_request *request, const struct http_sites *sites,
                         const struct http_origin *origin, struct http_clock *clock)
{
    const struct http_head *head = &request->head;
    keel_arena_reset(&request->arena);
    request->clock = clock;
    request->user = request->client_subject = KEEL_STR("");
    request->site = http_route_site(sites, http_span_str(head, head->host), origin->entrance);
    request->location = request->site->base;
    request->query = http_span_str(head, head->query);
    request->path = http_span_str(head, head->path);
    if (request->path.n > 0 && !http_path_is_normal(request->path)) {
        char *out = keel_arena_alloc(&request->arena, request->path.n + 1);
        if (!out)
            return -503;
        int n = http_path_normalise(request->path, out);
        if (n < 0)
            return -400;
        request->path = (struct keel_str){out, (size_t)n};
    }
    int result = find_location(request, sites->expressions, origin);
    request->json =
        (request->location->autoindex || request->location->status) && wants_json(request);
    return result;
}

/* Is the token in the list of any field of this name, in any case? */
static bool lists(const struct http_head *head, enum http_field_id id, struct keel_str token)
{
    for (unsigned i = 0; i < head->count; i++) {
        struct keel_str rest = http_span_str(head, head->fields[i].value), word;
        while (head->fields[i].id == id && http_list_next(&rest, &word))
            if (keel_str_equal_nocase(word, token))
                return true;
    }
    return false;
}

bool http_request_asks_for(const struct http_request *request, const char *protocol)
{
    const struct http_head *head = &request->head;
    bool may = head->major == 2
                   ? head->method == HTTP_CONNECT
                   : head->minor == 1 && head->method == HTTP_GET && head->body == HTTP_BODY_NONE;
    return may && lists(head, HTTP_FIELD_CONNECTION, KEEL_STR("upgrade")) &&
           lists(head, HTTP_FIELD_UPGRADE, keel_str(protocol));
}

static void out_of_memory(struct http_response *response)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nServer: keel\r\n"
                               "Content-Length: 0\r\n\r\n";
    *response = (struct http_response){
        .status = 503, .head = {text, sizeof text - 3}, .close = true, .joined = true};
}

static const char *date_of(struct http_request *request)
{
    if (request->clock->refresh)
        request->clock->refresh(request->clock);
    return request->clock->date;
}

static struct keel_str decimal(char out[KEEL_DECIMAL], uint64_t n)
{
    return (struct keel_str){out, (size_t)(keel_put_decimal(out, n) - out)};
}

/* The fields of the location, in every answer. */
static struct keel_str always_of(const struct http_request *request)
{
    return request->location ? request->location->always : KEEL_STR("");
}

void http_response_plain(struct http_response *response, struct http_request *request,
                         unsigned status, struct keel_str extra)
{
    char code[KEEL_DECIMAL], length[KEEL_DECIMAL];
    struct keel_str reason = http_status_reason(status), number = decimal(code, status);
    const struct http_error_page *page = http_site_error_page(request->site, status);
    size_t line = number.n + 1 + reason.n + 1; /* "404 Not Found\n" */
    bool bare = status == 304 || status < 200;
    const struct keel_str none = KEEL_STR("");
    const struct keel_str pieces[] = {
        KEEL_STR("HTTP/1.1 "),
        number,
        KEEL_STR(" "),
        reason,
        KEEL_STR("\r\nServer: keel\r\nDate: "),
        {date_of(request), HTTP_DATE_SIZE},
        bare ? none : KEEL_STR("\r\nContent-Type: "),
        bare   ? none
        : page ? page->type
               : KEEL_STR("text/plain; charset=utf-8"),
        bare ? none : KEEL_STR("\r\nContent-Length: "),
        bare ? none : decimal(length, page ? page->body->n : line),
        KEEL_STR("\r\n"),
        extra,
        always_of(request),
        KEEL_STR("\r\n"),
        number,
        KEEL_STR(" "),
        reason,
        KEEL_STR("\n"),
    };
    struct keel_str text = http_head_join(pieces, sizeof pieces / sizeof *pieces, &request->arena);
    if (!text.p) {
        out_of_memory(response);
        return;
    }
    size_t head = text.n - line;
    *response = (struct http_response){.status = status, .joined = !page};
    response->head = (struct keel_str){text.p, head - 2};
    if (request->head.method != HTTP_HEAD && !bare)
        response->body = page ? *page->body : (struct keel_str){text.p + head, line};
}

void http_response_retry(struct http_response *response, struct http_request *request,
                         unsigned status, uint64_t wait_ns)
{
    char field[48];
    uint64_t seconds = wait_ns / KEEL_NS_PER_S + (wait_ns % KEEL_NS_PER_S != 0);
    snprintf(field, sizeof field, "Retry-After: %llu\r\n", (unsigned long long)seconds);
    http_response_plain(response, request, status, keel_str(field));
}

int http_response_head(struct http_response *response, struct http_request *request,
                       unsigned status, struct keel_str extra, int64_t length)
{
    char code[KEEL_DECIMAL], size[KEEL_DECIMAL];
    bool counted = length >= 0 && status != 204;
    const struct keel_str pieces[] = {
        KEEL_STR("HTTP/1.1 "),
        decimal(code, status),
        KEEL_STR(" "),
        http_status_reason(status),
        KEEL_STR("\r\nServer: keel\r\nDate: "),
        {date_of(request), HTTP_DATE_SIZE},
        counted ? KEEL_STR("\r\nContent-Length: ") : KEEL_STR(""),
        counted ? decimal(size, (uint64_t)length) : KEEL_STR(""),
        KEEL_STR("\r\n"),
        extra,
        always_of(request),
        KEEL_STR("\r\n"),
    };
    struct keel_str text = http_head_join(pieces, sizeof pieces / sizeof *pieces, &request->arena);
    if (!text.p)
        return KEEL_ENOMEM;
    *response = (struct http_response){.status = status};
    response->head = (struct keel_str){text.p, text.n - 2};
    return 0;
}

void http_response_content(struct http_response *response, struct http_request *request,
                           unsigned status, struct keel_str extra, struct keel_str body)
{
    if (http_response_head(response, request, status, extra, (int64_t)body.n) != 0)
        out_of_memory(response);
    else if (!http_answer_is_bare(request, status) && body.p)
        response->body = body;
}

void http_response_redirect(struct http_response *response, struct http_request *request,
                            unsigned status, struct keel_str location)
{
    const struct keel_str pieces[] = {KEEL_STR("Location: "), location, KEEL_STR("\r\n")};
    struct keel_str field = http_head_join(pieces, 3, &request->arena);
    if (field.p)
        http_response_plain(response, request, status, field);
    else
        out_of_memory(response);
}

bool http_response_field(struct keel_str *rest, struct keel_str name, struct keel_str *value)
{
    struct keel_str line, field;
    while (rest->p && keel_str_split(rest, '\n', &line)) {
        if (!keel_str_split(&line, ':', &field) || !line.p || !keel_str_equal_nocase(field, name))
            continue;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        *value = keel_str_trim(line);
        return true;
    }
    return false;
}

struct keel_str http_response_value(const struct http_response *response, struct keel_str name)
{
    struct keel_str rest = response->head, value = {NULL, 0};
    http_response_field(&rest, name, &value);
    return value;
}

int http_response_rules(struct http_response *response, struct http_request *request,
                        const struct http_header_rules *rules, struct keel_str lines)
{
    struct keel_str head = http_head_edit(response->head, rules, lines, &request->arena);
    if (!head.p)
        return KEEL_ENOMEM;
    response->head = head;
    response->joined = false;
    return 0;
}

void http_response_edit(struct http_response *response, struct http_request *request)
{
    const struct http_location *location = request->location;
    /* with nothing of it when memory is out: a rule may be there to hide something */
    if (location && location->edited &&
        http_response_rules(response, request, &location->headers, location->lines) != 0)
        out_of_memory(response);
}
