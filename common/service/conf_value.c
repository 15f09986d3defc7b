#include "common/service/conf_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define QUOTED_MAX 128 /* of a wrong value in a message */

int conf_choice_find(const char *choices, struct keel_str text)
{
    struct keel_str rest = keel_str(choices), part;
    for (int i = 0; keel_str_split(&rest, '|', &part); i++)
        if (keel_str_equal(part, text))
            return i;
    return -1;
}

/* KEEL_ECONF with `"text" what`. */
static int wrong(struct keel_diag *diag, const char *text, const char *what)
{
    char quoted[QUOTED_MAX];
    keel_escape(quoted, sizeof quoted, text, strlen(text));
    return keel_diag_set(diag, KEEL_ECONF, "\"%s\" %s", quoted, what);
}

static void format_number(char *out, size_t size, enum keel_option_type type, int64_t number)
{
    if (type == KEEL_OPT_DURATION && number >= 0)
        keel_format_duration(out, size, (uint64_t)number);
    else if (type == KEEL_OPT_SIZE && number >= 0)
        keel_format_size(out, size, (uint64_t)number);
    else
        snprintf(out, size, "%" PRId64, number);
}

static int check_range(const struct keel_option *row, const struct keel_value *value,
                       struct keel_diag *diag)
{
    if ((row->min == 0 && row->max == 0) ||
        (value->number >= row->min && value->number <= row->max))
        return 0;
    char low[48], high[48], what[160];
    format_number(low, sizeof low, row->type, row->min);
    format_number(high, sizeof high, row->type, row->max);
    if (row->max == INT64_MAX)
        snprintf(what, sizeof what, "is out of range: at least %s", low);
    else
        snprintf(what, sizeof what, "is out of range: %s to %s", low, high);
    return wrong(diag, value->text, what);
}

static int read_number(const struct keel_option *row, struct keel_value *value,
                       struct keel_diag *diag)
{
    struct keel_str text = keel_str(value->text);
    const char *what;
    uint64_t number = 0;
    int err;
    if (row->type == KEEL_OPT_INT) {
        err = keel_parse_i64(text, &value->number);
        what = "is not a whole number";
    } else if (row->type == KEEL_OPT_DURATION) {
        err = keel_parse_duration(text, &number);
        what = "is not a time; write it as 500ms, 90s, 5m, 12h, 7d";
    } else {
        err = keel_parse_size(text, &number);
        what = "is not a size; write it as 4096, 64k, 10m, 4g";
    }
    if (err == KEEL_ERANGE || number > INT64_MAX)
        return wrong(diag, value->text, "is too large a number");
    if (err)
        return wrong(diag, value->text, what);
    if (row->type != KEEL_OPT_INT)
        value->number = (int64_t)number;
    return check_range(row, value, diag);
}

static int read_bool(struct keel_value *value, struct keel_diag *diag)
{
    bool truth;
    if (keel_parse_bool(keel_str(value->text), &truth) != 0)
        return wrong(diag, value->text, "is neither true nor false");
    value->number = truth;
    return 0;
}

static int read_choice(const struct keel_option *row, struct keel_value *value,
                       struct keel_diag *diag)
{
    value->number = conf_choice_find(row->choices, keel_str(value->text));
    if (value->number >= 0)
        return 0;
    char what[512] = "is not one of ";
    size_t n = strlen(what);
    struct keel_str rest = keel_str(row->choices), part;
    while (n < sizeof what && keel_str_split(&rest, '|', &part))
        n += (size_t)snprintf(what + n, sizeof what - n, "%.*s%s", (int)part.n, part.p,
                              rest.n ? ", " : "");
    return wrong(diag, value->text, what);
}

static int read_addr(struct keel_addr *addr, struct keel_str text, const struct keel_option *row,
                     struct keel_diag *diag)
{
    return keel_addr_parse(addr, text, (uint16_t)row->min, diag) == 0 ? 0 : KEEL_ECONF;
}

/* "ADDRESS word word" */
static int read_listen(const struct keel_option *row, struct keel_value *value,
                       struct keel_diag *diag)
{
    struct keel_str text = keel_str_trim(keel_str(value->text));
    struct keel_str addr = {text.p, strcspn(text.p, " \t")};
    if (addr.n > text.n)
        addr.n = text.n;
    value->words = keel_str_trim((struct keel_str){text.p + addr.n, text.n - addr.n});
    return read_addr(&value->addr, addr, row, diag);
}

/* Paths in the file belong to its folder; those on the command line to where it was typed. */
static int read_path(struct conf_tree *tree, struct keel_value *value, bool overridden,
                     struct keel_diag *diag)
{
    const char *path = value->text;
    if (path[0] == '\0')
        return keel_diag_set(diag, KEEL_ECONF, "a path must not be empty");
    if (overridden || path[0] == '/' || tree->folder.n == 0)
        return 0;
    while (path[0] == '.' && path[1] == '/' && path[2])
        path += 2;
    value->text =
        keel_arena_printf(&tree->arena, "%.*s%s", (int)tree->folder.n, tree->folder.p, path);
    return value->text ? 0 : keel_diag_memory(diag);
}

int conf_value_read(struct conf_tree *tree, const struct keel_option *row, struct keel_value *value,
                    bool overridden, struct keel_diag *diag)
{
    switch (row->type) {
    case KEEL_OPT_INT:
    case KEEL_OPT_DURATION:
    case KEEL_OPT_SIZE:
        return read_number(row, value, diag);
    case KEEL_OPT_BOOL:
        return read_bool(value, diag);
    case KEEL_OPT_CHOICE:
        return read_choice(row, value, diag);
    case KEEL_OPT_ADDR:
        return read_addr(&value->addr, keel_str(value->text), row, diag);
    case KEEL_OPT_LISTEN:
        return read_listen(row, value, diag);
    case KEEL_OPT_PREFIX:
        return keel_prefix_parse(&value->prefix, keel_str(value->text), diag) == 0 ? 0 : KEEL_ECONF;
    case KEEL_OPT_PATH:
        return read_path(tree, value, overridden, diag);
    case KEEL_OPT_STRING:
        return 0;
    case KEEL_OPT_UNSUPPORTED:
        return keel_diag_set(diag, KEEL_ECONF, "this version does not support it");
    case KEEL_OPT_END:
    case KEEL_OPT_SECTION:
    case KEEL_OPT_FREE:
        break;
    }
    return keel_diag_set(diag, KEEL_ECONF, "is a section, not an option");
}
