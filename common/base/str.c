#include "common/base/str.h"

#include "common/base/clock.h"
#include "common/base/err.h"

#include <limits.h>
#include <stdio.h>

bool keel_str_equal(struct keel_str a, struct keel_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool keel_str_begins(struct keel_str s, struct keel_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool keel_str_equal_nocase(struct keel_str a, struct keel_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (keel_to_lower((unsigned char)a.p[i]) != keel_to_lower((unsigned char)b.p[i]))
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct keel_str keel_str_trim(struct keel_str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool keel_str_split(struct keel_str *rest, char sep, struct keel_str *part)
{
    if (!rest->p)
        return false;
    const char *at = rest->n > 0 ? memchr(rest->p, sep, rest->n) : NULL;
    if (!at) {
        *part = *rest;
        *rest = (struct keel_str){NULL, 0};
        return true;
    }
    *part = (struct keel_str){rest->p, (size_t)(at - rest->p)};
    rest->p = at + 1;
    rest->n -= part->n + 1;
    return true;
}

int keel_hex_digit(int c)
{
    if (keel_is_digit(c))
        return c - '0';
    c = keel_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The digits at the front of *s, cut off. An empty number is KEEL_EINVAL; one too large for 64
 * bits is KEEL_ERANGE, with all its digits cut off, so that the caller sees what follows. */
static int cut_number(struct keel_str *s, uint64_t *out)
{
    uint64_t v = 0;
    int err = 0;
    size_t i = 0;
    for (; i < s->n && keel_is_digit((unsigned char)s->p[i]); i++) {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s->p[i] - '0'), &v))
            err = KEEL_ERANGE;
    }
    if (i == 0)
        return KEEL_EINVAL;
    s->p += i;
    s->n -= i;
    *out = v;
    return err;
}

int keel_parse_u64(struct keel_str s, uint64_t max, uint64_t *out)
{
    uint64_t v;
    int err = cut_number(&s, &v);
    if (err == KEEL_EINVAL || s.n > 0)
        return KEEL_EINVAL;
    if (err || v > max)
        return KEEL_ERANGE;
    *out = v;
    return 0;
}

int keel_parse_i64(struct keel_str s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    if (negative) {
        s.p++;
        s.n--;
    }
    uint64_t v;
    int err = keel_parse_u64(s, (uint64_t)INT64_MAX + negative, &v);
    if (err)
        return err;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

/* Largest first: a duration names each at most once, in this order. */
static const struct {
    const char *name;
    uint64_t ns;
} duration_units[] = {
    {"w", 604800 * KEEL_NS_PER_S}, {"d", 86400 * KEEL_NS_PER_S},
    {"h", 3600 * KEEL_NS_PER_S},   {"m", 60 * KEEL_NS_PER_S},
    {"s", KEEL_NS_PER_S},          {"ms", KEEL_NS_PER_MS},
    {"us", KEEL_NS_PER_US},        {"ns", 1},
};
enum { DURATION_UNITS = sizeof duration_units / sizeof duration_units[0] };

/* The unit at the front of *s (its letters up to the next digit), cut off; -1 if there is none. */
static int cut_duration_unit(struct keel_str *s)
{
    struct keel_str name = {s->p, 0};
    while (name.n < s->n && !keel_is_digit((unsigned char)s->p[name.n]))
        name.n++;
    for (int i = 0; i < DURATION_UNITS; i++) {
        if (keel_str_equal(name, keel_str(duration_units[i].name))) {
            s->p += name.n;
            s->n -= name.n;
            return i;
        }
    }
    return -1;
}

int keel_parse_duration(struct keel_str s, uint64_t *ns)
{
    uint64_t sum = 0;
    int last = -1; /* the last unit seen */
    bool too_large = false;
    do {
        uint64_t v, part;
        int err = cut_number(&s, &v);
        if (err == KEEL_EINVAL)
            return err;
        too_large |= err != 0;
        uint64_t unit = KEEL_NS_PER_S;
        if (s.n > 0) {
            int next = cut_duration_unit(&s);
            if (next <= last)
                return KEEL_EINVAL;
            last = next;
            unit = duration_units[next].ns;
        } else if (last >= 0) {
            return KEEL_EINVAL; /* "2h15": 15 what? */
        }
        too_large |=
            __builtin_mul_overflow(v, unit, &part) || __builtin_add_overflow(sum, part, &sum);
    } while (s.n > 0);
    if (too_large)
        return KEEL_ERANGE;
    *ns = sum;
    return 0;
}

static const char size_units[] = "kmgt";

int keel_parse_size(struct keel_str s, uint64_t *bytes)
{
    uint64_t v;
    int shift = 0;
    int err = cut_number(&s, &v);
    if (err == KEEL_EINVAL)
        return err;
    if (s.n > 0) {
        const char *unit = memchr(size_units, keel_to_lower((unsigned char)s.p[0]), 4);
        if (!unit || s.n > 1)
            return KEEL_EINVAL;
        shift = 10 * (int)(unit - size_units + 1);
    }
    if (err || v > UINT64_MAX >> shift)
        return KEEL_ERANGE;
    *bytes = v << shift;
    return 0;
}

int keel_parse_bool(struct keel_str s, bool *out)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"},
                                            {"true", "yes", "on", "1"}};
    for (int truth = 0; truth < 2; truth++) {
        for (int i = 0; i < 4; i++) {
            if (keel_str_equal_nocase(s, keel_str(words[truth][i]))) {
                *out = truth;
                return 0;
            }
        }
    }
    return KEEL_EINVAL;
}

/* snprintf tells the length that it wanted; callers here want the length that there is. */
static size_t fitted(int wanted, size_t size)
{
    if (size == 0 || wanted < 0)
        return 0;
    return (size_t)wanted < size ? (size_t)wanted : size - 1;
}

char *keel_put_decimal(char *out, uint64_t n)
{
    char digits[KEEL_DECIMAL];
    unsigned count = 0;
    do
        digits[count++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

size_t keel_format_duration(char *out, size_t size, uint64_t ns)
{
    if (ns == 0)
        return fitted(snprintf(out, size, "0s"), size);
    size_t n = 0;
    for (int i = 0; i < DURATION_UNITS; i++) {
        uint64_t v = ns / duration_units[i].ns;
        ns %= duration_units[i].ns;
        if (v > 0)
            n += fitted(snprintf(out + n, size - n, "%llu%s", (unsigned long long)v,
                                 duration_units[i].name),
                        size - n);
    }
    return n;
}

size_t keel_format_size(char *out, size_t size, uint64_t bytes)
{
    int unit = 0;
    while (unit < 4 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    char suffix[2] = {unit > 0 ? size_units[unit - 1] : '\0', '\0'};
    return fitted(snprintf(out, size, "%llu%s", (unsigned long long)bytes, suffix), size);
}

static const char hex_digits[] = "0123456789abcdef";

/* The spelling of one untrusted byte; returns its length (1, 2 or 4). */
static size_t escape_byte(char out[4], uint8_t c)
{
    const char *at;
    static const char from[] = "\"\\\n\t", to[] = "\"\\nt";
    if (c != 0 && (at = strchr(from, c))) {
        out[0] = '\\';
        out[1] = to[at - from];
        return 2;
    }
    if (c >= ' ' && c < 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex_digits[c >> 4];
    out[3] = hex_digits[c & 15];
    return 4;
}

size_t keel_escape(char *out, size_t size, const void *bytes, size_t n)
{
    if (size == 0)
        return 0;
    const uint8_t *p = bytes;
    size_t room = size - 1, length = 0;
    size_t cut = 0; /* the last boundary between two bytes' spellings where "..." still fits */
    for (size_t i = 0; i < n; i++) {
        char spelling[4];
        size_t k = escape_byte(spelling, p[i]);
        if (length + 3 <= room)
            cut = length;
        if (length + k > room) {
            length = cut + 3 <= room ? cut + 3 : room;
            memset(out + cut, '.', length - cut);
            break;
        }
        memcpy(out + length, spelling, k);
        length += k;
    }
    out[length] = '\0';
    return length;
}

size_t keel_format_hex(char *out, size_t size, const void *bytes, size_t n, char sep)
{
    if (size == 0)
        return 0;
    const uint8_t *p = bytes;
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = sep && i > 0 ? 3 : 2;
        if (length + k > size - 1)
            break;
        if (k == 3)
            out[length++] = sep;
        out[length++] = hex_digits[p[i] >> 4];
        out[length++] = hex_digits[p[i] & 15];
    }
    out[length] = '\0';
    return length;
}

/* Length of what may stand between two bytes at the front of s: one mark, or blanks. */
static size_t hex_gap(struct keel_str s)
{
    size_t n = 0;
    if (s.n > 0 && (s.p[0] == ':' || s.p[0] == '-' || s.p[0] == '.'))
        return 1;
    while (n < s.n && is_blank(s.p[n]))
        n++;
    return n;
}

int keel_parse_hex(struct keel_str s, uint8_t *out, size_t size)
{
    size_t count = 0, gap = 0;
    while (s.n > 0) {
        if (s.n < 2)
            return KEEL_EINVAL;
        int high = keel_hex_digit((unsigned char)s.p[0]);
        int low = keel_hex_digit((unsigned char)s.p[1]);
        if (high < 0 || low < 0)
            return KEEL_EINVAL;
        if (count == size || count == INT_MAX)
            return KEEL_ENOSPC;
        out[count++] = (uint8_t)(high << 4 | low);
        s.p += 2;
        s.n -= 2;
        gap = hex_gap(s);
        s.p += gap;
        s.n -= gap;
    }
    return gap > 0 ? KEEL_EINVAL : (int)count;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (keel_is_digit((unsigned char)c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int keel_parse_base64(struct keel_str s, uint8_t *out, size_t size)
{
    if (s.n % 4 != 0)
        return KEEL_EINVAL;
    size_t padding = 0, count = 0;
    while (padding < 2 && padding < s.n && s.p[s.n - 1 - padding] == '=')
        padding++;
    uint32_t bits = 0; /* those read and not yet written, at the low end */
    unsigned held = 0;
    for (size_t i = 0; i < s.n - padding; i++) {
        int v = base64_value(s.p[i]);
        if (v < 0)
            return KEEL_EINVAL;
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (count == size || count == INT_MAX)
            return KEEL_ENOSPC;
        out[count++] = (uint8_t)(bits >> held);
        bits &= (1u << held) - 1;
    }
    /* bits that no byte takes must be 0, so that a value has one spelling (RFC 4648, 3.5) */
    return bits == 0 ? (int)count : KEEL_EINVAL;
}

int keel_format_base64(char *out, size_t size, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (n > INT_MAX / 4 * 3 - 3 || (n + 2) / 3 * 4 >= size)
        return KEEL_ENOSPC;
    const uint8_t *p = bytes;
    char *q = out;
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i;
        uint32_t bits = (uint32_t)p[i] << 16;
        if (have > 1)
            bits |= (uint32_t)p[i + 1] << 8;
        if (have > 2)
            bits |= p[i + 2];
        *q++ = digits[bits >> 18];
        *q++ = digits[bits >> 12 & 63];
        *q++ = have > 1 ? digits[bits >> 6 & 63] : '=';
        *q++ = have > 2 ? digits[bits & 63] : '=';
    }
    *q = '\0';
    return (int)(q - out);
}

size_t keel_utf8_length(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    if (n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    /* what the second byte may be shuts out overlong forms, surrogates and what lies above
     * U+10FFFF (RFC 3629, 4) */
    uint8_t low = 0x80, high = 0xbf;
    size_t length;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        length = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        length = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;
        high = p[0] == 0xed ? 0x9f : high;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        length = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (n < length || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

/* The JSON spelling of the character at p; says in *used how many bytes it took. At most 6. */
static size_t json_character(char out[6], const uint8_t *p, size_t n, size_t *used)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at;
    *used = 1;
    if (p[0] != 0 && (at = strchr(from, p[0]))) {
        out[0] = '\\';
        out[1] = to[at - from];
        return 2;
    }
    size_t k = p[0] < ' ' ? 0 : keel_utf8_length(p, n);
    if (k > 0) {
        memcpy(out, p, k);
        *used = k;
        return k;
    }
    memcpy(out, "\\u00", 4);
    out[4] = hex_digits[p[0] >> 4];
    out[5] = hex_digits[p[0] & 15];
    return 6;
}

size_t keel_format_json_string(char *out, size_t size, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t wanted = 1, length = 0; /* of the whole text; of what stands in out */
    if (size > 1)
        out[length++] = '"';
    for (size_t i = 0, used; i < n; i += used) {
        char spelling[6];
        size_t k = json_character(spelling, p + i, n - i, &used);
        if (length == wanted && length + k < size) {
            memcpy(out + length, spelling, k);
            length += k;
        }
        wanted += k;
    }
    if (length == wanted && length + 1 < size)
        out[length++] = '"';
    if (size > 0)
        out[length] = '\0';
    return wanted + 1;
}
