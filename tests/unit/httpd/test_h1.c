/* A connection's bytes become events; a response becomes pieces. */
#include "tests/support/http_corpus.h"
#include "tests/support/unit.h"

static const struct http_head_limits limits = {.line = 256, .head = 1024, .fields = 16};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n"
#define CHUNKED(path) "POST " path " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *bytes;
    const char *events; /* R path, C content (runs joined), E, B status */
} rows[] = {
    {GET("/a"), "R/a "},
    {GET("/a") GET("/b") GET("/c"), "R/a R/b R/c "},
    {POST("/a", "5") "hello" GET("/b"), "R/a Chello E R/b "},
    {POST("/a", "0") GET("/b"), "R/a R/b "},
    {CHUNKED("/a") "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" GET("/b"), "R/a Cabcde E R/b "},
    {CHUNKED("/a") "0\r\nX: y\r\n\r\n" GET("/b"), "R/a E R/b "},
    {CHUNKED("/a") "zzz" GET("/b"), "R/a B400 "},
    {GET("/a") "\r\n" GET("/b"), "R/a R/b "},
    {GET("/a") "\r\n\r\n" GET("/b"), "R/a B400 "},
    {GET("/a") "junk\r\n\r\n" GET("/b"), "R/a B400 "},
    {GET("/a") "GET /b HTTP/9.1\r\n\r\n" GET("/c"), "R/a B505 "},
    {POST("/a", "5") "hel", "R/a Chel"},
};

START_TEST(test_events)
{
    size_t size = strlen(rows[_i].bytes);
    for (size_t cut = 0; cut <= size; cut++) {
        struct http_h1 h1 = {0};
        struct h1_trace trace = {.status = 0};
        size_t at = h1_trace_offer(&trace, &h1, &limits, rows[_i].bytes, cut);
        h1_trace_offer(&trace, &h1, &limits, rows[_i].bytes + at, size - at);
        ck_assert_msg(strcmp(keel_buf_text(&trace.text), rows[_i].events) == 0,
                      "row %d cut at %zu: %s", _i, cut, keel_buf_text(&trace.text));
        h1_trace_fini(&trace);
    }
}
END_TEST

START_TEST(test_byte_by_byte)
{
    size_t size = strlen(rows[_i].bytes), at = 0;
    struct http_h1 h1 = {0};
    struct h1_trace trace = {.status = 0};
    for (size_t end = 1; end <= size; end++) {
        at += h1_trace_offer(&trace, &h1, &limits, rows[_i].bytes + at, end - at);
        ck_assert(http_h1_in_head(&h1) == (at < end && h1.state == HTTP_H1_HEAD));
    }
    ck_assert_str_eq(keel_buf_text(&trace.text), rows[_i].events);
    h1_trace_fini(&trace);
}
END_TEST

START_TEST(test_pieces)
{
    static const char memory[] = "HTTP/1.1 200 OK\r\nX: y\r\n\r\nbody";
    struct http_head head = {.minor = 1};
    struct http_response response = {
        .status = 200, .head = {memory, 23}, .body = {memory + 25, 4}, .joined = true};
    struct keel_str pieces[HTTP_H1_PIECES];
    ck_assert_uint_eq(http_h1_response(&head, &response, true, pieces), 1);
    ck_assert(keel_str_equal(pieces[0], keel_str(memory)));
    ck_assert_uint_eq(http_h1_response(&head, &response, false, pieces), 3);
    ck_assert(keel_str_equal(pieces[0], KEEL_STR("HTTP/1.1 200 OK\r\nX: y\r\n")));
    ck_assert(keel_str_equal(pieces[1], KEEL_STR("Connection: close\r\n\r\n")));
    ck_assert(keel_str_equal(pieces[2], KEEL_STR("body")));
    head.minor = 0;
    ck_assert_uint_eq(http_h1_response(&head, &response, true, pieces), 3);
    ck_assert(keel_str_equal(pieces[1], KEEL_STR("Connection: keep-alive\r\n\r\n")));
    head.minor = 1;
    response.joined = false;
    ck_assert_uint_eq(http_h1_response(&head, &response, true, pieces), 3);
    ck_assert(keel_str_equal(pieces[1], KEEL_STR("\r\n")));
    response.body.n = 0;
    ck_assert_uint_eq(http_h1_response(&head, &response, true, pieces), 1);
    ck_assert(keel_str_equal(pieces[0], KEEL_STR("HTTP/1.1 200 OK\r\nX: y\r\n\r\n")));
}
END_TEST

Suite *h1_suite(void);
Suite *h1_suite(void)
{
    Suite *s = suite_create("httpd/conn/h1");
    TCase *t = tcase_create("h1");
    tcase_add_loop_test(t, test_events, 0, sizeof rows / sizeof *rows);
    tcase_add_loop_test(t, test_byte_by_byte, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, test_pieces);
    suite_add_tcase(s, t);
    return s;
}
