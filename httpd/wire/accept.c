#include "httpd/wire/accept.h"

#include "httpd/wire/chars.h"

static const struct {
    const char *name, *suffix;
} codings[HTTP_CODING_COUNT] = {
    [HTTP_GZIP] = {"gzip", ".gz"}, [HTTP_BR] = {"br", ".br"}, [HTTP_ZSTD] = {"zstd", ".zst"}};

const char *http_coding_name(enum http_coding coding)
{
    return codings[coding].name;
}
const char *http_coding_suffix(enum http_coding coding)
{
    return codings[coding].suffix;
}

int http_qvalue_parse(struct keel_str text)
{
    if (text.n == 0 || text.n > 5 || (text.p[0] != '0' && text.p[0] != '1') ||
        (text.n > 1 && text.p[1] != '.'))
        return KEEL_EINVAL;
    int value = text.p[0] == '1' ? 1000 : 0;
    for (size_t i = 2, unit = 100; i < text.n; i++, unit /= 10) {
        if (!keel_is_digit(text.p[i]))
            return KEEL_EINVAL;
        value += (text.p[i] - '0') * (int)unit;
    }
    return value <= 1000 ? value : KEEL_EINVAL;
}

/* Splits "gzip ; q=0.5": the token, and its weight. 0 or KEEL_EINVAL. */
static int split_weight(struct keel_str element, struct keel_str *name, int *weight)
{
    struct keel_str rest = element;
    keel_str_split(&rest, ';', name);
    *name = keel_str_trim(*name);
    *weight = 1000;
    if (!rest.p)
        return 0;
    rest = keel_str_trim(rest);
    if (rest.n < 2 || (rest.p[0] | 0x20) != 'q' || rest.p[1] != '=')
        return KEEL_EINVAL;
    *weight = http_qvalue_parse((struct keel_str){rest.p + 2, rest.n - 2});
    return *weight < 0 ? KEEL_EINVAL : 0;
}

static int coding_of(struct keel_str name)
{
    if (http_token_is(name, KEEL_STR("identity")))
        return HTTP_IDENTITY;
    if (http_token_is(name, KEEL_STR("x-gzip"))) /* RFC 9110, 8.4.1.3 */
        return HTTP_GZIP;
    for (int i = 0; i < HTTP_CODING_COUNT; i++)
        if (http_token_is(name, keel_str(codings[i].name)))
            return i;
    return KEEL_ENOENT;
}

int http_accept_parse(struct http_accept_list *list, struct keel_str value)
{
    struct keel_str element, name;
    int weight;
    while (http_list_next(&value, &element)) {
        if (split_weight(element, &name, &weight) != 0 || name.n == 0)
            return KEEL_EINVAL;
        const uint8_t *p = (const uint8_t *)name.p;
        if (http_skip(p, p + name.n, HTTP_CHAR_TOKEN) != p + name.n)
            return KEEL_EINVAL;
        int coding = name.n == 1 && *p == '*' ? HTTP_CODING_COUNT + 1 : coding_of(name);
        if (coding < 0)
            continue;
        uint16_t *slot = coding > HTTP_CODING_COUNT ? &list->any : &list->weight[coding];
        if (!(list->named & 1u << coding) || *slot < weight)
            *slot = (uint16_t)weight;
        list->named |= (uint8_t)(1u << coding);
    }
    return 0;
}

void http_accept_read(struct http_accept *accept, const struct http_head *head)
{
    struct http_accept_list list = {.named = 0};
    *accept = (struct http_accept){.weight[HTTP_IDENTITY] = 1000};
    if (!http_head_has(head, HTTP_FIELD_ACCEPT_ENCODING))
        return;
    for (unsigned i = 0; i < head->count; i++)
        if (head->fields[i].id == HTTP_FIELD_ACCEPT_ENCODING &&
            http_accept_parse(&list, http_span_str(head, head->fields[i].value)) != 0)
            return;
    for (unsigned i = 0; i <= HTTP_CODING_COUNT; i++) {
        if (list.named & 1u << i)
            accept->weight[i] = list.weight[i];
        else if (list.named & 1u << (HTTP_CODING_COUNT + 1))
            accept->weight[i] = list.any;
    }
    accept->identity_named = list.named & 1u << HTTP_IDENTITY;
}

/* How closely a range of Accept names the type: 0 not at all, 1 all types, 2 all of this kind, 3
 * it.
 */
static unsigned closeness(struct keel_str range, struct keel_str type)
{
    if (keel_str_equal(range, KEEL_STR("*/*")))
        return 1;
    const char *slash = memchr(type.p, '/', type.n);
    size_t kind = slash ? (size_t)(slash - type.p) + 1 : type.n;
    if (range.n == kind + 1 && range.p[kind] == '*' &&
        keel_str_equal_nocase((struct keel_str){range.p, kind}, (struct keel_str){type.p, kind}))
        return 2;
    return keel_str_equal_nocase(range, type) ? 3 : 0;
}

unsigned http_accept_type(const struct http_head *head, struct keel_str type)
{
    unsigned best = 0, weight = http_head_has(head, HTTP_FIELD_ACCEPT) ? 0 : 1000;
    for (unsigned i = 0; i < head->count; i++) {
        if (head->fields[i].id != HTTP_FIELD_ACCEPT)
            continue;
        struct keel_str list = http_span_str(head, head->fields[i].value), element, name, rest;
        while (http_list_next(&list, &element)) {
            rest = element;
            keel_str_split(&rest, ';', &name);
            unsigned close = closeness(keel_str_trim(name), type);
            int q = 1000;
            struct keel_str parameter;
            while (rest.p && keel_str_split(&rest, ';', &parameter)) {
                parameter = keel_str_trim(parameter);
                if (parameter.n >= 2 && (parameter.p[0] | 0x20) == 'q' && parameter.p[1] == '=')
                    q = http_qvalue_parse((struct keel_str){parameter.p + 2, parameter.n - 2});
            }
            if (close > best && q >= 0) {
                best = close;
                weight = (unsigned)q;
            }
        }
    }
    return weight;
}
