#include "common/service/conf_tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What stands for a secret; loading it back gives this text. */
#define MASK "***"

static void indent(struct keel_buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        keel_buf_puts(out, "  ");
}

/* In quotes, so that the scanner reads the same bytes again. */
static void print_quoted(struct keel_buf *out, const char *text)
{
    keel_buf_puts(out, "\"");
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            keel_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            keel_buf_puts(out, "\\n");
        else if (c < ' ' || c == 127)
            keel_buf_printf(out, "\\x%02x", c);
        else
            keel_buf_append(out, p, 1);
    }
    keel_buf_puts(out, "\"");
}

static void print_path(struct keel_buf *out, const char *path)
{
    char cwd[PATH_MAX], full[2 * PATH_MAX];
    if (path[0] == '/' || !getcwd(cwd, sizeof cwd)) {
        print_quoted(out, path);
        return;
    }
    snprintf(full, sizeof full, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path);
    print_quoted(out, full);
}

static void print_value(struct keel_buf *out, const struct keel_option *row,
                        const struct keel_value *value)
{
    char text[64];
    if (row->flags & KEEL_OPT_SECRET) {
        print_quoted(out, MASK);
        return;
    }
    switch (row->type) {
    case KEEL_OPT_INT:
        keel_buf_printf(out, "%lld", (long long)value->number);
        break;
    case KEEL_OPT_BOOL:
        keel_buf_puts(out, value->number ? "true" : "false");
        break;
    case KEEL_OPT_DURATION:
        keel_format_duration(text, sizeof text, (uint64_t)value->number);
        keel_buf_puts(out, text);
        break;
    case KEEL_OPT_SIZE:
        keel_format_size(text, sizeof text, (uint64_t)value->number);
        keel_buf_puts(out, text);
        break;
    case KEEL_OPT_CHOICE:
        keel_buf_puts(out, value->text);
        break;
    case KEEL_OPT_PATH:
        print_path(out, value->text);
        break;
    default:
        print_quoted(out, value->text);
    }
}

static void print_option(struct keel_buf *out, const struct conf_entry *entry, unsigned depth)
{
    indent(out, depth);
    keel_buf_printf(out, "%s = ", entry->name);
    if (!(entry->row->flags & KEEL_OPT_LIST)) {
        print_value(out, entry->row, &entry->values[0]);
        keel_buf_puts(out, "\n");
        return;
    }
    keel_buf_puts(out, "{ ");
    for (unsigned i = 0; i < entry->count; i++) {
        if (i)
            keel_buf_puts(out, ", ");
        print_value(out, entry->row, &entry->values[i]);
    }
    keel_buf_puts(out, entry->count ? " }\n" : "}\n");
}

static void print_body(struct keel_buf *out, const struct keel_conf *conf, unsigned depth);

static void print_section(struct keel_buf *out, const struct keel_conf *conf, unsigned depth)
{
    indent(out, depth);
    keel_buf_puts(out, conf->row->name);
    if (conf->title) {
        keel_buf_puts(out, " ");
        print_quoted(out, conf->title);
    }
    keel_buf_puts(out, " {\n");
    print_body(out, conf, depth + 1);
    indent(out, depth);
    keel_buf_puts(out, "}\n");
}

/* Sections nest at most CONF_DEPTH_MAX deep. */
static void print_body(struct keel_buf *out, const struct keel_conf *conf, unsigned depth)
{
    if (!conf->schema) {
        for (const struct conf_entry *e = conf->keys.first; e; e = e->next)
            print_option(out, e, depth);
        return;
    }
    for (unsigned i = 0; i < conf->schema->count; i++) {
        const struct conf_entry *entry = conf->slots[i];
        bool given = entry != NULL;
        if (!given)
            entry = &conf->schema->defaults[i];
        if (entry->row->type == KEEL_OPT_SECTION || entry->row->type == KEEL_OPT_FREE) {
            for (const struct keel_conf *c = entry->first; c; c = c->next)
                print_section(out, c, depth);
        } else if (entry->count || given) {
            print_option(out, entry, depth);
        }
    }
}

int keel_conf_print(const struct keel_conf *conf, struct keel_buf *out)
{
    print_body(out, conf, 0);
    return out->failed;
}

/* roff takes a leading . or ' and every backslash for itself, and wants each sentence on a line of
 * its own. */
static void man_text(struct keel_buf *out, const char *text)
{
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (*p == ' ' && p > text && p[-1] == '.') {
            keel_buf_puts(out, "\n");
            line_start = true;
            continue;
        }
        if (line_start && (*p == '.' || *p == '\''))
            keel_buf_puts(out, "\\&");
        if (*p == '\\')
            keel_buf_puts(out, "\\e");
        else if (*p == '-')
            keel_buf_puts(out, "\\-");
        else
            keel_buf_append(out, p, 1);
        line_start = *p == '\n';
    }
}

static const char *type_word(const struct keel_option *row)
{
    static const char *const words[] = {
        [KEEL_OPT_INT] = "Ar number",        [KEEL_OPT_BOOL] = "Cm true | Cm false",
        [KEEL_OPT_DURATION] = "Ar duration", [KEEL_OPT_SIZE] = "Ar size",
        [KEEL_OPT_STRING] = "Ar text",       [KEEL_OPT_ADDR] = "Ar address",
        [KEEL_OPT_PREFIX] = "Ar prefix",     [KEEL_OPT_PATH] = "Ar path",
        [KEEL_OPT_LISTEN] = "Ar address",
    };
    return words[row->type];
}

static void man_range(struct keel_buf *out, const struct keel_option *row)
{
    bool ranged =
        row->type == KEEL_OPT_INT || row->type == KEEL_OPT_DURATION || row->type == KEEL_OPT_SIZE;
    if (!ranged || (row->min == 0 && row->max == 0))
        return;
    char low[48], high[48];
    if (row->type == KEEL_OPT_INT) {
        snprintf(low, sizeof low, "%lld", (long long)row->min);
        snprintf(high, sizeof high, "%lld", (long long)row->max);
    } else if (row->type == KEEL_OPT_DURATION) {
        keel_format_duration(low, sizeof low, (uint64_t)row->min);
        keel_format_duration(high, sizeof high, (uint64_t)row->max);
    } else {
        keel_format_size(low, sizeof low, (uint64_t)row->min);
        keel_format_size(high, sizeof high, (uint64_t)row->max);
    }
    if (row->max == INT64_MAX)
        keel_buf_printf(out, "At least %s.\n", low);
    else
        keel_buf_printf(out, "%s to %s.\n", low, high);
}

static void man_option(struct keel_buf *out, const struct keel_option *row)
{
    keel_buf_puts(out, ".It Cm ");
    man_text(out, row->name);
    keel_buf_puts(out, " No = ");
    if (row->flags & KEEL_OPT_LIST)
        keel_buf_puts(out, "{ ");
    if (row->type == KEEL_OPT_CHOICE) {
        struct keel_str rest = keel_str(row->choices), part;
        for (bool first = true; keel_str_split(&rest, '|', &part); first = false)
            keel_buf_printf(out, "%sCm %.*s", first ? "" : " | ", (int)part.n, part.p);
    } else {
        keel_buf_printf(out, "%s", type_word(row));
    }
    keel_buf_puts(out, row->flags & KEEL_OPT_LIST ? " No , ... }\n" : "\n");
    if (row->help) {
        man_text(out, row->help);
        keel_buf_puts(out, "\n");
    }
    man_range(out, row);
    if (row->flags & KEEL_OPT_REQUIRED)
        keel_buf_puts(out, "It must be given.\n");
    if (row->def && row->def[0]) {
        keel_buf_puts(out, "Default: ");
        man_text(out, row->def);
        keel_buf_puts(out, ".\n");
    }
}

static void man_section(struct keel_buf *out, const struct keel_option *row, unsigned depth);

/* False where all that stands in a section is for later. */
static bool man_has_rows(const struct keel_option *rows)
{
    while (rows->type == KEEL_OPT_UNSUPPORTED)
        rows++;
    return rows->type != KEEL_OPT_END;
}

static void man_list(struct keel_buf *out, const struct keel_option *rows, unsigned depth)
{
    keel_buf_puts(out, ".Bl -tag -width Ds\n");
    for (const struct keel_option *row = rows; row->type != KEEL_OPT_END; row++) {
        if (row->type == KEEL_OPT_SECTION || row->type == KEEL_OPT_FREE)
            man_section(out, row, depth);
        else if (row->type != KEEL_OPT_UNSUPPORTED)
            man_option(out, row);
    }
    keel_buf_puts(out, ".El\n");
}

/* A table that contains itself is printed a few levels deep only. */
static void man_section(struct keel_buf *out, const struct keel_option *row, unsigned depth)
{
    keel_buf_puts(out, ".It Cm ");
    man_text(out, row->name);
    if (row->flags & KEEL_OPT_TITLE)
        keel_buf_puts(out, " Ar name");
    keel_buf_puts(out, " No { ... }\n");
    if (row->help) {
        man_text(out, row->help);
        keel_buf_puts(out, "\n");
    }
    if (row->flags & KEEL_OPT_MULTI)
        keel_buf_puts(out, "It may stand more than once.\n");
    if (row->sub && depth < 4 && man_has_rows(row->sub))
        man_list(out, row->sub, depth + 1);
}

int keel_conf_print_man(const struct keel_option *rows, struct keel_buf *out)
{
    man_list(out, rows, 0);
    return out->failed;
}
