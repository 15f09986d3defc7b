/*
 * An access log's format, and a line made of it for a request: the input is the format up to the
 * first NUL, then the request's head. Whatever they hold, the line has one newline, at its end, and
 * is printable in between.
 */
#include <stdlib.h>

#include "httpd/log/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_line(const struct http_log_format *format, struct http_log_record *record)
{
    static char out[HTTP_LOG_LINE_MAX];
    size_t n = http_log_line(format, record, out);
    KEEL_ASSERT(n > 0 && n <= sizeof out && out[n - 1] == '\n', "a line ends with its newline");
    for (size_t i = 0; i + 1 < n; i++)
        KEEL_ASSERT((uint8_t)out[i] >= ' ' && out[i] != 0x7f, "a line is printable");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct http_site site = {.name = {"s", 1}, .root_fd = -1};
    static const struct http_sites sites = {.items = &site, .count = 1};
    static struct http_request request;
    static struct http_clock clock = {.second = 1760000000};
    const struct http_response response = {.status = 200};
    const uint8_t *nul = size > 0 ? memchr(bytes, 0, size) : NULL;
    size_t format_size = nul ? (size_t)(nul - bytes) : size;
    size_t head_size = nul ? size - format_size - 1 : 0;
    char *text = malloc(format_size + 1);
    uint8_t *head = malloc(head_size + 1);
    if (format_size > 0)
        memcpy(text, bytes, format_size);
    if (head_size > 0)
        memcpy(head, nul + 1, head_size);
    if (!request.arena.chunk_size)
        http_request_init(&request);
    struct http_log_time time = {0};
    http_log_time_set(&time, 1760000000);
    for (unsigned json = 0; json < 2; json++) {
        struct http_log_format format;
        struct http_log_record record = {.response = &response, .time = &time};
        const struct keel_str as_given = {text, format_size};
        if (http_log_format_compile(&format, as_given, (enum http_log_escape)json, NULL) != 0)
            continue;
        check_line(&format, &record);
        if (http_head_parse(&request.head, head, head_size) == 0 &&
            http_request_prepare(&request, &sites, &(struct http_origin){0}, &clock) == 0) {
            record.request = &request;
            check_line(&format, &record);
        }
    }
    free(text);
    free(head);
    return 0;
}
