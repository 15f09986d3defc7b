#include "dhcpd/wire/option.h"

#include "common/base/addr.h"
#include "common/base/wire.h"

static int encode_number(struct keel_writer *w, enum dhcp_option_type type, struct keel_str text,
                         struct keel_diag *diag)
{
    static const struct {
        int64_t min, max;
    } range[] = {
        [DHCP_TYPE_U8] = {0, UINT8_MAX},          [DHCP_TYPE_U16] = {0, UINT16_MAX},
        [DHCP_TYPE_U32] = {0, UINT32_MAX},        [DHCP_TYPE_I8] = {INT8_MIN, INT8_MAX},
        [DHCP_TYPE_I16] = {INT16_MIN, INT16_MAX}, [DHCP_TYPE_I32] = {INT32_MIN, INT32_MAX},
    };
    int64_t v;
    int err = keel_parse_i64(text, &v);
    if (err == KEEL_EINVAL)
        return keel_diag_set(diag, err, "\"%.*s\" is not a number", (int)text.n, text.p);
    if (err || v < range[type].min || v > range[type].max)
        return keel_diag_set(diag, KEEL_ERANGE, "%.*s is not within %lld and %lld", (int)text.n,
                             text.p, (long long)range[type].min, (long long)range[type].max);
    if (type == DHCP_TYPE_U8 || type == DHCP_TYPE_I8)
        keel_write_u8(w, (uint8_t)v);
    else if (type == DHCP_TYPE_U16 || type == DHCP_TYPE_I16)
        keel_write_u16(w, (uint16_t)v);
    else
        keel_write_u32(w, (uint32_t)v);
    return 0;
}

static int encode_addr(struct keel_writer *w, struct keel_str text, struct keel_diag *diag)
{
    struct keel_addr a;
    /* the default port only makes "no port" acceptable; a written one is refused */
    if (memchr(text.p, ':', text.n) || keel_addr_parse(&a, text, 1, NULL) != 0 ||
        keel_addr_family(&a) != AF_INET)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is not an IPv4 address", (int)text.n,
                             text.p);
    keel_write_bytes(w, &a.in4.sin_addr, 4);
    return 0;
}

static int encode_addr6(struct keel_writer *w, struct keel_str text, struct keel_diag *diag)
{
    struct keel_prefix p;
    if (memchr(text.p, '/', text.n) || keel_prefix_parse(&p, text, NULL) != 0 ||
        p.family != AF_INET6)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is not an IPv6 address", (int)text.n,
                             text.p);
    keel_write_bytes(w, p.bytes, 16);
    return 0;
}

/* Text with its length before it. */
static int encode_counted(struct keel_writer *w, enum dhcp_option_type type, struct keel_str text,
                          struct keel_diag *diag)
{
    if (type == DHCP_TYPE_TEXT8 && text.n > UINT8_MAX)
        return keel_diag_set(diag, KEEL_ERANGE, "is longer than 255 octets");
    if (type == DHCP_TYPE_TEXT8)
        keel_write_u8(w, (uint8_t)text.n);
    else
        keel_write_u16(w, (uint16_t)text.n);
    keel_write_bytes(w, text.p, text.n);
    return 0;
}

/* Splits "A B" at the blanks between; KEEL_EINVAL when there are not exactly two parts. */
static int split_two(struct keel_str text, struct keel_str *a, struct keel_str *b)
{
    struct keel_str rest = keel_str_trim(text);
    if (!keel_str_split(&rest, ' ', a))
        return KEEL_EINVAL;
    *b = keel_str_trim(rest);
    return a->n > 0 && b->n > 0 && !memchr(b->p, ' ', b->n) ? 0 : KEEL_EINVAL;
}

static int encode_pair(struct keel_writer *w, struct keel_str text, struct keel_diag *diag)
{
    struct keel_str a, b;
    if (split_two(text, &a, &b) != 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is not two addresses", (int)text.n,
                             text.p);
    int err = encode_addr(w, a, diag);
    return err ? err : encode_addr(w, b, diag);
}

/* RFC 3442: prefix length, its significant octets, the router. */
static int encode_route(struct keel_writer *w, struct keel_str text, struct keel_diag *diag)
{
    struct keel_str to, router;
    struct keel_prefix p;
    if (split_two(text, &to, &router) != 0 || keel_prefix_parse(&p, to, NULL) != 0 ||
        p.family != AF_INET)
        return keel_diag_set(diag, KEEL_EINVAL,
                             "\"%.*s\" is not a route like \"10.0.0.0/8 192.0.2.1\"", (int)text.n,
                             text.p);
    keel_write_u8(w, p.length);
    keel_write_bytes(w, p.bytes, (p.length + 7u) / 8u);
    return encode_addr(w, router, diag);
}

static bool is_name_char(char c)
{
    return keel_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

static int encode_name(struct keel_writer *w, struct keel_str text, struct keel_diag *diag)
{
    struct keel_str rest = text, label;
    size_t total = 1;
    if (rest.n > 0 && rest.p[rest.n - 1] == '.')
        rest.n--;
    bool good = rest.n > 0;
    while (good && keel_str_split(&rest, '.', &label)) {
        total += label.n + 1;
        good = label.n >= 1 && label.n <= 63 && total <= 255;
        for (size_t i = 0; good && i < label.n; i++)
            good = is_name_char(label.p[i]);
        if (good) {
            keel_write_u8(w, (uint8_t)label.n);
            keel_write_bytes(w, label.p, label.n);
        }
    }
    if (!good)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is not a domain name", (int)text.n,
                             text.p);
    keel_write_u8(w, 0);
    return 0;
}

static int encode_binary(struct keel_writer *w, struct keel_str text, struct keel_diag *diag)
{
    int n = keel_parse_hex(text, w->next, keel_writer_left(w));
    if (n == KEEL_ENOSPC) {
        w->bad = true;
        return 0;
    }
    if (n < 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is not hexadecimal like \"01:ff\"",
                             (int)text.n, text.p);
    w->next += n;
    return 0;
}

/* The first octet says what all of them are: 0 names, 1 addresses (RFC 3361, 3). */
static int encode_sip(struct keel_writer *w, struct keel_str text, struct keel_diag *diag)
{
    bool digits = true;
    for (size_t i = 0; i < text.n; i++)
        digits = digits && (keel_is_digit(text.p[i]) || text.p[i] == '.');
    if (w->next == w->start)
        keel_write_u8(w, digits);
    else if (*w->start != digits)
        return keel_diag_set(diag, KEEL_EINVAL, "names and addresses cannot be mixed");
    return digits ? encode_addr(w, text, diag) : encode_name(w, text, diag);
}

static int encode_flag(struct keel_writer *w, enum dhcp_option_type type, struct keel_str text,
                       struct keel_diag *diag)
{
    bool flag;
    if (keel_parse_bool(text, &flag) != 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is neither true nor false", (int)text.n,
                             text.p);
    if (type == DHCP_TYPE_FLAG)
        keel_write_u8(w, flag);
    else if (!flag)
        return keel_diag_set(diag, KEEL_EINVAL, "can only be true; leave it out to not send it");
    return 0;
}

static int encode_record(struct keel_writer *w, const struct dhcp_option_def *def,
                         struct keel_str text, struct keel_diag *diag);

static int encode_value(struct keel_writer *w, const struct dhcp_option_def *def,
                        enum dhcp_option_type type, struct keel_str text, struct keel_diag *diag)
{
    switch (type) {
    case DHCP_TYPE_FLAG:
    case DHCP_TYPE_EMPTY:
        return encode_flag(w, type, text, diag);
    case DHCP_TYPE_U8:
    case DHCP_TYPE_U16:
    case DHCP_TYPE_U32:
    case DHCP_TYPE_I8:
    case DHCP_TYPE_I16:
    case DHCP_TYPE_I32:
        return encode_number(w, type, text, diag);
    case DHCP_TYPE_ADDR:
        return encode_addr(w, text, diag);
    case DHCP_TYPE_ADDR6:
        return encode_addr6(w, text, diag);
    case DHCP_TYPE_PAIR:
        return encode_pair(w, text, diag);
    case DHCP_TYPE_ROUTE:
        return encode_route(w, text, diag);
    case DHCP_TYPE_TEXT8:
    case DHCP_TYPE_TEXT16:
        return encode_counted(w, type, text, diag);
    case DHCP_TYPE_NAME:
        return encode_name(w, text, diag);
    case DHCP_TYPE_SIP:
        return encode_sip(w, text, diag);
    case DHCP_TYPE_BINARY:
        return encode_binary(w, text, diag);
    case DHCP_TYPE_RECORD:
        return encode_record(w, def, text, diag);
    case DHCP_TYPE_TEXT:
    case DHCP_TYPES_COUNT:
        break;
    }
    keel_write_bytes(w, text.p, text.n);
    return 0;
}

/* Fields with blanks between; the last one takes the rest if that is text. */
static int encode_record(struct keel_writer *w, const struct dhcp_option_def *def,
                         struct keel_str text, struct keel_diag *diag)
{
    struct keel_str rest = keel_str_trim(text);
    for (unsigned i = 0; i < def->field_count || (def->list && rest.n > 0); i++) {
        bool last = i + 1u >= def->field_count;
        enum dhcp_option_type type =
            (enum dhcp_option_type)def->fields[last ? def->field_count - 1u : i];
        struct keel_str word = rest;
        if (!last || !dhcp_option_is_open_ended(type)) {
            keel_str_split(&rest, ' ', &word);
            rest = keel_str_trim(rest);
        } else {
            rest.n = 0;
        }
        if (word.n == 0)
            return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" has %u of %u fields", (int)text.n,
                                 text.p, i, def->field_count);
        int err = encode_value(w, def, type, word, diag);
        if (err)
            return err;
    }
    if (rest.n > 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" has more than %u fields", (int)text.n,
                             text.p, def->field_count);
    return 0;
}

int dhcp_option_encode(const struct dhcp_option_def *def, const struct keel_str *values,
                       unsigned count, uint8_t *out, size_t size, unsigned *wrong,
                       struct keel_diag *diag)
{
    struct keel_writer w;
    keel_writer_init(&w, out, size);
    *wrong = 0;
    /* the list of a record is within its one value */
    bool list = def->list && def->type != DHCP_TYPE_RECORD;
    if (count == 0 || (count > 1 && !list))
        return keel_diag_set(diag, KEEL_EINVAL, "takes %s", list ? "a list" : "one value");
    for (unsigned i = 0; i < count; i++) {
        *wrong = i;
        /* RFC 2132, 2: no option of the table is allowed to be empty */
        if (values[i].n == 0)
            return keel_diag_set(diag, KEEL_EINVAL, "is empty");
        int err = encode_value(&w, def, (enum dhcp_option_type)def->type, values[i], diag);
        if (err)
            return err;
        if (w.bad)
            return keel_diag_set(diag, KEEL_ENOSPC, "is longer than %zu octets", size);
    }
    return (int)keel_writer_offset(&w);
}
