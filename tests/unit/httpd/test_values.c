/* Field values: dates, entity tags, ranges, lists. */
#include <stdio.h>

#include "httpd/wire/accept.h"
#include "httpd/wire/chars.h"
#include "httpd/wire/date.h"
#include "httpd/wire/etag.h"
#include "httpd/wire/range.h"
#include "httpd/wire/status.h"
#include "tests/support/unit.h"

#define BIRTH INT64_C(784111777) /* RFC 9110's own example */
#define NOW INT64_C(1760000000)  /* October 2025 */

static const struct {
    const char *text;
    int64_t seconds; /* -1: refused */
} dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", BIRTH},
    {"Sunday, 06-Nov-94 08:49:37 GMT", BIRTH},
    {"Sun Nov  6 08:49:37 1994", BIRTH},
    {"Sun Nov 06 08:49:37 1994", BIRTH},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Thu, 29 Feb 2024 12:00:00 GMT", 1709208000},
    {"Tue, 19 Jan 2038 03:14:08 GMT", 2147483648},
    {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
    {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228799},
    {"Saturday, 01-Jan-75 00:00:00 GMT", 3313526400}, /* 2075: not more than 50 years on */
    {"Saturday, 01-Jan-76 00:00:00 GMT", 189302400},  /* 1976 */
    {"", -1},
    {"Sun", -1},
    {"Sun,", -1},
    {"Xyz, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:37", -1},
    {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
    {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
    {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 31 Nov 1994 08:49:37 GMT", -1},
    {"Wed, 29 Feb 2023 12:00:00 GMT", -1},
    {"Sun, 06 Nov 94 08:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
    {"Sun, 06 nov 1994 08:49:37 GMT", -1},
    {"Sunday, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sunday Nov  6 08:49:37 1994", -1},
    {"1994-11-06T08:49:37Z", -1},
};

START_TEST(test_date_parse)
{
    int64_t seconds;
    int err = http_date_parse(keel_str(dates[_i].text), NOW, &seconds);
    if (dates[_i].seconds < 0)
        ck_assert_msg(err == KEEL_EINVAL, "%s", dates[_i].text);
    else
        ck_assert_msg(err == 0 && seconds == dates[_i].seconds, "%s: %d %lld", dates[_i].text, err,
                      (long long)seconds);
}
END_TEST

START_TEST(test_date_format)
{
    char out[HTTP_DATE_SIZE + 1] = "";
    http_date_format(out, BIRTH);
    ck_assert_str_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    http_date_format(out, INT64_MAX);
    ck_assert_str_eq(out, "Fri, 31 Dec 9999 23:59:59 GMT");
    http_date_format(out, INT64_MIN);
    ck_assert_str_eq(out, "Mon, 01 Jan 0001 00:00:00 GMT");
    /* there and back over some centuries, a prime step apart */
    for (int64_t t = -2208988800; t < 7258118400; t += 7919017) {
        int64_t back;
        http_date_format(out, t);
        ck_assert_int_eq(http_date_parse(keel_str(out), NOW, &back), 0);
        ck_assert_int_eq(back, t);
    }
}
END_TEST

static const struct {
    const char *list;
    int weak, strong;
} etags[] = {
    {"\"a\"", 1, 1},
    {"W/\"a\"", 1, 0},
    {"\"b\"", 0, 0},
    {"\"b\", \"a\"", 1, 1},
    {"\"b\",W/\"a\"", 1, 0},
    {",, \"b\" , ,\"a\",", 1, 1},
    {"*", 1, 1},
    {" * ", 1, 1},
    {"\"\"", 0, 0},
    {"\"a,b\"", 0, 0},
    {"\"x\", \"a\", \"y\"", 1, 1},
    {"", KEEL_EINVAL, KEEL_EINVAL},
    {",", KEEL_EINVAL, KEEL_EINVAL},
    {"a", KEEL_EINVAL, KEEL_EINVAL},
    {"\"a", KEEL_EINVAL, KEEL_EINVAL},
    {"w/\"a\"", KEEL_EINVAL, KEEL_EINVAL},
    {"\"a\" \"b\"", KEEL_EINVAL, KEEL_EINVAL},
    {"*, \"a\"", KEEL_EINVAL, KEEL_EINVAL},
    {"W/", KEEL_EINVAL, KEEL_EINVAL},
    {"\"a b\"", KEEL_EINVAL, KEEL_EINVAL},
};

START_TEST(test_etags)
{
    struct keel_str list = keel_str(etags[_i].list), tag = KEEL_STR("\"a\"");
    ck_assert_int_eq(http_etag_list_has(list, tag, true), etags[_i].weak);
    ck_assert_int_eq(http_etag_list_has(list, tag, false), etags[_i].strong);
}
END_TEST

static const struct {
    const char *value;
    enum http_range_result result; /* of 1000 bytes */
    uint64_t at, length;
} ranges[] = {
    {"bytes=0-0", HTTP_RANGE_PART, 0, 1},
    {"bytes=0-499", HTTP_RANGE_PART, 0, 500},
    {"BYTES=500-", HTTP_RANGE_PART, 500, 500},
    {"bytes=-1", HTTP_RANGE_PART, 999, 1},
    {"bytes=-2000", HTTP_RANGE_PART, 0, 1000},
    {"bytes=999-99999999999999999999999", HTTP_RANGE_PART, 999, 1},
    {"bytes= 1-2 ", HTTP_RANGE_PART, 1, 2},
    {"bytes=1000-", HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=99999999999999999999999-", HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-0", HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=5000-,1-2", HTTP_RANGE_PART, 1, 2},
    {"bytes=5000-,-0", HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=0-1,3", HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=2-1", HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=", HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=-", HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=a-b", HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=1", HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=1-2x", HTTP_RANGE_IGNORE, 0, 0},
    {"lines=1-2", HTTP_RANGE_IGNORE, 0, 0},
    {"", HTTP_RANGE_IGNORE, 0, 0},
};

START_TEST(test_ranges)
{
    struct http_range out[HTTP_RANGES_MAX] = {{0}};
    unsigned count;
    ck_assert_int_eq(http_range_parse(keel_str(ranges[_i].value), 1000, out, &count),
                     ranges[_i].result);
    if (ranges[_i].result != HTTP_RANGE_PART)
        return;
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(out[0].at, ranges[_i].at);
    ck_assert_uint_eq(out[0].length, ranges[_i].length);
}
END_TEST

START_TEST(test_range_of_nothing)
{
    struct http_range out[HTTP_RANGES_MAX];
    unsigned count;
    ck_assert_int_eq(http_range_parse(KEEL_STR("bytes=0-1, -3,500-"), 600, out, &count),
                     HTTP_RANGE_PART);
    ck_assert(count == 2 && out[1].at == 500 && out[1].length == 100); /* the middle one is in it */
    static const struct {
        const char *value;
        unsigned count;
        uint64_t at, length; /* of the first */
    } merged[] = {
        {"bytes=0-,0-", 1, 0, 600},          {"bytes=0-9,10-19", 1, 0, 20},
        {"bytes=0-9,11-19", 2, 0, 10},       {"bytes=10-19,30-39,20-29", 1, 10, 30},
        {"bytes=5-5,1-1,3-3,2-4", 1, 1, 5},  {"bytes=50-59,0-9,55-99", 2, 50, 50},
        {"bytes=9-9,1-8,0-0,99-", 2, 0, 10},
    };
    for (unsigned i = 0; i < sizeof merged / sizeof *merged; i++) {
        ck_assert_int_eq(http_range_parse(keel_str(merged[i].value), 600, out, &count),
                         HTTP_RANGE_PART);
        ck_assert_msg(count == merged[i].count && out[0].at == merged[i].at &&
                          out[0].length == merged[i].length,
                      "%s: %u, %llu+%llu", merged[i].value, count, (unsigned long long)out[0].at,
                      (unsigned long long)out[0].length);
    }
    ck_assert_int_eq(http_range_parse(KEEL_STR("bytes=0-"), 0, out, &count),
                     HTTP_RANGE_UNSATISFIABLE);
    ck_assert_int_eq(http_range_parse(KEEL_STR("bytes=-5"), 0, out, &count),
                     HTTP_RANGE_UNSATISFIABLE);
}
END_TEST

START_TEST(test_list)
{
    struct keel_str list = KEEL_STR(" a ,, b c\t,d,"), element;
    static const char *const expected[] = {"a", "b c", "d"};
    unsigned n = 0;
    while (http_list_next(&list, &element)) {
        ck_assert_uint_lt(n, 3);
        ck_assert(keel_str_equal(element, keel_str(expected[n++])));
    }
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(http_status_reason(404).p, "Not Found");
    ck_assert_str_eq(http_status_reason(999).p, "Unknown");
}
END_TEST

/* What a head with this field accepts: weights of gzip, br, zstd, identity. */
static const struct {
    const char *value;
    unsigned weight[4];
} accepts[] = {
    {"gzip", {1000, 0, 0, 1000}},
    {"gzip, br;q=0.5 , zstd ; q=0.123", {1000, 500, 123, 1000}},
    {"x-gzip;q=0.2", {200, 0, 0, 1000}},
    {"GZIP;Q=1.000", {1000, 0, 0, 1000}},
    {"*", {1000, 1000, 1000, 1000}},
    {"*;q=0, br", {0, 1000, 0, 0}},
    {"identity;q=0, gzip", {1000, 0, 0, 0}},
    {"identity, *;q=0.1", {100, 100, 100, 1000}},
    {"gzip;q=0", {0, 0, 0, 1000}},
    {"gzip;q=0.", {0, 0, 0, 1000}},
    {"gzip;q=0, x-gzip;q=0.4", {400, 0, 0, 1000}},
    {"", {0, 0, 0, 1000}},
    {"deflate, compress", {0, 0, 0, 1000}},
    /* malformed: as if the field were not there */
    {"gzip;q=2", {0, 0, 0, 1000}},
    {"gzip;q=1.001", {0, 0, 0, 1000}},
    {"gzip;q=0.1234", {0, 0, 0, 1000}},
    {"gzip;q=", {0, 0, 0, 1000}},
    {"gzip;q=.5", {0, 0, 0, 1000}},
    {"gzip;q=-1", {0, 0, 0, 1000}},
    {"gzip;q=0,5", {0, 0, 0, 1000}},
    {"gzip;", {0, 0, 0, 1000}},
    {"gzip;level=1", {0, 0, 0, 1000}},
    {"gzip;q=1;q=1", {0, 0, 0, 1000}},
    {";q=1", {0, 0, 0, 1000}},
    {"gzip br", {0, 0, 0, 1000}},
    {"br, g zip", {0, 0, 0, 1000}},
};

static void parse_head(struct http_head *head, const char *name, const char *value)
{
    static char text[512];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s: %s\r\n\r\n", name, value);
    ck_assert_int_eq(http_head_parse(head, (const uint8_t *)text, strlen(text)), 0);
}

START_TEST(test_accept_encoding)
{
    struct http_head head;
    struct http_accept accept;
    parse_head(&head, "Accept-Encoding", accepts[_i].value);
    http_accept_read(&accept, &head);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_msg(accept.weight[i] == accepts[_i].weight[i], "\"%s\": %s has %u",
                      accepts[_i].value, i < 3 ? http_coding_name(i) : "identity",
                      accept.weight[i]);
}
END_TEST

START_TEST(test_accept_type)
{
    static const struct {
        const char *value;
        unsigned weight;
    } rows[] = {
        {"application/json", 1000},
        {"text/html, application/json;q=0.9", 900},
        {"text/html", 0},
        {"*/*;q=0.1, application/*;q=0.5", 500},
        {"Application/JSON;version=1;q=0.3", 300},
        {"application/json;q=0, */*", 0},
        {"application/jsonx, app/*", 0},
        {"", 0},
    };
    struct http_head head;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parse_head(&head, "Accept", rows[i].value);
        unsigned weight = http_accept_type(&head, KEEL_STR("application/json"));
        ck_assert_msg(weight == rows[i].weight, "\"%s\": %u", rows[i].value, weight);
    }
    parse_head(&head, "X", "");
    ck_assert_uint_eq(http_accept_type(&head, KEEL_STR("application/json")), 1000);
}
END_TEST

Suite *values_suite(void);
Suite *values_suite(void)
{
    Suite *s = suite_create("httpd/wire/values");
    TCase *t = tcase_create("values");
    tcase_add_loop_test(t, test_date_parse, 0, sizeof dates / sizeof *dates);
    tcase_add_test(t, test_date_format);
    tcase_add_loop_test(t, test_etags, 0, sizeof etags / sizeof *etags);
    tcase_add_loop_test(t, test_ranges, 0, sizeof ranges / sizeof *ranges);
    tcase_add_test(t, test_range_of_nothing);
    tcase_add_test(t, test_list);
    tcase_add_loop_test(t, test_accept_encoding, 0, sizeof accepts / sizeof *accepts);
    tcase_add_test(t, test_accept_type);
    suite_add_tcase(s, t);
    return s;
}
