/*
 * Field values: dates, entity tag lists, ranges, lists. A date that was read is written and read
 * back; a range lies within its file. The first byte is the size that ranges are of.
 */
#include <stdlib.h>

#include "httpd/wire/accept.h"
#include "httpd/wire/chars.h"
#include "httpd/wire/date.h"
#include "httpd/wire/etag.h"
#include "httpd/wire/mime.h"
#include "httpd/wire/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    uint64_t whole = bytes[0];
    bytes++;
    size--;
    char *copy = malloc(size ? size : 1);
    if (size > 0)
        memcpy(copy, bytes, size);
    struct keel_str text = {copy, size}, list = text, element;
    int64_t seconds, again;
    if (http_date_parse(text, 1760000000, &seconds) == 0) {
        char out[HTTP_DATE_SIZE];
        http_date_format(out, seconds);
        int err = http_date_parse((struct keel_str){out, sizeof out}, 0, &again);
        KEEL_ASSERT(err == 0 && again == seconds, "a date does not survive being written");
    }
    struct http_range ranges[HTTP_RANGES_MAX];
    unsigned count;
    if (http_range_parse(text, whole, ranges, &count) != HTTP_RANGE_PART)
        count = 0; /* what stands there then is nobody's */
    else
        for (unsigned i = 0; i < count; i++)
            KEEL_ASSERT(ranges[i].length > 0 && ranges[i].at < whole &&
                            ranges[i].length <= whole - ranges[i].at,
                        "a range leaves its file");
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < i; j++)
            KEEL_ASSERT(ranges[i].at > ranges[j].at + ranges[j].length ||
                            ranges[j].at > ranges[i].at + ranges[i].length,
                        "two ranges touch");
    int strong = http_etag_list_has(text, KEEL_STR("\"a\""), false);
    int weak = http_etag_list_has(text, KEEL_STR("\"a\""), true);
    KEEL_ASSERT((strong < 0) == (weak < 0) && strong <= weak, "a strong match is a weak one");
    while (http_list_next(&list, &element))
        KEEL_ASSERT(element.n > 0 && element.p >= copy && element.p + element.n <= copy + size,
                    "an element leaves its list");
    struct keel_arena arena;
    struct http_types types = {.base = NULL};
    keel_arena_init(&arena, 0);
    KEEL_ASSERT(http_types_parse(&types, &arena, text) == 0, "a table cannot be read");
    for (unsigned i = 1; i < types.count; i++)
        KEEL_ASSERT(strcmp(types.items[i - 1].extension, types.items[i].extension) < 0,
                    "a table is not in order");
    http_types_find(&types, text);
    keel_arena_fini(&arena);
    struct http_accept_list accept = {.any = 0};
    if (http_accept_parse(&accept, text) == 0)
        for (unsigned i = 0; i <= HTTP_CODING_COUNT; i++)
            KEEL_ASSERT(accept.weight[i] <= 1000, "a weight above 1");
    int weight = http_qvalue_parse(text);
    KEEL_ASSERT(weight == KEEL_EINVAL || (weight >= 0 && weight <= 1000), "a weight above 1");
    static struct http_head head = {.known = HTTP_FIELD_BIT(HTTP_FIELD_ACCEPT), .count = 1};
    head.bytes = (const uint8_t *)copy;
    head.fields[0].id = HTTP_FIELD_ACCEPT;
    head.fields[0].value.size = (uint16_t)(size < UINT16_MAX ? size : UINT16_MAX);
    KEEL_ASSERT(http_accept_type(&head, KEEL_STR("text/html")) <= 1000, "a weight above 1");
    free(copy);
    return 0;
}
