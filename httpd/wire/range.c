#include "httpd/wire/range.h"

#include <string.h>

#include "httpd/wire/chars.h"

/* Digits at *p; false when there are none. Saturates: a position beyond any file is just that. */
static bool position(const char **p, const char *end, uint64_t *out)
{
    const char *start = *p;
    uint64_t n = 0;
    for (; *p < end && keel_is_digit(**p); (*p)++)
        n = n > UINT64_MAX / 16 ? UINT64_MAX / 2 : n * 10 + (uint64_t)(**p - '0');
    *out = n;
    return *p > start;
}

static enum http_range_result parse_one(struct keel_str spec, uint64_t size, struct http_range *out)
{
    const char *p = spec.p, *end = spec.p + spec.n;
    uint64_t first, last = UINT64_MAX;
    bool has_first = position(&p, end, &first);
    if (p == end || *p++ != '-')
        return HTTP_RANGE_IGNORE;
    bool has_last = position(&p, end, &last);
    if (p != end || (!has_first && !has_last) || (has_first && has_last && last < first))
        return HTTP_RANGE_IGNORE;
    if (!has_first) { /* the last so many bytes */
        if (last == 0 || size == 0)
            return HTTP_RANGE_UNSATISFIABLE;
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    if (first >= size)
        return HTTP_RANGE_UNSATISFIABLE;
    if (!has_last || last >= size)
        last = size - 1;
    *out = (struct http_range){first, last - first + 1};
    return HTTP_RANGE_PART;
}

/* Overlapping and adjacent ranges become one, where the first of them stands (RFC 9110, 15.3.7.2),
 * so that no byte is sent twice. */
static void merge(struct http_range *ranges, unsigned *count)
{
    for (unsigned i = 0; i < *count; i++)
        for (unsigned j = i + 1; j < *count; j++) {
            struct http_range *a = &ranges[i], *b = &ranges[j];
            uint64_t a_end = a->at + a->length, b_end = b->at + b->length;
            if (a->at > b_end || b->at > a_end)
                continue;
            a->at = a->at < b->at ? a->at : b->at;
            a->length = (a_end > b_end ? a_end : b_end) - a->at;
            memmove(b, b + 1, (--*count - j) * sizeof *b);
            j = i; /* it is larger now: all others again, those before it below */
        }
}

enum http_range_result http_range_parse(struct keel_str value, uint64_t size,
                                        struct http_range *out, unsigned *count)
{
    struct keel_str unit = KEEL_STR("bytes="), spec;
    unsigned asked = 0;
    *count = 0;
    if (value.n < unit.n || !http_token_is((struct keel_str){value.p, 5}, KEEL_STR("bytes")) ||
        value.p[5] != '=')
        return HTTP_RANGE_IGNORE;
    value.p += unit.n;
    value.n -= unit.n;
    while (http_list_next(&value, &spec)) {
        struct http_range range;
        enum http_range_result result = parse_one(spec, size, &range);
        if (result == HTTP_RANGE_IGNORE || ++asked > HTTP_RANGES_MAX)
            return HTTP_RANGE_IGNORE;
        if (result == HTTP_RANGE_PART)
            out[(*count)++] = range;
    }
    if (asked == 0)
        return HTTP_RANGE_IGNORE;
    for (unsigned before = 0; before != *count;) {
        before = *count;
        merge(out, count);
    }
    return *count > 0 ? HTTP_RANGE_PART : HTTP_RANGE_UNSATISFIABLE;
}
