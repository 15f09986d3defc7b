#include "httpd/request/rewrite.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "httpd/wire/path.h"

#define CAPTURES 10        /* $0 to $9 */
#define MATCH_LIMIT 20000  /* steps of one match: below a millisecond */
#define HEAP_LIMIT_KB 1024 /* of one match */

struct http_expression {
    struct http_expression *next;
    pcre2_code *code;
};
struct http_rewriter {
    struct http_expression *expressions;
    pcre2_general_context *general;
    pcre2_compile_context *compile;
    pcre2_match_context *match;
    pcre2_match_data *data;
};

static void *take(PCRE2_SIZE n, void *arg)
{
    return keel_malloc(n);
}
static void give(void *p, void *arg)
{
    keel_free(p);
}

struct http_rewriter *http_rewriter_new(void)
{
    struct http_rewriter *r = keel_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->general = pcre2_general_context_create(take, give, NULL);
    if (r->general) {
        r->compile = pcre2_compile_context_create(r->general);
        r->match = pcre2_match_context_create(r->general);
        r->data = pcre2_match_data_create(CAPTURES, r->general);
    }
    if (!r->compile || !r->match || !r->data) {
        http_rewriter_free(r);
        return NULL;
    }
    pcre2_set_match_limit(r->match, MATCH_LIMIT);
    pcre2_set_heap_limit(r->match, HEAP_LIMIT_KB);
    return r;
}

void http_rewriter_free(struct http_rewriter *r)
{
    if (!r)
        return;
    while (r->expressions) {
        struct http_expression *e = r->expressions;
        r->expressions = e->next;
        pcre2_code_free(e->code);
        keel_free(e);
    }
    pcre2_match_data_free(r->data);
    pcre2_match_context_free(r->match);
    pcre2_compile_context_free(r->compile);
    pcre2_general_context_free(r->general);
    keel_free(r);
}

/* --- compiling --- */

static int compile_expression(struct http_rewriter *r, struct keel_str text,
                              struct http_expression **out, struct keel_diag *diag)
{
    /* "$" is the end, not also before a last line feed; "." is any byte: a decoded path may have
     * both, and a rule shall not be evaded with %0A */
    const uint32_t options = PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL |
                             PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C;
    struct http_expression *e = keel_calloc(1, sizeof *e);
    PCRE2_UCHAR why[256];
    PCRE2_SIZE at;
    int error;
    if (!e)
        return KEEL_ENOMEM;
    e->code = pcre2_compile((PCRE2_SPTR)text.p, text.n, options, &error, &at, r->compile);
    if (!e->code) {
        keel_free(e);
        if (error == PCRE2_ERROR_HEAP_FAILED)
            return KEEL_ENOMEM;
        pcre2_get_error_message(error, why, sizeof why);
        return keel_diag_set(diag, KEEL_EINVAL, "column %zu of the expression: %s", (size_t)at + 1,
                             (const char *)why);
    }
    e->next = r->expressions;
    *out = r->expressions = e;
    return 0;
}

/* "https://host" must end before the first capture, lest a client chooses what follows it. */
static bool is_absolute(struct keel_str target)
{
    size_t at = keel_str_begins(target, KEEL_STR("https://"))  ? 8
                : keel_str_begins(target, KEEL_STR("http://")) ? 7
                                                               : 0;
    size_t n = at;
    while (at > 0 && n < target.n && !strchr("/?$", target.p[n]))
        n++;
    return n > at && (n == target.n || target.p[n] != '$');
}

static int check_target(struct keel_str target, const struct http_expression *expression,
                        bool redirect, struct keel_diag *diag)
{
    uint32_t groups = 0;
    pcre2_pattern_info(expression->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (!(target.n > 0 && target.p[0] == '/') && !(redirect && is_absolute(target)))
        return keel_diag_set(diag, KEEL_EINVAL, "the target must begin with \"/\"%s",
                             redirect ? ", or with \"https://HOST/\" before any $" : "");
    for (size_t i = 0; i < target.n; i++) {
        char c = target.p[i], next = i + 1 < target.n ? target.p[i + 1] : '\0';
        if (c <= ' ' || c >= 0x7f || c == '#' ||
            (c == '%' && (i + 2 >= target.n || keel_hex_digit(next) < 0 ||
                          keel_hex_digit(target.p[i + 2]) < 0)))
            return keel_diag_set(diag, KEEL_EINVAL,
                                 "the target must be a path and a query of a URI: other characters "
                                 "are written as %%XX");
        if (c != '$')
            continue;
        if (next != '$' && (!keel_is_digit(next) || (unsigned)(next - '0') > groups))
            return keel_diag_set(diag, KEEL_EINVAL,
                                 "\"$%.1s\" in the target: the expression has %u groups; $$ is a $",
                                 next ? &target.p[i + 1] : "", (unsigned)groups);
        i++;
    }
    return 0;
}

static int parse_flag(struct keel_str flag, struct http_rewrite *rule, struct keel_diag *diag)
{
    uint64_t status;
    if (flag.n == 0)
        return 0;
    rule->last = keel_str_equal(flag, KEEL_STR("last"));
    if (rule->last)
        return 0;
    if (keel_parse_u64(flag, 308, &status) != 0 ||
        (status != 301 && status != 302 && status != 303 && status != 307 && status != 308))
        return keel_diag_set(diag, KEEL_EINVAL,
                             "\"last\", 301, 302, 303, 307 or 308 expected behind the target");
    rule->status = (unsigned)status;
    return 0;
}

int http_rewrite_compile(struct http_rewriter *rewriter, struct keel_arena *arena,
                         struct keel_str text, struct http_rewrite *rule, struct keel_diag *diag)
{
    struct keel_str rest = keel_str_trim(text), expression, target = {NULL, 0};
    *rule = (struct http_rewrite){0};
    if (keel_str_split(&rest, ' ', &expression)) {
        rest = keel_str_trim(rest);
        keel_str_split(&rest, ' ', &target);
    }
    if (target.n == 0)
        return keel_diag_set(diag, KEEL_EINVAL,
                             "\"EXPRESSION TARGET\" expected (a blank in one is written \\x20)");
    int err = parse_flag(keel_str_trim(rest), rule, diag);
    if (!err)
        err = compile_expression(rewriter, expression, &rule->expression, diag);
    if (!err)
        err = check_target(target, rule->expression, rule->status > 0, diag);
    if (err)
        return err;
    rule->target = (struct keel_str){keel_arena_strndup(arena, target.p, target.n), target.n};
    return rule->target.p ? 0 : KEEL_ENOMEM;
}

/* --- applying --- */

/* The target with the captures, encoded, in their places; those behind the '?' so that they stay
 * one value. */
static void expand(struct keel_buf *out, struct keel_str target, struct keel_str path,
                   const PCRE2_SIZE *places, unsigned groups)
{
    bool query = false;
    for (size_t i = 0; i < target.n; i++) {
        query = query || target.p[i] == '?';
        if (target.p[i] != '$') {
            keel_buf_append(out, &target.p[i], 1);
        } else if (target.p[++i] == '$') {
            keel_buf_append(out, "$", 1);
        } else {
            unsigned n = (unsigned)(target.p[i] - '0');
            if (n >= groups || places[2 * n] == PCRE2_UNSET || places[2 * n + 1] < places[2 * n])
                continue;
            struct keel_str part = {path.p + places[2 * n], places[2 * n + 1] - places[2 * n]};
            if (query)
                http_query_encode(out, part);
            else
                http_path_encode(out, part);
        }
    }
}

/* The query of the target, then the request's own. */
static void append_query(struct keel_buf *out, struct keel_str query, bool first)
{
    if (query.n > 0)
        keel_buf_printf(out, "%s%.*s", first ? "" : "&", (int)query.n, query.p);
}

/* A second slash at the front would name another host (RFC 3986, 4.2). */
static struct keel_str without_double_slash(struct keel_str location)
{
    while (location.n > 1 && location.p[0] == '/' && location.p[1] == '/') {
        location.p++;
        location.n--;
    }
    return location;
}

static int finish_redirect(struct keel_arena *arena, struct keel_buf *text,
                           struct http_rewritten *state, unsigned status)
{
    const char *mark =
        keel_buf_size(text) ? memchr(keel_buf_bytes(text), '?', keel_buf_size(text)) : NULL;
    if (!mark && state->query.n > 0)
        keel_buf_puts(text, "?");
    append_query(text, state->query, !mark);
    struct keel_str all = without_double_slash(keel_str(keel_buf_text(text)));
    state->location = (struct keel_str){keel_arena_strndup(arena, all.p, all.n), all.n};
    return all.p && state->location.p ? (int)status : -503;
}

static int finish_path(struct keel_arena *arena, struct keel_buf *text,
                       struct http_rewritten *state)
{
    struct keel_str rest = keel_str(keel_buf_text(text)), raw, query = {NULL, 0};
    if (!rest.p || !keel_str_split(&rest, '?', &raw))
        return -503;
    if (rest.p) {
        struct keel_buf both = {0};
        keel_buf_append(&both, rest.p, rest.n);
        append_query(&both, state->query, rest.n == 0);
        query = keel_str(keel_buf_text(&both));
        query.p = query.p ? keel_arena_strndup(arena, query.p, query.n) : NULL;
        keel_buf_fini(&both);
        if (!query.p)
            return -503;
    }
    char *path = keel_arena_alloc(arena, raw.n + 1);
    if (!path)
        return -503;
    /* "/$1" with ".." would leave the folder that the rule means */
    if (http_path_has_dots(raw))
        return -400;
    int n = http_path_normalise(raw, path);
    if (n < 0)
        return -400;
    state->path = (struct keel_str){path, (size_t)n};
    if (query.p)
        state->query = query;
    return 1;
}

/* One rule: results as of http_rewrite_apply. */
static int apply_rule(struct http_rewriter *r, const struct http_rewrite *rule,
                      struct keel_arena *arena, struct http_rewritten *state)
{
    int groups = pcre2_match(rule->expression->code, (PCRE2_SPTR)state->path.p, state->path.n, 0, 0,
                             r->data, r->match);
    if (groups == PCRE2_ERROR_NOMATCH)
        return 0;
    if (groups < 0)
        return groups == PCRE2_ERROR_NOMEMORY ? -503 : -500;
    struct keel_buf text = {0};
    expand(&text, rule->target, state->path, pcre2_get_ovector_pointer(r->data),
           groups > 0 ? (unsigned)groups : CAPTURES);
    int result = rule->status ? finish_redirect(arena, &text, state, rule->status)
                              : finish_path(arena, &text, state);
    keel_buf_fini(&text);
    return result;
}

int http_rewrite_apply(struct http_rewriter *rewriter, const struct http_rewrites *rules,
                       struct keel_arena *arena, struct http_rewritten *state)
{
    int changed = 0;
    for (unsigned i = 0; i < rules->count; i++) {
        int result = apply_rule(rewriter, &rules->items[i], arena, state);
        if (result < 0 || result > 1)
            return result;
        changed |= result;
        if (result && rules->items[i].last)
            break;
    }
    return changed;
}
