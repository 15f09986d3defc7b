#include "dnsd/wire/name.h"

#define ROW(n)                                                                                     \
    n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11, n + 12,      \
        n + 13, n + 14, n + 15
const uint8_t dns_lower[256] = {
    ROW(0),   ROW(16),  ROW(32),  ROW(48),  '@',      'a',      'b',      'c',
    'd',      'e',      'f',      'g',      'h',      'i',      'j',      'k',
    'l',      'm',      'n',      'o',      'p',      'q',      'r',      's',
    't',      'u',      'v',      'w',      'x',      'y',      'z',      '[',
    '\\',     ']',      '^',      '_',      ROW(96),  ROW(112), ROW(128), ROW(144),
    ROW(160), ROW(176), ROW(192), ROW(208), ROW(224), ROW(240),
};
#undef ROW

/* table: what each byte becomes; NULL: itself */
static int parse_flat(struct dns_name *name, struct keel_reader *r, const uint8_t *table)
{
    size_t at = 0;
    unsigned labels = 0;
    const uint8_t *p = r->next;
    size_t left = r->bad ? 0 : keel_reader_left(r);

    for (;;) {
        if (at >= left)
            return KEEL_ETRUNC;
        size_t n = p[at];
        if (n > DNS_LABEL_MAX || at + n + 1 > DNS_NAME_MAX - (n ? 1 : 0))
            return KEEL_EINVAL;
        name->offsets[labels] = (uint8_t)at;
        name->bytes[at] = (uint8_t)n;
        if (n == 0)
            break;
        if (left - at <= n)
            return KEEL_ETRUNC;
        if (!table)
            memcpy(name->bytes + at + 1, p + at + 1, n);
        else
            for (size_t i = 1; i <= n; i++)
                name->bytes[at + i] = table[p[at + i]];
        at += n + 1;
        labels++;
    }
    name->size = (uint8_t)(at + 1);
    name->labels = (uint8_t)labels;
    r->next += at + 1;
    return 0;
}

int dns_name_parse(struct dns_name *name, struct keel_reader *r)
{
    return parse_flat(name, r, NULL);
}

int dns_name_parse_lower(struct dns_name *name, struct keel_reader *r)
{
    return parse_flat(name, r, dns_lower);
}

int dns_name_parse_compressed(struct dns_name *name, const uint8_t *message, size_t size,
                              size_t *offset)
{
    size_t at = *offset, used = 0, end = 0;
    size_t limit = at; /* a pointer must go before this */
    unsigned labels = 0;

    for (;;) {
        if (at >= size)
            return KEEL_ETRUNC;
        size_t n = message[at];
        if (n >= 0xC0) {
            if (size - at < 2)
                return KEEL_ETRUNC;
            size_t target = (n & 0x3F) << 8 | message[at + 1];
            if (target >= limit || target < DNS_POINTER_LEAST)
                return KEEL_EINVAL;
            if (end == 0)
                end = at + 2;
            limit = at = target;
            continue;
        }
        if (n > DNS_LABEL_MAX || used + n + 1 > DNS_NAME_MAX - (n ? 1 : 0))
            return KEEL_EINVAL;
        name->offsets[labels] = (uint8_t)used;
        name->bytes[used] = (uint8_t)n;
        if (n == 0)
            break;
        if (size - at <= n)
            return KEEL_ETRUNC;
        memcpy(name->bytes + used + 1, message + at + 1, n);
        used += n + 1;
        at += n + 1;
        labels++;
    }
    name->size = (uint8_t)(used + 1);
    name->labels = (uint8_t)labels;
    *offset = end ? end : at + 1;
    return 0;
}

int dns_name_scan(const uint8_t *p, size_t n)
{
    size_t at = 0;
    for (;;) {
        if (at >= n)
            return KEEL_ETRUNC;
        size_t label = p[at];
        if (label > DNS_LABEL_MAX || at + label + 1 > DNS_NAME_MAX)
            return KEEL_EINVAL;
        at += label + 1;
        if (label == 0)
            return (int)at;
    }
}

void dns_name_set_root(struct dns_name *name)
{
    name->size = 1;
    name->labels = 0;
    name->offsets[0] = 0;
    name->bytes[0] = 0;
}

void dns_name_set(struct dns_name *name, const uint8_t *flat)
{
    struct keel_reader r;
    keel_reader_init(&r, flat, DNS_NAME_MAX);
    int err = dns_name_parse(name, &r);
    KEEL_ASSERT(err == 0, "a name that was checked before is malformed");
}

void dns_name_lower(struct dns_name *name)
{
    /* length bytes are below 64, so that lower-casing leaves them alone */
    for (size_t i = 0; i < name->size; i++)
        name->bytes[i] = dns_lower[name->bytes[i]];
}

int dns_name_join(struct dns_name *out, const struct dns_name *front, unsigned labels,
                  const uint8_t *back, size_t back_size)
{
    size_t front_size = front->offsets[labels];
    if (front_size + back_size > DNS_NAME_MAX)
        return KEEL_ERANGE;
    uint8_t flat[DNS_NAME_MAX];
    memcpy(flat, front->bytes, front_size);
    memcpy(flat + front_size, back, back_size);
    struct keel_reader r;
    keel_reader_init(&r, flat, front_size + back_size);
    return dns_name_parse(out, &r);
}

bool dns_name_equal(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    if (a_size != b_size)
        return false;
    for (size_t i = 0; i < a_size; i++)
        if (dns_lower[a[i]] != dns_lower[b[i]])
            return false;
    return true;
}

bool dns_name_in(const struct dns_name *name, const struct dns_name *parent)
{
    if (name->labels < parent->labels)
        return false;
    size_t at = name->offsets[name->labels - parent->labels];
    return dns_name_equal(name->bytes + at, name->size - at, parent->bytes, parent->size);
}

static int compare_label(const uint8_t *a, const uint8_t *b)
{
    size_t n = a[0] < b[0] ? a[0] : b[0];
    for (size_t i = 1; i <= n; i++) {
        int d = dns_lower[a[i]] - dns_lower[b[i]];
        if (d)
            return d;
    }
    return a[0] - b[0];
}

int dns_name_compare(const struct dns_name *a, const struct dns_name *b)
{
    unsigned shared = a->labels < b->labels ? a->labels : b->labels;
    for (unsigned i = 1; i <= shared; i++) {
        int d = compare_label(a->bytes + a->offsets[a->labels - i],
                              b->bytes + b->offsets[b->labels - i]);
        if (d)
            return d;
    }
    return a->labels - b->labels;
}

/* The labels from the root down, each ended by 0; 0 and 1 inside a label are escaped, so that
 * nothing sorts before that end. */
size_t dns_name_sort_key(const struct dns_name *name, uint8_t *key)
{
    size_t n = 0;
    for (unsigned i = name->labels; i-- > 0;) {
        const uint8_t *label = name->bytes + name->offsets[i];
        for (unsigned k = 1; k <= label[0]; k++) {
            if (label[k] <= 1) {
                key[n++] = 1;
                key[n++] = label[k] + 1;
            } else {
                key[n++] = label[k];
            }
        }
        key[n++] = 0;
    }
    return n;
}

int dns_text_byte(struct keel_str text, size_t *i)
{
    uint8_t c = (uint8_t)text.p[(*i)++];
    if (c != '\\')
        return c;
    if (*i >= text.n)
        return -1;
    c = (uint8_t)text.p[*i];
    if (!keel_is_digit(c)) {
        (*i)++;
        return c;
    }
    if (text.n - *i < 3 || !keel_is_digit((uint8_t)text.p[*i + 1]) ||
        !keel_is_digit((uint8_t)text.p[*i + 2]))
        return -1;
    int v = (c - '0') * 100 + (text.p[*i + 1] - '0') * 10 + (text.p[*i + 2] - '0');
    *i += 3;
    return v <= 255 ? v : -1;
}

int dns_name_from_text(struct dns_name *name, struct keel_str text, const struct dns_name *origin)
{
    size_t at = 0, i = 0;
    unsigned labels = 0;

    if (text.n == 0)
        return KEEL_EINVAL;
    if (origin && text.n == 1 && text.p[0] == '@') {
        *name = *origin;
        return 0;
    }
    if (text.n == 1 && text.p[0] == '.') {
        dns_name_set_root(name);
        return 0;
    }
    while (i < text.n) {
        size_t start = at++, n = 0;
        while (i < text.n && text.p[i] != '.') {
            int c = text.p[i] != '\\' ? (uint8_t)text.p[i++] : dns_text_byte(text, &i);
            if (c < 0 || ++n > DNS_LABEL_MAX)
                return KEEL_EINVAL;
            if (at >= DNS_NAME_MAX - 1)
                return KEEL_ERANGE;
            name->bytes[at++] = (uint8_t)c;
        }
        if (n == 0)
            return KEEL_EINVAL;
        name->bytes[start] = (uint8_t)n;
        name->offsets[labels++] = (uint8_t)start;
        if (i == text.n)
            break;
        if (++i == text.n) /* the last dot: absolute */
            origin = NULL;
    }
    if (origin) {
        if (at + origin->size > DNS_NAME_MAX)
            return KEEL_ERANGE;
        memcpy(name->bytes + at, origin->bytes, origin->size);
        for (unsigned k = 0; k <= origin->labels; k++)
            name->offsets[labels + k] = (uint8_t)(at + origin->offsets[k]);
        name->labels = (uint8_t)(labels + origin->labels);
        name->size = (uint8_t)(at + origin->size);
        return 0;
    }
    name->offsets[labels] = (uint8_t)at;
    name->bytes[at] = 0;
    name->labels = (uint8_t)labels;
    name->size = (uint8_t)(at + 1);
    return 0;
}

size_t dns_name_to_text(char *out, const uint8_t *flat)
{
    char *p = out;
    if (flat[0] == 0)
        *p++ = '.';
    for (; flat[0] != 0; flat += flat[0] + 1) {
        for (unsigned i = 1; i <= flat[0]; i++) {
            uint8_t c = flat[i];
            if (c <= ' ' || c >= 127) {
                *p++ = '\\';
                *p++ = (char)('0' + c / 100);
                *p++ = (char)('0' + c / 10 % 10);
                *p++ = (char)('0' + c % 10);
                continue;
            }
            if (strchr(".\\\"();@$", c))
                *p++ = '\\';
            *p++ = (char)c;
        }
        *p++ = '.';
    }
    *p = '\0';
    return (size_t)(p - out);
}
