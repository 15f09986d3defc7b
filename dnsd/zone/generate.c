#include "dnsd/zone/generate.h"

#include <stdio.h>

#define WIDTH_MAX 255 /* wider would not fit into a name anyway */

int dns_range_parse(struct keel_str text, struct dns_range *range)
{
    struct keel_str rest = text, part;
    uint64_t start, stop, step = 1;

    if (!keel_str_split(&rest, '-', &part) || keel_parse_u64(part, INT32_MAX, &start) != 0 ||
        !keel_str_split(&rest, '/', &part) || keel_parse_u64(part, INT32_MAX, &stop) != 0)
        return KEEL_EINVAL;
    if (memchr(text.p, '/', text.n) && keel_parse_u64(rest, INT32_MAX, &step) != 0)
        return KEEL_EINVAL;
    if (stop < start || step == 0)
        return KEEL_EINVAL;
    *range = (struct dns_range){(uint32_t)start, (uint32_t)stop, (uint32_t)step};
    return 0;
}

struct form {
    int64_t offset;
    unsigned width;
    char base;
};

/* "offset[,width[,base]]" */
static int parse_form(struct keel_str text, struct form *form)
{
    struct keel_str part;
    uint64_t width;

    if (!keel_str_split(&text, ',', &part) || keel_parse_i64(part, &form->offset) != 0 ||
        form->offset > INT32_MAX || form->offset < INT32_MIN)
        return KEEL_EINVAL;
    if (!keel_str_split(&text, ',', &part))
        return 0;
    if (keel_parse_u64(part, WIDTH_MAX, &width) != 0)
        return KEEL_EINVAL;
    form->width = (unsigned)width;
    if (!keel_str_split(&text, ',', &part))
        return 0;
    if (part.n != 1 || !memchr("doxXnN", part.p[0], 6) || text.n > 0)
        return KEEL_EINVAL;
    form->base = part.p[0];
    return 0;
}

/* Hexadecimal digits as labels, the lowest first: for ip6.arpa. width counts the dots too. */
static int put_nibbles(struct keel_buf *out, uint64_t value, const struct form *form)
{
    const char *digits = form->base == 'n' ? "0123456789abcdef" : "0123456789ABCDEF";
    unsigned written = 0;
    do {
        if (written > 0)
            keel_buf_append(out, ".", 1);
        keel_buf_append(out, &digits[value & 15], 1);
        written += written > 0 ? 2 : 1;
        value >>= 4;
    } while (value > 0 || written < form->width);
    return out->failed;
}

static int put_number(struct keel_buf *out, uint32_t number, const struct form *form)
{
    int64_t value = (int64_t)number + form->offset;
    if (value < 0)
        return KEEL_EINVAL;
    int width = (int)form->width;
    unsigned long long v = (unsigned long long)value;
    switch (form->base) {
    case 'o':
        return keel_buf_printf(out, "%0*llo", width, v);
    case 'x':
        return keel_buf_printf(out, "%0*llx", width, v);
    case 'X':
        return keel_buf_printf(out, "%0*llX", width, v);
    case 'n':
    case 'N':
        return put_nibbles(out, v, form);
    default:
        return keel_buf_printf(out, "%0*llu", width, v);
    }
}

int dns_generate_expand(struct keel_buf *out, struct keel_str template, uint32_t number)
{
    for (size_t i = 0; i < template.n; i++) {
        const char *p = template.p + i;
        size_t left = template.n - i;
        if (p[0] == '\\' && left > 1) {
            /* "\$" is a plain "$"; other escapes stay as they are */
            keel_buf_append(out, p[1] == '$' ? p + 1 : p, p[1] == '$' ? 1 : 2);
            i++;
        } else if (p[0] != '$') {
            keel_buf_append(out, p, 1);
        } else if (left > 1 && p[1] == '$') {
            keel_buf_append(out, p, 1);
            i++;
        } else {
            struct form form = {.base = 'd'};
            if (left > 1 && p[1] == '{') {
                const char *close = memchr(p, '}', left);
                if (!close ||
                    parse_form((struct keel_str){p + 2, (size_t)(close - p - 2)}, &form) != 0)
                    return KEEL_EINVAL;
                i = (size_t)(close - template.p);
            }
            int err = put_number(out, number, &form);
            if (err)
                return err;
        }
    }
    return out->failed;
}
