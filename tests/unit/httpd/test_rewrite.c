/* Rewrites: one rule and many, through requests; what leads in a circle, and what never ends. */
#include "httpd/request/rewrite.h"

#include <stdio.h>

#include "httpd/request/request.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

static const struct http_head nothing;
static struct keel_arena arena;
static struct http_expressions *expressions;

static void set_up(void)
{
    keel_arena_init(&arena, 0);
    expressions = http_expressions_new();
    ck_assert_ptr_nonnull(expressions);
}
static void tear_down(void)
{
    http_expressions_free(expressions);
    keel_arena_fini(&arena);
}

static struct http_rewrite rule(const char *text)
{
    struct http_rewrite out;
    struct keel_diag diag = {""};
    ck_assert_msg(http_rewrite_compile(expressions, &arena, keel_str(text), &out, &diag) == 0,
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
    struct http_asked asked = {.head = &nothing};
    ck_assert_int_eq(http_rewrite_apply(expressions, &rules, &arena, &asked, &state),
                     rows[_i].result);
    if (rows[_i].result > 1)
        snprintf(text, sizeof text, "%.*s", (int)state.location.n, state.location.p);
    else
        snprintf(text, sizeof text, "%.*s?%.*s", (int)state.path.n, state.path.p,
                 (int)state.query.n, state.query.p);
    ck_assert_str_eq(text, rows[_i].out);
}
END_TEST

/* Of a request: METHOD TARGET, host, fields; result, path?query or location. */
#define CLIENT "192.0.2.9"
static const struct {
    const char *rule, *request, *host, *fields;
    int result;
    const char *out;
} conditions[] = {
    /* hosts */
    {"/(.*) https://${host.1}/$1 301 if host=www\\.(.+)$", "GET /a?b", "WWW.Example.org:80", "",
     301, "https://example.org/a?b"},
    {"/(.*) https://${host.1}/$1 301 if host=www\\.(.+)$", "GET /a?b", "example.org", "", 0,
     "/a?b"},
    {"/(.*) https://${host.1}/$1 301 if host=www\\.(.+)$", "GET /a", "www.a.", "", 301,
     "https://a/a"},
    {"/(.*) https://www.${host}/$1 308 if !host=www\\.", "GET /a", "a.example", "", 308,
     "https://www.a.example/a"},
    {"/(.*) https://www.${host}/$1 308 if !host=www\\.", "GET /a", "www.a", "", 0, "/a?"},
    {"/(.*) https://${host}:8443/$1 307", "GET /a", "[2001:DB8::1]:80", "", 307,
     "https://[2001:db8::1]:8443/a"},
    {"/(.*) https://${host}/$1 307", "GET /a", "", "", 0, "/a?"}, /* no host, no address */
    {"/(.*) /sites/${host}/$1", "GET /a?q", "A.example", "", 1, "/sites/A.example/a?q"},
    {"/(.*) /users/${host.1}/$1 if host=([^.]+)\\.users\\.", "GET /x", "ann.users.example", "", 1,
     "/users/ann/x?"},
    {"/(.*) /${host.1}$1 if host=(.*) host=(b).*", "GET /x", "bob", "", 1, "/bx?"}, /* the last */
    {"/(.*) /${host.1}$1 if host=(b)(.*) !host=x", "GET /x", "bob", "", 1, "/bx?"},
    {"/(.*) https://${host.1}.example${host.2}/ 302 if host=(.)(.*)", "GET /x", "a.b", "", 302,
     "https://a.example.b/"},
    {"/ https://a.example/?from=${host} 302", "GET /x", "b.example", "", 302,
     "https://a.example/?from=b.example"},
    {"/(.*) https://${host.1}/$1 302 if host=(x?)", "GET /evil.example", "a.b", "", 0,
     "/evil.example?"}, /* not https:///evil.example */
    /* the rest, and what is not */
    {"/ 405 if !method=GET,HEAD,POST", "PUT /x", "a", "", -405, "/x?"},
    {"/ 405 if !method=GET,HEAD,POST", "HEAD /x", "a", "", 0, "/x?"},
    {"/ 405 if !method=GET,HEAD,POST", "get /x", "a", "", -405, "/x?"},
    {"/ /y if method=PURGE", "PURGE /x", "a", "", 1, "/y?"},
    {"/ /y if scheme=http", "GET /x", "a", "", 1, "/y?"},
    {"/ /y if scheme=https", "GET /x", "a", "", 0, "/x?"},
    {"/ /y if !scheme=https", "GET /x", "a", "", 1, "/y?"},
    {"/ 503 if !client=127.0.0.0/8,::1", "GET /x", "a", "", -503, "/x?"},
    {"/ 503 if !client=127.0.0.0/8," CLIENT, "GET /x", "a", "", 0, "/x?"},
    {"/ 403 if client=192.0.2.0/24", "GET /x", "a", "", -403, "/x?"},
    {"/old /new/${query.1}? if query=(?:.*&)?id=(\\d+)(?:&|$)", "GET /old?a=1&id=77&b", "a", "", 1,
     "/new/77?a=1&id=77&b"},
    {"/old /new/${query.1} if query=id=(\\d+)", "GET /old?xid=7", "a", "", 0, "/old?xid=7"},
    {"/old /new if query=$", "GET /old", "a", "", 1, "/new?"},
    {"/old /new if !query=$", "GET /old", "a", "", 0, "/old?"},
    {"/ 403 if header:user-agent=.*(?i)bot", "GET /", "a", "User-Agent: a RoBot\r\n", -403, "/?"},
    {"/ 403 if header:user-agent=.*(?i)bot", "GET /", "a", "", 0, "/?"},
    {"/ 403 if !header:x-key=", "GET /", "a", "X-Key: \r\n", 0, "/?"},
    {"/ 403 if !header:x-key=", "GET /", "a", "X-Keys: \r\n", -403, "/?"},
    {"/(.*) /${header.1}/$1 if header:accept-language=(de|fr)", "GET /x", "a",
     "Accept-Language: en\r\nAccept-Language: fr;q=0.5\r\n", 1, "/fr/x?"},
    {"/(.*) /${header.0}/$1 302 if header:x=.*", "GET /x", "a", "X: /e?v%i#l \\\r\n", 302,
     "/e%3Fv%25i%23l%20%5C/x"},
    {"/(.*) /${header.0}/$1 if header:x=.*", "GET /x", "a", "X: ../..\r\n", -400, "/x?"},
    {"/(.*) /${header.0}/$1 302 if header:x=.*", "GET /x", "a", "X: /evil.example\r\n", 302,
     "/evil.example/x"},
    {"/ /y?h=${header.1} if header:x=(.*)", "GET /x?q", "a", "X: a&b=c\r\n", 1, "/y?h=a%26b%3Dc&q"},
    {"/ /y if header:x=(a+)+$", "GET /x", "a",
     "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\r\n", -500, "/x?"},
    /* all of them, and the words in any number of blanks */
    {"  /(.)   /y$1   last   if   method=GET   host=a  ", "GET /x", "a", "", 1, "/yx?"},
    {"/ /y if method=GET host=a header:x=", "GET /x", "a", "", 0, "/x?"},
    {"/if /if", "GET /if", "a", "", 1, "/if?"},
};

START_TEST(test_conditions)
{
    struct http_rewrite one = rule(conditions[_i].rule);
    const struct http_rewrites rules = {&one, 1};
    struct keel_addr peer;
    struct http_head head;
    char request[512], text[256];
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", conditions[_i].request,
             conditions[_i].host, conditions[_i].fields);
    ck_assert_int_eq(http_head_parse(&head, (uint8_t *)request, strlen(request)), 0);
    ck_assert_int_eq(keel_addr_parse(&peer, KEEL_STR(CLIENT), 1, NULL), 0);
    struct http_asked asked = {.head = &head, .peer = &peer};
    struct http_rewritten state = {
        http_span_str(&head, head.path), http_span_str(&head, head.query), {NULL, 0}};
    ck_assert_int_eq(http_rewrite_apply(expressions, &rules, &arena, &asked, &state),
                     conditions[_i].result);
    if (conditions[_i].result > 1)
        snprintf(text, sizeof text, "%.*s", (int)state.location.n, state.location.p);
    else
        snprintf(text, sizeof text, "%.*s?%.*s", (int)state.path.n, state.path.p,
                 (int)state.query.n, state.query.n ? state.query.p : "");
    ck_assert_str_eq(text, conditions[_i].out);
}
END_TEST

/* Rules that are wrong, and what is said of them. */
static const struct {
    const char *rule, *error;
} wrong[] = {
    {"/x /y if", "conditions expected behind \"if\""},
    {"/x /y if x", "behind \"if\": host=, query="},
    {"/x /y if x=y", "behind \"if\": host=, query="},
    {"/x /y if header=y", "behind \"if\": host=, query="},
    {"/x /y if header:=y", "behind \"if\": host=, query="},
    {"/x /y if header:a(=y", "behind \"if\": host=, query="},
    {"/x /y if !", "behind \"if\": host=, query="},
    {"/x /y if host", "\"host\": = and a value expected"},
    {"/x /y if host=(", "column 2 of the expression: missing closing parenthesis"},
    {"/x /y if method=", "methods expected"},
    {"/x /y if method=GET,", "methods expected"},
    {"/x /y if scheme=ftp", "scheme=http or scheme=https"},
    {"/x /y if client=192.0.2.1/24", "client: "},
    {"/x /y if client=localhost", "client: "},
    {"/x /y if host=a host=b host=c host=d host=e host=f host=g host=h host=i", "8 conditions"},
    {"/x /y last 301", "\"if\" expected, not \"301\""},
    {"/x /y if host=a last", "behind \"if\": host="},
    {"/x 200", "must be 400 to 499, or 503"},
    {"/x 500", "must be 400 to 499, or 503"},
    {"/x 4040", "must be 400 to 499, or 503"},
    {"/x 403 last", "\"if\" expected behind the status"},
    {"/x /${hosts}", "\"${hosts}\" in the target: $1 is for"},
    {"/x /${host", "\"${host\" in the target"},
    {"/x /${host.1}", "\"${host.1}\" in the target"},
    {"/x /${host.} if host=(a)", "\"${host.}\" in the target"},
    {"/x /${host.2} if host=(a)", "\"${host.2}\" in the target: the expression has 1 groups"},
    {"/x /${host.1} if !host=(a)", "\"${host.1}\" in the target"},
    {"/x /${host.10} if host=(a)", "\"${host.10}\" in the target"},
    {"/x /${query.1} if host=(a)", "\"${query.1}\" in the target"},
    {"/x /${}", "\"${}\" in the target"},
    {"/x ${host}/", "must begin with \"/\""},
    {"/x https://${host}/", "must begin with \"/\""},
    {"/x https://${header.1}/ 301 if header:x=(.*)", "but ${host} and groups of a host"},
    {"/(x) https://${host}$1/ 301", "but ${host} and groups of a host"},
    {"/(x) https://a.example${query.0}/ 301 if query=.*", "but ${host} and groups of a host"},
    {"/x https:/// 301", "but ${host} and groups of a host"},
    {"/x https:// 301", "but ${host} and groups of a host"},
};

START_TEST(test_wrong)
{
    struct http_rewrite out;
    struct keel_diag diag = {""};
    int err = http_rewrite_compile(expressions, &arena, keel_str(wrong[_i].rule), &out, &diag);
    ck_assert_msg(err == KEEL_EINVAL && strstr(diag.text, wrong[_i].error), "%s: %d \"%s\"",
                  wrong[_i].rule, err, diag.text);
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
    struct http_asked asked = {.head = &nothing};
    for (unsigned i = 0; i < 100; i++) {
        int result = http_rewrite_apply(expressions, &rules, &arena, &asked, &state);
        ck_assert(result == 0 || result == -500);
    }
    /* and one that does not is not, in as long a path */
    one = rule("^/(.*)(.)$ /$2");
    ck_assert_int_eq(http_rewrite_apply(expressions, &rules, &arena, &asked, &state), 1);
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
    int result = http_request_prepare(&request, sites, &(struct http_origin){0}, &clock);
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
    struct http_sites sites = {.items = &site, .count = 1, .expressions = expressions};
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
    static const char *const rules[] = {
        "/(a*) /b/$1?x=$1 if host=(.*) !client=::1,192.0.2.0/24 header:x=", "/b(.*) $1",
        "/b(.*) https://${host}/$1/${host.1} 301 if host=a(.*) method=GET scheme=http"};
    static const char text[] = "GET /a?q HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n";
    struct http_head head;
    ck_assert_int_eq(http_head_parse(&head, (const uint8_t *)text, sizeof text - 1), 0);
    struct keel_diag diag;
    struct http_rewrite list[3];
    struct http_rewritten state = {KEEL_STR("/a"), KEEL_STR("q"), {NULL, 0}};
    int err = 0;
    keel_arena_init(&arena, 0);
    struct http_expressions *r = http_expressions_new();
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
        struct http_asked asked = {.head = &head};
        int result = http_rewrite_apply(r, &all, &arena, &asked, &state);
        err = result == -503 ? KEEL_ENOMEM : 0;
        ck_assert(err || result == 301);
    }
    http_expressions_free(r);
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
    tcase_add_loop_test(t, test_conditions, 0, sizeof conditions / sizeof *conditions);
    tcase_add_loop_test(t, test_wrong, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(t, test_bounded);
    tcase_add_test(t, test_locations);
    suite_add_tcase(s, t);
    t = tcase_create("memory");
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
