#include "httpd/wire/field.h"

#include "httpd/wire/chars.h"

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct keel_str names[HTTP_FIELD_COUNT] = {
    [HTTP_FIELD_OTHER] = NAME(""),
    [HTTP_FIELD_TE] = NAME("te"),
    [HTTP_FIELD_HOST] = NAME("host"),
    [HTTP_FIELD_RANGE] = NAME("range"),
    [HTTP_FIELD_ACCEPT] = NAME("accept"),
    [HTTP_FIELD_COOKIE] = NAME("cookie"),
    [HTTP_FIELD_EXPECT] = NAME("expect"),
    [HTTP_FIELD_REFERER] = NAME("referer"),
    [HTTP_FIELD_TRAILER] = NAME("trailer"),
    [HTTP_FIELD_UPGRADE] = NAME("upgrade"),
    [HTTP_FIELD_IF_MATCH] = NAME("if-match"),
    [HTTP_FIELD_IF_RANGE] = NAME("if-range"),
    [HTTP_FIELD_CONNECTION] = NAME("connection"),
    [HTTP_FIELD_KEEP_ALIVE] = NAME("keep-alive"),
    [HTTP_FIELD_USER_AGENT] = NAME("user-agent"),
    [HTTP_FIELD_CONTENT_TYPE] = NAME("content-type"),
    [HTTP_FIELD_AUTHORIZATION] = NAME("authorization"),
    [HTTP_FIELD_CACHE_CONTROL] = NAME("cache-control"),
    [HTTP_FIELD_IF_NONE_MATCH] = NAME("if-none-match"),
    [HTTP_FIELD_CONTENT_LENGTH] = NAME("content-length"),
    [HTTP_FIELD_HTTP2_SETTINGS] = NAME("http2-settings"),
    [HTTP_FIELD_ACCEPT_ENCODING] = NAME("accept-encoding"),
    [HTTP_FIELD_ACCEPT_LANGUAGE] = NAME("accept-language"),
    [HTTP_FIELD_X_FORWARDED_FOR] = NAME("x-forwarded-for"),
    [HTTP_FIELD_PROXY_CONNECTION] = NAME("proxy-connection"),
    [HTTP_FIELD_CONTENT_ENCODING] = NAME("content-encoding"),
    [HTTP_FIELD_IF_MODIFIED_SINCE] = NAME("if-modified-since"),
    [HTTP_FIELD_TRANSFER_ENCODING] = NAME("transfer-encoding"),
    [HTTP_FIELD_IF_UNMODIFIED_SINCE] = NAME("if-unmodified-since"),
};

/* The first known name of each length. */
static const uint8_t first_of_length[] = {
    [2] = HTTP_FIELD_TE,
    [4] = HTTP_FIELD_HOST,
    [5] = HTTP_FIELD_RANGE,
    [6] = HTTP_FIELD_ACCEPT,
    [7] = HTTP_FIELD_REFERER,
    [8] = HTTP_FIELD_IF_MATCH,
    [10] = HTTP_FIELD_CONNECTION,
    [12] = HTTP_FIELD_CONTENT_TYPE,
    [13] = HTTP_FIELD_AUTHORIZATION,
    [14] = HTTP_FIELD_CONTENT_LENGTH,
    [15] = HTTP_FIELD_ACCEPT_ENCODING,
    [16] = HTTP_FIELD_PROXY_CONNECTION,
    [17] = HTTP_FIELD_IF_MODIFIED_SINCE,
    [19] = HTTP_FIELD_IF_UNMODIFIED_SINCE,
};

enum http_field_id http_field_find(const uint8_t *name, size_t size)
{
    if (size >= sizeof first_of_length)
        return HTTP_FIELD_OTHER;
    struct keel_str text = {(const char *)name, size};
    unsigned id = first_of_length[size];
    if (id == HTTP_FIELD_OTHER)
        return HTTP_FIELD_OTHER;
    uint8_t first = name[0] | 0x20;
    for (; id < HTTP_FIELD_COUNT && names[id].n == size; id++)
        if (first == (uint8_t)names[id].p[0] && http_token_is(text, names[id]))
            return id;
    return HTTP_FIELD_OTHER;
}

struct keel_str http_field_name(enum http_field_id id)
{
    return names[id < HTTP_FIELD_COUNT ? id : HTTP_FIELD_OTHER];
}
