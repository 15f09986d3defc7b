/* The head of an HTTP/2 request: the corpus of HTTP/1 as far as fields can say it, and the rules
 * that are HTTP/2's own. */
#include <stdio.h>

#include "httpd/conn/h2_head.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"
#include "tests/unit/httpd/head_cases.h"

struct fields {
    struct keel_str name[24], value[24];
    unsigned count;
    bool host; /* there is one Host, and it may go as :authority */
};

static void add(struct fields *f, struct keel_str name, struct keel_str value)
{
    f->name[f->count] = name;
    f->value[f->count++] = value;
}

/* The fields that say what the text says; false when none can. */
static bool from_text(struct fields *f, char *text, size_t size)
{
    char *end = strstr(text, "\r\n"), *method = text;
    f->count = 0;
    f->host = false;
    if (!end || size < 4 || memcmp(text + size - 4, "\r\n\r\n", 4) != 0 ||
        memchr(text, '\0', size) || text[0] == '\r')
        return false;
    char *target = memchr(text, ' ', (size_t)(end - text));
    char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
    if (!version || end - version != 9 || memcmp(version, " HTTP/1.1", 9) != 0)
        return false;
    add(f, KEEL_STR(":method"), (struct keel_str){method, (size_t)(target - method)});
    add(f, KEEL_STR(":scheme"), KEEL_STR("http"));
    add(f, KEEL_STR(":path"), (struct keel_str){target + 1, (size_t)(version - target - 1)});
    unsigned hosts = 0;
    for (char *p = end + 2; p < text + size - 2; p = end + 2) {
        end = strstr(p, "\r\n");
        char *colon = memchr(p, ':', (size_t)(end - p));
        if (!colon)
            return false;
        for (char *c = p; c < colon; c++)
            *c = (char)keel_to_lower(*c);
        struct keel_str name = {p, (size_t)(colon - p)};
        hosts += keel_str_equal(name, KEEL_STR("host"));
        /* what frames a body, or the connection, is never a field of HTTP/2 */
        if (keel_str_equal(name, KEEL_STR("transfer-encoding")) ||
            keel_str_equal(name, KEEL_STR("connection")))
            return false;
        add(f, name, keel_str_trim((struct keel_str){colon + 1, (size_t)(end - colon - 1)}));
    }
    f->host = hosts == 1;
    return true;
}

/* A head put together is what its text says. */
static void expect_as_parsed(const struct http_head *head)
{
    static struct http_head parsed;
    ck_assert_int_eq(http_head_parse(&parsed, head->bytes, head->size), 0);
    ck_assert_uint_eq(parsed.count, head->count);
    for (unsigned i = 0; i < head->count; i++) {
        const struct http_field *a = &parsed.fields[i], *b = &head->fields[i];
        ck_assert_uint_eq(a->id, b->id);
        ck_assert(a->name.at == b->name.at && a->name.size == b->name.size);
        ck_assert(a->value.at == b->value.at && a->value.size == b->value.size);
    }
    ck_assert_uint_eq(parsed.known, head->known);
    ck_assert_uint_eq(parsed.form, head->form);
    ck_assert_uint_eq(parsed.port, head->port);
    ck_assert(parsed.expect_continue == head->expect_continue || head->body != parsed.body);
    const struct http_span *a = &parsed.method_text, *b = &head->method_text;
    for (unsigned i = 0; i < 5; i++) /* method_text, target, path, query, host */
        ck_assert(a[i].at == b[i].at && a[i].size == b[i].size);
}

static int run(struct http_h2_head *builder, struct http_head *head, const struct fields *f,
               bool authority)
{
    http_h2_head_begin(builder);
    bool connect = keel_str_equal(f->value[0], KEEL_STR("CONNECT"));
    for (unsigned i = 0; authority && i < f->count; i++)
        if (keel_str_equal(f->name[i], KEEL_STR("host")))
            ck_assert_int_eq(http_h2_head_add(builder, &limits, KEEL_STR(":authority"),
                                              connect ? f->value[2] : f->value[i]),
                             0);
    for (unsigned i = 0; i < f->count; i++) {
        bool skip = (authority && keel_str_equal(f->name[i], KEEL_STR("host"))) ||
                    (connect && (i == 1 || i == 2));
        if (!skip)
            ck_assert_int_eq(http_h2_head_add(builder, &limits, f->name[i], f->value[i]), 0);
    }
    int status = http_h2_head_finish(builder, &limits, head, true);
    if (status == 0)
        expect_as_parsed(head);
    return status == 0 ? OK : status;
}

START_TEST(test_corpus)
{
    unsigned done = 0;
    struct http_h2_head builder = {.start = 0};
    for (size_t i = 0; i < HEAD_CASES; i++) {
        const struct head_case *row = &head_cases[i];
        size_t size = row->size ? row->size : strlen(row->bytes);
        char text[1024];
        struct fields f;
        struct http_head head;
        memcpy(text, row->bytes, size);
        text[size] = '\0';
        if (row->status == MORE || !from_text(&f, text, size))
            continue;
        bool connect = keel_str_equal(f.value[0], KEEL_STR("CONNECT"));
        int expected = row->status;
        /* the absolute form is HTTP/1's; an empty Host is no :authority */
        if (expected == OK && !connect && f.value[2].p[0] != '/' && f.value[2].p[0] != '*')
            expected = -400;
        if (!connect) {
            int status = run(&builder, &head, &f, false);
            ck_assert_msg(status == expected, "case %zu \"%s\": %d, not %d", i, row->bytes, status,
                          expected);
            done++;
        }
        if (f.host && !strstr(row->bytes, "Host:\r\n")) {
            int status = run(&builder, &head, &f, true);
            ck_assert_msg(status == expected, "case %zu \"%s\" with :authority: %d, not %d", i,
                          row->bytes, status, expected);
            done++;
        }
    }
    http_h2_head_fini(&builder);
    ck_assert_uint_gt(done, 120);
}
END_TEST

/* Fields as "name=value" between semicolons; "\x01" in them stands for '='. */
static const struct {
    const char *fields;
    int status;
} rows[] = {
#define G ":method=GET;:scheme=https;:path=/x;:authority=a"
    {G, OK},
    {G ";accept=*/*;te=trailers", OK},
    {G ";host=A", OK},
    {G ";host=b", -400},
    {":method=GET;:scheme=https;:path=/x;host=b", OK},
    {":method=GET;:scheme=https;:path=/x", -400},
    {":method=GET;:scheme=https;:authority=a", -400},
    {":method=GET;:path=/;:authority=a", -400},
    {":scheme=https;:path=/;:authority=a", -400},
    {":method=GET;:scheme=https;:path=;:authority=a", -400},
    {":method=GET;:scheme=ftp;:path=/;:authority=a", -400},
    {":method=GET;:scheme=https;:path=x;:authority=a", -400},
    {":method=GET;:scheme=https;:path=http://a/;:authority=a", -400},
    {":method=GET;:scheme=https;:path=*;:authority=a", -400},
    {":method=OPTIONS;:scheme=https;:path=*;:authority=a", OK},
    {":method=CONNECT;:authority=a:443", OK},
    {":method=CONNECT;:authority=a", -400},
    {":method=CONNECT;:scheme=https;:path=/;:authority=a:443", -400},
#define W ":method=CONNECT;:protocol=websocket;:scheme=https"
    {W ";:path=/x;:authority=a", OK}, /* RFC 8441, 4 */
    {W ";:path=/x;:authority=a;upgrade=h2c", OK},
    {W ";:path=/x;:authority=a;connection=upgrade", -400},
    {W ";:path=/x", -400},
    {W ";:authority=a:443", -400},
    {":method=CONNECT;:protocol=websocket;:path=/x;:authority=a", -400},
    {":method=CONNECT;:protocol=a b;:scheme=https;:path=/x;:authority=a", -400},
    {G ";:path=/y", -400},
    {G ";:method=GET", -400},
    {G ";x=y;:path=/y", -400},
    {G ";:status=200", -400},
    {G ";:protocol=websocket", -400},
    {G ";transfer-encoding=chunked", -400},
    {G ";connection=close", -400},
    {G ";=x", -400},
    {G ";a b=x", -400},
    {G ";a:b=x", -400},
    {G ";a=b\r\nc: d", -400},
    {G ";a=b\nc: d", -400},
    {G ";a\r\nb=c", -400},
    {":method=GET / HTTP/1.1\r\nX: y\r\n\r\nGET;:scheme=https;:path=/x;:authority=a", -400},
    {":method=GET;:scheme=https;:path=/x HTTP/1.1\r\nX: y;:authority=a", -400},
    {":method=GET;:scheme=https;:path=/x y;:authority=a", -400},
    {":method=GET;:scheme=https;:path=/x;:authority=a\r\nx: y", -400},
    {":method=GET;:scheme=https;:path=/x;:authority=u@a", -400},
    {":method=GET;:scheme=https;:path=/x;:authority=a/b", -400},
    {G ";content-length=3", OK},
    {G ";content-length=3;content-length=3", -400},
    {G ";content-length=x", -400},
    {G ";expect=tea", -417},
};

static int run_row(struct http_h2_head *builder, struct http_head *head, const char *text)
{
    struct keel_str rest = keel_str(text), field;
    http_h2_head_begin(builder);
    while (keel_str_split(&rest, ';', &field)) {
        const char *equal = memchr(field.p, '=', field.n);
        size_t n = (size_t)(equal - field.p);
        ck_assert_int_eq(http_h2_head_add(builder, &limits, (struct keel_str){field.p, n},
                                          (struct keel_str){equal + 1, field.n - n - 1}),
                         0);
    }
    int status = http_h2_head_finish(builder, &limits, head, true);
    return status == 0 ? OK : status;
}

START_TEST(test_rows)
{
    struct http_h2_head builder = {.start = 0};
    struct http_head head;
    int status = run_row(&builder, &head, rows[_i].fields);
    ck_assert_msg(status == rows[_i].status, "\"%s\": %d, not %d", rows[_i].fields, status,
                  rows[_i].status);
    http_h2_head_fini(&builder);
}
END_TEST

static void expect(const struct http_head *head, struct http_span span, const char *text)
{
    struct keel_str got = http_span_str(head, span);
    ck_assert_msg(keel_str_equal(got, keel_str(text)), "\"%.*s\" is not \"%s\"", (int)got.n, got.p,
                  text);
}

START_TEST(test_parts)
{
    struct http_h2_head builder = {.start = 0};
    struct http_head head;
    ck_assert_int_eq(run_row(&builder, &head,
                             ":path=/a?b;:method=POST;:authority=X:81;:scheme=http;cookie=a;"
                             "accept=x;cookie=b"),
                     OK);
    ck_assert_uint_eq(head.major, 2);
    ck_assert_uint_eq(head.minor, 0);
    ck_assert(head.keep_alive);
    ck_assert_uint_eq(head.method, HTTP_POST);
    ck_assert_uint_eq(head.body, HTTP_BODY_CHUNKED); /* its length is not known */
    expect(&head, head.target, "/a?b");
    expect(&head, head.path, "/a");
    expect(&head, head.query, "b");
    expect(&head, head.host, "X");
    ck_assert_uint_eq(head.port, 81);
    struct keel_str cookie = http_head_value(&head, HTTP_FIELD_COOKIE);
    ck_assert(keel_str_equal(cookie, KEEL_STR("a; b"))); /* {crumbs} */
    ck_assert(http_head_has(&head, HTTP_FIELD_ACCEPT));
    http_h2_head_fini(&builder);
}
END_TEST

START_TEST(test_extended_connect)
{
    struct http_h2_head builder = {.start = 0};
    struct http_head head;
    ck_assert_int_eq(run_row(&builder, &head, W ";:path=/a?b;:authority=a;cookie=c"), OK);
    ck_assert_uint_eq(head.method, HTTP_CONNECT);
    expect(&head, head.method_text, "CONNECT");
    expect(&head, head.target, "/a?b");
    ck_assert_uint_ge(head.size, head.method_text.at + head.method_text.size);
    http_h2_head_fini(&builder);
}
END_TEST

/* One path and `fields` fields x=bbb... */
static int run_sizes(size_t path, size_t value, unsigned fields)
{
    static char text[8192];
    struct http_h2_head builder = {.start = 0};
    struct http_head head;
    memset(text, 'b', sizeof text);
    text[0] = '/';
    http_h2_head_add(&builder, &limits, KEEL_STR(":method"), KEEL_STR("GET"));
    http_h2_head_add(&builder, &limits, KEEL_STR(":scheme"), KEEL_STR("http"));
    http_h2_head_add(&builder, &limits, KEEL_STR(":path"), (struct keel_str){text, path});
    http_h2_head_add(&builder, &limits, KEEL_STR("host"), KEEL_STR("a"));
    int err = 0;
    for (unsigned i = 0; i < fields && err == 0; i++)
        err = http_h2_head_add(&builder, &limits, KEEL_STR("x"), (struct keel_str){text, value});
    int status = http_h2_head_finish(&builder, &limits, &head, false);
    http_h2_head_fini(&builder);
    return err != 0 ? err : status;
}

START_TEST(test_limits)
{
    ck_assert_int_eq(run_sizes(256 - 13, 1, 1), 0);
    ck_assert_int_eq(run_sizes(256 - 12, 1, 1), -414);
    ck_assert_int_eq(run_sizes(4000, 1, 1), -414);
    ck_assert_int_eq(run_sizes(1, 253, 1), 0);
    ck_assert_int_eq(run_sizes(1, 254, 1), -431);
    ck_assert_int_eq(run_sizes(1, 1, 15), 0);
    ck_assert_int_eq(run_sizes(1, 1, 16), -431);
    ck_assert_int_eq(run_sizes(1, 200, 6), -431); /* all lines together */
    ck_assert_int_eq(run_sizes(1, 1, 200), -431);
    ck_assert_int_eq(run_sizes(1, 200, 100), KEEL_ELIMIT); /* no mistake any more */
    ck_assert_int_eq(run_sizes(1, 0, 1000), KEEL_ELIMIT);
}
END_TEST

static int sweep(void *arg)
{
    struct http_h2_head builder = {.start = 0};
    struct http_head head;
    int status = run_row(&builder, &head, G ";cookie=a;x=y;cookie=b");
    http_h2_head_fini(&builder);
    ck_assert(status == OK || status == -503);
    return status == OK ? 0 : KEEL_ENOMEM;
}

START_TEST(test_no_memory)
{
    ck_assert_uint_ge(allocfail_sweep(sweep, NULL), 2);
}
END_TEST

Suite *h2_head_suite(void);
Suite *h2_head_suite(void)
{
    Suite *s = suite_create("httpd/conn/h2_head");
    TCase *t = tcase_create("h2_head");
    tcase_add_test(t, test_corpus);
    tcase_add_loop_test(t, test_rows, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, test_parts);
    tcase_add_test(t, test_extended_connect);
    tcase_add_test(t, test_limits);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
