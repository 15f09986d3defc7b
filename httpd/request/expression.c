#include "httpd/request/expression.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/base/mem.h"

#define MATCH_LIMIT 20000  /* steps of one match: below a millisecond */
#define HEAP_LIMIT_KB 1024 /* of one match */

struct http_expression {
    struct http_expression *next;
    pcre2_code *code;
};
struct http_expressions {
    struct http_expression *first;
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

struct http_expressions *http_expressions_new(void)
{
    struct http_expressions *all = keel_calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->general = pcre2_general_context_create(take, give, NULL);
    if (all->general) {
        all->compile = pcre2_compile_context_create(all->general);
        all->match = pcre2_match_context_create(all->general);
        all->data = pcre2_match_data_create(HTTP_GROUPS, all->general);
    }
    if (!all->compile || !all->match || !all->data) {
        http_expressions_free(all);
        return NULL;
    }
    pcre2_set_match_limit(all->match, MATCH_LIMIT);
    pcre2_set_heap_limit(all->match, HEAP_LIMIT_KB);
    return all;
}

void http_expressions_free(struct http_expressions *all)
{
    if (!all)
        return;
    while (all->first) {
        struct http_expression *e = all->first;
        all->first = e->next;
        pcre2_code_free(e->code);
        keel_free(e);
    }
    pcre2_match_data_free(all->data);
    pcre2_match_context_free(all->match);
    pcre2_compile_context_free(all->compile);
    pcre2_general_context_free(all->general);
    keel_free(all);
}

int http_expression_compile(struct http_expressions *all, struct keel_str text, bool any_case,
                            struct http_expression **out, struct keel_diag *diag)
{
    /* "$" is the end, not also before a last line feed; "." is any byte: a decoded path may have
     * both, and a rule shall not be evaded with %0A */
    const uint32_t options = PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL |
                             PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C |
                             (any_case ? PCRE2_CASELESS : 0);
    struct http_expression *e = keel_calloc(1, sizeof *e);
    PCRE2_UCHAR why[256];
    PCRE2_SIZE at;
    int error;
    if (!e)
        return KEEL_ENOMEM;
    e->code = pcre2_compile((PCRE2_SPTR)text.p, text.n, options, &error, &at, all->compile);
    if (!e->code) {
        keel_free(e);
        if (error == PCRE2_ERROR_HEAP_FAILED)
            return KEEL_ENOMEM;
        pcre2_get_error_message(error, why, sizeof why);
        return keel_diag_set(diag, KEEL_EINVAL, "column %zu of the expression: %s", (size_t)at + 1,
                             (const char *)why);
    }
    e->next = all->first;
    *out = all->first = e;
    return 0;
}

unsigned http_expression_groups(const struct http_expression *expression)
{
    uint32_t groups = 0;
    pcre2_pattern_info(expression->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    return groups;
}

int http_expression_match(struct http_expressions *all, const struct http_expression *expression,
                          struct keel_str text, struct http_match *match)
{
    const char *p = text.p ? text.p : "";
    int count = pcre2_match(expression->code, (PCRE2_SPTR)p, text.n, 0, 0, all->data, all->match);
    if (count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (count < 0)
        return count == PCRE2_ERROR_NOMEMORY ? -503 : -500;
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(all->data);
    if (count == 0) /* there are more groups than room: all of ours are set */
        count = HTTP_GROUPS;
    for (int i = 0; i < HTTP_GROUPS; i++) {
        bool set = i < count && places[2 * i] != PCRE2_UNSET && places[2 * i + 1] > places[2 * i];
        match->groups[i] =
            set ? (struct keel_str){p + places[2 * i], places[2 * i + 1] - places[2 * i]}
                : KEEL_STR("");
    }
    return 1;
}
