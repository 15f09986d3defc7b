#include "httpd/conn/h2_head.h"

#include "httpd/wire/chars.h"

/* Times the largest head that a sender may go on for before it is no mistake any more: fields out
 * of the compression table cost it one byte each. */
#define PATIENCE 8

void http_h2_head_begin(struct http_h2_head *head)
{
    struct keel_buf text = head->text, cookies = head->cookies;
    *head = (struct http_h2_head){.text = text, .cookies = cookies};
    keel_buf_clear(&head->text);
    keel_buf_clear(&head->cookies);
}

void http_h2_head_fini(struct http_h2_head *head)
{
    keel_buf_fini(&head->text);
    keel_buf_fini(&head->cookies);
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

static void put(struct http_h2_head *head, struct keel_str text)
{
    if (keel_buf_append(&head->text, text.p, text.n) != 0)
        refuse(head, -503);
}

/* A line "name: value". What would end the line early never comes here. */
static void put_field(struct http_h2_head *head, struct keel_str name, struct keel_str value)
{
    size_t n = name.n + 2 + value.n + 2;
    char *to = (char *)keel_buf_reserve(&head->text, n);
    if (!to) {
        refuse(head, -503);
        return;
    }
    memcpy(to, name.p, name.n);
    memcpy(to + name.n, ": ", 2);
    memcpy(to + name.n + 2, value.p, value.n);
    memcpy(to + n - 2, "\r\n", 2);
    keel_buf_commit(&head->text, n);
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
        put(head, value);
    }
}

/* "GET /path HTTP/1.1" and Host, out of the pseudo fields. */
static void put_request_line(struct http_h2_head *head, const struct http_head_limits *limits)
{
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
    } else if (target.size == 0 || (text_of(head, target).p[0] != '/' &&
                                    !keel_str_equal(text_of(head, target), KEEL_STR("*")))) {
        refuse(head, -400); /* RFC 9113, 8.3.1: never the absolute form */
    }
    if (!http_is_all(text_of(head, head->method), HTTP_CHAR_TOKEN) ||
        !http_is_all(text_of(head, target), HTTP_CHAR_TARGET) ||
        !http_is_all(text_of(head, head->authority), HTTP_CHAR_TARGET) ||
        !http_is_all(text_of(head, head->protocol), HTTP_CHAR_TOKEN))
        refuse(head, -400);
    if ((size_t)head->method.size + target.size + sizeof "  HTTP/1.1" - 1 > limits->line)
        refuse(head, -414);
    if (head->status != 0 || !keel_buf_reserve(&head->text, 512 + 2 * size))
        return;
    /* with the room reserved, the values do not move while they are copied */
    put(head, head->protocol.size > 0 ? KEEL_STR("GET") : text_of(head, head->method));
    put(head, KEEL_STR(" "));
    put(head, text_of(head, target));
    put(head, KEEL_STR(" HTTP/1.1\r\n"));
    if (head->authority.size > 0)
        put_field(head, KEEL_STR("host"), text_of(head, head->authority));
    if (head->protocol.size > 0) { /* what HTTP/1.1 says in two fields */
        put_field(head, KEEL_STR("connection"), KEEL_STR("upgrade"));
        put_field(head, KEEL_STR("upgrade"), text_of(head, head->protocol));
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
             !http_is_all(value, HTTP_CHAR_VALUE))
        refuse(head, -400);
    if (head->status != 0)
        return;
    switch (http_field_find((const uint8_t *)name.p, name.n)) {
    case HTTP_FIELD_HOST:
        if (head->authority.size == 0)
            put_field(head, name, value);
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
        put_field(head, name, value);
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

int http_h2_head_finish(struct http_h2_head *head, const struct http_head_limits *limits,
                        struct http_head *out, bool has_body)
{
    if (head->start == 0 && head->status == 0)
        put_request_line(head, limits);
    if (keel_buf_size(&head->cookies) > 0)
        put_field(head, KEEL_STR("cookie"),
                  (struct keel_str){(const char *)keel_buf_bytes(&head->cookies),
                                    keel_buf_size(&head->cookies)});
    put(head, KEEL_STR("\r\n"));
    size_t size = keel_buf_size(&head->text) - head->start;
    if (head->protocol.size > 0)
        put(head, KEEL_STR("CONNECT")); /* behind it, for method_text */
    if (head->cookies.failed)
        refuse(head, -503);
    if (size > limits->head)
        refuse(head, -431);
    /* what an answer goes by, also when there is no request to speak of */
    out->method = HTTP_METHOD_OTHER;
    out->body = HTTP_BODY_NONE;
    out->expect_continue = false;
    if (head->status == 0)
        refuse(head, http_head_parse(out, keel_buf_bytes(&head->text) + head->start, size));
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
