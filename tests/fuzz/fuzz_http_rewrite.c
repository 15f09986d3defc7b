/* Rewrites: the first line is a rule, the second a path, the third a query. Whatever they are, what
 * comes out is a path that is normal, or a location that is one line and stays on its host. */
#include <stdlib.h>

#include "httpd/request/rewrite.h"
#include "httpd/wire/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_location(struct keel_str location, struct keel_str target)
{
    for (size_t i = 0; i < location.n; i++)
        if ((uint8_t)location.p[i] <= ' ' || (uint8_t)location.p[i] >= 0x7f)
            abort();
    if (target.p[0] == '/' &&
        (location.n == 0 || location.p[0] != '/' || keel_str_begins(location, KEEL_STR("//"))))
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
        query = rest;
    for (size_t i = 0; i < query.n; i++)
        if ((uint8_t)query.p[i] <= ' ' || (uint8_t)query.p[i] >= 0x7f)
            return 0; /* no head has such a query */
    int n = http_path_normalise(raw, path);
    struct http_rewriter *rewriter = http_rewriter_new();
    keel_arena_init(&arena, 0);
    if (n > 0 && http_rewrite_compile(rewriter, &arena, text, &rule, &diag) == 0) {
        const struct http_rewrites rules = {&rule, 1};
        struct http_rewritten state = {{path, (size_t)n}, query, {NULL, 0}};
        int result = http_rewrite_apply(rewriter, &rules, &arena, &state);
        if (result > 1)
            check_location(state.location, rule.target);
        else if (result == 1)
            check_path(state.path);
    }
    http_rewriter_free(rewriter);
    keel_arena_fini(&arena);
    return 0;
}
