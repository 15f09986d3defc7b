#include "dnsd/zone/svcb_text.h"

#include "common/base/addr.h"
#include "dnsd/wire/rdata.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define PARAMS_MAX 64
#define VALUE_MAX 4096 /* bytes of one parameter's value */

struct param {
    uint16_t key;
    struct keel_str value; /* as written; p NULL when there was no '=' */
};

static const struct {
    const char *name;
    uint16_t key;
} key_names[] = {
    {"mandatory", DNS_SVCB_MANDATORY},
    {"alpn", DNS_SVCB_ALPN},
    {"no-default-alpn", DNS_SVCB_NO_DEFAULT_ALPN},
    {"port", DNS_SVCB_PORT},
    {"ipv4hint", DNS_SVCB_IPV4HINT},
    {"ech", DNS_SVCB_ECH},
    {"ipv6hint", DNS_SVCB_IPV6HINT},
    {"dohpath", DNS_SVCB_DOHPATH},
    {"ohttp", DNS_SVCB_OHTTP},
};

static int parse_key(struct keel_str text, uint16_t *key)
{
    for (size_t i = 0; i < sizeof key_names / sizeof key_names[0]; i++)
        if (keel_str_equal(text, keel_str(key_names[i].name))) {
            *key = key_names[i].key;
            return 0;
        }
    uint64_t v;
    if (text.n < 4 || text.n > 8 || memcmp(text.p, "key", 3) != 0 ||
        keel_parse_u64((struct keel_str){text.p + 3, text.n - 3}, UINT16_MAX, &v) != 0)
        return KEEL_EINVAL;
    *key = (uint16_t)v;
    return 0;
}

/* The next item of a comma-separated list whose commas and backslashes may be escaped once more
 * (RFC 9460, A.1). list is already unescaped once. Returns the item's size or KEEL_EINVAL. */
static int next_item(const uint8_t *list, size_t n, size_t *at, uint8_t *item, size_t room)
{
    size_t size = 0;
    while (*at < n && list[*at] != ',') {
        if (list[*at] == '\\' && ++*at == n)
            return KEEL_EINVAL;
        if (size == room)
            return KEEL_EINVAL;
        item[size++] = list[(*at)++];
    }
    if (*at < n && ++*at == n)
        return KEEL_EINVAL; /* a comma at the end */
    return size > 0 ? (int)size : KEEL_EINVAL;
}

static int compare_u16(const void *a, const void *b)
{
    return keel_get_u16(a) - keel_get_u16(b);
}

/* One item of a list value to the wire. */
static int write_item(uint16_t key, const uint8_t *item, size_t n, struct keel_writer *out)
{
    char text[64];
    uint8_t address[16];
    uint16_t other;

    if (key == DNS_SVCB_ALPN) {
        keel_write_u8(out, (uint8_t)n);
        keel_write_bytes(out, item, n);
        return 0;
    }
    if (n >= sizeof text)
        return KEEL_EINVAL;
    memcpy(text, item, n);
    text[n] = '\0';
    if (key == DNS_SVCB_MANDATORY) {
        if (parse_key((struct keel_str){text, n}, &other) != 0)
            return KEEL_EINVAL;
        keel_write_u16(out, other);
        return 0;
    }
    int family = key == DNS_SVCB_IPV4HINT ? AF_INET : AF_INET6;
    if (inet_pton(family, text, address) != 1)
        return KEEL_EINVAL;
    keel_write_bytes(out, address, family == AF_INET ? 4 : 16);
    return 0;
}

static int write_list(uint16_t key, const uint8_t *list, size_t n, struct keel_writer *out)
{
    uint8_t item[255], *start = out->next;
    size_t at = 0;
    if (n == 0)
        return KEEL_EINVAL;
    while (at < n) {
        int size = next_item(list, n, &at, item, sizeof item);
        if (size < 0 || write_item(key, item, (size_t)size, out) != 0)
            return KEEL_EINVAL;
    }
    if (key == DNS_SVCB_MANDATORY) /* any order in text, ascending on the wire */
        qsort(start, (size_t)(out->next - start) / 2, 2, compare_u16);
    return 0;
}

static int write_value(const struct param *param, struct keel_writer *out)
{
    uint8_t value[VALUE_MAX];
    uint64_t port;
    int n = 0;

    if (param->value.p) {
        n = param->key == DNS_SVCB_ECH ? keel_parse_base64(param->value, value, sizeof value)
                                       : dns_token_bytes(param->value, value, sizeof value);
        if (n < 0)
            return KEEL_EINVAL;
    }
    switch (param->key) {
    case DNS_SVCB_MANDATORY:
    case DNS_SVCB_ALPN:
    case DNS_SVCB_IPV4HINT:
    case DNS_SVCB_IPV6HINT:
        return write_list(param->key, value, (size_t)n, out);
    case DNS_SVCB_PORT:
        if (keel_parse_u64((struct keel_str){(char *)value, (size_t)n}, UINT16_MAX, &port) != 0)
            return KEEL_EINVAL;
        keel_write_u16(out, (uint16_t)port);
        return 0;
    case DNS_SVCB_ECH:
    case DNS_SVCB_DOHPATH:
        if (n == 0)
            return KEEL_EINVAL;
        break;
    default:
        break;
    }
    keel_write_bytes(out, value, (size_t)n);
    return 0;
}

static int compare_params(const void *a, const void *b)
{
    return ((const struct param *)a)->key - ((const struct param *)b)->key;
}

/* key or key=value; quotes around the value are taken off. */
static int split_param(struct keel_str text, struct param *param)
{
    const char *equals = memchr(text.p, '=', text.n);
    struct keel_str key = {text.p, equals ? (size_t)(equals - text.p) : text.n};
    param->value = (struct keel_str){NULL, 0};
    if (equals) {
        param->value = (struct keel_str){equals + 1, text.n - key.n - 1};
        if (param->value.n >= 2 && param->value.p[0] == '"') {
            param->value.p++;
            param->value.n -= 2;
        }
    }
    return parse_key(key, &param->key);
}

int dns_svcb_from_text(struct dns_lexer *lexer, struct keel_writer *out, struct keel_diag *diag)
{
    struct param params[PARAMS_MAX];
    struct dns_token token;
    unsigned count = 0;
    int got;

    while ((got = dns_lexer_next(lexer, &token)) == 1) {
        char shown[64];
        keel_escape(shown, sizeof shown, token.text.p, token.text.n);
        if (count == PARAMS_MAX)
            return keel_diag_set(diag, KEEL_EINVAL, "more than %u parameters", PARAMS_MAX);
        if (split_param(token.text, &params[count]) != 0)
            return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not a parameter", shown);
        count++;
    }
    if (got < 0)
        return keel_diag_set(diag, got, "%s", lexer->what);
    qsort(params, count, sizeof params[0], compare_params);
    for (unsigned i = 0; i < count; i++) {
        keel_write_u16(out, params[i].key);
        uint8_t *size = keel_write_skip(out, 2);
        if (!size || write_value(&params[i], out) != 0 || out->bad)
            return keel_diag_set(diag, KEEL_EINVAL, "key%u: the value is malformed or too long",
                                 params[i].key);
        keel_put_u16(size, (uint16_t)(out->next - size - 2));
    }
    return 0;
}

/* --- to text --- */

/* Inside quotes. In a list a comma or backslash of an item is escaped once more (RFC 9460, A.1). */
static void put_escaped(struct keel_buf *out, const uint8_t *p, size_t n, bool in_list)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] < ' ' || p[i] >= 127)
            keel_buf_printf(out, "\\%03u", p[i]);
        else if (in_list && (p[i] == ',' || p[i] == '\\'))
            keel_buf_printf(out, p[i] == ',' ? "\\\\," : "\\\\\\\\");
        else
            keel_buf_printf(out, p[i] == '"' || p[i] == '\\' ? "\\%c" : "%c", p[i]);
    }
}

static void put_key(struct keel_buf *out, uint16_t key)
{
    for (size_t i = 0; i < sizeof key_names / sizeof key_names[0]; i++)
        if (key_names[i].key == key) {
            keel_buf_puts(out, key_names[i].name);
            return;
        }
    keel_buf_printf(out, "key%u", key);
}

/* One item of a list from the front of the value. */
static void put_item(struct keel_buf *out, uint16_t key, struct keel_reader *in)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (key == DNS_SVCB_MANDATORY) {
        put_key(out, keel_read_u16(in));
    } else if (key == DNS_SVCB_ALPN) {
        uint8_t n = keel_read_u8(in);
        const uint8_t *item = keel_read_bytes(in, n);
        put_escaped(out, item, item ? n : 0, true);
    } else {
        int family = key == DNS_SVCB_IPV4HINT ? AF_INET : AF_INET6;
        const uint8_t *address = keel_read_bytes(in, family == AF_INET ? 4 : 16);
        if (address)
            keel_buf_puts(out, inet_ntop(family, address, text, sizeof text));
    }
}

static int put_value(struct keel_buf *out, uint16_t key, const uint8_t *value, size_t n)
{
    struct keel_reader in;
    char base64[4 * VALUE_MAX / 3 + 8];
    keel_reader_init(&in, value, n);
    switch (key) {
    case DNS_SVCB_MANDATORY:
    case DNS_SVCB_ALPN:
    case DNS_SVCB_IPV4HINT:
    case DNS_SVCB_IPV6HINT:
        for (bool more = false; !in.bad && keel_reader_left(&in) > 0; more = true) {
            keel_buf_puts(out, more ? "," : "");
            put_item(out, key, &in);
        }
        return in.bad ? KEEL_EINVAL : 0;
    case DNS_SVCB_PORT:
        keel_buf_printf(out, "%u", keel_read_u16(&in));
        return in.bad ? KEEL_EINVAL : 0;
    case DNS_SVCB_ECH:
        if (keel_format_base64(base64, sizeof base64, value, n) < 0)
            return KEEL_EINVAL;
        keel_buf_puts(out, base64);
        return 0;
    default:
        put_escaped(out, value, n, false);
        return 0;
    }
}

int dns_svcb_to_text(struct keel_buf *out, const uint8_t *params, size_t size)
{
    struct keel_reader in;
    keel_reader_init(&in, params, size);
    while (keel_reader_left(&in) > 0) {
        uint16_t key = keel_read_u16(&in), n = keel_read_u16(&in);
        const uint8_t *value = keel_read_bytes(&in, n);
        if (!value)
            return KEEL_EINVAL;
        keel_buf_puts(out, " ");
        put_key(out, key);
        if (n == 0)
            continue;
        keel_buf_puts(out, "=\"");
        if (put_value(out, key, value, n) != 0)
            return KEEL_EINVAL;
        keel_buf_puts(out, "\"");
    }
    return out->failed;
}
