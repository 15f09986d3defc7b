#include "dhcpd/wire/option.h"

#include "common/base/addr.h"
#include "common/base/wire.h"

const struct dhcp_option_def dhcp_option_table[] = {
    {"subnet-mask", 1, DHCP_TYPE_ADDR, false},
    {"time-offset", 2, DHCP_TYPE_I32, false},
    {"routers", 3, DHCP_TYPE_ADDR, true},
    {"time-servers", 4, DHCP_TYPE_ADDR, true},
    {"name-servers", 5, DHCP_TYPE_ADDR, true},
    {"domain-name-servers", 6, DHCP_TYPE_ADDR, true},
    {"log-servers", 7, DHCP_TYPE_ADDR, true},
    {"lpr-servers", 9, DHCP_TYPE_ADDR, true},
    {"resource-location-servers", 11, DHCP_TYPE_ADDR, true},
    {"host-name", 12, DHCP_TYPE_TEXT, false},
    {"boot-size", 13, DHCP_TYPE_U16, false},
    {"merit-dump", 14, DHCP_TYPE_TEXT, false},
    {"domain-name", 15, DHCP_TYPE_TEXT, false},
    {"swap-server", 16, DHCP_TYPE_ADDR, false},
    {"root-path", 17, DHCP_TYPE_TEXT, false},
    {"extensions-path", 18, DHCP_TYPE_TEXT, false},
    {"ip-forwarding", 19, DHCP_TYPE_FLAG, false},
    {"non-local-source-routing", 20, DHCP_TYPE_FLAG, false},
    {"policy-filter", 21, DHCP_TYPE_PAIR, true},
    {"max-dgram-reassembly", 22, DHCP_TYPE_U16, false},
    {"default-ip-ttl", 23, DHCP_TYPE_U8, false},
    {"path-mtu-aging-timeout", 24, DHCP_TYPE_U32, false},
    {"path-mtu-plateau-table", 25, DHCP_TYPE_U16, true},
    {"interface-mtu", 26, DHCP_TYPE_U16, false},
    {"all-subnets-local", 27, DHCP_TYPE_FLAG, false},
    {"broadcast-address", 28, DHCP_TYPE_ADDR, false},
    {"perform-mask-discovery", 29, DHCP_TYPE_FLAG, false},
    {"mask-supplier", 30, DHCP_TYPE_FLAG, false},
    {"router-discovery", 31, DHCP_TYPE_FLAG, false},
    {"router-solicitation-address", 32, DHCP_TYPE_ADDR, false},
    {"static-routes", 33, DHCP_TYPE_PAIR, true},
    {"trailer-encapsulation", 34, DHCP_TYPE_FLAG, false},
    {"arp-cache-timeout", 35, DHCP_TYPE_U32, false},
    {"ieee802-3-encapsulation", 36, DHCP_TYPE_FLAG, false},
    {"default-tcp-ttl", 37, DHCP_TYPE_U8, false},
    {"tcp-keepalive-interval", 38, DHCP_TYPE_U32, false},
    {"tcp-keepalive-garbage", 39, DHCP_TYPE_FLAG, false},
    {"nis-domain", 40, DHCP_TYPE_TEXT, false},
    {"nis-servers", 41, DHCP_TYPE_ADDR, true},
    {"ntp-servers", 42, DHCP_TYPE_ADDR, true},
    {"vendor-encapsulated-options", 43, DHCP_TYPE_BINARY, false},
    {"netbios-name-servers", 44, DHCP_TYPE_ADDR, true},
    {"netbios-dd-server", 45, DHCP_TYPE_ADDR, true},
    {"netbios-node-type", 46, DHCP_TYPE_U8, false},
    {"netbios-scope", 47, DHCP_TYPE_TEXT, false},
    {"font-servers", 48, DHCP_TYPE_ADDR, true},
    {"x-display-managers", 49, DHCP_TYPE_ADDR, true},
    {"nisplus-domain", 64, DHCP_TYPE_TEXT, false},
    {"nisplus-servers", 65, DHCP_TYPE_ADDR, true},
    {"tftp-server-name", 66, DHCP_TYPE_TEXT, false},
    {"boot-file-name", 67, DHCP_TYPE_TEXT, false},
    {"mobile-ip-home-agents", 68, DHCP_TYPE_ADDR, true},
    {"smtp-servers", 69, DHCP_TYPE_ADDR, true},
    {"pop-servers", 70, DHCP_TYPE_ADDR, true},
    {"nntp-servers", 71, DHCP_TYPE_ADDR, true},
    {"www-servers", 72, DHCP_TYPE_ADDR, true},
    {"posix-timezone", 100, DHCP_TYPE_TEXT, false},
    {"tz-name", 101, DHCP_TYPE_TEXT, false},
    {"ipv6-only-preferred", 108, DHCP_TYPE_U32, false},
    {"captive-portal", 114, DHCP_TYPE_TEXT, false},
    {"domain-search", 119, DHCP_TYPE_NAME, true},
    {"classless-static-routes", 121, DHCP_TYPE_ROUTE, true},
    {"tftp-server-addresses", 150, DHCP_TYPE_ADDR, true},
    {NULL, 0, 0, false},
};

/* By enum dhcp_option_type: the word in `option-definition { type = ... }`. */
static const char *const type_names[] = {
    "flag",         "uint8", "uint16", "uint32", "int32",  "address",
    "address-pair", "route", "text",   "name",   "binary",
};
#define TYPE_COUNT (sizeof type_names / sizeof type_names[0])

const struct dhcp_option_def *dhcp_option_by_name(struct keel_str name)
{
    for (const struct dhcp_option_def *d = dhcp_option_table; d->name; d++)
        if (keel_str_equal(keel_str(d->name), name))
            return d;
    return NULL;
}

const struct dhcp_option_def *dhcp_option_by_code(uint8_t code)
{
    for (const struct dhcp_option_def *d = dhcp_option_table; d->name; d++)
        if (d->code == code)
            return d;
    return NULL;
}

int dhcp_option_type_parse(struct keel_str name, enum dhcp_option_type *out, struct keel_diag *diag)
{
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (keel_str_equal(keel_str(type_names[i]), name)) {
            *out = (enum dhcp_option_type)i;
            return 0;
        }
    }
    return keel_diag_set(diag, KEEL_EINVAL,
                         "no such type; types are flag, uint8, uint16, uint32, int32, address, "
                         "address-pair, route, text, name, binary");
}

bool dhcp_option_is_internal(uint8_t code)
{
    return code == DHCP_OPTION_PAD || code == DHCP_OPTION_END || code == DHCP_OPTION_CLIENT_ID ||
           code == DHCP_OPTION_RELAY_INFO ||
           (code >= DHCP_OPTION_REQUESTED_ADDRESS && code <= DHCP_OPTION_REBINDING_TIME);
}

static int encode_number(struct keel_writer *w, enum dhcp_option_type type, struct keel_str text,
                         struct keel_diag *diag)
{
    static const struct {
        int64_t min, max;
    } range[] = {
        [DHCP_TYPE_U8] = {0, UINT8_MAX},
        [DHCP_TYPE_U16] = {0, UINT16_MAX},
        [DHCP_TYPE_U32] = {0, UINT32_MAX},
        [DHCP_TYPE_I32] = {INT32_MIN, INT32_MAX},
    };
    int64_t v;
    int err = keel_parse_i64(text, &v);
    if (err == KEEL_EINVAL)
        return keel_diag_set(diag, err, "\"%.*s\" is not a number", (int)text.n, text.p);
    if (err || v < range[type].min || v > range[type].max)
        return keel_diag_set(diag, KEEL_ERANGE, "%.*s is not within %lld and %lld", (int)text.n,
                             text.p, (long long)range[type].min, (long long)range[type].max);
    if (type == DHCP_TYPE_U8)
        keel_write_u8(w, (uint8_t)v);
    else if (type == DHCP_TYPE_U16)
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

static int encode_value(struct keel_writer *w, enum dhcp_option_type type, struct keel_str text,
                        struct keel_diag *diag)
{
    bool flag;
    switch (type) {
    case DHCP_TYPE_FLAG:
        if (keel_parse_bool(text, &flag) != 0)
            return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" is neither true nor false",
                                 (int)text.n, text.p);
        keel_write_u8(w, flag);
        return 0;
    case DHCP_TYPE_U8:
    case DHCP_TYPE_U16:
    case DHCP_TYPE_U32:
    case DHCP_TYPE_I32:
        return encode_number(w, type, text, diag);
    case DHCP_TYPE_ADDR:
        return encode_addr(w, text, diag);
    case DHCP_TYPE_PAIR:
        return encode_pair(w, text, diag);
    case DHCP_TYPE_ROUTE:
        return encode_route(w, text, diag);
    case DHCP_TYPE_NAME:
        return encode_name(w, text, diag);
    case DHCP_TYPE_BINARY:
        return encode_binary(w, text, diag);
    case DHCP_TYPE_TEXT:
        break;
    }
    keel_write_bytes(w, text.p, text.n);
    return 0;
}

int dhcp_option_encode(const struct dhcp_option_def *def, const struct keel_str *values,
                       unsigned count, uint8_t *out, size_t size, unsigned *wrong,
                       struct keel_diag *diag)
{
    struct keel_writer w;
    keel_writer_init(&w, out, size);
    *wrong = 0;
    if (count == 0 || (count > 1 && !def->list))
        return keel_diag_set(diag, KEEL_EINVAL, "takes %s", def->list ? "a list" : "one value");
    for (unsigned i = 0; i < count; i++) {
        *wrong = i;
        /* RFC 2132, 2: no option of the table is allowed to be empty */
        if (values[i].n == 0)
            return keel_diag_set(diag, KEEL_EINVAL, "is empty");
        int err = encode_value(&w, (enum dhcp_option_type)def->type, values[i], diag);
        if (err)
            return err;
        if (w.bad)
            return keel_diag_set(diag, KEEL_ENOSPC, "is longer than %zu octets", size);
    }
    return (int)keel_writer_offset(&w);
}
