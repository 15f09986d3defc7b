/* Paths: every spelling of a way out of the root, and the ordinary ones. */
#include "httpd/wire/mime.h"
#include "httpd/wire/path.h"
#include "tests/support/unit.h"

static const struct {
    const char *raw;
    const char *normal; /* NULL: refused */
} rows[] = {
    {"/", "/"},
    {"/a", "/a"},
    {"/a/", "/a/"},
    {"/a/b.html", "/a/b.html"},
    {"//", "/"},
    {"///a//b//", "/a/b/"},
    {"/.", "/"},
    {"/./", "/"},
    {"/./a", "/a"},
    {"/a/.", "/a/"},
    {"/a/./b", "/a/b"},
    {"/a/..", "/"},
    {"/a/../", "/"},
    {"/a/../b", "/b"},
    {"/a/b/../../c", "/c"},
    {"/a/b/..", "/a/"},
    {"/a//../b", "/b"}, /* slashes merge first, as the file system has it */
    {"/...", "/..."},
    {"/..a", "/..a"},
    {"/a..", "/a.."},
    {"/.a", "/.a"},
    {"/%41", "/A"},
    {"/%2e", "/"},
    {"/a/%2E%2e/b", "/b"},
    {"/%c3%a4", "/\xc3\xa4"},
    {"/a%20b", "/a b"},
    {"/%25", "/%"},
    {"/%252e%252e/x", "/%2e%2e/x"}, /* decoded once, never twice */
    {"/a+b", "/a+b"},
    {"/a%3fb", "/a?b"},
    {"/a\\..\\b", "/a\\..\\b"}, /* a backslash is a character like others */
    {"/%0a", "/\n"},
    {"/..", NULL},
    {"/../", NULL},
    {"/../etc/passwd", NULL},
    {"/a/../../etc/passwd", NULL},
    {"/./../x", NULL},
    {"//../x", NULL},
    {"/%2e%2e/x", NULL},
    {"/.%2e/x", NULL},
    {"/%2e./x", NULL},
    {"/%2e%2e%2fx", NULL},
    {"/..%2fx", NULL},
    {"/a%2fb", NULL},
    {"/a%2Fb", NULL},
    {"/a%00", NULL},
    {"/a%00.html", NULL},
    {"/%", NULL},
    {"/%4", NULL},
    {"/%4g", NULL},
    {"/%g4", NULL},
    {"/a%", NULL},
    {"/%%41", NULL},
    {"", NULL},
    {"a", NULL},
    {"../a", NULL},
};

START_TEST(test_is_normal)
{
    static const char *const normal[] = {"/", "/a", "/a/", "/a/b.html", "/a-b_c~/(d)/e.f/g=h;i:j@"};
    static const char *const others[] = {"",     "a",     "//",  "/a//",   "/.",     "/a/.b",
                                         "/%41", "/a/..", "/a%", "/a/%2f", "/a/b//c"};
    for (size_t i = 0; i < sizeof normal / sizeof *normal; i++)
        ck_assert(http_path_is_normal(keel_str(normal[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert(!http_path_is_normal(keel_str(others[i])));
}
END_TEST

START_TEST(test_normalise)
{
    struct keel_str raw = keel_str(rows[_i].raw);
    char *bytes = malloc(raw.n ? raw.n : 1), *out = malloc(raw.n + 1);
    memcpy(bytes, raw.p, raw.n);
    raw.p = bytes;
    int n = http_path_normalise(raw, out);
    if (rows[_i].normal) {
        ck_assert_int_ge(n, 0);
        ck_assert_str_eq(out, rows[_i].normal);
        ck_assert_uint_eq((size_t)n, strlen(rows[_i].normal));
    } else {
        ck_assert_msg(n == KEEL_EINVAL, "%s: %d", rows[_i].raw, n);
    }
    if (http_path_is_normal(raw))
        ck_assert_str_eq(rows[_i].normal, rows[_i].raw);
    free(out);
    free(bytes);
}
END_TEST

START_TEST(test_hidden)
{
    static const struct {
        const char *path;
        bool hidden;
    } cases[] = {
        {"/", false},
        {"/a.b/c.d", false},
        {"/.git", true},
        {"/.git/config", true},
        {"/a/.htaccess", true},
        {"/.well-known/x", false},
        {"/.well-known", false},
        {"/.well-knownx", true},
        {"/a/.well-known/x", true},
        {"/.well-known/.x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(http_path_is_hidden(keel_str(cases[i].path)) == cases[i].hidden, "%s",
                      cases[i].path);
}
END_TEST

START_TEST(test_encode)
{
    struct keel_buf out = {0};
    ck_assert_int_eq(http_path_encode(&out, keel_str("/a b/\xc3\xa4?#%<\"\n:/")), 0);
    ck_assert_str_eq(keel_buf_text(&out), "/a%20b/%C3%A4%3F%23%25%3C%22%0A%3A/");
    keel_buf_fini(&out);
}
END_TEST

START_TEST(test_mime)
{
    static const char *const cases[][2] = {
        {"/a.html", "text/html; charset=utf-8"},
        {"/a.HTML", "text/html; charset=utf-8"},
        {"/a.b/c", "application/octet-stream"},
        {"/a.tar.gz", "application/gzip"},
        {"a.7z", "application/x-7z-compressed"},
        {"/x.zst", "application/zstd"},
        {"/x.css", "text/css; charset=utf-8"},
        {"/x.js", "text/javascript; charset=utf-8"},
        {"/x.woff2", "font/woff2"},
        {"/x.", "application/octet-stream"},
        {"/x.averyveryverylongone", "application/octet-stream"},
        {"", "application/octet-stream"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(http_mime_type(keel_str(cases[i][0])).p, cases[i][1]);
}
END_TEST

START_TEST(test_types)
{
    static const char text[] = "# comment\ntext/x-log\t\tlog LOG2\n\nbad line\nimage/x  # none\n"
                               "application/x-one one\r\napplication/x-two one two\nx/y a.b\n"
                               "text/html;charset=x htx\ntext/last last";
    static const char *const cases[][2] = {
        {"/a.log", "text/x-log; charset=utf-8"}, {"/a.log2", "text/x-log; charset=utf-8"},
        {"/a.one", "application/x-one"},         {"/a.two", "application/x-two"},
        {"/a.htx", "text/html;charset=x"},       {"/a.last", "text/last; charset=utf-8"},
        {"/a.css", "text/css; charset=utf-8"},   {"/a.b", "application/octet-stream"},
        {"/a.line", "application/octet-stream"}, {"/a.wasm", "x/mine"},
    };
    static const struct {
        const char *extension, *type;
    } bad[] = {{"", "a/b"}, {"a/b", "a/b"},    {"a.b", "a/b"}, {"a", "ab"},   {"a", "a/"},
               {"a", "/b"}, {"a", "a/b\r\nX"}, {"a", ""},      {"a", "a b/c"}};
    struct keel_arena arena;
    struct http_types system, own = {.base = &system, .count = 1};
    struct http_type mine;
    own.items = &mine;
    for (unsigned n = 1;; n++) {
        keel_arena_init(&arena, 64);
        keel_mem_fail_at(n);
        int err = http_types_parse(&system, &arena, keel_str(text));
        if (!err)
            err = http_type_set(&mine, &arena, KEEL_STR("WASM"), KEEL_STR("x/mine"));
        keel_mem_fail_at(0);
        ck_assert(err == 0 || err == KEEL_ENOMEM);
        if (err == 0)
            break;
        keel_arena_fini(&arena);
    }
    system.base = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(http_types_find(&own, keel_str(cases[i][0])).p, cases[i][1]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(
            http_type_set(&mine, &arena, keel_str(bad[i].extension), keel_str(bad[i].type)),
            KEEL_EINVAL);
    keel_arena_fini(&arena);
}
END_TEST

Suite *path_suite(void);
Suite *path_suite(void)
{
    Suite *s = suite_create("httpd/wire/path");
    TCase *t = tcase_create("path");
    tcase_add_test(t, test_is_normal);
    tcase_add_loop_test(t, test_normalise, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, test_hidden);
    tcase_add_test(t, test_encode);
    tcase_add_test(t, test_mime);
    tcase_add_test(t, test_types);
    suite_add_tcase(s, t);
    return s;
}
