#include "httpd/conn/h2_fields.h"

#include "common/base/mem.h"

/* Longer heads are rare, and are not worth the memory. */
#define REMEMBERED_MAX 4096

static bool is_of_http1(struct keel_str name)
{
    return keel_str_equal_nocase(name, KEEL_STR("connection")) ||
           keel_str_equal_nocase(name, KEEL_STR("keep-alive")) ||
           keel_str_equal_nocase(name, KEEL_STR("upgrade")) ||
           keel_str_equal_nocase(name, KEEL_STR("transfer-encoding"));
}

static nghttp2_nv field_of(struct keel_str name, struct keel_str value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.p,
                        .namelen = name.n,
                        .value = (uint8_t *)(uintptr_t)value.p,
                        .valuelen = value.n};
}

size_t http_h2_fields_split(struct keel_str text, nghttp2_nv *fields, size_t most)
{
    const char *p = text.p, *end = p + text.n, *line_end;
    size_t count = 0;
    for (; p < end && count < most; p = line_end + 1) {
        const char *colon = memchr(p, ':', (size_t)(end - p));
        line_end = memchr(p, '\n', (size_t)(end - p));
        if (!colon || !line_end || colon > line_end)
            break;
        struct keel_str name = {p, (size_t)(colon - p)};
        struct keel_str value = {colon + 1, (size_t)(line_end - colon - 1)};
        if (value.n > 0 && value.p[value.n - 1] == '\r')
            value.n--;
        if (!is_of_http1(name))
            fields[count++] = field_of(name, keel_str_trim(value));
    }
    return count;
}

/* The field of the status: its digits are written to `digits`. */
static nghttp2_nv status_field(unsigned status, char digits[3])
{
    for (unsigned i = 0; i < 3; i++, status /= 10)
        digits[2 - i] = (char)('0' + status % 10);
    return field_of(KEEL_STR(":status"), (struct keel_str){digits, 3});
}

static size_t count_lines(struct keel_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n < HTTP_H2_FIELDS_MAX ? n : HTTP_H2_FIELDS_MAX;
}

/* One allocation: the struct, the list, the head as it came, the digits, the names. */
static struct http_h2_fields *fields_new(unsigned status, struct keel_str head)
{
    const uint8_t ready = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    size_t most = count_lines(head), list = (1 + most) * sizeof(nghttp2_nv);
    struct http_h2_fields *f = keel_malloc(sizeof *f + list + head.n + 3 + head.n);
    if (!f)
        return NULL;
    char *text = (char *)f->list + list, *digits = text + head.n, *names = digits + 3;
    memcpy(text, head.p, head.n);
    *f = (struct http_h2_fields){
        .references = 1, .status = (uint16_t)status, .count = 1, .head = {text, head.n}};
    f->list[0] = status_field(status, digits);
    const char *first_end = memchr(text, '\n', head.n);
    if (first_end) {
        struct keel_str lines = {first_end + 1, head.n - (size_t)(first_end + 1 - text)};
        f->count = (uint16_t)(1 + http_h2_fields_split(lines, f->list + 1, most));
    }
    for (unsigned i = 0; i < f->count; i++) {
        nghttp2_nv *field = &f->list[i];
        field->flags = ready;
        for (size_t k = 0; i > 0 && k < field->namelen; k++)
            names[k] = (char)keel_to_lower(field->name[k]);
        if (i > 0)
            field->name = (uint8_t *)names;
        names += i > 0 ? field->namelen : 0;
    }
    return f;
}

void http_h2_fields_release(struct http_h2_fields *fields)
{
    if (fields && --fields->references == 0)
        keel_free(fields);
}

struct http_h2_fields *http_h2_fields_get(struct http_h2_heads *heads, unsigned status,
                                          struct keel_str head)
{
    uintptr_t place = (uintptr_t)head.p;
    struct http_h2_fields **known = &heads->known[(place >> 4 ^ place >> 10) % HTTP_H2_HEADS];
    struct http_h2_fields *f = *known;
    if (f && f->status == status && keel_str_equal(f->head, head)) {
        f->references++;
        return f;
    }
    f = fields_new(status, head);
    if (f && head.n <= REMEMBERED_MAX) {
        http_h2_fields_release(*known);
        *known = f;
        f->references++;
    }
    return f;
}

void http_h2_heads_fini(struct http_h2_heads *heads)
{
    for (unsigned i = 0; i < HTTP_H2_HEADS; i++)
        http_h2_fields_release(heads->known[i]);
    *heads = (struct http_h2_heads){{NULL}};
}
