#include "httpd/serve/settings_headers.h"

#include "httpd/serve/settings_types.h"
#include "httpd/wire/chars.h"

static int no_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

static bool has_name(const struct http_header_rule *list, unsigned count, struct keel_str name)
{
    for (unsigned i = 0; i < count; i++)
        if (keel_str_equal_nocase(list[i].name, name))
            return true;
    return false;
}

/* Each rule of the section, from `own` on. */
static int read_own(struct http_settings *s, struct http_header_rules *rules,
                    const struct keel_conf *conf, struct keel_diag *diag)
{
    struct http_header_rule *own = rules->items + rules->count;
    unsigned count = keel_conf_count(conf, "headers");
    for (unsigned i = 0; i < count; i++) {
        struct keel_diag why = {""};
        const char *text = keel_arena_strdup(&s->arena, keel_conf_at(conf, "headers", i)->text);
        if (!text)
            return no_memory(diag);
        if (http_header_rule_parse(keel_str(text), &own[i], &why) != 0)
            return keel_conf_error_at(conf, "headers", i, diag, "%s", why.text);
        if (own[i].op != HTTP_HEADER_ADD && has_name(own, i, own[i].name))
            return keel_conf_error_at(
                conf, "headers", i, diag, "%.*s stands there twice; \"+%.*s: value\" adds another",
                (int)own[i].name.n, own[i].name.p, (int)own[i].name.n, own[i].name.p);
    }
    rules->count += count;
    return 0;
}

/* The rules of a section behind those of `base` (the site's), of which those go whose field the
 * section names too. */
static int read_rules(struct http_settings *s, struct http_header_rules *rules,
                      const struct http_header_rules *base, const struct keel_conf *conf,
                      struct keel_diag *diag)
{
    unsigned count = keel_conf_count(conf, "headers");
    *rules = (struct http_header_rules){
        keel_arena_alloc(&s->arena, (base->count + count + 1) * sizeof *rules->items), 0};
    if (!rules->items)
        return no_memory(diag);
    struct http_header_rules own = {rules->items + base->count, 0};
    int err = read_own(s, &own, conf, diag);
    for (unsigned i = 0; i < base->count && !err; i++)
        if (!has_name(own.items, own.count, base->items[i].name))
            rules->items[rules->count++] = base->items[i];
    memmove(rules->items + rules->count, own.items, own.count * sizeof *own.items);
    rules->count += own.count;
    return err;
}

/* Makes texts of the rules. control: a value of Cache-Control, or NULL. */
static int make_lines(struct http_settings *s, struct http_location *location, bool edit,
                      const char *control, struct keel_diag *diag)
{
    location->edited =
        location->headers.count > 0 && (edit || http_header_rules_edit(&location->headers));
    struct keel_str lines = http_header_rules_lines(&location->headers, &s->arena);
    char *fields = lines.p
                       ? keel_arena_printf(&s->arena, "%s%s%s%s", location->edited ? "" : lines.p,
                                           control ? "Cache-Control: " : "", control ? control : "",
                                           control ? "\r\n" : "")
                       : NULL;
    if (!fields)
        return no_memory(diag);
    location->lines = lines;
    location->fields = keel_str(fields);
    location->always = (struct keel_str){fields, location->edited ? 0 : lines.n};
    return 0;
}

int http_headers_read_site(struct http_settings *s, struct http_location *base,
                           const struct keel_conf *conf, struct keel_diag *diag)
{
    static const struct http_header_rules none;
    int err = read_rules(s, &base->headers, &none, conf, diag);
    return err ? err : make_lines(s, base, false, NULL, diag);
}

int http_headers_read(struct http_settings *s, struct http_location *location,
                      const struct http_header_rules *base, bool edit, const struct keel_conf *conf,
                      struct keel_diag *diag)
{
    const char *control = keel_conf_str(conf, "cache-control");
    if (control && (*control == '\0' || !http_is_all(keel_str(control), HTTP_CHAR_VALUE)))
        return keel_conf_error(conf, "cache-control", diag, "a field value expected");
    int err = read_rules(s, &location->headers, base, conf, diag);
    if (!err)
        err = http_cache_rules_read(s, location, conf, diag);
    if (err)
        return err;
    return make_lines(s, location, edit, control, diag);
}
