#include "httpd/wire/head.h"

#include <stddef.h>

#include "httpd/wire/chars.h"

static const struct keel_str methods[] = {
    [HTTP_METHOD_OTHER] = {"", 0},   [HTTP_GET] = {"GET", 3},         [HTTP_HEAD] = {"HEAD", 4},
    [HTTP_POST] = {"POST", 4},       [HTTP_PUT] = {"PUT", 3},         [HTTP_DELETE] = {"DELETE", 6},
    [HTTP_CONNECT] = {"CONNECT", 7}, [HTTP_OPTIONS] = {"OPTIONS", 7}, [HTTP_TRACE] = {"TRACE", 5},
    [HTTP_PATCH] = {"PATCH", 5},
};

/* One line of the head, or what is there of it. As http_head_scan, but 1: it goes on. */
static int scan_line(struct http_head_scan *scan, const struct http_head_limits *limits,
                     const uint8_t *bytes, size_t size)
{
    const uint8_t *lf = memchr(bytes + scan->next, '\n', size - scan->next);
    size_t end = lf ? (size_t)(lf - bytes) : size;
    /* what cannot begin a request (a TLS handshake, say) is told at once */
    if (scan->lines == 0 && scan->line_at < end && bytes[scan->line_at] != '\r' &&
        !http_is(bytes[scan->line_at], HTTP_CHAR_TOKEN))
        return -400;
    /* the CR may already be there without its LF */
    if (end - scan->line_at > (size_t)limits->line + 1)
        return scan->lines == 0 ? -414 : -431;
    if (end >= limits->head)
        return -431;
    if (!lf) {
        scan->next = (uint32_t)size;
        return 0;
    }
    if (end == scan->line_at || bytes[end - 1] != '\r')
        return -400; /* bare LF: RFC 9112, 2.2 allows it, smugglers need it */
    bool empty = end - 1 == scan->line_at;
    scan->next = scan->line_at = (uint32_t)end + 1;
    if (!empty)
        return ++scan->lines > limits->fields + 1 ? -431 : 1;
    if (scan->lines > 0)
        return (int)scan->next;
    if (scan->skip > 0)
        return -400;
    scan->skip = 2; /* one empty line before a request is forgiven: RFC 9112, 2.2 */
    return 1;
}

int http_head_scan(struct http_head_scan *scan, const struct http_head_limits *limits,
                   const uint8_t *bytes, size_t size)
{
    struct http_head_scan own = *scan; /* in registers: bytes could be its */
    int result;
    do
        result = scan_line(&own, limits, bytes, size);
    while (result == 1);
    *scan = own;
    return result;
}

int http_authority_parse(struct keel_str text, struct keel_str *host, uint16_t *port)
{
    const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n, *start = p;
    *port = 0;
    if (p < end && *p == '[') {
        for (p++; p < end && (keel_hex_digit(*p) >= 0 || *p == ':' || *p == '.'); p++)
            ;
        if (p == end || *p != ']' || p - start < 3)
            return KEEL_EINVAL;
        p++;
    } else {
        p = http_skip(p, end, HTTP_CHAR_HOST);
    }
    *host = (struct keel_str){text.p, (size_t)(p - start)};
    if (p == end)
        return 0;
    if (*p++ != ':' || host->n == 0)
        return KEEL_EINVAL;
    unsigned number = 0;
    for (; p < end; p++) {
        if (!keel_is_digit(*p) || (number = number * 10 + (unsigned)(*p - '0')) > 65535)
            return KEEL_EINVAL;
    }
    *port = (uint16_t)number;
    return 0;
}

struct keel_str http_head_value(const struct http_head *head, enum http_field_id id)
{
    if (http_head_has(head, id))
        for (unsigned i = 0; i < head->count; i++)
            if (head->fields[i].id == id)
                return http_span_str(head, head->fields[i].value);
    return (struct keel_str){NULL, 0};
}

/* base: the head's bytes, which are not to be loaded again for each span. */
static inline struct http_span span_at(const uint8_t *base, const uint8_t *p, const uint8_t *end)
{
    return (struct http_span){(uint16_t)(p - base), (uint16_t)(end - p)};
}

static struct http_span span_of(const struct http_head *head, const void *p, size_t size)
{
    return span_at(head->bytes, p, (const uint8_t *)p + size);
}

static enum http_method find_method(struct keel_str text)
{
    if (text.n == 3 && memcmp(text.p, "GET", 3) == 0)
        return HTTP_GET; /* as nearly always */
    for (unsigned i = HTTP_HEAD; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].n == text.n && memcmp(methods[i].p, text.p, text.n) == 0)
            return i;
    return HTTP_METHOD_OTHER;
}

/* Path and query of p..end, which begins with '/'. */
static void split_path(struct http_head *head, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *mark = memchr(p, '?', (size_t)(end - p));
    head->path = span_of(head, p, (size_t)((mark ? mark : end) - p));
    if (mark)
        head->query = span_of(head, mark + 1, (size_t)(end - mark - 1));
}

static int set_host(struct http_head *head, struct keel_str authority)
{
    struct keel_str host;
    if (http_authority_parse(authority, &host, &head->port) != 0)
        return -400;
    head->host = span_of(head, host.p, host.n);
    return 0;
}

/* "http://host:port/path?query" (RFC 9112, 3.2.2): the scheme is ours, userinfo is refused. */
static int parse_absolute(struct http_head *head, const uint8_t *p, const uint8_t *end)
{
    struct keel_str http = KEEL_STR("http"), https = KEEL_STR("https");
    const uint8_t *colon = memchr(p, ':', (size_t)(end - p));
    if (!colon || end - colon < 4 || colon[1] != '/' || colon[2] != '/')
        return -400;
    struct keel_str scheme = {(const char *)p, (size_t)(colon - p)};
    if (!http_token_is(scheme, http) && !http_token_is(scheme, https))
        return -400;
    p = colon + 3;
    const uint8_t *slash = p;
    while (slash < end && *slash != '/' && *slash != '?')
        slash++;
    if (slash == p)
        return -400;
    int err = set_host(head, (struct keel_str){(const char *)p, (size_t)(slash - p)});
    if (err != 0)
        return err;
    if (slash < end && *slash == '/') {
        split_path(head, slash, end);
        return 0;
    }
    /* an empty path means "/": borrow the second slash of the "//" before the host */
    head->path = span_of(head, colon + 2, 1);
    if (slash < end)
        head->query = span_of(head, slash + 1, (size_t)(end - slash - 1));
    return 0;
}

static int parse_target(struct http_head *head, const uint8_t *p, const uint8_t *end)
{
    head->target = span_of(head, p, (size_t)(end - p));
    if (p == end)
        return -400;
    if (head->method == HTTP_CONNECT) {
        head->form = HTTP_TARGET_AUTHORITY;
        int err = set_host(head, (struct keel_str){(const char *)p, (size_t)(end - p)});
        return err != 0 || head->port == 0 ? -400 : 0;
    }
    if (*p == '/') {
        head->form = HTTP_TARGET_ORIGIN;
        split_path(head, p, end);
        return 0;
    }
    if (end - p == 1 && *p == '*' && head->method == HTTP_OPTIONS) {
        head->form = HTTP_TARGET_ASTERISK;
        return 0;
    }
    head->form = HTTP_TARGET_ABSOLUTE;
    return parse_absolute(head, p, end);
}

/* "HTTP/1.1" and its line end at p. Returns what follows it, NULL with *status set. */
static const uint8_t *parse_version(struct http_head *head, const uint8_t *p, const uint8_t *end,
                                    int *status)
{
    *status = -400;
    if (end - p < 10 || memcmp(p, "HTTP/", 5) != 0 || !keel_is_digit(p[5]) || p[6] != '.' ||
        !keel_is_digit(p[7]) || p[8] != '\r' || p[9] != '\n')
        return NULL;
    if (p[5] != '1') {
        *status = -505;
        return NULL;
    }
    head->minor = p[7] == '0' ? 0 : 1;
    return p + 10;
}

/* method SP request-target SP HTTP-version CRLF (RFC 9112, 3), single blanks only. */
static const uint8_t *parse_request_line(struct http_head *head, const uint8_t *p,
                                         const uint8_t *end, int *status)
{
    *status = -400;
    const uint8_t *word = p;
    p = http_skip(p, end, HTTP_CHAR_TOKEN);
    if (p == word || p == end || *p != ' ')
        return NULL;
    head->method_text = span_of(head, word, (size_t)(p - word));
    head->method = find_method(http_span_str(head, head->method_text));
    word = ++p;
    p = http_skip(p, end, HTTP_CHAR_TARGET);
    if (p == end || *p != ' ')
        return NULL;
    const uint8_t *target_end = p;
    p = parse_version(head, p + 1, end, status);
    if (p)
        *status = parse_target(head, word, target_end);
    return *status == 0 ? p : NULL;
}

/* field-name ":" OWS field-value OWS CRLF (RFC 9112, 5). */
static const uint8_t *parse_field(struct http_field *field, const uint8_t *base, const uint8_t *p,
                                  const uint8_t *end)
{
    const uint8_t *name = p;
    p = http_skip(p, end, HTTP_CHAR_TOKEN);
    if (p == name || p == end || *p != ':')
        return NULL; /* a blank before the colon, a fold, or no name at all */
    const uint8_t *colon = p++;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const uint8_t *value = p;
    p = http_skip_value(p, end);
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return NULL; /* a bare CR or a control character */
    const uint8_t *last = p;
    while (last > value && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    field->name = span_at(base, name, colon);
    field->value = span_at(base, value, last);
    field->id = (uint16_t)http_field_find(name, (size_t)(colon - name));
    return p + 2;
}

/* Fields whose repetition would leave a choice to whoever reads them. */
#define SINGLETONS                                                                                 \
    (HTTP_FIELD_BIT(HTTP_FIELD_HOST) | HTTP_FIELD_BIT(HTTP_FIELD_CONTENT_LENGTH) |                 \
     HTTP_FIELD_BIT(HTTP_FIELD_TRANSFER_ENCODING) | HTTP_FIELD_BIT(HTTP_FIELD_EXPECT) |            \
     HTTP_FIELD_BIT(HTTP_FIELD_RANGE) | HTTP_FIELD_BIT(HTTP_FIELD_IF_RANGE) |                      \
     HTTP_FIELD_BIT(HTTP_FIELD_CONTENT_TYPE) | HTTP_FIELD_BIT(HTTP_FIELD_AUTHORIZATION) |          \
     HTTP_FIELD_BIT(HTTP_FIELD_IF_MODIFIED_SINCE) |                                                \
     HTTP_FIELD_BIT(HTTP_FIELD_IF_UNMODIFIED_SINCE))

static int parse_content_length(struct http_head *head, struct keel_str value)
{
    uint64_t n;
    if (value.n > 18 || keel_parse_u64(value, UINT64_MAX, &n) != 0)
        return -400;
    head->content_length = n;
    head->body = n > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
    return 0;
}

/* RFC 9112, 6.1: chunked alone; with another coding under it 501, as the section asks; with
 * Content-Length, or from HTTP/1.0, it is how a request is smuggled. */
static int parse_transfer_encoding(struct http_head *head, struct keel_str value)
{
    if (head->minor == 0 || http_head_has(head, HTTP_FIELD_CONTENT_LENGTH))
        return -400;
    struct keel_str coding = {NULL, 0}, next;
    unsigned count = 0, chunked = 0;
    while (http_list_next(&value, &next)) {
        coding = next;
        count++;
        chunked += http_token_is(coding, KEEL_STR("chunked"));
    }
    if (chunked != 1 || !http_token_is(coding, KEEL_STR("chunked")))
        return -400;
    if (count > 1)
        return -501;
    head->body = HTTP_BODY_CHUNKED;
    return 0;
}

static int parse_connection(struct http_head *head)
{
    bool close = false, keep = false;
    for (unsigned i = 0; i < head->count; i++) {
        if (head->fields[i].id != HTTP_FIELD_CONNECTION)
            continue;
        struct keel_str list = http_span_str(head, head->fields[i].value), option;
        while (http_list_next(&list, &option)) {
            if (!http_is_all(option, HTTP_CHAR_TOKEN))
                return -400;
            close = close || http_token_is(option, KEEL_STR("close"));
            keep = keep || http_token_is(option, KEEL_STR("keep-alive"));
        }
    }
    head->keep_alive = !close && (head->minor == 1 || keep);
    return 0;
}

/* What the fields mean together. */
static int check_fields(struct http_head *head)
{
    int err;
    if (http_head_has(head, HTTP_FIELD_HOST)) {
        struct http_span host = head->host;
        uint16_t port = head->port;
        err = set_host(head, http_head_value(head, HTTP_FIELD_HOST));
        if (err != 0)
            return err;
        if (head->form == HTTP_TARGET_ABSOLUTE || head->form == HTTP_TARGET_AUTHORITY) {
            head->host = host; /* the target wins: RFC 9112, 3.2.2 */
            head->port = port;
        }
    } else if (head->minor == 1) {
        return -400;
    }
    if (http_head_has(head, HTTP_FIELD_CONTENT_LENGTH)) {
        err = parse_content_length(head, http_head_value(head, HTTP_FIELD_CONTENT_LENGTH));
        if (err != 0)
            return err;
    }
    if (http_head_has(head, HTTP_FIELD_TRANSFER_ENCODING)) {
        err = parse_transfer_encoding(head, http_head_value(head, HTTP_FIELD_TRANSFER_ENCODING));
        if (err != 0)
            return err;
    }
    if (http_head_has(head, HTTP_FIELD_EXPECT) && head->minor == 1) {
        if (!http_token_is(http_head_value(head, HTTP_FIELD_EXPECT), KEEL_STR("100-continue")))
            return -417;
        head->expect_continue = head->body != HTTP_BODY_NONE;
    }
    if (http_head_has(head, HTTP_FIELD_CONNECTION))
        return parse_connection(head);
    head->keep_alive = head->minor == 1;
    return 0;
}

static void begin(struct http_head *head, const uint8_t *bytes, size_t size)
{
    memset(head, 0, offsetof(struct http_head, fields));
    head->bytes = bytes;
    head->size = (uint32_t)size;
    head->major = head->minor = 1;
}

int http_head_parse(struct http_head *head, const uint8_t *bytes, size_t size)
{
    begin(head, bytes, size);
    if (size > HTTP_HEAD_MAX)
        return -431;
    const uint8_t *end = bytes + size;
    int status;
    const uint8_t *p = parse_request_line(head, bytes, end, &status);
    if (!p)
        return status;
    uint64_t known = 0;
    unsigned count = 0;
    for (; end - p > 2; count++) {
        if (count == HTTP_FIELDS_MAX)
            return -431;
        p = parse_field(&head->fields[count], bytes, p, end);
        if (!p)
            return -400;
        uint64_t bit = HTTP_FIELD_BIT(head->fields[count].id);
        if (known & bit & SINGLETONS)
            return -400;
        known |= bit;
    }
    /* scan promises the empty line; a caller that did not scan gets an error, not a guess */
    if (end - p != 2 || p[0] != '\r' || p[1] != '\n')
        return -400;
    head->count = (uint16_t)count;
    head->known = known & ~HTTP_FIELD_BIT(HTTP_FIELD_OTHER);
    return check_fields(head);
}

int http_head_assemble(struct http_head *head, const struct http_head_parts *parts)
{
    begin(head, parts->bytes, parts->size);
    if (parts->size > HTTP_HEAD_MAX || parts->count > HTTP_FIELDS_MAX)
        return -431;
    head->method_text = parts->method;
    head->method = find_method(http_span_str(head, parts->method));
    const uint8_t *target = parts->bytes + parts->target.at;
    int status = parse_target(head, target, target + parts->target.size);
    if (status != 0)
        return status;
    for (unsigned i = 0; i < parts->count; i++) {
        uint64_t bit = HTTP_FIELD_BIT(parts->fields[i].id);
        if (head->known & bit & SINGLETONS)
            return -400;
        head->known |= bit;
        head->fields[i] = parts->fields[i];
    }
    head->count = (uint16_t)parts->count;
    head->known &= ~HTTP_FIELD_BIT(HTTP_FIELD_OTHER);
    return check_fields(head);
}
