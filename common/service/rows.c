#include "common/service/rows.h"

#include "common/base/mem.h"
#include "common/base/str.h"

#include <stdlib.h>
#include <string.h>

/* "KEY=VALUE"; both borrow from the argument. */
static bool split(const json_t *argument, struct keel_str *key, struct keel_str *value)
{
    *value = keel_str(json_string_value(argument));
    return keel_str_split(value, '=', key) && key->n > 0;
}

static int read_argument(struct keel_rows *rows, const json_t *argument, struct keel_diag *diag)
{
    struct keel_str key, value;
    uint64_t n;
    if (!split(argument, &key, &value))
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": KEY=VALUE expected: " KEEL_ROWS_USAGE,
                             json_string_value(argument));
    if (keel_str_equal(key, KEEL_STR("client"))) {
        rows->has_client = true;
        return keel_prefix_parse(&rows->client, value, diag);
    }
    if (!keel_str_equal(key, KEEL_STR("limit")))
        return 0;
    if (keel_parse_u64(value, KEEL_ROWS_LIMIT_MAX, &n) != 0 || n == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "limit: 1 to %d expected", KEEL_ROWS_LIMIT_MAX);
    rows->limit = (unsigned)n;
    return 0;
}

int keel_rows_init(struct keel_rows *rows, json_t *args, struct keel_diag *diag)
{
    *rows = (struct keel_rows){.list = json_array(), .args = args, .limit = KEEL_ROWS_LIMIT};
    int err = rows->list ? 0 : keel_diag_memory(diag);
    for (size_t i = 0; i < json_array_size(args) && !err; i++)
        err = read_argument(rows, json_array_get(args, i), diag);
    return err;
}

void keel_rows_fini(struct keel_rows *rows)
{
    json_decref(rows->list);
    rows->list = NULL;
}

static bool text_fits(struct keel_str text, struct keel_str value)
{
    if (value.n > 0 && value.p[value.n - 1] == '*')
        return text.n >= value.n - 1 &&
               keel_str_equal_nocase((struct keel_str){text.p, value.n - 1},
                                     (struct keel_str){value.p, value.n - 1});
    return keel_str_equal_nocase(text, value);
}

/* The number that all of the text is; `otherwise` when there is none. */
static bool number(struct keel_str text, double otherwise, double *out)
{
    char copy[64], *end;
    *out = otherwise;
    if (text.n == 0)
        return true;
    if (text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *out = strtod(copy, &end);
    return *end == '\0';
}

static bool number_fits(double v, struct keel_str value)
{
    double low, high;
    struct keel_str first = value, second = value;
    for (size_t i = 0; i + 1 < value.n; i++) {
        if (value.p[i] != '.' || value.p[i + 1] != '.')
            continue;
        first.n = i;
        second = (struct keel_str){value.p + i + 2, value.n - i - 2};
        return number(first, v, &low) && number(second, v, &high) && low <= v && v <= high;
    }
    return value.n > 0 && number(value, v, &low) && low == v;
}

static bool fits(const json_t *field, struct keel_str value)
{
    bool wanted;
    if (json_is_string(field))
        return text_fits(keel_str(json_string_value(field)), value);
    if (json_is_boolean(field))
        return keel_parse_bool(value, &wanted) == 0 && wanted == json_is_true(field);
    return json_is_number(field) && number_fits(json_number_value(field), value);
}

/* 1: it fits; 0: it does not. names: that it has the fields will do. */
static int judge(const struct keel_rows *rows, const json_t *row, bool names,
                 struct keel_diag *diag)
{
    for (size_t i = 0; i < json_array_size(rows->args); i++) {
        const json_t *argument = json_array_get(rows->args, i);
        struct keel_str key, value;
        if (!split(argument, &key, &value) || keel_str_equal(key, KEEL_STR("client")) ||
            keel_str_equal(key, KEEL_STR("limit")))
            continue;
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)key.n, key.p);
        const json_t *field = json_object_get(row, name);
        if (!field)
            return keel_diag_set(diag, KEEL_EINVAL, "there is no field \"%s\"", name);
        if (!names && !fits(field, value))
            return 0;
    }
    return 1;
}

int keel_rows_check(const struct keel_rows *rows, json_t *sample, struct keel_diag *diag)
{
    int verdict = sample ? judge(rows, sample, true, diag) : keel_diag_memory(diag);
    json_decref(sample);
    return verdict < 0 ? verdict : 0;
}

int keel_rows_add(struct keel_rows *rows, json_t *row, struct keel_diag *diag)
{
    if (!row)
        return keel_diag_memory(diag);
    int verdict = judge(rows, row, false, diag);
    if (verdict == 1)
        return json_array_append_new(rows->list, row) == 0 ? 0 : keel_diag_memory(diag);
    json_decref(row);
    return verdict;
}

json_t *keel_rows_end(const struct keel_rows *rows, json_t *result, const char *const *fields)
{
    json_t *detail = json_array();
    for (; *fields; fields++)
        json_array_append_new(detail, json_string(*fields));
    if (!rows->more)
        json_array_append_new(detail, json_string("more"));
    json_object_set_new(result, "more", json_boolean(rows->more));
    json_object_set_new(result, "detail", detail);
    return result;
}

struct sorted {
    double number;
    size_t order; /* among equal ones */
    json_t *row;  /* a reference */
};

static int compare(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    int d = (x->number < y->number) - (x->number > y->number);
    return d ? d : (x->order > y->order) - (x->order < y->order);
}

int keel_rows_sort(struct keel_rows *rows, const char *field, struct keel_diag *diag)
{
    size_t count = json_array_size(rows->list);
    struct sorted *all = keel_calloc(count + 1, sizeof *all);
    if (!all)
        return keel_diag_memory(diag);
    for (size_t i = 0; i < count; i++) {
        json_t *row = json_array_get(rows->list, i);
        all[i] =
            (struct sorted){json_number_value(json_object_get(row, field)), i, json_incref(row)};
    }
    qsort(all, count, sizeof *all, compare);
    for (size_t i = 0; i < count; i++)
        json_array_set_new(rows->list, i, all[i].row);
    keel_free(all);
    return 0;
}
