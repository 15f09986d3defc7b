#include "common/keelctl/print.h"

#include "common/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Objects inside of objects go so deep before they are shown as JSON. */
#define DEPTH 6
#define COLUMNS 64

/* --- text ------------------------------------------------------------------------------------ */

/* jansson gives valid UTF-8; of it, control characters (C0, DEL, C1) are escaped. A text of many
 * lines keeps its line ends and tabs. */
static void put_text(const char *text, bool lines, struct keel_buf *out)
{
    for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        if (lines && (*p == '\n' || *p == '\t'))
            keel_buf_append(out, p, 1);
        else if (*p < 0x20 || *p == 0x7f)
            keel_buf_printf(out, "\\x%02x", *p);
        else if (c1)
            keel_buf_printf(out, "\\x%02x", *++p);
        else
            keel_buf_append(out, p, 1);
    }
}

void keelctl_print_text(const char *text, struct keel_buf *out)
{
    put_text(text, false, out);
}

/* Columns on a screen, about: characters, not bytes. */
static size_t width_of(const struct keel_buf *buf, size_t from)
{
    size_t width = 0;
    for (const uint8_t *p = keel_buf_bytes(buf) + from; p < buf->data + buf->end; p++)
        width += (*p & 0xc0) != 0x80;
    return width;
}

static void pad(struct keel_buf *out, size_t n)
{
    while (n-- > 0)
        keel_buf_puts(out, " ");
}

static bool is_scalar(const json_t *v)
{
    return !json_is_object(v) && !json_is_array(v);
}

static bool all_scalar(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!is_scalar(json_array_get(array, i)))
            return false;
    }
    return true;
}

static bool all_members_scalar(const json_t *object)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)object, key, v)
    {
        if (!is_scalar(v))
            return false;
    }
    return true;
}

static bool all_objects(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!json_is_object(json_array_get(array, i)))
            return false;
    }
    return json_array_size(array) > 0;
}

/* To three places, which is enough for the eye; of small ones to two digits that count, down to a
 * millionth. */
static void put_real(double v, struct keel_buf *out)
{
    char text[352]; /* a double has up to 309 digits before the point */
    int places = 3;
    for (double size = v < 0 ? -v : v; places < 6 && size > 0 && size < 0.01; size *= 10)
        places++;
    int n = snprintf(text, sizeof text, "%.*f", places, v);
    while (n > 0 && text[n - 1] == '0')
        n--;
    if (n > 0 && text[n - 1] == '.')
        n--;
    keel_buf_append(out, text, (size_t)n);
}

/* A value on one line. */
static void put_inline(const json_t *v, struct keel_buf *out)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING:
        put_text(json_string_value(v), false, out);
        return;
    case JSON_INTEGER:
        keel_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return;
    case JSON_REAL:
        put_real(json_real_value(v), out);
        return;
    case JSON_TRUE:
        keel_buf_puts(out, "yes");
        return;
    case JSON_FALSE:
        keel_buf_puts(out, "no");
        return;
    case JSON_NULL:
        keel_buf_puts(out, "-");
        return;
    default:
        break;
    }
    if (json_is_array(v) && all_scalar(v)) {
        if (json_array_size(v) == 0)
            keel_buf_puts(out, "none");
        for (size_t i = 0; i < json_array_size(v); i++) {
            keel_buf_puts(out, i ? ", " : "");
            put_inline(json_array_get(v, i), out);
        }
        return;
    }
    char *text = json_dumps(v, JSON_COMPACT);
    put_text(text ? text : "?", false, out);
    free(text);
}

/* --- tables ---------------------------------------------------------------------------------- */

/* What is printed how. */
struct page {
    struct keel_buf *out;
    bool wide;
    const json_t *detail; /* names of columns that are left out; NULL: none */
};

static bool is_detail(const struct page *page, const char *name)
{
    for (size_t i = 0; i < json_array_size(page->detail); i++) {
        const char *hidden = json_string_value(json_array_get(page->detail, i));
        if (hidden && strcmp(hidden, name) == 0)
            return true;
    }
    return false;
}

/* The list "detail" of an object, which is about how to show it. */
static const json_t *detail_of(const struct page *page, const json_t *object)
{
    const json_t *detail = json_object_get(object, "detail");
    return page->wide || !json_is_array(detail) ? NULL : detail;
}

static bool is_hint(const char *key, const json_t *v)
{
    return strcmp(key, "detail") == 0 && json_is_array(v);
}

struct column {
    const char *name;
    size_t width;
    bool numbers; /* all of its values: they stand to the right */
    bool empty;   /* no row has a value */
};
struct table {
    struct column columns[COLUMNS];
    unsigned count;
};

static void note_value(struct table *t, const char *name, const json_t *v, struct keel_buf *cell)
{
    unsigned i = 0;
    while (i < t->count && strcmp(t->columns[i].name, name) != 0)
        i++;
    if (i == COLUMNS)
        return;
    struct column *c = &t->columns[i];
    if (i == t->count) {
        t->count++;
        keel_buf_clear(cell);
        put_text(name, false, cell);
        *c = (struct column){name, width_of(cell, 0), true, true};
    }
    keel_buf_clear(cell);
    put_inline(v, cell);
    size_t width = width_of(cell, 0);
    if (width > c->width)
        c->width = width;
    if (!json_is_number(v) && !json_is_null(v))
        c->numbers = false;
    c->empty = c->empty && json_is_null(v);
}

static void put_cell(const struct column *c, const json_t *v, bool head, bool last,
                     struct keel_buf *out)
{
    size_t start = keel_buf_size(out);
    if (head)
        put_text(c->name, false, out);
    else
        put_inline(v, out);
    size_t missing = c->width - width_of(out, start);
    if (c->numbers) { /* written again behind its blanks */
        out->end = out->start + start;
        pad(out, missing);
        if (head)
            put_text(c->name, false, out);
        else
            put_inline(v, out);
    } else if (!last) {
        pad(out, missing);
    }
    while (last && out->end > out->start && out->data[out->end - 1] == ' ')
        out->end--; /* before an empty value */
    keel_buf_puts(out, last ? "\n" : "  ");
}

/* Columns that say nothing; the last one stays in any case. */
static void drop_empty(struct table *t, const struct page *page)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < t->count && !page->wide; i++) {
        if (!t->columns[i].empty || (kept == 0 && i + 1 == t->count))
            t->columns[kept++] = t->columns[i];
    }
    if (!page->wide)
        t->count = kept;
}

/* What stands in an object in a row becomes columns of the table; under a longer name where the row
 * has that already. Returns new. */
static json_t *flatten_row(const json_t *row)
{
    json_t *flat = json_object(), *v, *inner;
    const char *key, *name;
    json_object_foreach((json_t *)row, key, v)
    {
        if (!json_is_object(v) || !all_members_scalar(v)) {
            json_object_set(flat, key, v);
            continue;
        }
        json_object_foreach(v, name, inner)
        {
            struct keel_buf longer = {0};
            keel_buf_printf(&longer, "%s.%s", key, name);
            const char *text = keel_buf_text(&longer);
            json_object_set(flat, json_object_get(row, name) && text ? text : name, inner);
            keel_buf_fini(&longer);
        }
    }
    return flat;
}

static json_t *flatten(const json_t *rows)
{
    json_t *flat = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++)
        json_array_append_new(flat, flatten_row(json_array_get(rows, i)));
    return flat;
}

static void put_table(const json_t *given, unsigned indent, const struct page *page)
{
    json_t *rows = flatten(given);
    struct table t = {.count = 0};
    struct keel_buf *out = page->out;
    struct keel_buf cell = {0};
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *key;
        json_t *v, *row = json_array_get(rows, i);
        json_object_foreach(row, key, v)
        {
            if (!is_detail(page, key))
                note_value(&t, key, v, &cell);
        }
    }
    keel_buf_fini(&cell);
    drop_empty(&t, page);
    for (size_t i = 0; i <= json_array_size(rows) && t.count > 0; i++) {
        pad(out, indent);
        for (unsigned c = 0; c < t.count && !out->failed; c++) {
            const json_t *v =
                i ? json_object_get(json_array_get(rows, i - 1), t.columns[c].name) : NULL;
            put_cell(&t.columns[c], v, i == 0, c + 1 == t.count, out);
        }
    }
    json_decref(rows);
}

/* --- what every worker said ------------------------------------------------------------------ */

/* [{"worker": 0, "result": ...}, ...] */
static bool is_workers(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        if (!json_is_object(item) || json_object_size(item) != 2 ||
            !json_object_get(item, "worker") || !json_object_get(item, "result"))
            return false;
    }
    return json_array_size(v) > 0;
}

static bool is_flat(const json_t *object)
{
    return json_is_object(object) && !json_object_get(object, "text") && all_members_scalar(object);
}

static int add_row(json_t *rows, json_t *worker, json_t *values)
{
    json_t *row = json_object();
    if (!row || json_object_set(row, "worker", worker) != 0 ||
        json_object_update_missing(row, values) != 0) {
        json_decref(row);
        return -1;
    }
    return json_array_append_new(rows, row);
}

/* One table with the worker as its first column, where all results are objects or lists of them;
 * NULL where they are not. Returns new. */
static json_t *merge_workers(const json_t *workers)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(workers) && rows; i++) {
        json_t *item = json_array_get(workers, i);
        json_t *worker = json_object_get(item, "worker"), *v = json_object_get(item, "result");
        int err = -1;
        if (is_flat(v)) {
            err = add_row(rows, worker, v);
        } else if (json_is_array(v) && (json_array_size(v) == 0 || all_objects(v))) {
            err = 0;
            for (size_t j = 0; j < json_array_size(v) && !err; j++)
                err = add_row(rows, worker, json_array_get(v, j));
        }
        if (err) {
            json_decref(rows);
            rows = NULL;
        }
    }
    return rows;
}

static void put_value(const json_t *v, unsigned indent, const struct page *page);

/* An object of scalars and lists of objects. */
static bool is_sections(const json_t *object)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)object, key, v)
    {
        bool list = json_is_array(v) && (json_array_size(v) == 0 || all_objects(v));
        if (!is_scalar(v) && !list && !is_hint(key, v))
            return false;
    }
    return json_is_object(object) && !json_object_get(object, "text");
}

/* What all workers have under one name: their lists in one, or (name NULL) their scalars. */
static json_t *merge_section(const json_t *workers, const char *name, const struct page *page)
{
    json_t *rows = json_array(), *v;
    for (size_t i = 0; i < json_array_size(workers); i++) {
        json_t *item = json_array_get(workers, i), *row = json_object();
        json_t *worker = json_object_get(item, "worker"), *result = json_object_get(item, "result");
        json_t *list = name ? json_object_get(result, name) : NULL;
        const char *key;
        for (size_t k = 0; k < json_array_size(list); k++)
            add_row(rows, worker, json_array_get(list, k));
        json_object_foreach(name ? NULL : result, key, v)
        {
            if (is_scalar(v) && !is_detail(page, key))
                json_object_set(row, key, v);
        }
        if (json_object_size(row) > 0)
            add_row(rows, worker, row);
        json_decref(row);
    }
    return rows;
}

static void put_section(const char *name, json_t *rows, unsigned indent, const struct page *page)
{
    if (json_array_size(rows) > 0) {
        put_table(rows, indent, page);
    } else if (name) {
        pad(page->out, indent);
        keel_buf_puts(page->out, "none\n");
    }
    json_decref(rows);
}

/* All workers answered in sections of the same names: each is one table. False: they did not. */
static bool put_sections(const json_t *workers, unsigned indent, const struct page *page)
{
    const json_t *first = json_object_get(json_array_get(workers, 0), "result");
    const struct page inner = {page->out, page->wide, detail_of(page, first)};
    const char *key;
    json_t *v;
    for (size_t i = 0; i < json_array_size(workers); i++) {
        if (!is_sections(json_object_get(json_array_get(workers, i), "result")))
            return false;
    }
    put_section(NULL, merge_section(workers, NULL, &inner), indent, &inner);
    json_object_foreach((json_t *)first, key, v)
    {
        if (!json_is_array(v) || is_hint(key, v))
            continue;
        pad(page->out, indent);
        put_text(key, false, page->out);
        keel_buf_puts(page->out, ":\n");
        put_section(key, merge_section(workers, key, &inner), indent + 2, &inner);
    }
    return true;
}

static void put_workers(const json_t *v, unsigned indent, const struct page *page)
{
    struct keel_buf *out = page->out;
    json_t *rows = merge_workers(v);
    if (rows && json_array_size(rows) == 0) {
        pad(out, indent);
        keel_buf_puts(out, "none\n");
    } else if (rows) {
        put_table(rows, indent, page);
    }
    bool done = rows || put_sections(v, indent, page);
    for (size_t i = 0; i < json_array_size(v) && !done; i++) {
        json_t *item = json_array_get(v, i);
        pad(out, indent);
        keel_buf_puts(out, "worker ");
        put_inline(json_object_get(item, "worker"), out);
        keel_buf_puts(out, ":\n");
        put_value(json_object_get(item, "result"), indent + 2, page);
    }
    json_decref(rows);
}

/* --- any value ------------------------------------------------------------------------------- */

/* The text of "..." or {"text": "..."}; NULL when it is neither. */
static const char *text_of(const json_t *v)
{
    if (json_is_object(v) && json_object_size(v) == 1)
        v = json_object_get(v, "text");
    return json_string_value(v);
}

static void put_lines(const char *text, struct keel_buf *out)
{
    size_t n = strlen(text);
    put_text(text, true, out);
    if (n > 0 && text[n - 1] != '\n')
        keel_buf_puts(out, "\n");
}

static void put_object(const json_t *object, unsigned indent, const struct page *page)
{
    const struct page inner = {page->out, page->wide, detail_of(page, object)};
    struct keel_buf *out = page->out;
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)object, key, v)
    {
        if (is_hint(key, v) || is_detail(&inner, key))
            continue;
        pad(out, indent);
        put_text(key, false, out);
        keel_buf_puts(out, ":");
        bool block = indent < 2 * DEPTH &&
                     ((json_is_object(v) && json_object_size(v) > 0) || all_objects(v) ||
                      (json_is_string(v) && strchr(json_string_value(v), '\n')));
        if (block) {
            keel_buf_puts(out, "\n");
            put_value(v, indent + 2, &inner);
        } else {
            keel_buf_puts(out, " ");
            put_inline(v, out);
            keel_buf_puts(out, "\n");
        }
    }
}

static void put_value(const json_t *v, unsigned indent, const struct page *page)
{
    struct keel_buf *out = page->out;
    const char *text = text_of(v);
    if (text) {
        put_lines(text, out);
    } else if (is_workers(v)) {
        put_workers(v, indent, page);
    } else if (all_objects(v)) {
        put_table(v, indent, page);
    } else if (json_is_object(v) && indent <= 2 * DEPTH) {
        put_object(v, indent, page);
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            pad(out, indent);
            put_inline(json_array_get(v, i), out);
            keel_buf_puts(out, "\n");
        }
    } else {
        pad(out, indent);
        put_inline(v, out);
        keel_buf_puts(out, "\n");
    }
}

int keelctl_print(const json_t *result, bool wide, struct keel_buf *out)
{
    const struct page page = {out, wide, NULL};
    if (!result || json_is_null(result))
        keel_buf_puts(out, "done\n");
    else if (json_is_array(result) && json_array_size(result) == 0)
        keel_buf_puts(out, "none\n");
    else
        put_value(result, 0, &page);
    return out->failed;
}
