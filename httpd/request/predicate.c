#include "httpd/request/predicate.h"

#include "httpd/wire/chars.h"

struct keel_str http_asked_host(const struct http_asked *asked)
{
    struct keel_str host = http_span_str(asked->head, asked->head->host);
    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    return host;
}

/* --- parsing --- */

/* "GET,HEAD" */
static int parse_methods(struct keel_str value, struct keel_diag *diag)
{
    struct keel_str rest = value, one;
    while (keel_str_split(&rest, ',', &one))
        if (one.n == 0 || !http_is_all(one, HTTP_CHAR_TOKEN))
            return keel_diag_set(diag, KEEL_EINVAL, "methods expected: method=GET,HEAD");
    return 0;
}

/* "192.0.2.0/24,::1" */
static int parse_prefixes(struct keel_arena *arena, struct keel_str value,
                          struct http_predicate *out, struct keel_diag *diag)
{
    struct keel_str rest = value, one;
    unsigned count = 1;
    for (size_t i = 0; i < value.n; i++)
        count += value.p[i] == ',';
    out->prefixes = keel_arena_alloc(arena, count * sizeof *out->prefixes);
    if (!out->prefixes)
        return KEEL_ENOMEM;
    while (keel_str_split(&rest, ',', &one)) {
        struct keel_diag why = {""};
        if (keel_prefix_parse(&out->prefixes[out->prefix_count++], one, &why) != 0)
            return keel_diag_set(diag, KEEL_EINVAL, "client: %s", why.text);
    }
    return 0;
}

static int parse_scheme(struct keel_str value, struct http_predicate *out, struct keel_diag *diag)
{
    out->tls = keel_str_equal(value, KEEL_STR("https"));
    return out->tls || keel_str_equal(value, KEEL_STR("http"))
               ? 0
               : keel_diag_set(diag, KEEL_EINVAL, "scheme=http or scheme=https expected");
}

/* "header:referer": its name. */
static bool is_header(struct keel_str *name)
{
    const struct keel_str mark = KEEL_STR("header:");
    if (!keel_str_begins(*name, mark))
        return false;
    *name = (struct keel_str){name->p + mark.n, name->n - mark.n};
    return name->n > 0 && http_is_all(*name, HTTP_CHAR_TOKEN);
}

static int parse_kind(struct keel_str name, struct http_predicate *out, struct keel_diag *diag)
{
    static const struct {
        struct keel_str name;
        enum http_predicate_kind kind;
    } kinds[] = {
        {{"host", 4}, HTTP_IF_HOST},     {{"query", 5}, HTTP_IF_QUERY},
        {{"method", 6}, HTTP_IF_METHOD}, {{"scheme", 6}, HTTP_IF_SCHEME},
        {{"client", 6}, HTTP_IF_CLIENT},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!keel_str_equal(kinds[i].name, name))
            continue;
        out->kind = kinds[i].kind;
        return 0;
    }
    out->kind = HTTP_IF_HEADER;
    out->text = name;
    if (is_header(&out->text))
        return 0;
    return keel_diag_set(diag, KEEL_EINVAL,
                         "behind \"if\": host=, query=, header:NAME=, method=, scheme= or client= "
                         "expected, with ! before it for the contrary");
}

/* Where the name of a predicate ends; text.n: nowhere. */
static size_t find_equals(struct keel_str text)
{
    size_t n = 0;
    while (n < text.n && text.p[n] != '=')
        n++;
    return n;
}

int http_predicate_parse(struct http_expressions *expressions, struct keel_arena *arena,
                         struct keel_str text, struct http_predicate *out, struct keel_diag *diag)
{
    *out = (struct http_predicate){.negated = text.n > 0 && text.p[0] == '!'};
    char *copy = keel_arena_strndup(arena, text.p, text.n);
    if (!copy)
        return KEEL_ENOMEM;
    struct keel_str all = {copy + out->negated, text.n - out->negated};
    size_t n = find_equals(all);
    int err = parse_kind((struct keel_str){all.p, n}, out, diag);
    if (!err && n == all.n)
        err = keel_diag_set(diag, KEEL_EINVAL, "\"%s\": = and a value expected", copy);
    if (err)
        return err;
    struct keel_str value = {all.p + n + 1, all.n - n - 1};
    switch (out->kind) {
    case HTTP_IF_METHOD:
        out->text = value;
        return parse_methods(value, diag);
    case HTTP_IF_SCHEME:
        return parse_scheme(value, out, diag);
    case HTTP_IF_CLIENT:
        return parse_prefixes(arena, value, out, diag);
    default:
        return http_expression_compile(expressions, value, out->kind == HTTP_IF_HOST,
                                       &out->expression, diag);
    }
}

/* --- testing --- */

/* Any field of the name; the first one that matches gives the groups. */
static int test_header(struct http_expressions *expressions, const struct http_predicate *predicate,
                       const struct http_head *head, struct http_match *match)
{
    int result = 0;
    for (unsigned i = 0; i < head->count && result == 0; i++)
        if (keel_str_equal_nocase(http_span_str(head, head->fields[i].name), predicate->text))
            result = http_expression_match(expressions, predicate->expression,
                                           http_span_str(head, head->fields[i].value), match);
    return result;
}

static bool test_method(const struct http_predicate *predicate, const struct http_head *head)
{
    struct keel_str rest = predicate->text, one;
    while (keel_str_split(&rest, ',', &one))
        if (keel_str_equal(one, http_span_str(head, head->method_text)))
            return true;
    return false;
}

static bool test_client(const struct http_predicate *predicate, const struct keel_addr *peer)
{
    bool found = false;
    for (unsigned i = 0; peer && i < predicate->prefix_count && !found; i++)
        found = keel_prefix_contains(&predicate->prefixes[i], peer);
    return found;
}

static int test(struct http_expressions *expressions, const struct http_predicate *predicate,
                const struct http_asked *asked, struct http_match *match)
{
    switch (predicate->kind) {
    case HTTP_IF_HOST:
        return http_expression_match(expressions, predicate->expression, http_asked_host(asked),
                                     match);
    case HTTP_IF_QUERY:
        return http_expression_match(expressions, predicate->expression, asked->query, match);
    case HTTP_IF_HEADER:
        return test_header(expressions, predicate, asked->head, match);
    case HTTP_IF_METHOD:
        return test_method(predicate, asked->head);
    case HTTP_IF_SCHEME:
        return predicate->tls == asked->tls;
    case HTTP_IF_CLIENT:
        return test_client(predicate, asked->peer);
    }
    return 0;
}

int http_predicate_test(struct http_expressions *expressions,
                        const struct http_predicate *predicate, const struct http_asked *asked,
                        struct http_match *match)
{
    int result = test(expressions, predicate, asked, match);
    return result < 0 ? result : result != predicate->negated;
}
