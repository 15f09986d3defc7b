/*
 * Conditional fields and Range of a request, in any number and order: what is decided keeps the
 * rules of RFC 9110, 13.2.2 between the fields. The first byte chooses the method, the second the
 * age of the file.
 */
#include <stdio.h>
#include <stdlib.h>

#include "httpd/request/condition.h"
#include "httpd/wire/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { NOW = 1760000000 };
static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS"};

/* The same request as if it had no such field. */
static void drop(struct http_head *head, enum http_field_id id)
{
    head->known &= ~HTTP_FIELD_BIT(id);
    for (unsigned i = 0; i < head->count; i++)
        if (head->fields[i].id == id)
            head->fields[i].id = HTTP_FIELD_OTHER;
}

static enum http_condition check(const struct http_head *head, int64_t modified)
{
    return http_condition_check(head, KEEL_STR("\"a\""), modified, NOW);
}

static void check_conditions(const struct http_head *head, int64_t modified)
{
    static struct http_head less;
    enum http_condition result = check(head, modified);
    bool read = head->method == HTTP_GET || head->method == HTTP_HEAD;
    KEEL_ASSERT(result != HTTP_NOT_MODIFIED || read, "304 for something else than reading");
    KEEL_ASSERT(result == HTTP_PROCEED || (head->known & HTTP_CONDITIONAL_FIELDS),
                "decided without a condition");
    less = *head;
    if (http_head_has(head, HTTP_FIELD_IF_MATCH))
        drop(&less, HTTP_FIELD_IF_UNMODIFIED_SINCE);
    if (http_head_has(head, HTTP_FIELD_IF_NONE_MATCH))
        drop(&less, HTTP_FIELD_IF_MODIFIED_SINCE);
    KEEL_ASSERT(check(&less, modified) == result, "a date counts beside a tag");
    drop(&less, HTTP_FIELD_RANGE);
    drop(&less, HTTP_FIELD_IF_RANGE);
    KEEL_ASSERT(check(&less, modified) == result, "a range counts as a condition");
    drop(&less, HTTP_FIELD_IF_NONE_MATCH);
    drop(&less, HTTP_FIELD_IF_MODIFIED_SINCE);
    bool failed = check(&less, modified) == HTTP_FAILED;
    KEEL_ASSERT(!failed || result == HTTP_FAILED, "304 although the first condition failed");
    KEEL_ASSERT(!failed || http_head_has(head, HTTP_FIELD_IF_MATCH) ||
                    http_head_has(head, HTTP_FIELD_IF_UNMODIFIED_SINCE),
                "failed without a condition");
    drop(&less, HTTP_FIELD_IF_MATCH);
    drop(&less, HTTP_FIELD_IF_UNMODIFIED_SINCE);
    KEEL_ASSERT(check(&less, modified) == HTTP_PROCEED, "no field is left");
}

static void check_range(const struct http_head *head, int64_t modified)
{
    bool follow = http_condition_range(head, KEEL_STR("\"a\""), modified, NOW);
    KEEL_ASSERT(follow || http_head_has(head, HTTP_FIELD_IF_RANGE), "refused without If-Range");
    struct http_range ranges[HTTP_RANGES_MAX];
    unsigned count = 0;
    uint64_t size = (uint64_t)modified % 1000;
    if (!http_head_has(head, HTTP_FIELD_RANGE) ||
        http_range_parse(http_head_value(head, HTTP_FIELD_RANGE), size, ranges, &count) !=
            HTTP_RANGE_PART)
        return;
    KEEL_ASSERT(count > 0 && count <= HTTP_RANGES_MAX, "a part of nothing");
    for (unsigned i = 0; i < count; i++)
        KEEL_ASSERT(ranges[i].length > 0 && ranges[i].length <= size &&
                        ranges[i].at <= size - ranges[i].length,
                    "a range leaves its file");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct http_head head;
    if (size < 2 || size > 32768)
        return 0;
    size_t room = size + 64;
    char *text = malloc(room);
    int n = snprintf(text, room, "%s /a HTTP/1.1\r\nHost: a\r\n", methods[bytes[0] % 4]);
    memcpy(text + n, bytes + 2, size - 2);
    n += (int)(size - 2);
    memcpy(text + n, "\r\n", 2);
    n += 2;
    int64_t modified = NOW - 128 + bytes[1];
    if (http_head_parse(&head, (const uint8_t *)text, (size_t)n) == 0) {
        check_conditions(&head, modified);
        check_range(&head, modified);
    }
    free(text);
    return 0;
}
