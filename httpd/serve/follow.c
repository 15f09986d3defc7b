#include "httpd/serve/follow.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/runtime/sock.h"
#include "common/service/module.h"

#define LINE                                                                                       \
    "%{address} %{port} %{scheme} %{site} %{method} %{target} %{protocol} -> %{status} "           \
    "%{sent} bytes %{duration} s"

enum events {
    EVENTS_ANSWERS, /* a line for each request that was answered */
    EVENTS_ALL,     /* and what led to it */
    EVENTS_FIELDS,  /* and what the request said */
};

/* Plain memory of a session. */
struct filter {
    enum events events;
    bool has_client, has_site, has_path;
    struct keel_prefix client;
    unsigned lowest, highest; /* status; highest 0: any */
    char site[HTTP_HOST_MAX + 1];
    char path[512];
};

void http_follow_init(struct http_follow *follow, struct keel_loop *loop)
{
    *follow = (struct http_follow){.line = {.count = 0}};
    int err = http_log_format_compile(&follow->line, KEEL_STR(LINE), HTTP_LOG_TEXT, NULL);
    KEEL_ASSERT(err == 0, "the format of a trace is wrong");
    keel_trace_init(&follow->trace, loop, sizeof(struct filter), http_follow_parse);
}

void http_follow_fini(struct http_follow *follow)
{
    if (follow->line.count > 0)
        keel_trace_fini(&follow->trace);
}

/* --- trace --- */

/* "404", "5xx" */
static int parse_status(struct filter *f, struct keel_str value)
{
    uint64_t n;
    if (value.n == 3 && keel_is_digit(value.p[0]) &&
        keel_str_equal_nocase((struct keel_str){value.p + 1, 2}, KEEL_STR("xx"))) {
        f->lowest = (unsigned)(value.p[0] - '0') * 100;
        f->highest = f->lowest + 99;
        return 0;
    }
    if (keel_parse_u64(value, 599, &n) != 0 || n < 100)
        return KEEL_EINVAL;
    f->lowest = f->highest = (unsigned)n;
    return 0;
}

static int copy(char *out, size_t size, struct keel_str value, bool *has)
{
    if (value.n == 0 || value.n >= size)
        return KEEL_EINVAL;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    *has = true;
    return 0;
}

static int parse_events(struct filter *f, struct keel_str value)
{
    static const char *const names[] = {"answers", "all", "fields"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (keel_str_equal(value, keel_str(names[i]))) {
            f->events = (enum events)i;
            return 0;
        }
    }
    return KEEL_EINVAL;
}

int http_follow_parse(void *filter, const char *argument, struct keel_diag *diag)
{
    struct filter *f = filter;
    struct keel_str value = keel_str(argument), key;
    int err = KEEL_EINVAL;
    if (!keel_str_split(&value, '=', &key))
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": KEY=VALUE expected: %s", argument,
                             HTTP_TRACE_USAGE);
    if (keel_str_equal(key, KEEL_STR("client"))) {
        f->has_client = true;
        return keel_prefix_parse(&f->client, value, diag);
    }
    if (keel_str_equal(key, KEEL_STR("site")))
        err = copy(f->site, sizeof f->site, value, &f->has_site);
    else if (keel_str_equal(key, KEEL_STR("path")))
        err = copy(f->path, sizeof f->path, value, &f->has_path);
    else if (keel_str_equal(key, KEEL_STR("status")))
        err = parse_status(f, value);
    else if (keel_str_equal(key, KEEL_STR("events")))
        err = parse_events(f, value);
    return err ? keel_diag_set(diag, err, "\"%s\": one of %s expected", argument, HTTP_TRACE_USAGE)
               : 0;
}

static bool fits_client(const struct filter *f, const struct keel_addr *peer)
{
    struct keel_addr space;
    return !f->has_client || keel_prefix_contains(&f->client, keel_addr_unmapped(peer, &space));
}

/* request NULL: there is none, or not yet. */
static bool fits_request(const struct filter *f, const struct http_request *request)
{
    if (f->has_site && (!request || !request->site ||
                        !keel_str_equal_nocase(request->site->name, keel_str(f->site))))
        return false;
    return !f->has_path || (request && keel_str_begins(request->path, keel_str(f->path)));
}

static bool fits_status(const struct filter *f, unsigned status)
{
    return !f->highest || (status >= f->lowest && status <= f->highest);
}

/* --- what leads to an answer --- */

struct line {
    char text[KEEL_TRACE_LINE];
    size_t size;
};

/* Untrusted bytes are escaped by keel_trace_line. What does not fit is cut. */
static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->size, sizeof line->text - line->size, format, args);
    va_end(args);
    if (n > 0)
        line->size += (size_t)n;
    if (line->size >= sizeof line->text)
        line->size = sizeof line->text - 1;
}

static void add_str(struct line *line, struct keel_str text)
{
    size_t room = sizeof line->text - 1 - line->size;
    size_t n = text.n < room ? text.n : room;
    for (size_t i = 0; i < n; i++) /* a NUL would end the line */
        line->text[line->size++] = text.p[i] ? text.p[i] : '?';
    line->text[line->size] = '\0';
}

static struct line begin(const struct keel_addr *peer, const char *what)
{
    struct line line = {.size = 0};
    char address[KEEL_ADDR_TEXT];
    keel_addr_format_host(address, sizeof address, peer);
    add(&line, "%s %u %s", address, keel_addr_port(peer), what);
    return line;
}

/* To sessions that asked for so much; not to those that wait for a certain status, which is not
 * known yet. */
static void tell(struct http_follow *follow, const struct keel_addr *peer,
                 const struct http_request *request, enum events events, const struct line *line)
{
    struct keel_trace_session *session = NULL;
    while ((session = keel_trace_next(&follow->trace, session))) {
        const struct filter *f = keel_trace_filter(session);
        if (f->events >= events && !f->highest && fits_client(f, peer) && fits_request(f, request))
            keel_trace_line(session, line->text);
    }
}

void http_follow_opened(struct http_follow *follow, const struct keel_connection *c)
{
    const struct keel_addr *peer = &c->stream.peer;
    struct keel_addr local;
    char text[KEEL_ADDR_TEXT] = "-";
    struct line line = begin(peer, "connection");
    if (keel_sock_bound(keel_stream_fd(&c->stream), &local) == 0)
        keel_addr_format(text, sizeof text, &local);
    add(&line, " to %s%s", text, keel_stream_is_tls(&c->stream) ? " tls" : "");
    tell(follow, peer, NULL, EVENTS_ALL, &line);
}

static double seconds_since(uint64_t then_ns)
{
    return (double)(keel_clock_monotonic() - then_ns) / 1e9;
}

void http_follow_secured(struct http_follow *follow, const struct keel_connection *c)
{
    const struct keel_stream *s = &c->stream;
    struct keel_tls_session session;
    struct line line = begin(&s->peer, "tls");
    if (keel_stream_tls_session(s, &session))
        add(&line, " %s %s%s", session.version, session.cipher, session.resumed ? " resumed" : "");
    add(&line, " alpn=");
    add_str(&line, keel_stream_alpn(s).n > 0 ? keel_stream_alpn(s) : KEEL_STR("-"));
    add(&line, " name=");
    add_str(&line, keel_stream_server_name(s).n > 0 ? keel_stream_server_name(s) : KEEL_STR("-"));
    add(&line, " %.6f s", seconds_since(c->opened_ns));
    tell(follow, &s->peer, NULL, EVENTS_ALL, &line);
}

void http_follow_closed(struct http_follow *follow, const struct keel_connection *c,
                        enum keel_stream_end why, unsigned requests)
{
    static const char *const reasons[] = {
        [KEEL_END_PEER] = "by the client", [KEEL_END_RESET] = "reset",
        [KEEL_END_TIMEOUT] = "timeout",    [KEEL_END_TLS] = "tls failed",
        [KEEL_END_CONNECT] = "-",          [KEEL_END_LOCAL] = "by the server"};
    const struct keel_addr *peer = &c->stream.peer;
    struct line line = begin(peer, "closed");
    add(&line, " %s, %u requests, %.6f s", reasons[why], requests, seconds_since(c->opened_ns));
    tell(follow, peer, NULL, EVENTS_ALL, &line);
}

/* --- requests --- */

static const char *handler_of(const struct http_exchange *x)
{
    return x->step && x->step->handler ? x->step->handler->name : "-";
}

/* Secrets are nobody's business, not even the operator's. */
static bool is_secret(uint16_t id, struct keel_str name)
{
    return id == HTTP_FIELD_AUTHORIZATION || id == HTTP_FIELD_COOKIE ||
           keel_str_equal_nocase(name, KEEL_STR("proxy-authorization"));
}

static void tell_fields(struct http_follow *follow, const struct http_exchange *x)
{
    const struct http_head *head = &x->request.head;
    for (unsigned i = 0; i < head->count; i++) {
        const struct http_field *field = &head->fields[i];
        struct keel_str name = http_span_str(head, field->name);
        struct line line = begin(x->peer, "field ");
        add_str(&line, name);
        add(&line, ": ");
        add_str(&line, is_secret(field->id, name) ? KEEL_STR("(hidden)")
                                                  : http_span_str(head, field->value));
        tell(follow, x->peer, &x->request, EVENTS_FIELDS, &line);
    }
}

static void tell_request(struct http_follow *follow, const struct http_exchange *x)
{
    const struct http_head *head = &x->request.head;
    struct line line = begin(x->peer, "request ");
    add_str(&line, http_span_str(head, head->method_text));
    add(&line, " ");
    add_str(&line, http_span_str(head, head->target));
    add(&line, " HTTP/%u.%u host=", head->major, head->minor);
    add_str(&line, head->host.size > 0 ? http_span_str(head, head->host) : KEEL_STR("-"));
    add(&line, " fields=%u head=%u", head->count, head->size);
    if (head->body == HTTP_BODY_LENGTH)
        add(&line, " body=%llu", (unsigned long long)head->content_length);
    else
        add(&line, " body=%s", head->body == HTTP_BODY_CHUNKED ? "open" : "none");
    if (head->expect_continue)
        add(&line, " expects 100");
    if (head->major == 2)
        add(&line, " stream=%u", x->stream);
    tell(follow, x->peer, &x->request, EVENTS_ALL, &line);
}

/* Which site and location, by which path, and the steps that will be asked. */
static void tell_route(struct http_follow *follow, const struct http_exchange *x, int prepared)
{
    const struct http_request *request = &x->request;
    const struct http_location *location = request->location;
    struct line line = begin(x->peer, "route site=");
    add_str(&line, request->site ? request->site->name : KEEL_STR("-"));
    add(&line, " path=");
    add_str(&line, request->path.n > 0 ? request->path : KEEL_STR("-"));
    if (prepared < 0) {
        add(&line, " refused with %d", -prepared);
    } else if (prepared > 0) {
        add(&line, " moved with %d to ", prepared);
        add_str(&line, request->moved);
    } else if (location) {
        add(&line, " location=%s", location->exact ? "= " : "");
        add_str(&line, location->prefix);
        add(&line, " steps=");
        const struct http_step *step = location->steps ? location->steps : x->host->plain;
        for (const char *comma = ""; step && step->handler; step++, comma = ",")
            add(&line, "%s%s", comma, step->handler->name);
    }
    tell(follow, x->peer, request, EVENTS_ALL, &line);
}

void http_follow_asked(struct http_follow *follow, const struct http_exchange *x, int prepared)
{
    tell_request(follow, x);
    tell_fields(follow, x);
    tell_route(follow, x, prepared);
}

void http_follow_kept(struct http_follow *follow, const struct http_exchange *x, const char *cache)
{
    struct line line = begin(x->peer, "kept");
    add(&line, " by %s, file cache %s, %.6f s", handler_of(x), cache, seconds_since(x->began_ns));
    tell(follow, x->peer, &x->request, EVENTS_ALL, &line);
}

void http_follow_answered(struct http_follow *follow, const struct http_log_record *record,
                          const struct http_exchange *x, const char *cache)
{
    struct keel_trace_session *session = NULL;
    char text[HTTP_LOG_LINE_MAX];
    struct line line = {.size = 0};
    while ((session = keel_trace_next(&follow->trace, session))) {
        const struct filter *f = keel_trace_filter(session);
        if (!fits_client(f, record->peer) || !fits_request(f, record->request) ||
            !fits_status(f, record->response->status))
            continue;
        if (line.size == 0) {
            size_t n = http_log_line(&follow->line, record, text) - 1;
            add_str(&line, (struct keel_str){text, n});
            if (record->request)
                add(&line, " by %s, file cache %s", handler_of(x), cache);
        }
        keel_trace_line(session, line.text);
    }
}

int http_follow_trace(struct http_follow *follow, json_t *args, json_t **result,
                      struct keel_diag *diag)
{
    return keel_trace_run(&follow->trace, args, result, diag);
}
