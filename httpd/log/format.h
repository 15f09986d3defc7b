/*
 * The format of an access log's lines, compiled once, and a line made of it. What clients sent is
 * escaped: a line never has a byte in it that would end it, or that a terminal would obey.
 */
#ifndef HTTPD_LOG_FORMAT_H
#define HTTPD_LOG_FORMAT_H

#include "common/base/addr.h"
#include "httpd/request/request.h"

#define HTTP_LOG_LINE_MAX 16384 /* with its newline; what does not fit is cut, value by value */
#define HTTP_LOG_PARTS_MAX 64

#define HTTP_LOG_COMBINED                                                                          \
    "%{address} - %{user} [%{time}] \"%{request}\" %{status} %{bytes} \"%{referer}\" "             \
    "\"%{user-agent}\""
#define HTTP_LOG_JSON                                                                              \
    "{\"time\":\"%{time-iso}\",\"address\":\"%{address}\",\"user\":\"%{user}\","                   \
    "\"site\":\"%{site}\",\"host\":\"%{host}\",\"method\":\"%{method}\",\"target\":\"%{target}\"," \
    "\"protocol\":\"%{protocol}\",\"status\":%{status},\"bytes\":%{bytes},"                        \
    "\"referer\":\"%{referer}\",\"user-agent\":\"%{user-agent}\",\"seconds\":%{duration}}"

enum http_log_escape {
    HTTP_LOG_TEXT,    /* \" \\ \xNN; what is not there is "-" */
    HTTP_LOG_AS_JSON, /* as in a JSON string (RFC 8259, 7); what is not there is empty */
};

/* A piece of the line: literal text, or a value. */
struct http_log_part {
    uint8_t kind;         /* private; 0: the text */
    uint8_t field;        /* enum http_field_id of a known header field, or HTTP_FIELD_OTHER */
    struct keel_str text; /* literal, or the name of another header field, in lower case */
};
struct http_log_format {
    struct http_log_part parts[HTTP_LOG_PARTS_MAX];
    unsigned count;
    enum http_log_escape escape;
    bool times_requests; /* it shows how long a request took */
};

/* Compiles text with %{NAME}, %{header:NAME} and %%. Borrows text. KEEL_EINVAL with diag: an
 * unknown name, a lone %, a control character, too many parts. */
int http_log_format_compile(struct http_log_format *format, struct keel_str text,
                            enum http_log_escape escape, struct keel_diag *diag);

/* The second of a line as text, made anew when it changes. All zero: none yet. */
struct http_log_time {
    int64_t second;
    char local[32]; /* "10/Oct/2000:13:55:36 -0700" */
    char iso[32];   /* "2000-10-10T13:55:36-07:00" */
    uint8_t local_size, iso_size;
};
void http_log_time_set(struct http_log_time *time, int64_t second);

/* What there is to say about a request that was answered. */
struct http_log_record {
    const struct http_request *request; /* NULL: what came was not one */
    const struct http_response *response;
    const struct keel_addr *peer;
    const struct http_log_time *time;
    uint64_t duration_ns;
    bool tls;
};
/* Writes the line and its newline to out, which has HTTP_LOG_LINE_MAX bytes. Returns its size. */
size_t http_log_line(const struct http_log_format *format, const struct http_log_record *record,
                     char *out);

#endif
