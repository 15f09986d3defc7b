/* Bodies by length and in chunks, whole and cut at every byte. */
#include "httpd/wire/body.h"
#include "tests/support/unit.h"

static const struct {
    const char *bytes;
    int result;          /* 1 complete, 0 more, KEEL_EPROTO */
    const char *content; /* of complete ones */
} chunked[] = {
    {"0\r\n\r\n", 1, ""},
    {"3\r\nabc\r\n0\r\n\r\n", 1, "abc"},
    {"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", 1, "abc0123456789"},
    {"a;x=y\r\n0123456789\r\n0;z\r\n\r\n", 1, "0123456789"},
    {"1;a=\"b c\"\r\nx\r\n0\r\n\r\n", 1, "x"},
    {"0003\r\nabc\r\n000\r\n\r\n", 1, "abc"},
    {"1\r\nx\r\n0\r\nTrailer: y\r\nOther:\r\n\r\n", 1, "x"},
    {"", 0, NULL},
    {"3", 0, NULL},
    {"3\r\nab", 0, NULL},
    {"3\r\nabc\r\n0\r\n", 0, NULL},
    {"3\r\nabc\r\n0\r\n\r", 0, NULL},
    {"\r\n", KEEL_EPROTO, NULL},
    {"g\r\n", KEEL_EPROTO, NULL},
    {"0x3\r\nabc\r\n", KEEL_EPROTO, NULL},
    {"-1\r\n", KEEL_EPROTO, NULL},
    {"+3\r\nabc\r\n", KEEL_EPROTO, NULL},
    {" 3\r\nabc\r\n", KEEL_EPROTO, NULL},
    {"3 \r\nabc\r\n", KEEL_EPROTO, NULL},
    {"3\nabc\r\n", KEEL_EPROTO, NULL},
    {"3\rabc\r\n", KEEL_EPROTO, NULL},
    {"3\r\nabcd\r\n", KEEL_EPROTO, NULL},
    {"3\r\nabc\n", KEEL_EPROTO, NULL},
    {"3\r\nabc0\r\n\r\n", KEEL_EPROTO, NULL},
    {"1;\x01\r\n", KEEL_EPROTO, NULL},
    {"1;a\nx", KEEL_EPROTO, NULL},
    {"10000000000000000\r\n", KEEL_EPROTO, NULL},
    {"fffffffffffffffff\r\n", KEEL_EPROTO, NULL},
    {"00000000000000001\r\n", KEEL_EPROTO, NULL},
    {"0\r\nbad trailer\r\n\r\n", KEEL_EPROTO, NULL},
    {"0\r\n fold\r\n\r\n", KEEL_EPROTO, NULL},
    {"0\r\nA: b\n\r\n", KEEL_EPROTO, NULL},
    {"0\r\nA: b\r\n\n", KEEL_EPROTO, NULL},
    {"0\r\n\n", KEEL_EPROTO, NULL},
};

/* Feeds one piece; adds its content to out. */
static int feed(struct http_body *body, const char *text, size_t size, char *out, size_t *n,
                size_t *left)
{
    uint8_t *bytes = malloc(size ? size : 1);
    memcpy(bytes, text, size);
    size_t at = 0, used;
    int result;
    do {
        struct keel_str content;
        result = http_body_read(body, bytes + at, size - at, &used, &content);
        memcpy(out + *n, content.n ? content.p : "", content.n);
        *n += content.n;
        at += used;
    } while (result == 0 && at < size);
    *left = size - at;
    free(bytes);
    return result;
}

START_TEST(test_chunked)
{
    size_t size = strlen(chunked[_i].bytes);
    for (size_t cut = 0; cut <= size; cut++) {
        struct http_body body;
        char out[64];
        size_t n = 0, left = 0;
        http_body_init(&body, HTTP_BODY_CHUNKED, 0);
        int result = feed(&body, chunked[_i].bytes, cut, out, &n, &left);
        if (result == 0)
            result = feed(&body, chunked[_i].bytes + cut, size - cut, out, &n, &left);
        ck_assert_msg(result == chunked[_i].result, "row %d cut at %zu: %d", _i, cut, result);
        if (result == 1) {
            ck_assert_uint_eq(left, 0);
            ck_assert(n == strlen(chunked[_i].content) && memcmp(out, chunked[_i].content, n) == 0);
        }
    }
}
END_TEST

START_TEST(test_length)
{
    struct http_body body;
    char out[64];
    size_t n = 0, left;
    http_body_init(&body, HTTP_BODY_LENGTH, 5);
    ck_assert_int_eq(feed(&body, "abc", 3, out, &n, &left), 0);
    ck_assert_int_eq(feed(&body, "defgh", 5, out, &n, &left), 1);
    ck_assert_uint_eq(left, 3);
    ck_assert(n == 5 && memcmp(out, "abcde", 5) == 0);
}
END_TEST

START_TEST(test_framing_is_bounded)
{
    struct http_body body;
    static char text[HTTP_TRAILER_MAX + 64];
    char out[8];
    size_t n = 0, left;
    memset(text, 'x', sizeof text);
    memcpy(text, "1;", 2);
    http_body_init(&body, HTTP_BODY_CHUNKED, 0);
    ck_assert_int_eq(feed(&body, text, sizeof text, out, &n, &left), KEEL_EPROTO);
    memcpy(text, "0\r\nA:", 5);
    http_body_init(&body, HTTP_BODY_CHUNKED, 0);
    ck_assert_int_eq(feed(&body, text, sizeof text, out, &n, &left), KEEL_EPROTO);
    /* many small trailer lines */
    for (size_t i = 3; i + 4 < sizeof text; i += 4)
        memcpy(text + i, "A:\r\n", 4);
    http_body_init(&body, HTTP_BODY_CHUNKED, 0);
    ck_assert_int_eq(feed(&body, text, sizeof text, out, &n, &left), KEEL_EPROTO);
}
END_TEST

Suite *body_suite(void);
Suite *body_suite(void)
{
    Suite *s = suite_create("httpd/wire/body");
    TCase *t = tcase_create("body");
    tcase_add_loop_test(t, test_chunked, 0, sizeof chunked / sizeof *chunked);
    tcase_add_test(t, test_length);
    tcase_add_test(t, test_framing_is_bounded);
    suite_add_tcase(s, t);
    return s;
}
