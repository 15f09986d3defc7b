/* Requests: conditions, small responses, and memory running out. */
#include <stdio.h>

#include "httpd/request/condition.h"
#include "httpd/request/request.h"
#include "tests/support/unit.h"

#define MODIFIED INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"

static const struct {
    const char *method, *fields;
    enum http_condition result;
} conditions[] = {
    {"GET", "", HTTP_PROCEED},
    {"GET", "If-None-Match: \"t\"\r\n", HTTP_NOT_MODIFIED},
    {"HEAD", "If-None-Match: W/\"t\"\r\n", HTTP_NOT_MODIFIED},
    {"GET", "If-None-Match: \"x\"\r\nIf-None-Match: \"t\"\r\n", HTTP_NOT_MODIFIED},
    {"GET", "If-None-Match: *\r\n", HTTP_NOT_MODIFIED},
    {"GET", "If-None-Match: \"x\"\r\n", HTTP_PROCEED},
    {"GET", "If-None-Match: garbage\r\n", HTTP_PROCEED},
    {"PUT", "If-None-Match: *\r\n", HTTP_FAILED},
    {"GET", "If-Modified-Since: " SAME "\r\n", HTTP_NOT_MODIFIED},
    {"GET", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", HTTP_NOT_MODIFIED},
    {"GET", "If-Modified-Since: " BEFORE "\r\n", HTTP_PROCEED},
    {"GET", "If-Modified-Since: yesterday\r\n", HTTP_PROCEED},
    {"PUT", "If-Modified-Since: " SAME "\r\n", HTTP_PROCEED},
    /* the tag is asked before the date: RFC 9110, 13.1.3 */
    {"GET", "If-None-Match: \"x\"\r\nIf-Modified-Since: " SAME "\r\n", HTTP_PROCEED},
    {"GET", "If-Match: \"t\"\r\n", HTTP_PROCEED},
    {"GET", "If-Match: *\r\n", HTTP_PROCEED},
    {"GET", "If-Match: W/\"t\"\r\n", HTTP_FAILED},
    {"GET", "If-Match: \"x\"\r\n", HTTP_FAILED},
    {"GET", "If-Match: \"t\"\r\nIf-None-Match: \"t\"\r\n", HTTP_NOT_MODIFIED},
    {"GET", "If-Unmodified-Since: " SAME "\r\n", HTTP_PROCEED},
    {"GET", "If-Unmodified-Since: " BEFORE "\r\n", HTTP_FAILED},
    {"GET", "If-Match: \"t\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", HTTP_PROCEED},
};

static void parse(struct http_head *head, char *text, size_t size, const char *method,
                  const char *target, const char *fields)
{
    snprintf(text, size, "%s %s HTTP/1.1\r\nHost: b.example\r\n%s\r\n", method, target, fields);
    ck_assert_int_eq(http_head_parse(head, (uint8_t *)text, strlen(text)), 0);
}

START_TEST(test_conditions)
{
    struct http_head head;
    char text[512];
    parse(&head, text, sizeof text, conditions[_i].method, "/", conditions[_i].fields);
    ck_assert_int_eq(http_condition_check(&head, KEEL_STR("\"t\""), MODIFIED, MODIFIED),
                     conditions[_i].result);
}
END_TEST

START_TEST(test_if_range)
{
    static const struct {
        const char *fields;
        bool follow;
    } rows[] = {
        {"", true},
        {"If-Range: \"t\"\r\n", true},
        {"If-Range: W/\"t\"\r\n", false},
        {"If-Range: \"x\"\r\n", false},
        {"If-Range: " SAME "\r\n", true},
        {"If-Range: " BEFORE "\r\n", false},
        {"If-Range:\r\n", false},
    };
    struct http_head young;
    char young_text[512];
    parse(&young, young_text, sizeof young_text, "GET", "/", "If-Range: " SAME "\r\n");
    /* a date of this second, or of one to come, is weak */
    for (int64_t age = -1; age <= 2; age++)
        ck_assert(http_condition_range(&young, KEEL_STR("\"t\""), MODIFIED, MODIFIED + age) ==
                  (age >= 1));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head head;
        char text[512];
        parse(&head, text, sizeof text, "GET", "/", rows[i].fields);
        ck_assert_msg(http_condition_range(&head, KEEL_STR("\"t\""), MODIFIED, MODIFIED + 1) ==
                          rows[i].follow,
                      "row %zu", i);
    }
}
END_TEST

static struct http_location locations[] = {{.prefix = {"/", 1}}};
static struct http_site items[] = {
    {.name = {"b.example", 9}, .id = 1, .locations = locations, .location_count = 1},
};
static const struct http_sites sites = {.items = items, .count = 1};

START_TEST(test_prepare)
{
    struct http_request request;
    struct http_clock clock = {0};
    char text[512];
    http_clock_set(&clock, (uint64_t)MODIFIED * 1000000000u + 5, 7);
    http_request_init(&request);
    parse(&request.head, text, sizeof text, "GET", "/a/%2e%2e/b%20c?x", "");
    ck_assert_int_eq(http_request_prepare(&request, &sites, &(struct http_origin){0}, &clock), 0);
    ck_assert(keel_str_equal(request.path, KEEL_STR("/b c")));
    ck_assert(keel_str_equal(request.query, KEEL_STR("x")));
    ck_assert_uint_eq(request.site->id, 1);
    parse(&request.head, text, sizeof text, "GET", "/../b", "");
    ck_assert_int_eq(http_request_prepare(&request, &sites, &(struct http_origin){0}, &clock),
                     -400);
    parse(&request.head, text, sizeof text, "OPTIONS", "*", "");
    ck_assert_int_eq(http_request_prepare(&request, &sites, &(struct http_origin){0}, &clock), 0);
    ck_assert_uint_eq(request.path.n, 0);
    http_request_fini(&request);
}
END_TEST

START_TEST(test_responses)
{
    struct http_request request;
    struct http_response response;
    struct http_clock clock = {0};
    char text[512];
    http_clock_set(&clock, (uint64_t)MODIFIED * 1000000000u, 7);
    http_request_init(&request);
    parse(&request.head, text, sizeof text, "GET", "/", "");
    ck_assert_int_eq(http_request_prepare(&request, &sites, &(struct http_origin){0}, &clock), 0);
    http_response_plain(&response, &request, 405, KEEL_STR("Allow: GET\r\n"));
    ck_assert_str_eq(response.head.p,
                     "HTTP/1.1 405 Method Not Allowed\r\nServer: keel\r\nDate: " SAME "\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\n"
                     "Allow: GET\r\n\r\n405 Method Not Allowed\n");
    ck_assert_uint_eq(response.body.n, 23);
    ck_assert_ptr_eq(response.body.p, response.head.p + response.head.n + 2);
    request.head.method = HTTP_HEAD;
    http_response_redirect(&response, &request, 301, KEEL_STR("/x/"));
    ck_assert_uint_eq(response.body.n, 0);
    ck_assert_ptr_nonnull(strstr(response.head.p, "\r\nLocation: /x/\r\n"));
    ck_assert_ptr_nonnull(strstr(response.head.p, "\r\nContent-Length: 22\r\n"));
    http_request_fini(&request);
}
END_TEST

/* Fails the n-th allocation, every n, until nothing fails any more. */
START_TEST(test_no_memory)
{
    char text[512];
    struct http_clock clock = {0};
    http_clock_set(&clock, (uint64_t)MODIFIED * 1000000000u, 7);
    bool failed = true;
    for (unsigned n = 1; failed && n < 100; n++) {
        struct http_request request;
        struct http_response response = {0};
        http_request_init(&request);
        parse(&request.head, text, sizeof text, "GET", "/%41", "");
        keel_mem_fail_at(n);
        int err = http_request_prepare(&request, &sites, &(struct http_origin){0}, &clock);
        ck_assert(err == 0 || err == -503);
        http_response_redirect(&response, &request, 301, KEEL_STR("/x/"));
        keel_mem_fail_at(0);
        failed = err != 0 || response.status == 503;
        ck_assert(failed || response.status == 301);
        ck_assert_uint_eq(response.head.p[response.head.n], '\r');
        http_request_fini(&request);
    }
    ck_assert(!failed);
}
END_TEST

Suite *request_suite(void);
Suite *request_suite(void)
{
    Suite *s = suite_create("httpd/request");
    TCase *t = tcase_create("request");
    tcase_add_loop_test(t, test_conditions, 0, sizeof conditions / sizeof *conditions);
    tcase_add_test(t, test_if_range);
    tcase_add_test(t, test_prepare);
    tcase_add_test(t, test_responses);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
