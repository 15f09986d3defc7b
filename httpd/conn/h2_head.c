#include "httpd/conn/h2_head.h"

#include "httpd/wire/chars.h"

/* Times the largest head that a sender may go on for before it is no mistake any more: fields out
 * of the compression table cost it one byte each. */
#define PATIENCE 8

void http_h2_head_begin(struct http_h2_head *head)
{
    struct keel_buf text = head->text, cookies = head->cookies, lines = head->lines;
    *head = (struct http_h2_head){.text = text, .cookies = cookies, .lines = lines};
    keel_buf_clear(&head->text);
    keel_buf_clear(&head->cookies);
    keel_buf_clear(&head->lines);
}

void http_h2_head_fini(struct http_h2_head *head)
{
    keel_buf_fini(&head->text);
    keel_buf_fini(&head->cookies);
    keel_buf_fini(&head->lines);
}

static void refuse(struct http_h2_head *head, int status)
{
    if (head->status == 0)
        head->status = (int16_t)status;
}

static struct keel_str text_of(const struct http_h2_head *head, struct http_span span)
{
    if (span.size == 0)
        return KEEL_STR("");
    return (struct keel_str){(const char *)keel_buf_bytes(&head->text) + span.at, span.size};
}

/* A line "name: value". What would end the line early never comes here. Offsets beyond 16 bits are
 * of a head that is refused for its size. */
static void put_field(struct http_h2_head *head, enum http_field_id id, struct keel_str name,
                      struct keel_str value)
{
    size_t n = name.n + 2 + value.n + 2, at = keel_buf_size(&head->text) - head->start;
    char *to = (char *)keel_buf_reserve(&head->text, n);
    struct http_field *line = (void *)keel_buf_reserve(&head->lines, sizeof *line);
    if (!to || !line) {
        refuse(head, -503);
        return;
    }
    memcpy(to, name.p, name.n);
    memcpy(to + name.n, ": ", 2);
    memcpy(to + name.n + 2, value.p, value.n);
    memcpy(to + n - 2, "\r\n", 2);
    *line = (struct http_field){.name = {(uint16_t)at, (uint16_t)name.n},
                                .value = {(uint16_t)(at + name.n + 2), (uint16_t)value.n},
                                .id = (uint16_t)id};
    head->text.end += n;
    head->lines.end += sizeof *line;
}

static void add_pseudo(struct http_h2_head *head, const struct http_head_limits *limits,
                       struct keel_str name, struct keel_str value)
{
    struct http_span *span;
    if (keel_str_equal(name, KEEL_STR(":method")))
        span = &head->method;
    else if (keel_str_equal(name, KEEL_STR(":scheme")))
        span = &head->scheme;
    else if (keel_str_equal(name, KEEL_STR(":authority")))
        span = &head->authority;
    else if (keel_str_equal(name, KEEL_STR(":path")))
        span = &head->path;
    else if (keel_str_equal(name, KEEL_STR(":protocol")))
        span = &head->protocol;
    else
        span = NULL;
    if (!span || span->size > 0 || head->start > 0) {
        refuse(head, -400);
    } else if (value.n > limits->line || keel_buf_size(&head->text) + value.n > limits->head) {
        refuse(head, span == &head->path ? -414 : -431);
    } else {
        *span = (struct http_span){(uint16_t)keel_buf_size(&head->text), (uint16_t)value.n};
        if (keel_buf_append(&head->text, value.p, value.n) != 0)
            refuse(head, -503);
    }
}

/* "GET /path HTTP/1.1" and Host, out of the pseudo fields. */
static void put_request_line(struct http_h2_head *head, const struct http_head_limits *limits)
{
    static const char version[] = " HTTP/1.1\r\n";
    struct http_span target = head->path;
    size_t size = keel_buf_size(&head->text);
    head->start = (uint32_t)size;
    bool connect = keel_str_equal(text_of(head, head->method), KEEL_STR("CONNECT"));
    if (head->protocol.size > 0 && (!connect || head->authority.size == 0))
        refuse(head, -400); /* RFC 8441, 4 */
    if (connect && head->protocol.size == 0) {
        target = head->authority; /* RFC 9113, 8.5 */
        if (head->path.size > 0 || head->scheme.size > 0)
            refuse(head, -400);
    } else if (!http_token_is(text_of(head, head->scheme), KEEL_STR("http")) &&
               !http_token_is(text_of(head, head->scheme), KEEL_STR("https"))) {
        refuse(head, -400);
    } else if (head->method.size == 0 || target.size == 0 ||
               (text_of(head, target).p[0] != '/' &&
                !keel_str_equal(text_of(head, target), KEEL_STR("*")))) {
        refuse(head, -400); /* RFC 9113, 8.3.1: never the absolute form */
    }
    if (!http_is_all(text_of(head, head->method), HTTP_CHAR_TOKEN) ||
        !http_is_all(text_of(head, target), HTTP_CHAR_TARGET) ||
        !http_is_all(text_of(head, head->authority), HTTP_CHAR_TARGET) ||
        !http_is_all(text_of(head, head->protocol), HTTP_CHAR_TOKEN))
        refuse(head, -400);
    if ((size_t)head->method.size + 1 + target.size + sizeof version - 3 > limits->line)
        refuse(head, -414);
    /* with room for the lines of all of them the values do not move while they are copied */
    char *to = (char *)keel_buf_reserve(&head->text, 512 + 2 * size);
    if (!to)
        refuse(head, -503);
    if (head->status != 0)
        return;
    struct keel_str method = text_of(head, head->method), path = text_of(head, target);
    if (head->protocol.size > 0)
        method = KEEL_STR("GET");
    memcpy(to, method.p, method.n);
    to[method.n] = ' ';
    memcpy(to + method.n + 1, path.p, path.n);
    memcpy(to + method.n + 1 + path.n, version, sizeof version - 1);
    head->text.end += method.n + 1 + path.n + sizeof version - 1;
    head->line_method = (struct http_span){0, (uint16_t)method.n};
    head->line_target = (struct http_span){(uint16_t)(method.n + 1), (uint16_t)path.n};
    if (head->authority.size > 0)
        put_field(head, HTTP_FIELD_HOST, KEEL_STR("host"), text_of(head, head->authority));
    if (head->protocol.size > 0) { /* what HTTP/1.1 says in two fields */
        put_field(head, HTTP_FIELD_CONNECTION, KEEL_STR("connection"), KEEL_STR("upgrade"));
        put_field(head, HTTP_FIELD_UPGRADE, KEEL_STR("upgrade"), text_of(head, head->protocol));
    }
}

static void add_field(struct http_h2_head *head, const struct http_head_limits *limits,
                      struct keel_str name, struct keel_str value)
{
    if (head->start == 0)
        put_request_line(head, limits);
    if (++head->fields > limits->fields || name.n + 2 + value.n > limits->line)
        refuse(head, -431);
    else if (name.n == 0 || !http_is_all(name, HTTP_CHAR_TOKEN) ||
             http_skip_value((const uint8_t *)value.p, (const uint8_t *)value.p + value.n) !=
                 (const uint8_t *)value.p + value.n)
        refuse(head, -400);
    if (head->status != 0)
        return;
    enum http_field_id id = http_field_find((const uint8_t *)name.p, name.n);
    value = keel_str_trim(value);
    switch (id) {
    case HTTP_FIELD_HOST:
        if (head->authority.size == 0)
            put_field(head, id, name, value);
        else if (!keel_str_equal_nocase(text_of(head, head->authority), value))
            refuse(head, -400); /* RFC 9113, 8.3.1: two hosts */
        break;
    case HTTP_FIELD_COOKIE:
        if (keel_buf_size(&head->cookies) > 0)
            keel_buf_puts(&head->cookies, "; ");
        keel_buf_append(&head->cookies, value.p, value.n);
        break;
    case HTTP_FIELD_CONNECTION:
    case HTTP_FIELD_TRANSFER_ENCODING:
        refuse(head, -400); /* RFC 9113, 8.2.2 */
        break;
    default:
        put_field(head, id, name, value);
    }
}

int http_h2_head_add(struct http_h2_head *head, const struct http_head_limits *limits,
                     struct keel_str name, struct keel_str value)
{
    head->received += (uint32_t)(name.n + value.n + 32);
    if (head->received > PATIENCE * limits->head)
        return KEEL_ELIMIT;
    if (head->received > limits->head + limits->fields * 32)
        refuse(head, keel_str_equal(name, KEEL_STR(":path")) ? -414 : -431);
    if (head->status != 0)
        return 0;
    if (name.n > 0 && name.p[0] == ':')
        add_pseudo(head, limits, name, value);
    else
        add_field(head, limits, name, value);
    return 0;
}

static int assemble(const struct http_h2_head *head, size_t size, struct http_head *out)
{
    const struct http_head_parts parts = {
        .bytes = keel_buf_bytes(&head->text) + head->start,
        .size = size,
        .method = head->line_method,
        .target = head->line_target,
        .fields = (const void *)keel_buf_bytes(&head->lines),
        .count = (unsigned)(keel_buf_size(&head->lines) / sizeof(struct http_field)),
    };
    return http_head_assemble(out, &parts);
}

int http_h2_head_finish(struct http_h2_head *head, const struct http_head_limits *limits,
                        struct http_head *out, bool has_body)
{
    if (head->start == 0 && head->status == 0)
        put_request_line(head, limits);
    if (keel_buf_size(&head->cookies) > 0)
        put_field(head, HTTP_FIELD_COOKIE, KEEL_STR("cookie"),
                  (struct keel_str){(const char *)keel_buf_bytes(&head->cookies),
                                    keel_buf_size(&head->cookies)});
    keel_buf_append(&head->text, "\r\n", 2);
    size_t size = keel_buf_size(&head->text) - head->start;
    if (head->protocol.size > 0)
        keel_buf_append(&head->text, "CONNECT", 7); /* behind it, for method_text */
    if (head->cookies.failed || head->text.failed)
        refuse(head, -503);
    if (size > limits->head)
        refuse(head, -431);
    /* what an answer goes by, also when there is no request to speak of */
    out->method = HTTP_METHOD_OTHER;
    out->body = HTTP_BODY_NONE;
    out->expect_continue = false;
    if (head->status == 0)
        refuse(head, assemble(head, size, out));
    out->major = 2;
    out->minor = 0;
    out->keep_alive = true;
    if (head->status != 0)
        return head->status;
    if (head->protocol.size > 0) {
        out->method = HTTP_CONNECT; /* nobody shall take it for a question about the path */
        out->method_text = (struct http_span){(uint16_t)size, sizeof "CONNECT" - 1};
        out->size += out->method_text.size;
    }
    if (!has_body)
        out->body = HTTP_BODY_NONE;
    else if (out->body == HTTP_BODY_NONE)
        out->body = HTTP_BODY_CHUNKED; /* of unknown length */
    return 0;
}
