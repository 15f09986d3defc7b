/* Rewrites: one rule and many, through requests; what leads in a circle, and what never ends. */
#include "httpd/request/rewrite.h"

#include <stdio.h>

#include "httpd/request/request.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

static struct keel_arena arena;
static struct http_rewriter *rewriter;

static void set_up(void)
{
    keel_arena_init(&arena, 0);
    rewriter = http_rewriter_new();
    ck_assert_ptr_nonnull(rewriter);
}
static void tear_down(void)
{
    http_rewriter_free(rewriter);
    keel_arena_fini(&arena);
}

static struct http_rewrite rule(const char *text)
{
    struct http_rewrite out;
    struct keel_diag diag = {""};
    ck_assert_msg(http_rewrite_compile(rewriter, &arena, keel_str(text), &out, &diag) == 0,
                  "%s: %s", text, diag.text);
    return out;
}

/* result, path?query or location */
static const struct {
    const char *rule, *path, *query;
    int result;
    const char *out;
} rows[] = {
    {"^/old/(.*)$ /new/$1", "/old/a/b", "", 1, "/new/a/b?"},
    {"^/old/(.*)$ /new/$1", "/old/a", "q=1", 1, "/new/a?q=1"},
    {"^/old/(.*)$ /new/$1", "/x/old/a", "q", 0, "/x/old/a?q"},
    {"/old /new", "/x/old", "", 0, "/x/old?"}, /* from the beginning, with or without ^ */
    {"/old /new", "/older", "", 1, "/new?"},
    {"/(a)(b)?(c)?$ /$3-$2-$1-$0", "/a", "", 1, "/--a-/a?"},
    {"/(.*) /index.php?p=$1", "/a&b=c d", "e=f", 1, "/index.php?p=a%26b%3Dc%20d&e=f"},
    {"/(.*) /index.php?", "/a", "e=f", 1, "/index.php?e=f"},
    {"/(.*) /$1%20x/$$", "/a?%", "", 1, "/a?% x/$?"},
    {"/(.*) //x//$1", "/a", "", 1, "/x/a?"},
    {"/a(.*) /b/$1", "/a../x", "", -400, "/a../x?"},
    {"/a(.*) /b/$1", "/a.", "", -400, "/a.?"},
    {"/a(.*) /b$1", "/a..", "", 1, "/b..?"},
    {"/a$ /b", "/a\n", "", 0, "/a\n?"},
    {"/(.*)/x$ /$1", "/a\nb/x", "", 1, "/a\nb?"},
    {"(?i)/FOO\\.PHP /b", "/foo.php", "", 1, "/b?"},
    {"/caf(.*) /$1", "/caf\303\251", "", 1, "/\303\251?"},
    {"^/old/(.*)$ /new/$1 301", "/old/a b", "q", 301, "/new/a%20b?q"},
    {"^/old/(.*)$ /new/?a=$1 302", "/old/a b", "q", 302, "/new/?a=a%20b&q"},
    {"^/old(.*)$ /$1 307", "/old/evil.example", "", 307, "/evil.example"},
    {"^/old(.*)$ /$1 308", "/old\\evil", "", 308, "/%5Cevil"},
    {"^/(.*)$ https://example.org/$1 301", "/a\r\nb", "", 301, "https://example.org/a%0D%0Ab"},
    {"^/ https://example.org 303", "/a", "b", 303, "https://example.org?b"},
    /* as many steps as stars in a long path: given up, not waited for */
    {"/(a+)+$ /x", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", "", -500,
     "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac?"},
};

START_TEST(test_rules)
{
    struct http_rewrite one = rule(rows[_i].rule);
    const struct http_rewrites rules = {&one, 1};
    struct http_rewritten state = {keel_str(rows[_i].path), keel_str(rows[_i].query), {NULL, 0}};
    char text[256];
    ck_assert_int_eq(http_rewrite_apply(rewriter, &rules, &arena, &state), rows[_i].result);
    if (rows[_i].result > 1)
        snprintf(text, sizeof text, "%.*s", (int)state.location.n, state.location.p);
    else
        snprintf(text, sizeof text, "%.*s?%.*s", (int)state.path.n, state.path.p,
                 (int)state.query.n, state.query.p);
    ck_assert_str_eq(text, rows[_i].out);
}
END_TEST

/* Whatever the path, an expression that backtracks is cut off. */
START_TEST(test_bounded)
{
    static char path[8192];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    struct http_rewrite one = rule("/.*.*.*.*x.*.*y /x");
    const struct http_rewrites rules = {&one, 1};
    struct http_rewritten state = {{path, sizeof path}, {NULL, 0}, {NULL, 0}};
    for (unsigned i = 0; i < 100; i++) {
        int result = http_rewrite_apply(rewriter, &rules, &arena, &state);
        ck_assert(result == 0 || result == -500);
    }
    /* and one that does not is not, in as long a path */
    one = rule("^/(.*)(.)$ /$2");
    ck_assert_int_eq(http_rewrite_apply(rewriter, &rules, &arena, &state), 1);
    ck_assert(keel_str_equal(state.path, KEEL_STR("/a")));
}
END_TEST

static int go(const struct http_sites *sites, const char *target, char *out, size_t size)
{
    struct http_request request;
    struct http_clock clock = {0};
    char text[256];
    http_request_init(&request);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
    ck_assert_int_eq(http_head_parse(&request.head, (uint8_t *)text, strlen(text)), 0);
    int result = http_request_prepare(&request, sites, &clock);
    snprintf(out, size, "%s%s%.*s", result > 0 ? request.moved.p : "", request.location->prefix.p,
             (int)request.path.n, request.path.p);
    http_request_fini(&request);
    return result;
}

START_TEST(test_locations)
{
    static const struct {
        const char *target;
        int result;
        const char *out; /* location and path */
    } wanted[] = {
        {"/x", 0, "//x"},
        {"/one", 0, "//three"}, /* each rule of the site is tried on what the one before made */
        {"/four", 0, "//five"}, /* last ends that */
        {"/app/x", 0, "/app//app/index"}, /* stays: its rules are not tried again */
        {"/to/app", 0, "/app//app/index"},
        {"/ping", -500, "/pong/pong"},
        {"/chain0", 0, "/chain9/chain9"},
        {"/moved", 302, "/to?x/moved/moved"},
        {"/*", 0, "//*"},
    };
    struct http_rewrite of_site[] = {rule("^/one$ /two"), rule("^/two$ /three"),
                                     rule("^/four$ /five last"), rule("^/five$ /six")};
    struct http_rewrite app = rule("/app/.* /app/index"), to = rule("/to/(.*) /$1/y"),
                        ping = rule("/ping /pong"), pong = rule("/pong /ping"),
                        moved = rule("/moved /to?x 302"), chain[9];
    struct http_location list[16] = {
        {.prefix = {"/app/", 5}, .rewrites = {&app, 1}},
        {.prefix = {"/to/", 4}, .rewrites = {&to, 1}},
        {.prefix = {"/ping", 5}, .rewrites = {&ping, 1}},
        {.prefix = {"/pong", 5}, .rewrites = {&pong, 1}},
        {.prefix = {"/moved", 6}, .rewrites = {&moved, 1}},
        {.prefix = {"/chain9", 7}},
    };
    char prefixes[9][16];
    for (unsigned i = 0; i < 9; i++) {
        char text[32];
        snprintf(text, sizeof text, "/chain%u /chain%u", i, i + 1);
        chain[i] = rule(text);
        snprintf(prefixes[i], sizeof prefixes[i], "/chain%u", i);
        list[6 + i] =
            (struct http_location){.prefix = keel_str(prefixes[i]), .rewrites = {&chain[i], 1}};
    }
    struct http_site site = {.locations = list, .location_count = 15, .rewrites = {of_site, 4}};
    struct http_sites sites = {.items = &site, .count = 1, .rewriter = rewriter};
    const struct http_location *twice;
    ck_assert_int_eq(http_locations_compile(&site, &twice), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char out[256];
        int result = go(&sites, wanted[i].target, out, sizeof out);
        ck_assert_msg(result == wanted[i].result && strcmp(out, wanted[i].out) == 0, "%s: %d %s",
                      wanted[i].target, result, out);
    }
}
END_TEST

static int run_rules(void *arg)
{
    static const char *const rules[] = {"/(a*) /b/$1?x=$1", "/b(.*) $1", "/b(.*) /$1 301"};
    struct keel_diag diag;
    struct http_rewrite list[3];
    struct http_rewritten state = {KEEL_STR("/a"), KEEL_STR("q"), {NULL, 0}};
    int err = 0;
    keel_arena_init(&arena, 0);
    struct http_rewriter *r = http_rewriter_new();
    if (!r)
        err = KEEL_ENOMEM;
    for (unsigned i = 0; i < 3 && !err; i++) {
        err = http_rewrite_compile(r, &arena, keel_str(rules[i]), &list[i], &diag);
        if (err == KEEL_EINVAL && i == 1) {
            list[1] = list[0];
            err = 0;
        }
    }
    const struct http_rewrites all = {list, 3};
    if (!err) {
        int result = http_rewrite_apply(r, &all, &arena, &state);
        err = result == -503 ? KEEL_ENOMEM : 0;
        ck_assert(err || result == 301);
    }
    http_rewriter_free(r);
    keel_arena_fini(&arena);
    return err;
}

START_TEST(test_no_memory)
{
    allocfail_sweep(run_rules, NULL);
}
END_TEST

Suite *rewrite_suite(void);
Suite *rewrite_suite(void)
{
    Suite *s = suite_create("httpd/request/rewrite");
    TCase *t = tcase_create("rewrite");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, test_rules, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, test_bounded);
    tcase_add_test(t, test_locations);
    suite_add_tcase(s, t);
    t = tcase_create("memory");
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
