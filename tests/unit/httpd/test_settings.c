/* Configurations of sites and locations: what is refused, with the line and the reason. */
#include "httpd/serve/settings.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "common/service/options.h"
#include "httpd/options.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

static int configure(const char *text, struct http_settings **settings, struct keel_diag *diag)
{
    static const struct keel_protocol httpd = {KEEL_PROTOCOL, .name = "httpd",
                                               .options = http_options};
    const struct keel_conf_source source = {.file = "httpd.conf", .text = text};
    struct keel_option *rows = keel_options_join(&httpd);
    struct keel_conf *conf = NULL;
    void *made = NULL;
    int err = rows ? keel_conf_load(rows, &source, &conf, diag) : KEEL_ENOMEM;
    if (!err)
        err = http_settings_configure(conf, &made, NULL, NULL, diag);
    *settings = made;
    keel_conf_free(conf);
    keel_free(rows);
    return err;
}

#define LISTEN "listen = \"127.0.0.1:0\"\n"
#define SITE(text) LISTEN "site \"a\" {\n" text " }"
#define LOCATION(text) SITE("location \"/x\" {\n" text " }")
#define TWO_LISTEN "listen = { \"127.0.0.1:1\",\n \"127.0.0.1:2\" }\n"
#define SITE_AT(name, port, text) "site \"" name "\" { listen = \"127.0.0.1:" port "\" " text " }\n"
static const struct {
    const char *text, *error;
} refused[] = {
    /* names */
    {LISTEN "site \"a b\" { }", "httpd.conf:2: site \"a b\": a host name expected"},
    {LISTEN "site \"example.*\" { }", "httpd.conf:2: site \"example.*\": a host name expected"},
    {SITE("names = { \"b\",\n \"c:80\" }"),
     "httpd.conf:4: site \"a\": names: a host name expected"},
    {SITE("names = { \"b\303\274cher.example\" }"),
     "httpd.conf:3: site \"a\": names: a name is written in ASCII"},
    {SITE("names = { \"b\", \"A\" }"),
     "httpd.conf:3: site \"a\": names: site \"a\" has this name (line 2)"},
    {SITE("names = { \"b\" }") "\nsite \"B.\" { }",
     "httpd.conf:4: site \"B.\": site \"a\" has this name (line 3)"},
    {LISTEN "site \"*.a\" { }\nsite \"b\" { names = \"*.a\" }",
     "httpd.conf:3: site \"b\": names: site \"*.a\" has this name (line 2)"},
    /* addresses of sites */
    {SITE("listen = { \"127.0.0.1:0\",\n\"127.0.0.1:1\" }"),
     "httpd.conf:4: site \"a\": listen: httpd does not listen there: it must stand in the listen"},
    {SITE("listen = { \"127.0.0.1:0 tls\" }"), "listen: httpd does not listen there"},
    {SITE("listen = { }"), "httpd.conf:3: site \"a\": listen: the site is served nowhere"},
    {TWO_LISTEN SITE_AT("a", "1", ""),
     "httpd.conf:2: listen: no site is served there: all have a listen of their own"},
    {TWO_LISTEN SITE_AT("a", "1", "names = \"c\"") SITE_AT("b", "1", "\nnames = \"c\""),
     "httpd.conf:5: site \"b\": names: site \"a\" has this name (line 3)"},
    {TWO_LISTEN SITE_AT("a", "1", "default = true") SITE_AT("b", "1", "\ndefault = true"),
     "httpd.conf:5: site \"b\": default: site \"a\" is the default of an address that both have"},
    {TWO_LISTEN "site \"a\" { default = true }\nsite \"b\" {\ndefault = true }\n",
     "httpd.conf:5: site \"b\": default: site \"a\" is the default"},
    {"listen = { \"127.0.0.1:1\",\n \"127.0.0.1:2 tls\" }\n" SITE_AT("a", "2",
                                                                     "") "site \"b\" { }\n",
     "httpd.conf:2: listen: tls needs a site with certificate and key that is"},
    /* locations */
    {SITE("location \"= x\" { }"),
     "httpd.conf:3: site \"a\": location \"= x\": the path must begin"},
    {SITE("location \"=\" { }"), "the path must begin"},
    {SITE("location \"/a//b\" { }"), "slashes are merged"},
    {SITE("location \"/a/../b\" { }"), "no path has \".\" or \"..\""},
    {SITE("location \"/a/.\" { }"), "no path has \".\" or \"..\""},
    {SITE("location \"= /x\" { }\nlocation \"/x\" { }\nlocation \"=/x\" { }"),
     "httpd.conf:5: site \"a\": location \"=/x\": line 3 has this path"},
    /* folders of locations */
    {LOCATION("root = \"/nonexistent\""),
     "httpd.conf:4: site \"a\": location \"/x\": root: cannot open \"/nonexistent\": No such file"},
    {LOCATION("alias = \"/dev/null\""), "alias: cannot open \"/dev/null\": Not a directory"},
    {LOCATION("root = \"/\"\nalias = \"/\""),
     "httpd.conf:5: site \"a\": location \"/x\": alias: root stands there, too"},
    {SITE("location \"= /x\" { alias = \"/\" }"), "alias: a single path has no folder"},
    {LOCATION("redirect = \"301 /\" root = \"/\""), "root: no file is served here"},
    {LOCATION("respond = \"200\" index = \"x\""), "index: no file is served here"},
    {LOCATION("index = \"a/b\""), "index: a file name without \"/\" expected"},
    {LOCATION("charset = \"a b\""), "charset: a name expected"},
    {SITE("root = \"/nonexistent\""), "httpd.conf:3: site \"a\": root: cannot open"},
    {SITE("error-pages = \"404 x\""), "error-pages: the site has no root to find it in"},
    /* rewrites */
    {SITE("rewrite = \"/x\""), "httpd.conf:3: site \"a\": rewrite: \"EXPRESSION TARGET\" expected"},
    {SITE("rewrite = \"\""), "\"EXPRESSION TARGET\" expected"},
    {SITE("rewrite = { \"/x /y\",\n\"/(x /y\" }"),
     "httpd.conf:4: site \"a\": rewrite: column 4 of the expression: missing closing parenthesis"},
    {LOCATION("rewrite = '/(x) $2'"), "the target must begin with \"/\""},
    {LOCATION("rewrite = '/(x) /$2'"), "httpd.conf:4: site \"a\": location \"/x\": rewrite: \"$2\" "
                                       "in the target: the expression has 1 groups"},
    {LOCATION("rewrite = '/(x) /$'"), "\"$\" in the target"},
    {LOCATION("rewrite = '/(x) /%4'"), "written as %XX"},
    {LOCATION("rewrite = '/(x) /a#b'"), "written as %XX"},
    {LOCATION("rewrite = '/(x) /$1 302 x'"), "\"if\" expected, not \"x\""},
    {LOCATION("rewrite = '/(x) /$1 304'"), "\"last\", 301, 302"},
    {LOCATION("rewrite = '/(x) /$1 first'"), "\"last\", 301, 302"},
    {LOCATION("rewrite = '/(.*) https://example.org$1 301'"), "\"https://HOST/\" before any $"},
    {LOCATION("rewrite = '/(.*) https:///$1 301'"), "\"https://HOST/\" before any $"},
    {LOCATION("rewrite = '/(.*) https://example.org/$1'"), "must begin with \"/\""},
    /* users */
    {LOCATION("auth = \"a\""),
     "httpd.conf:4: site \"a\": location \"/x\": auth: auth-file is missing"},
    {LOCATION("auth-file = \"/nonexistent\""), "auth-file: it stands beside auth"},
    {LOCATION("auth = \"off\" auth-file = \"/nonexistent\""), "auth-file: it stands beside auth"},
    {LOCATION("allow-users = \"a\""), "allow-users: it stands beside auth"},
    {SITE("allow-users = \"a\""), "allow-users: it stands beside auth"},
    {LOCATION("auth = \"a\" auth-file = \"/nonexistent\""),
     "httpd.conf:4: site \"a\": location \"/x\": auth-file: cannot open \"/nonexistent\": No such "
     "file"},
    {LOCATION("auth = \"a\" auth-file = \"/etc/passwd\""),
     "auth-file: /etc/passwd:1: no hash of a kind that is known"},
    {LOCATION("auth = \"\" auth-file = \"/dev/null\""), "auth: a name without"},
    {LOCATION("auth = 'a\"b' auth-file = \"/dev/null\""), "auth: a name without"},
    {LOCATION("satisfy = any"), "satisfy: any needs auth, and allow or deny"},
    {LOCATION("satisfy = any allow = \"::/0\""), "satisfy: any needs auth, and allow or deny"},
    {LOCATION("satisfy = some"), "satisfy"},
    {SITE("deny = \"192.0.2.1/24\""), "deny"},
    /* fixed responses and header rules */
    {LOCATION("respond = \"ok\""), "respond: \"STATUS TEXT\" expected"},
    {LOCATION("respond = \"\""), "respond: \"STATUS TEXT\" expected"},
    {LOCATION("respond = \"199 x\""), "respond: \"STATUS TEXT\" expected"},
    {LOCATION("respond = \"204\""), "respond: \"STATUS TEXT\" expected"},
    {LOCATION("respond = \"600\""), "respond: \"STATUS TEXT\" expected"},
    {LOCATION("respond = \"200\" redirect = \"301 /\""),
     "httpd.conf:4: site \"a\": location \"/x\": respond: redirect stands there"},
    {SITE("headers = { \"X: a\",\n \"-Date\" }"),
     "httpd.conf:4: site \"a\": headers: Date is set by httpd"},
    {LOCATION("headers = { \"X: a\",\n \"x: b\" }"),
     "httpd.conf:5: site \"a\": location \"/x\": headers: x stands there twice; \"+x: value\""},
    {LOCATION("headers = { \"-X: a\" }"),
     "headers: \"Name: value\", \"+Name: value\" or \"-Name\" expected"},
};

START_TEST(test_refused)
{
    struct keel_diag diag = {""};
    struct http_settings *settings;
    int err = configure(refused[_i].text, &settings, &diag);
    ck_assert_msg(err == KEEL_ECONF && strstr(diag.text, refused[_i].error), "%d \"%s\"", err,
                  diag.text);
    ck_assert_ptr_null(settings);
}
END_TEST

/* Which site a host means at an address: by name, by wildcard, by default, and where one goes
 * before another. */
START_TEST(test_entrances)
{
    static const char text[] =
        "listen = { \"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\", \"127.0.0.1:4\" }\n"
        "site \"a\" { names = { \"x\", \"*.w\" } }\n"
        "site \"b\" { listen = { \"127.0.0.1:2\", \"127.0.0.1:3\" } names = { \"x\", \"y.w\" } }\n"
        "site \"c\" { listen = \"127.0.0.1:3\" default = true names = \"*.y.w\" }\n"
        "site \"d\" { default = true names = \"y\" }\n"
        "site \"e\" { listen = \"127.0.0.1:4\" names = { \"x\", \"y\" } }\n";
    static const struct {
        const char *host, *sites; /* its name at each address */
    } rows[] = {
        {"a", "aaaa"},   {"b", "dbbd"},     {"c", "ddcd"},     {"d", "dddd"},
        {"e", "ddce"},   {"x", "abbe"},     {"y", "ddde"},     {"z.w", "aaaa"},
        {"y.w", "abba"}, {"z.y.w", "aaca"}, {"other", "ddcd"}, {"", "ddcd"},
    };
    struct keel_diag diag = {""};
    struct http_settings *settings;
    ck_assert_msg(configure(text, &settings, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(settings->entrance_count, 4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char found[5] = "";
        for (unsigned at = 0; at < 4; at++)
            found[at] =
                http_route_site(&settings->sites, keel_str(rows[i].host), settings->entrances[at])
                    ->name.p[0];
        ck_assert_msg(strcmp(found, rows[i].sites) == 0, "%s: %s", rows[i].host, found);
    }
    http_settings_free(settings);
}
END_TEST

/* As many as have a number. */
START_TEST(test_entrances_limit)
{
    struct keel_diag diag = {""};
    struct http_settings *settings;
    for (unsigned n = HTTP_ENTRANCES - 1; n <= HTTP_ENTRANCES; n++) {
        struct keel_buf text = {0};
        keel_buf_puts(&text, "listen = {");
        for (unsigned i = 1; i <= n; i++)
            keel_buf_printf(&text, "%s\"127.0.0.1:%u\"", i > 1 ? ", " : "", i);
        keel_buf_puts(&text, "}\n");
        for (unsigned i = 1; i <= n; i++)
            keel_buf_printf(&text, "site \"s%u\" { listen = \"127.0.0.1:%u\" }\n", i, i);
        int err = configure(keel_buf_text(&text), &settings, &diag);
        keel_buf_fini(&text);
        ck_assert_int_eq(err, n < HTTP_ENTRANCES ? 0 : KEEL_ECONF);
        for (unsigned i = 0; i < n && !err; i++) {
            unsigned site =
                http_route_site(&settings->sites, KEEL_STR("x"), settings->entrances[i])->id;
            ck_assert_uint_eq(site, i);
        }
        http_settings_free(settings);
    }
    ck_assert_msg(strstr(diag.text, "httpd.conf:65: site \"s64\": listen: sites name more than 63"),
                  "%s", diag.text);
}
END_TEST

static const char everything[] =
    LISTEN "site \"a\" { names = { \"b\", \"*.c\" }\n"
           "auth = \"a\" auth-file = \"/dev/null\" allow = { \"192.0.2.1\" }\n"
           "https-only = true headers = { \"A: 1\", \"B: 2\", \"-Server\" }\n"
           "location \"= /ok\" { respond = \"200 fine\" headers = { \"+a: 3\", \"Server: x\" } }\n"
           "location \"= /x\" { https-only = false headers = \"B: 4\" cache-control = \"no-store\" "
           "autoindex = true "
           "auth = \"off\" }\n"
           "rewrite = { '/(a|b)+ /$1?x=y last', '/c https://c/ 301' }\n"
           "location \"/x\" { redirect = \"301 /z\" deny = { \"::1\" } satisfy = any rewrite = "
           "'/x/z /y' } }\n"
           "site \"d\" { default = true root = \"/\" location \"/f/\" { alias = \"/\" index = "
           "\"x\" charset = \"latin1\" } }\n";

START_TEST(test_accepted)
{
    struct keel_diag diag = {""};
    struct http_settings *settings;
    ck_assert_msg(configure(everything, &settings, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(http_route_site(&settings->sites, KEEL_STR("x.C"), 0)->id, 0);
    ck_assert_uint_eq(http_route_site(&settings->sites, KEEL_STR("x"), 0)->id, 1);
    const struct http_site *site = &settings->sites.items[0];
    ck_assert(http_route_location(site, KEEL_STR("/x"))->autoindex);
    ck_assert_uint_eq(http_route_location(site, KEEL_STR("/x/y"))->redirect, 301);
    /* what a site says goes for all of it, and each group of options by itself */
    const struct http_location *rest = http_route_location(site, KEEL_STR("/"));
    const struct http_location *open = http_route_location(site, KEEL_STR("/x"));
    const struct http_location *own = http_route_location(site, KEEL_STR("/x/y"));
    ck_assert(rest->auth && rest->access->allow_count == 1 && !rest->access->any);
    ck_assert(!open->auth && open->access->allow_count == 1);
    ck_assert(own->auth == rest->auth && own->access->deny_count == 1 && own->access->any);
    ck_assert_uint_eq(own->access->allow_count, 0);
    const struct http_location *ok = http_route_location(site, KEEL_STR("/ok"));
    ck_assert(ok->respond && ok->edited && ok->always.n == 0);
    ck_assert(keel_str_equal(ok->lines, KEEL_STR("B: 2\r\na: 3\r\nServer: x\r\n")));
    ck_assert(keel_str_equal(open->lines, KEEL_STR("A: 1\r\nB: 4\r\n")));
    ck_assert(keel_str_equal(open->fields, KEEL_STR("Cache-Control: no-store\r\n")));
    ck_assert(rest->https_port == 443 && own->https_port == 443 && open->https_port == 0);
    ck_assert(open->edited && open->headers.count == 3);
    http_settings_free(settings);
}
END_TEST

static int run_configure(void *arg)
{
    struct keel_diag diag;
    struct http_settings *settings;
    int err = configure(everything, &settings, &diag);
    http_settings_free(settings);
    return err;
}

START_TEST(test_no_memory)
{
    allocfail_sweep(run_configure, NULL);
}
END_TEST

Suite *settings_suite(void);
Suite *settings_suite(void)
{
    Suite *s = suite_create("httpd/serve/settings");
    TCase *t = tcase_create("settings");
    tcase_add_loop_test(t, test_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(t, test_entrances);
    tcase_add_test(t, test_entrances_limit);
    tcase_add_test(t, test_accepted);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
