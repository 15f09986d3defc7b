/* Header rules: how they are written, what they mean, and what they do to a head. */
#include "httpd/request/headers.h"

#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

START_TEST(test_parse)
{
    static const struct {
        const char *text;
        int err;
        enum http_header_op op;
        const char *name, *value;
    } rows[] = {
        {"X-A: b", 0, HTTP_HEADER_SET, "X-A", "b"},
        {"X-A:b:c ", 0, HTTP_HEADER_SET, "X-A", "b:c"},
        {" +Link: </a>", 0, HTTP_HEADER_ADD, "Link", "</a>"},
        {"-Server", 0, HTTP_HEADER_REMOVE, "Server", ""},
        {"-ETag", 0, HTTP_HEADER_REMOVE, "ETag", ""},
        {"Server: x", 0, HTTP_HEADER_SET, "Server", "x"},
        {"", KEEL_EINVAL, 0, NULL, NULL},
        {"+", KEEL_EINVAL, 0, NULL, NULL},
        {"-", KEEL_EINVAL, 0, NULL, NULL},
        {"X-A", KEEL_EINVAL, 0, NULL, NULL},
        {"+X-A", KEEL_EINVAL, 0, NULL, NULL},
        {"-X-A: b", KEEL_EINVAL, 0, NULL, NULL},
        {"-X-A:", KEEL_EINVAL, 0, NULL, NULL},
        {"X-A:", KEEL_EINVAL, 0, NULL, NULL},
        {": b", KEEL_EINVAL, 0, NULL, NULL},
        {"X A: b", KEEL_EINVAL, 0, NULL, NULL},
        {"X-A: a\r\nb", KEEL_EINVAL, 0, NULL, NULL},
        {"Content-Length: 1", KEEL_EINVAL, 0, NULL, NULL},
        {"+etag: \"x\"", KEEL_EINVAL, 0, NULL, NULL},
        {"-Date", KEEL_EINVAL, 0, NULL, NULL},
        {"-transfer-encoding", KEEL_EINVAL, 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_header_rule rule;
        ck_assert_msg(http_header_rule_parse(keel_str(rows[i].text), &rule, NULL) == rows[i].err,
                      "%s", rows[i].text);
        if (rows[i].err)
            continue;
        ck_assert_msg(rule.op == rows[i].op && keel_str_equal(rule.name, keel_str(rows[i].name)) &&
                          keel_str_equal(rule.value, keel_str(rows[i].value)),
                      "%s", rows[i].text);
    }
}
END_TEST

static const struct {
    const char *rules[4];
    bool edit;
    const char *head;
} rows[] = {
    {{NULL}, false, "HTTP/1.1 200 OK\r\nServer: keel\r\nVary: a\r\nX-B: 1\r\n"},
    {{"X-A: 1", "+X-B: 2"},
     false,
     "HTTP/1.1 200 OK\r\nServer: keel\r\nVary: a\r\nX-B: 1\r\nX-A: 1\r\nX-B: 2\r\n"},
    {{"X-B: 2"}, false, "HTTP/1.1 200 OK\r\nServer: keel\r\nVary: a\r\nX-B: 2\r\n"},
    {{"-x-b"}, false, "HTTP/1.1 200 OK\r\nServer: keel\r\nVary: a\r\n"},
    {{"-SERVER", "vary: b", "-None"}, true, "HTTP/1.1 200 OK\r\nX-B: 1\r\nvary: b\r\n"},
    {{"+Vary: b"}, false, "HTTP/1.1 200 OK\r\nServer: keel\r\nVary: a\r\nX-B: 1\r\nVary: b\r\n"},
    {{"-HTTP/1.1 200 OK"}, false, NULL},
};

static int run_rules(void *arg)
{
    const unsigned i = *(unsigned *)arg;
    struct http_header_rule items[4];
    struct http_header_rules rules = {items, 0};
    struct keel_arena arena;
    int err = 0;
    keel_arena_init(&arena, 0);
    for (; rows[i].rules[rules.count] && !err; rules.count++)
        err =
            http_header_rule_parse(keel_str(rows[i].rules[rules.count]), &items[rules.count], NULL);
    ck_assert_int_eq(err, rows[i].head ? 0 : KEEL_EINVAL);
    if (err) {
        keel_arena_fini(&arena);
        return 0;
    }
    ck_assert(http_header_rules_edit(&rules) == rows[i].edit);
    struct keel_str lines = http_header_rules_lines(&rules, &arena), head = {NULL, 0};
    if (lines.p)
        head = http_head_edit(KEEL_STR("HTTP/1.1 200 OK\r\nServer: keel\r\nVary: a\r\nX-B: 1\r\n"),
                              &rules, lines, &arena);
    if (head.p) {
        ck_assert_msg(keel_str_equal(head, keel_str(rows[i].head)), "%s", head.p);
        ck_assert_str_eq(head.p + head.n, "\r\n");
    }
    err = head.p ? 0 : KEEL_ENOMEM;
    keel_arena_fini(&arena);
    return err;
}

START_TEST(test_rules)
{
    unsigned i = (unsigned)_i;
    allocfail_sweep(run_rules, &i);
}
END_TEST

Suite *headers_suite(void);
Suite *headers_suite(void)
{
    Suite *s = suite_create("httpd/request/headers");
    TCase *t = tcase_create("headers");
    tcase_add_test(t, test_parse);
    tcase_add_loop_test(t, test_rules, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(s, t);
    return s;
}
