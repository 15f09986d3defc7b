#include "httpd/serve/follow.h"

#include "common/base/mem.h"

#define LINE                                                                                       \
    "%{address} %{port} %{scheme} %{site} %{method} %{target} %{protocol} -> %{status} "           \
    "%{sent} bytes %{duration} s"

/* Plain memory of a session. */
struct filter {
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
    return err ? keel_diag_set(diag, err, "\"%s\": one of %s expected", argument, HTTP_TRACE_USAGE)
               : 0;
}

static bool fits(const struct filter *f, const struct http_log_record *record)
{
    const struct http_request *request = record->request;
    struct keel_addr space;
    if (f->has_client &&
        !keel_prefix_contains(&f->client, keel_addr_unmapped(record->peer, &space)))
        return false;
    if (f->highest &&
        (record->response->status < f->lowest || record->response->status > f->highest))
        return false;
    if (f->has_site && (!request || !request->site ||
                        !keel_str_equal_nocase(request->site->name, keel_str(f->site))))
        return false;
    return !f->has_path || (request && keel_str_begins(request->path, keel_str(f->path)));
}

void http_follow_tell(struct http_follow *follow, const struct http_log_record *record)
{
    struct keel_trace_session *session = NULL;
    char line[HTTP_LOG_LINE_MAX] = "";
    while ((session = keel_trace_next(&follow->trace, session))) {
        if (!fits(keel_trace_filter(session), record))
            continue;
        if (!line[0])
            line[http_log_line(&follow->line, record, line) - 1] = '\0';
        keel_trace_line(session, line);
    }
}

int http_follow_trace(struct http_follow *follow, json_t *args, json_t **result,
                      struct keel_diag *diag)
{
    return keel_trace_run(&follow->trace, args, result, diag);
}
