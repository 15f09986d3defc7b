#include "httpd/log/format.h"

#include <stdio.h>
#include <time.h>

enum part_kind {
    PART_TEXT,
    PART_ADDRESS,
    PART_PORT,
    PART_USER,
    PART_TIME,
    PART_TIME_ISO,
    PART_SECONDS,
    PART_REQUEST,
    PART_METHOD,
    PART_TARGET,
    PART_PATH,
    PART_QUERY,
    PART_PROTOCOL,
    PART_HOST,
    PART_SITE,
    PART_STATUS,
    PART_BYTES,
    PART_SENT,
    PART_DURATION,
    PART_SCHEME,
    PART_CLIENT_SUBJECT,
    PART_REFERER,
    PART_USER_AGENT,
    PART_HEADER,
};
static const char *const names[] = {
    [PART_ADDRESS] = "address", [PART_PORT] = "port",         [PART_USER] = "user",
    [PART_TIME] = "time",       [PART_TIME_ISO] = "time-iso", [PART_SECONDS] = "seconds",
    [PART_REQUEST] = "request", [PART_METHOD] = "method",     [PART_TARGET] = "target",
    [PART_PATH] = "path",       [PART_QUERY] = "query",       [PART_PROTOCOL] = "protocol",
    [PART_HOST] = "host",       [PART_SITE] = "site",         [PART_STATUS] = "status",
    [PART_BYTES] = "bytes",     [PART_SENT] = "sent",         [PART_DURATION] = "duration",
    [PART_SCHEME] = "scheme",   [PART_REFERER] = "referer",   [PART_USER_AGENT] = "user-agent",
    [PART_CLIENT_SUBJECT] = "client-subject",
};

/* --- compiling --- */

static int add_part(struct http_log_format *format, struct http_log_part part,
                    struct keel_diag *diag)
{
    if (format->count == HTTP_LOG_PARTS_MAX)
        return keel_diag_set(diag, KEEL_EINVAL, "more than %d parts", HTTP_LOG_PARTS_MAX);
    format->parts[format->count++] = part;
    return 0;
}

static int add_text(struct http_log_format *format, const char *p, size_t n, struct keel_diag *diag)
{
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)p[i] < ' ' || p[i] == 0x7f)
            return keel_diag_set(diag, KEEL_EINVAL, "a control character in the text");
    return n > 0 ? add_part(format, (struct http_log_part){PART_TEXT, 0, {p, n}}, diag) : 0;
}

static int add_value(struct http_log_format *format, struct keel_str name, struct keel_diag *diag)
{
    static const struct keel_str header = {"header:", 7};
    struct http_log_part part = {0};
    if (name.n > header.n && memcmp(name.p, header.p, header.n) == 0) {
        part.kind = PART_HEADER;
        part.text = (struct keel_str){name.p + header.n, name.n - header.n};
        part.field = (uint8_t)http_field_find((const uint8_t *)part.text.p, part.text.n);
    }
    for (unsigned i = 1; i < sizeof names / sizeof *names && !part.kind; i++)
        if (keel_str_equal(name, keel_str(names[i])))
            part.kind = (uint8_t)i;
    if (part.kind == PART_REFERER || part.kind == PART_USER_AGENT) {
        part.field = part.kind == PART_REFERER ? HTTP_FIELD_REFERER : HTTP_FIELD_USER_AGENT;
        part.kind = PART_HEADER;
    }
    if (!part.kind)
        return keel_diag_set(diag, KEEL_EINVAL, "unknown value \"%.*s\"",
                             name.n > 64 ? 64 : (int)name.n, name.p);
    format->times_requests = format->times_requests || part.kind == PART_DURATION;
    return add_part(format, part, diag);
}

int http_log_format_compile(struct http_log_format *format, struct keel_str text,
                            enum http_log_escape escape, struct keel_diag *diag)
{
    const char *p = text.p, *end = text.p + text.n;
    *format = (struct http_log_format){.escape = escape};
    while (p < end) {
        const char *percent = memchr(p, '%', (size_t)(end - p));
        const char *stop = percent ? percent : end;
        int err = add_text(format, p, (size_t)(stop - p), diag);
        p = stop;
        if (err || !percent)
            return err;
        const char *close = end - p > 1 && p[1] == '{' ? memchr(p, '}', (size_t)(end - p)) : NULL;
        if (close) {
            err = add_value(format, (struct keel_str){p + 2, (size_t)(close - p - 2)}, diag);
            p = close + 1;
        } else if (end - p > 1 && p[1] == '%') {
            err = add_text(format, p, 1, diag);
            p += 2;
        } else {
            err = keel_diag_set(diag, KEEL_EINVAL, "%%{NAME} expected behind %%; %%%% is a %%");
        }
        if (err)
            return err;
    }
    return format->count > 0 ? 0 : keel_diag_set(diag, KEEL_EINVAL, "an empty format");
}

/* --- times --- */

void http_log_time_set(struct http_log_time *time, int64_t second)
{
    if (time->second == second && time->local_size > 0)
        return;
    struct tm tm;
    time_t t = (time_t)second;
    if (!localtime_r(&t, &tm))
        memset(&tm, 0, sizeof tm);
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec"; /* in no locale */
    long minutes = tm.tm_gmtoff / 60;
    char sign = minutes < 0 ? '-' : '+';
    minutes = minutes < 0 ? -minutes : minutes;
    int year = tm.tm_year + 1900, hours = (int)(minutes / 60), rest = (int)(minutes % 60);
    time->second = second;
    time->local_size = (uint8_t)snprintf(time->local, sizeof time->local,
                                         "%02d/%.3s/%04d:%02d:%02d:%02d %c%02d%02d", tm.tm_mday,
                                         months + (size_t)tm.tm_mon * 3, year % 10000, tm.tm_hour,
                                         tm.tm_min, tm.tm_sec, sign, hours % 100, rest);
    time->iso_size = (uint8_t)snprintf(
        time->iso, sizeof time->iso, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", year % 10000,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, sign, hours % 100, rest);
}

/* --- a line --- */

struct line {
    char *p, *end;
    bool json;
};

static void put(struct line *l, const char *bytes, size_t n)
{
    size_t room = (size_t)(l->end - l->p);
    n = n < room ? n : room;
    memcpy(l->p, bytes, n);
    l->p += n;
}

/* One byte, or with JSON one character of UTF-8, that cannot stand as it is. Returns how many bytes
 * it was. */
static size_t put_special(struct line *l, const char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t c = (uint8_t)*bytes;
    char escape[6] = {'\\', (char)c};
    size_t size = 2, used = 1;
    if (l->json && c >= 0x80 && (used = keel_utf8_length(bytes, n)) > 0) {
        memcpy(escape, bytes, size = used);
    } else if (c != '"' && c != '\\') {
        used = 1;
        size = l->json ? 6 : 4;
        memcpy(escape + 1, l->json ? "u00" : "x", size - 3);
        escape[size - 2] = digits[c >> 4];
        escape[size - 1] = digits[c & 15];
    }
    if ((size_t)(l->end - l->p) < size)
        return n; /* no half of an escape: the value ends here */
    put(l, escape, size);
    return used;
}

/* What stands as it is: printable ASCII but the quote and the backslash. */
static const bool plain[256] = {
    [' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};

static void put_value(struct line *l, struct keel_str value)
{
    if (value.n == 0 && !l->json)
        put(l, "-", 1);
    while (value.n > 0) {
        size_t n = 0;
        while (n < value.n && plain[(uint8_t)value.p[n]])
            n++;
        put(l, value.p, n);
        if (n < value.n)
            n += put_special(l, value.p + n, value.n - n);
        value.p += n;
        value.n -= n;
    }
}

static void put_number(struct line *l, uint64_t n)
{
    char text[KEEL_DECIMAL];
    put(l, text, (size_t)(keel_put_decimal(text, n) - text));
}

static void put_address(struct line *l, const struct keel_addr *addr)
{
    if (addr && keel_addr_family(addr) == AF_INET) {
        uint32_t host = ntohl(addr->in4.sin_addr.s_addr);
        for (int shift = 24; shift >= 0; shift -= 8) {
            put_number(l, host >> shift & 255);
            if (shift > 0)
                put(l, ".", 1);
        }
        return;
    }
    char text[KEEL_ADDR_TEXT];
    put_value(l, (struct keel_str){text, addr && keel_addr_family(addr) != AF_UNSPEC
                                             ? keel_addr_format_host(text, sizeof text, addr)
                                             : 0});
}

static struct keel_str span(const struct http_request *request, struct http_span where)
{
    return request && where.size > 0 ? http_span_str(&request->head, where) : KEEL_STR("");
}

static struct keel_str protocol_of(const struct http_head *head)
{
    if (head->major == 2)
        return KEEL_STR("HTTP/2.0");
    return head->minor == 1 ? KEEL_STR("HTTP/1.1") : KEEL_STR("HTTP/1.0");
}

static struct keel_str header_of(const struct http_request *request,
                                 const struct http_log_part *part)
{
    if (!request)
        return KEEL_STR("");
    if (part->field != HTTP_FIELD_OTHER)
        return http_head_has(&request->head, part->field)
                   ? http_head_value(&request->head, part->field)
                   : KEEL_STR("");
    for (unsigned i = 0; i < request->head.count; i++) {
        const struct http_field *field = &request->head.fields[i];
        if (field->id == HTTP_FIELD_OTHER &&
            keel_str_equal_nocase(http_span_str(&request->head, field->name), part->text))
            return http_span_str(&request->head, field->value);
    }
    return KEEL_STR("");
}

/* Values that a head of a request has. */
static void put_of_request(struct line *l, const struct http_log_part *part,
                           const struct http_log_record *record)
{
    const struct http_request *request = record->request;
    switch (part->kind) {
    case PART_USER:
        put_value(l, request->user);
        break;
    case PART_CLIENT_SUBJECT:
        put_value(l, request->client_subject);
        break;
    case PART_REQUEST:
        put_value(l, span(request, request->head.method_text));
        put(l, " ", 1);
        put_value(l, span(request, request->head.target));
        put(l, " ", 1);
        put_value(l, protocol_of(&request->head));
        break;
    case PART_METHOD:
        put_value(l, span(request, request->head.method_text));
        break;
    case PART_TARGET:
        put_value(l, span(request, request->head.target));
        break;
    case PART_PATH:
        put_value(l, request->path);
        break;
    case PART_QUERY:
        put_value(l, request->query);
        break;
    case PART_PROTOCOL:
        put_value(l, protocol_of(&request->head));
        break;
    case PART_HOST:
        put_value(l, span(request, request->head.host));
        break;
    case PART_SITE:
        put_value(l, request->site ? request->site->name : KEEL_STR(""));
        break;
    default:
        put_value(l, header_of(request, part));
    }
}

static void put_duration(struct line *l, uint64_t ns)
{
    char text[32];
    put(l, text,
        (size_t)snprintf(text, sizeof text, "%llu.%06llu", (unsigned long long)(ns / 1000000000u),
                         (unsigned long long)(ns / 1000 % 1000000)));
}

static void put_part(struct line *l, const struct http_log_part *part,
                     const struct http_log_record *record)
{
    const struct http_response *response = record->response;
    uint64_t body = response->body.n + response->file_size;
    switch (part->kind) {
    case PART_TEXT:
        put(l, part->text.p, part->text.n);
        break;
    case PART_ADDRESS:
        put_address(l, record->peer);
        break;
    case PART_PORT:
        put_number(l, record->peer ? keel_addr_port(record->peer) : 0);
        break;
    case PART_TIME:
        put(l, record->time->local, record->time->local_size);
        break;
    case PART_TIME_ISO:
        put(l, record->time->iso, record->time->iso_size);
        break;
    case PART_SECONDS:
        put_number(l, record->time->second > 0 ? (uint64_t)record->time->second : 0);
        break;
    case PART_STATUS:
        put_number(l, response->status);
        break;
    case PART_BYTES:
        put_number(l, body);
        break;
    case PART_SENT:
        put_number(l, body + response->head.n + 2);
        break;
    case PART_DURATION:
        put_duration(l, record->duration_ns);
        break;
    case PART_SCHEME:
        put_value(l, record->tls ? KEEL_STR("https") : KEEL_STR("http"));
        break;
    default:
        if (record->request)
            put_of_request(l, part, record);
        else
            put_value(l, KEEL_STR(""));
    }
}

size_t http_log_line(const struct http_log_format *format, const struct http_log_record *record,
                     char *out)
{
    /* a value that is too long leaves room for the text and the numbers behind it */
    struct line l = {out, out + HTTP_LOG_LINE_MAX - 1, format->escape == HTTP_LOG_AS_JSON};
    size_t share = (HTTP_LOG_LINE_MAX - 1) / format->count;
    for (unsigned i = 0; i < format->count; i++) {
        size_t reserved = share * (format->count - 1 - i);
        l.end = out + HTTP_LOG_LINE_MAX - 1 - reserved;
        if (l.end > l.p)
            put_part(&l, &format->parts[i], record);
    }
    *l.p++ = '\n';
    return (size_t)(l.p - out);
}
