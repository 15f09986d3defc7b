/* Request heads: what is taken, what is refused and with which status; each one whole, and cut in
 * two at every byte. */
#include <stdio.h>

#include "tests/support/unit.h"
#include "httpd/wire/chars.h"
#include "tests/unit/httpd/head_cases.h"

/* Scan and parse over exactly sized memory, `first` bytes of it at first. */
static int run(struct http_head *head, const char *text, size_t size, size_t first)
{
    uint8_t *bytes = malloc(size ? size : 1), *part = malloc(first ? first : 1);
    struct http_head_scan scan = {0};
    memcpy(bytes, text, size);
    memcpy(part, text, first);
    int end = http_head_scan(&scan, &limits, part, first);
    if (end == 0)
        end = http_head_scan(&scan, &limits, bytes, size);
    int status = end;
    if (end > 0) {
        status = http_head_parse(head, bytes + scan.skip, (size_t)end - scan.skip);
        status = status == 0 ? OK : status;
    }
    free(part);
    free(bytes);
    return status;
}

START_TEST(test_table)
{
    struct http_head head;
    size_t size = head_cases[_i].size ? head_cases[_i].size : strlen(head_cases[_i].bytes);
    for (size_t first = 0; first <= size; first++) {
        int status = run(&head, head_cases[_i].bytes, size, first);
        ck_assert_msg(status == head_cases[_i].status, "case %d \"%s\" cut at %zu: %d, not %d", _i,
                      head_cases[_i].bytes, first, status, head_cases[_i].status);
    }
}
END_TEST

static int parse(struct http_head *head, const char *text)
{
    return http_head_parse(head, (const uint8_t *)text, strlen(text));
}
static void expect(const struct http_head *head, struct http_span span, const char *text)
{
    struct keel_str got = http_span_str(head, span);
    ck_assert_msg(keel_str_equal(got, keel_str(text)), "\"%.*s\" is not \"%s\"", (int)got.n, got.p,
                  text);
}

START_TEST(test_parts)
{
    struct http_head head;
    ck_assert_int_eq(parse(&head, "POST /a/b?c=d HTTP/1.1\r\nHost: X.example:81\r\n"
                                  "Content-Length:  12 \r\nX-Odd: a b \r\n\r\n"),
                     0);
    ck_assert_uint_eq(head.method, HTTP_POST);
    ck_assert_uint_eq(head.minor, 1);
    ck_assert(head.keep_alive);
    expect(&head, head.target, "/a/b?c=d");
    expect(&head, head.path, "/a/b");
    expect(&head, head.query, "c=d");
    expect(&head, head.host, "X.example");
    ck_assert_uint_eq(head.port, 81);
    ck_assert_uint_eq(head.body, HTTP_BODY_LENGTH);
    ck_assert_uint_eq(head.content_length, 12);
    ck_assert_uint_eq(head.count, 3);
    expect(&head, head.fields[2].name, "X-Odd");
    expect(&head, head.fields[2].value, "a b");
    ck_assert(head.known ==
              (HTTP_FIELD_BIT(HTTP_FIELD_HOST) | HTTP_FIELD_BIT(HTTP_FIELD_CONTENT_LENGTH)));
    ck_assert_ptr_null(http_head_value(&head, HTTP_FIELD_RANGE).p);
}
END_TEST

START_TEST(test_absolute)
{
    struct http_head head;
    ck_assert_int_eq(parse(&head, "GET http://b:8080/x?y HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    expect(&head, head.host, "b");
    ck_assert_uint_eq(head.port, 8080);
    expect(&head, head.path, "/x");
    expect(&head, head.query, "y");
    ck_assert_int_eq(parse(&head, "GET http://b?y/z HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    expect(&head, head.host, "b");
    expect(&head, head.path, "/");
    expect(&head, head.query, "y/z");
}
END_TEST

START_TEST(test_keep_alive)
{
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: x, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head head;
        ck_assert_int_eq(parse(&head, rows[i].text), 0);
        ck_assert_msg(head.keep_alive == rows[i].keep, "row %zu", i);
    }
}
END_TEST

/* A head of lines of given lengths, with and without its end. */
static int scan_lines(size_t target, size_t value, unsigned fields, bool end)
{
    static char text[8192];
    size_t n = (size_t)sprintf(text, "GET /");
    memset(text + n, 'a', target);
    n += target;
    n += (size_t)sprintf(text + n, " HTTP/1.1\r\n");
    for (unsigned i = 0; i < fields; i++) {
        n += (size_t)sprintf(text + n, "X:");
        memset(text + n, 'b', value);
        n += value;
        n += (size_t)sprintf(text + n, "\r\n");
    }
    n += end ? (size_t)sprintf(text + n, "\r\n") : 0;
    struct http_head_scan scan = {0};
    int whole = http_head_scan(&scan, &limits, (uint8_t *)text, n);
    struct http_head_scan step = {0};
    int result = 0;
    for (size_t i = 1; i <= n && result == 0; i++)
        result = http_head_scan(&step, &limits, (uint8_t *)text, i);
    ck_assert_int_eq(result, whole);
    return whole;
}

START_TEST(test_limits)
{
    ck_assert_int_gt(scan_lines(256 - 14, 1, 1, true), 0);
    ck_assert_int_eq(scan_lines(256 - 13, 1, 1, true), -414);
    ck_assert_int_eq(scan_lines(2000, 1, 0, false), -414);
    ck_assert_int_gt(scan_lines(1, 254, 1, true), 0);
    ck_assert_int_eq(scan_lines(1, 255, 1, true), -431);
    ck_assert_int_eq(scan_lines(1, 2000, 1, false), -431);
    ck_assert_int_gt(scan_lines(1, 1, 16, true), 0);
    ck_assert_int_eq(scan_lines(1, 1, 17, true), -431);
    ck_assert_int_eq(scan_lines(1, 200, 6, true), -431); /* all lines together */
}
END_TEST

START_TEST(test_too_many_fields_for_parse)
{
    static char text[4096] = "GET / HTTP/1.1\r\nHost:\r\n";
    for (unsigned i = 1; i < HTTP_FIELDS_MAX; i++)
        strcat(text, "X:y\r\n");
    size_t n = strlen(text);
    struct http_head head;
    strcpy(text + n, "\r\n");
    ck_assert_int_eq(parse(&head, text), 0);
    strcpy(text + n, "X:y\r\n\r\n");
    ck_assert_int_eq(parse(&head, text), -431);
}
END_TEST

START_TEST(test_field_names)
{
    for (unsigned id = 1; id < HTTP_FIELD_COUNT; id++) {
        struct keel_str name = http_field_name(id);
        char upper[64];
        for (size_t i = 0; i < name.n; i++)
            upper[i] = name.p[i] >= 'a' && name.p[i] <= 'z' ? (char)(name.p[i] - 32) : name.p[i];
        ck_assert_uint_eq(http_field_find((const uint8_t *)name.p, name.n), id);
        ck_assert_uint_eq(http_field_find((const uint8_t *)upper, name.n), id);
        ck_assert_uint_ne(http_field_find((const uint8_t *)name.p, name.n - 1), id);
    }
    ck_assert_uint_eq(http_field_find((const uint8_t *)"hos\x14", 4), HTTP_FIELD_OTHER);
    ck_assert_uint_eq(http_field_find((const uint8_t *)"", 0), HTTP_FIELD_OTHER);
}
END_TEST

/* What is read eight bytes at a time, beside the table of characters. */
START_TEST(test_words)
{
    uint8_t text[24];
    for (unsigned size = 0; size <= sizeof text; size++)
        for (unsigned at = 0; at < size; at++)
            for (unsigned c = 0; c < 256; c++) {
                memset(text, 'v', sizeof text);
                text[at] = (uint8_t)c;
                text[(at + 5) % sizeof text] = c & 1 ? '\t' : 0x80;
                const uint8_t *end = text + size;
                ck_assert_ptr_eq(http_skip_value(text, end), http_skip(text, end, HTTP_CHAR_VALUE));
            }
}
END_TEST

START_TEST(test_tokens)
{
    static const char lower[] = "if-unmodified-since-2345678",
                      upper[] = "IF-UNMODIFIED-SINCE-2345678";
    ck_assert(!http_token_is(KEEL_STR("ab"), KEEL_STR("abc")));
    for (size_t n = 0; n < sizeof lower; n++) {
        char other[sizeof upper];
        ck_assert(http_token_is((struct keel_str){upper, n}, (struct keel_str){lower, n}));
        for (size_t i = 0; i < n; i++) {
            memcpy(other, upper, sizeof upper);
            other[i] ^= 0x40;
            ck_assert(!http_token_is((struct keel_str){other, n}, (struct keel_str){lower, n}));
        }
    }
}
END_TEST

Suite *head_suite(void);
Suite *head_suite(void)
{
    Suite *s = suite_create("httpd/wire/head");
    TCase *t = tcase_create("head");
    tcase_add_loop_test(t, test_table, 0, HEAD_CASES);
    tcase_add_test(t, test_parts);
    tcase_add_test(t, test_words);
    tcase_add_test(t, test_tokens);
    tcase_add_test(t, test_absolute);
    tcase_add_test(t, test_keep_alive);
    tcase_add_test(t, test_limits);
    tcase_add_test(t, test_too_many_fields_for_parse);
    tcase_add_test(t, test_field_names);
    suite_add_tcase(s, t);
    return s;
}
