#include "httpd/request/rewrite.h"

#include <stdio.h>

#include "httpd/wire/path.h"

/* What stands behind the text of a part. */
enum source {
    NOTHING,
    DOLLAR,
    OF_PATH,    /* a group of the expression */
    OF_HOST,    /* "${host}" */
    CONDITIONS, /* and from here on a group of condition 0, 1 ... */
};

/* --- compiling --- */

/* Cuts the next word off; words are parted by blanks. False: there is none. */
static bool next_word(struct keel_str *rest, struct keel_str *word)
{
    while (keel_str_split(rest, ' ', word)) {
        *word = keel_str_trim(*word);
        if (word->n > 0)
            return true;
    }
    return false;
}

/* The last condition of a kind whose groups a target may have: its number, or -1. */
static int find_condition(const struct http_rewrite *rule, struct keel_str name)
{
    static const char *const names[] = {"host", "query", "header"};
    for (unsigned i = rule->condition_count; i-- > 0;) {
        const struct http_predicate *it = &rule->conditions[i];
        if (it->expression && !it->negated && it->kind <= HTTP_IF_HEADER &&
            keel_str_equal(name, keel_str(names[it->kind])))
            return (int)i;
    }
    return -1;
}

static int bad_dollar(struct keel_str at, size_t n, struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_EINVAL,
                         "\"%.*s\" in the target: $1 is for a group of the expression, ${host} for "
                         "the host, ${host.1}, ${query.1} and ${header.1} for a group of such a "
                         "condition, $$ for a $",
                         (int)(n < at.n ? n : at.n), at.p);
}

static int bad_group(struct keel_str at, size_t n, unsigned groups, struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_EINVAL,
                         "\"%.*s\" in the target: the expression has %u groups; $$ is a $", (int)n,
                         at.p, groups);
}

/* "${host}", "${query.2}": `at` begins with it. */
static int parse_braces(struct keel_str at, struct http_rewrite *rule,
                        struct http_target_part *part, size_t *used, struct keel_diag *diag)
{
    const char *end = memchr(at.p, '}', at.n);
    struct keel_str rest = {at.p + 2, 0}, name;
    if (!end)
        return bad_dollar(at, at.n, diag);
    *used = (size_t)(end - at.p) + 1;
    rest.n = *used - 3;
    if (keel_str_equal(rest, KEEL_STR("host"))) {
        part->source = OF_HOST;
        rule->wants_host = true;
        return 0;
    }
    int found = keel_str_split(&rest, '.', &name) ? find_condition(rule, name) : -1;
    if (found < 0 || rest.n != 1 || !keel_is_digit(*rest.p))
        return bad_dollar(at, *used, diag);
    part->source = (uint8_t)(CONDITIONS + found);
    part->group = (uint8_t)(*rest.p - '0');
    unsigned groups = http_expression_groups(rule->conditions[found].expression);
    return part->group > groups ? bad_group(at, *used, groups, diag) : 0;
}

/* What the '$' at the front of `at` begins: fills the part, and says how long it is. */
static int parse_dollar(struct keel_str at, struct http_rewrite *rule,
                        struct http_target_part *part, size_t *used, struct keel_diag *diag)
{
    char next = at.n > 1 ? at.p[1] : '\0';
    *used = 2;
    if (next == '{')
        return parse_braces(at, rule, part, used, diag);
    if (next == '$') {
        part->source = DOLLAR;
        return 0;
    }
    if (!keel_is_digit(next))
        return bad_dollar(at, 2, diag);
    part->source = OF_PATH;
    part->group = (uint8_t)(next - '0');
    unsigned groups = http_expression_groups(rule->expression);
    return part->group > groups ? bad_group(at, 2, groups, diag) : 0;
}

static int check_character(struct keel_str at, struct keel_diag *diag)
{
    char c = *at.p;
    if (c > ' ' && c < 0x7f && c != '#' &&
        (c != '%' || (at.n > 2 && keel_hex_digit(at.p[1]) >= 0 && keel_hex_digit(at.p[2]) >= 0)))
        return 0;
    return keel_diag_set(diag, KEEL_EINVAL,
                         "the target must be a path and a query of a URI: other characters are "
                         "written as %%XX");
}

/* Cuts the target into its parts. */
static int parse_parts(struct keel_arena *arena, struct http_rewrite *rule, struct keel_diag *diag)
{
    struct keel_str target = rule->target;
    unsigned count = 1;
    size_t begin = 0, used = 1;
    for (size_t i = 0; i < target.n; i++)
        count += target.p[i] == '$';
    rule->parts = keel_arena_calloc(arena, count * sizeof *rule->parts);
    if (!rule->parts)
        return KEEL_ENOMEM;
    for (size_t i = 0; i < target.n; i += used) {
        struct keel_str at = {target.p + i, target.n - i};
        struct http_target_part *part = &rule->parts[rule->part_count];
        int err =
            *at.p == '$' ? parse_dollar(at, rule, part, &used, diag) : check_character(at, diag);
        if (err)
            return err;
        if (*at.p != '$') {
            used = 1;
            continue;
        }
        part->text = (struct keel_str){target.p + begin, i - begin};
        begin = i + used;
        rule->part_count++;
    }
    rule->parts[rule->part_count++].text = (struct keel_str){target.p + begin, target.n - begin};
    return 0;
}

/* Bytes of "https://" or "http://" at the front; 0: neither. */
static size_t scheme_size(struct keel_str target)
{
    return keel_str_begins(target, KEEL_STR("https://"))  ? 8
           : keel_str_begins(target, KEEL_STR("http://")) ? 7
                                                          : 0;
}

/* "https://host" must end before a group of anything but a host, lest a client chooses what follows
 * it. */
static bool is_absolute(const struct http_rewrite *rule)
{
    size_t begin = scheme_size(rule->target);
    bool host = false;
    for (unsigned i = 0; i < rule->part_count && begin > 0; i++) {
        const struct http_target_part *part = &rule->parts[i];
        size_t from = i == 0 ? begin : 0;
        for (size_t j = from; j < part->text.n; j++)
            if (part->text.p[j] == '/' || part->text.p[j] == '?')
                return host || j > from;
        host = host || part->text.n > from;
        if (part->source == NOTHING)
            return host;
        if (part->source != OF_HOST &&
            (part->source < CONDITIONS ||
             rule->conditions[part->source - CONDITIONS].kind != HTTP_IF_HOST))
            return false;
        host = true;
    }
    return false;
}

static int parse_target(struct keel_arena *arena, struct keel_str target, struct http_rewrite *rule,
                        struct keel_diag *diag)
{
    rule->target = (struct keel_str){keel_arena_strndup(arena, target.p, target.n), target.n};
    if (!rule->target.p)
        return KEEL_ENOMEM;
    bool inside = *target.p == '/';
    int err = inside || (rule->status && scheme_size(target) > 0)
                  ? parse_parts(arena, rule, diag)
                  : keel_diag_set(diag, KEEL_EINVAL, "the target must begin with \"/\"%s",
                                  rule->status ? ", or with \"https://HOST/\" before any $" : "");
    if (err || inside || is_absolute(rule))
        return err;
    return keel_diag_set(diag, KEEL_EINVAL,
                         "the target must begin with \"/\", or with \"https://HOST/\" before any $ "
                         "but ${host} and groups of a host");
}

/* What stands behind the target. */
static int parse_flag(struct keel_str flag, struct http_rewrite *rule, struct keel_diag *diag)
{
    uint64_t status;
    rule->last = keel_str_equal(flag, KEEL_STR("last"));
    if (rule->last)
        return 0;
    if (keel_parse_u64(flag, 308, &status) != 0 ||
        (status != 301 && status != 302 && status != 303 && status != 307 && status != 308))
        return keel_diag_set(diag, KEEL_EINVAL,
                             "\"last\", 301, 302, 303, 307 or 308, or \"if\" and conditions, "
                             "expected behind the target");
    rule->status = (unsigned)status;
    return 0;
}

/* In the place of a target: "403". */
static int parse_status(struct keel_str target, struct http_rewrite *rule, struct keel_diag *diag)
{
    uint64_t status;
    if (keel_parse_u64(target, 999, &status) != 0 ||
        !((status >= 400 && status < 500) || status == 503))
        return keel_diag_set(diag, KEEL_EINVAL,
                             "a target that is a status must be 400 to 499, or 503");
    rule->status = (unsigned)status;
    return 0;
}

/* The words behind "if". */
static int parse_conditions(struct http_expressions *expressions, struct keel_arena *arena,
                            struct keel_str rest, struct http_rewrite *rule, struct keel_diag *diag)
{
    struct keel_str word;
    rule->conditions = keel_arena_calloc(arena, HTTP_PREDICATES * sizeof *rule->conditions);
    if (!rule->conditions)
        return KEEL_ENOMEM;
    while (next_word(&rest, &word)) {
        if (rule->condition_count == HTTP_PREDICATES)
            return keel_diag_set(diag, KEEL_EINVAL, "a rule has %d conditions at most",
                                 HTTP_PREDICATES);
        int err = http_predicate_parse(expressions, arena, word,
                                       &rule->conditions[rule->condition_count++], diag);
        if (err)
            return err;
    }
    return rule->condition_count > 0
               ? 0
               : keel_diag_set(diag, KEEL_EINVAL, "conditions expected behind \"if\"");
}

int http_rewrite_compile(struct http_expressions *expressions, struct keel_arena *arena,
                         struct keel_str text, struct http_rewrite *rule, struct keel_diag *diag)
{
    const struct keel_str mark = KEEL_STR("if");
    struct keel_str rest = text, expression, target, word;
    *rule = (struct http_rewrite){0};
    if (!next_word(&rest, &expression) || !next_word(&rest, &target))
        return keel_diag_set(diag, KEEL_EINVAL,
                             "\"EXPRESSION TARGET\" expected (a blank in one is written \\x20)");
    bool refuses = keel_is_digit(*target.p), more = next_word(&rest, &word);
    int err = refuses ? parse_status(target, rule, diag) : 0;
    if (!err && more && !keel_str_equal(word, mark)) {
        err = refuses ? keel_diag_set(diag, KEEL_EINVAL, "\"if\" expected behind the status")
                      : parse_flag(word, rule, diag);
        more = next_word(&rest, &word);
    }
    if (!err && more && !keel_str_equal(word, mark))
        err =
            keel_diag_set(diag, KEEL_EINVAL, "\"if\" expected, not \"%.*s\"", (int)word.n, word.p);
    if (!err)
        err = http_expression_compile(expressions, expression, false, &rule->expression, diag);
    if (!err && more)
        err = parse_conditions(expressions, arena, rest, rule, diag);
    return err || refuses ? err : parse_target(arena, target, rule, diag);
}

/* --- applying --- */

/* What the expressions of a rule matched: that of the path, then those of its conditions. */
struct matches {
    struct http_match path, conditions[HTTP_PREDICATES];
};

/* What a part has behind its text. As groups are encoded they stay one value behind the '?', and no
 * host can have more than a host has. */
static void append_group(struct keel_buf *out, const struct http_target_part *part,
                         const struct matches *matches, struct keel_str host, bool query)
{
    struct keel_str group =
        part->source == OF_HOST ? host
        : part->source == OF_PATH
            ? matches->path.groups[part->group]
            : matches->conditions[part->source - CONDITIONS].groups[part->group];
    if (query)
        http_query_encode(out, group);
    else
        http_path_encode(out, group);
}

/* A host is in lower case, and the brackets of an address stay. */
static void append_host(struct keel_buf *out, struct keel_str host)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = (char)keel_to_lower(host.p[i]);
        keel_buf_append(out, &c, 1);
    }
}

/* The target with the groups in their places. */
static void expand(struct keel_buf *out, const struct http_rewrite *rule,
                   const struct matches *matches, struct keel_str host)
{
    size_t authority = scheme_size(rule->target); /* 0: we are behind it */
    bool query = false;
    for (unsigned i = 0; i < rule->part_count; i++) {
        const struct http_target_part *part = &rule->parts[i];
        struct keel_str text = part->text;
        for (size_t j = i == 0 ? authority : 0; j < text.n && authority > 0; j++)
            if (text.p[j] == '/' || text.p[j] == '?')
                authority = 0;
        query = query || (text.n > 0 && memchr(text.p, '?', text.n));
        keel_buf_append(out, text.p, text.n);
        if (part->source == DOLLAR)
            keel_buf_append(out, "$", 1);
        else if (part->source == OF_HOST && authority > 0)
            append_host(out, host);
        else if (part->source >= CONDITIONS && authority > 0)
            append_host(out, matches->conditions[part->source - CONDITIONS].groups[part->group]);
        else if (part->source != NOTHING)
            append_group(out, part, matches, host, query);
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

/* "https:///evil.example": what groups of a host made of it is empty, and a browser would take the
 * next best for the host. */
static bool lacks_host(struct keel_str location)
{
    size_t n = scheme_size(location);
    return n > 0 && (n == location.n || location.p[n] == '/' || location.p[n] == '?');
}

/* Does the rule match? As http_expression_match. */
static int match(struct http_expressions *expressions, const struct http_rewrite *rule,
                 const struct http_asked *asked, struct keel_str path, struct matches *matches)
{
    if (rule->wants_host && http_asked_host(asked).n == 0)
        return 0;
    int result = http_expression_match(expressions, rule->expression, path, &matches->path);
    for (unsigned i = 0; i < rule->condition_count && result == 1; i++)
        result =
            http_predicate_test(expressions, &rule->conditions[i], asked, &matches->conditions[i]);
    return result;
}

/* One rule: results as of http_rewrite_apply. */
static int apply_rule(struct http_expressions *expressions, const struct http_rewrite *rule,
                      struct keel_arena *arena, const struct http_asked *asked,
                      struct http_rewritten *state)
{
    struct matches matches;
    struct keel_buf text = {0};
    int result = match(expressions, rule, asked, state->path, &matches);
    if (result != 1)
        return result;
    if (rule->target.n == 0)
        return -(int)rule->status;
    expand(&text, rule, &matches, rule->wants_host ? http_asked_host(asked) : KEEL_STR(""));
    if (lacks_host((struct keel_str){(const char *)keel_buf_bytes(&text), keel_buf_size(&text)})) {
        keel_buf_fini(&text);
        return 0;
    }
    result = rule->status ? finish_redirect(arena, &text, state, rule->status)
                          : finish_path(arena, &text, state);
    keel_buf_fini(&text);
    return result;
}

int http_rewrite_apply(struct http_expressions *expressions, const struct http_rewrites *rules,
                       struct keel_arena *arena, struct http_asked *asked,
                       struct http_rewritten *state)
{
    int changed = 0;
    for (unsigned i = 0; i < rules->count; i++) {
        asked->query = state->query;
        int result = apply_rule(expressions, &rules->items[i], arena, asked, state);
        if (result < 0 || result > 1)
            return result;
        changed |= result;
        if (result && rules->items[i].last)
            break;
    }
    return changed;
}
