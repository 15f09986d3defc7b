/* Heads of responses as fields of HTTP/2, and what is remembered of them. */
#include "httpd/conn/h2_fields.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

static void expect(const nghttp2_nv *field, const char *name, const char *value)
{
    ck_assert_uint_eq(field->namelen, strlen(name));
    ck_assert_mem_eq(field->name, name, field->namelen);
    ck_assert_uint_eq(field->valuelen, strlen(value));
    ck_assert_mem_eq(field->value, value, field->valuelen);
}

START_TEST(test_split)
{
    struct http_h2_heads heads = {{NULL}};
    struct http_h2_fields *f = http_h2_fields_get(
        &heads, 206,
        KEEL_STR("HTTP/1.1 206 Partial Content\r\nServer: keel\r\nConnection: close\r\nUpgrade: "
                 "x\r\nX-Empty:\r\n"
                 "Keep-Alive: 5\r\nTransfer-Encoding: chunked\r\nETag: \"A b\" \r\n"));
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(f->count, 4);
    expect(&f->list[0], ":status", "206");
    expect(&f->list[1], "server", "keel");
    expect(&f->list[2], "x-empty", "");
    expect(&f->list[3], "etag", "\"A b\"");
    http_h2_fields_release(f);
    f = http_h2_fields_get(&heads, 304, KEEL_STR("HTTP/1.1 304 Not Modified"));
    ck_assert_uint_eq(f->count, 1);
    expect(&f->list[0], ":status", "304");
    http_h2_fields_release(f);
    http_h2_fields_release(NULL);
    http_h2_heads_fini(&heads);
}
END_TEST

START_TEST(test_many)
{
    char text[300 * 6 + 32] = "HTTP/1.1 200 OK\r\n";
    struct http_h2_heads heads = {{NULL}};
    for (unsigned i = 0; i < 300; i++)
        strcat(text, "A: b\r\n");
    struct http_h2_fields *f = http_h2_fields_get(&heads, 200, keel_str(text));
    ck_assert_uint_le(f->count, 1 + HTTP_H2_FIELDS_MAX);
    ck_assert_uint_ge(f->count, HTTP_H2_FIELDS_MAX);
    expect(&f->list[f->count - 1], "a", "b");
    http_h2_fields_release(f);
    http_h2_heads_fini(&heads);
}
END_TEST

/* The text of an entry of the cache changes where it is: with each second its Date does. */
START_TEST(test_remember)
{
    char text[] = "HTTP/1.1 200 OK\r\nDate: 1\r\n";
    struct keel_str head = keel_str(text);
    struct http_h2_heads heads = {{NULL}};
    struct http_h2_fields *first = http_h2_fields_get(&heads, 200, head);
    struct http_h2_fields *again = http_h2_fields_get(&heads, 200, head);
    ck_assert_ptr_eq(first, again);
    http_h2_fields_release(again);
    text[head.n - 3] = '2';
    struct http_h2_fields *later = http_h2_fields_get(&heads, 200, head);
    ck_assert_ptr_ne(first, later);
    expect(&first->list[1], "date", "1"); /* it may not have left yet */
    expect(&later->list[1], "date", "2");
    struct http_h2_fields *other = http_h2_fields_get(&heads, 404, head);
    expect(&other->list[0], ":status", "404");
    http_h2_heads_fini(&heads);
    expect(&later->list[1], "date", "2");
    http_h2_fields_release(first);
    http_h2_fields_release(later);
    http_h2_fields_release(other);
}
END_TEST

static int sweep(void *arg)
{
    struct http_h2_heads heads = {{NULL}};
    struct http_h2_fields *f =
        http_h2_fields_get(&heads, 200, KEEL_STR("HTTP/1.1 200 OK\r\nA: b\r\n"));
    int err = f ? 0 : KEEL_ENOMEM;
    http_h2_fields_release(f);
    http_h2_heads_fini(&heads);
    return err;
}

START_TEST(test_no_memory)
{
    ck_assert_uint_ge(allocfail_sweep(sweep, NULL), 1);
}
END_TEST

Suite *h2_fields_suite(void);
Suite *h2_fields_suite(void)
{
    Suite *s = suite_create("httpd/conn/h2_fields");
    TCase *t = tcase_create("h2_fields");
    tcase_add_test(t, test_split);
    tcase_add_test(t, test_many);
    tcase_add_test(t, test_remember);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
