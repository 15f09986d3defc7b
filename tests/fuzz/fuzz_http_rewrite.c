/* Rewrites: the first line is a rule, the second a path, the third a query, and what follows the
 * head of a request behind its first line. Whatever they are, what comes out is a path that is
 * normal, or a location that is one line and stays on the host that the rule, or the client itself,
 * names. */
#include <stdio.h>
#include <stdlib.h>

#include "httpd/request/rewrite.h"
#include "httpd/wire/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "https://" and a host that has no user before it. */
static bool is_absolute(struct keel_str location)
{
    size_t n = keel_str_begins(location, KEEL_STR("https://"))  ? 8
               : keel_str_begins(location, KEEL_STR("http://")) ? 7
                                                                : 0;
    size_t begin = n;
    while (n < location.n && location.p[n] != '/' && location.p[n] != '?')
        n++;
    return begin > 0 && n > begin;
}

static void check_location(struct keel_str location, struct keel_str target)
{
    for (size_t i = 0; i < location.n; i++)
        if ((uint8_t)location.p[i] <= ' ' || (uint8_t)location.p[i] >= 0x7f)
            abort();
    if (target.p[0] == '/' &&
        (location.n == 0 || location.p[0] != '/' || keel_str_begins(location, KEEL_STR("//"))))
        abort();
    if (target.p[0] != '/' && !is_absolute(location))
        abort();
}

static void check_path(struct keel_str path)
{
    if (path.n == 0 || path.p[0] != '/' || path.p[path.n] != '\0' || http_path_has_dots(path))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keel_str rest = {(const char *)data, size}, text, raw, query = {NULL, 0};
    struct http_rewrite rule;
    struct keel_diag diag;
    struct keel_arena arena;
    char path[4096];
    if (size > 4000 || !keel_str_split(&rest, '\n', &text) || !keel_str_split(&rest, '\n', &raw))
        return 0;
    if (rest.p)
        keel_str_split(&rest, '\n', &query);
    char text_of_head[8192];
    struct http_head head;
    int n_head = snprintf(text_of_head, sizeof text_of_head, "GET / HTTP/1.1\r\n%.*s\r\n\r\n",
                          rest.p ? (int)rest.n : 7, rest.p ? rest.p : "Host: a");
    if (http_head_parse(&head, (uint8_t *)text_of_head, (size_t)n_head) != 0)
        return 0;
    for (size_t i = 0; i < query.n; i++)
        if ((uint8_t)query.p[i] <= ' ' || (uint8_t)query.p[i] >= 0x7f)
            return 0; /* no head has such a query */
    int n = http_path_normalise(raw, path);
    struct http_expressions *expressions = http_expressions_new();
    keel_arena_init(&arena, 0);
    if (n > 0 && http_rewrite_compile(expressions, &arena, text, &rule, &diag) == 0) {
        const struct http_rewrites rules = {&rule, 1};
        struct http_rewritten state = {{path, (size_t)n}, query, {NULL, 0}};
        struct keel_addr peer;
        keel_addr_parse(&peer, KEEL_STR("192.0.2.9"), 1, NULL);
        struct http_asked asked = {.head = &head, .peer = &peer};
        int result = http_rewrite_apply(expressions, &rules, &arena, &asked, &state);
        if (result > 1)
            check_location(state.location, rule.target);
        else if (result == 1)
            check_path(state.path);
    }
    http_expressions_free(expressions);
    keel_arena_fini(&arena);
    return 0;
}
