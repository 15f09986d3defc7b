#include "httpd/request/headers.h"

#include "common/base/buf.h"
#include "httpd/wire/chars.h"

/* Fields that frame a message or mean what its handler means; and others of httpd's own handlers,
 * which may be set and removed. */
static const struct {
    const char *name;
    bool fixed, removable;
} known[] = {
    {"connection", true, false},       {"content-encoding", true, false},
    {"content-length", true, false},   {"content-range", true, false},
    {"content-type", true, false},     {"date", true, false},
    {"keep-alive", true, false},       {"location", true, false},
    {"proxy-connection", true, false}, {"te", true, false},
    {"trailer", true, false},          {"transfer-encoding", true, false},
    {"upgrade", true, false},          {"www-authenticate", true, false},
    {"accept-ranges", true, true},     {"etag", true, true},
    {"last-modified", true, true},     {"allow", false, true},
    {"cache-control", false, true},    {"retry-after", false, true},
    {"server", false, true},           {"vary", false, true},
};

/* Its place in the table, or -1. */
static int find_known(struct keel_str name)
{
    for (int i = 0; i < (int)(sizeof known / sizeof *known); i++)
        if (keel_str_equal_nocase(name, keel_str(known[i].name)))
            return i;
    return -1;
}

int http_header_rule_parse(struct keel_str text, struct http_header_rule *rule,
                           struct keel_diag *diag)
{
    struct keel_str rest = keel_str_trim(text);
    rule->op = HTTP_HEADER_SET;
    if (rest.n > 0 && (rest.p[0] == '+' || rest.p[0] == '-')) {
        rule->op = rest.p[0] == '+' ? HTTP_HEADER_ADD : HTTP_HEADER_REMOVE;
        rest = (struct keel_str){rest.p + 1, rest.n - 1};
    }
    rule->name = KEEL_STR("");
    keel_str_split(&rest, ':', &rule->name);
    bool removes = rule->op == HTTP_HEADER_REMOVE;
    rule->value = rest.p ? keel_str_trim(rest) : (struct keel_str){NULL, 0};
    if (rule->name.n == 0 || !http_is_all(rule->name, HTTP_CHAR_TOKEN) ||
        removes != (rest.p == NULL) || removes != (rule->value.n == 0) ||
        !http_is_all(rule->value, HTTP_CHAR_VALUE))
        return keel_diag_set(diag, KEEL_EINVAL,
                             "\"Name: value\", \"+Name: value\" or \"-Name\" expected");
    int i = find_known(rule->name);
    if (i >= 0 && (removes ? !known[i].removable : known[i].fixed))
        return keel_diag_set(diag, KEEL_EINVAL, "%.*s is set by httpd", (int)rule->name.n,
                             rule->name.p);
    return 0;
}

struct keel_str http_header_rules_lines(const struct http_header_rules *rules,
                                        struct keel_arena *arena)
{
    struct keel_buf text = {0};
    struct keel_str out = {NULL, 0};
    for (unsigned i = 0; i < rules->count; i++) {
        const struct http_header_rule *rule = &rules->items[i];
        if (rule->op != HTTP_HEADER_REMOVE)
            keel_buf_printf(&text, "%.*s: %.*s\r\n", (int)rule->name.n, rule->name.p,
                            (int)rule->value.n, rule->value.p);
    }
    const char *all = keel_buf_text(&text);
    if (all)
        out = (struct keel_str){keel_arena_strdup(arena, all), keel_buf_size(&text)};
    keel_buf_fini(&text);
    return out;
}

bool http_header_rules_edit(const struct http_header_rules *rules)
{
    for (unsigned i = 0; i < rules->count; i++)
        if (rules->items[i].op != HTTP_HEADER_ADD && find_known(rules->items[i].name) >= 0)
            return true;
    return false;
}

struct keel_str http_head_join(const struct keel_str *pieces, unsigned count,
                               struct keel_arena *arena)
{
    size_t n = 0;
    for (unsigned i = 0; i < count; i++)
        n += pieces[i].n;
    char *out = keel_arena_alloc(arena, n + 1), *p = out;
    if (!out)
        return (struct keel_str){NULL, 0};
    for (unsigned i = 0; i < count; i++)
        if (pieces[i].n > 0)
            p = (char *)memcpy(p, pieces[i].p, pieces[i].n) + pieces[i].n;
    *p = '\0';
    return (struct keel_str){out, n};
}

static bool is_dropped(const struct http_header_rules *rules, struct keel_str name)
{
    for (unsigned i = 0; i < rules->count; i++)
        if (rules->items[i].op != HTTP_HEADER_ADD &&
            keel_str_equal_nocase(rules->items[i].name, name))
            return true;
    return false;
}

struct keel_str http_head_edit(struct keel_str head, const struct http_header_rules *rules,
                               struct keel_str lines, struct keel_arena *arena)
{
    char *out = keel_arena_alloc(arena, head.n + lines.n + 3), *p = out;
    struct keel_str rest = head, line, name;
    bool first = true; /* the status line */
    while (out && keel_str_split(&rest, '\n', &line) && line.n > 0) {
        struct keel_str field = line;
        keel_str_split(&field, ':', &name);
        if (first || !is_dropped(rules, name)) {
            memcpy(p, line.p, line.n);
            p += line.n;
            *p++ = '\n';
        }
        first = false;
    }
    if (!out)
        return (struct keel_str){NULL, 0};
    memcpy(p, lines.p, lines.n);
    p += lines.n;
    memcpy(p, "\r\n", 3);
    return (struct keel_str){out, (size_t)(p - out)};
}
