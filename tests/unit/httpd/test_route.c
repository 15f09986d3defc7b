/* Routes: hosts and paths as tables, and compared with the plainest search over random ones. */
#include "httpd/request/route.h"

#include <stdio.h>

#include "common/base/rand.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

static struct keel_arena arena;
static struct http_site items[8];
static struct http_sites sites;

static void set_up(void)
{
    keel_arena_init(&arena, 0);
    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < 8; i++)
        items[i] = (struct http_site){.id = i, .entrances = HTTP_EVERYWHERE};
    sites = (struct http_sites){.items = items, .count = 8, .fallback = {7}, .key = {1, 2}};
}
static void tear_down(void)
{
    http_sites_fini(&sites);
    keel_arena_fini(&arena);
}

static int add(const char *name, unsigned site)
{
    const struct http_host_name *other;
    return http_sites_add_name(&sites, &arena, keel_str(name), site, 0, &other);
}

START_TEST(test_hosts)
{
    static const struct {
        const char *host;
        unsigned id;
    } rows[] = {
        {"a.example", 0},
        {"A.Example", 0},
        {"a.example.", 0},
        {"b.a.example", 7},
        {"example.org", 7},
        {".example.org", 1},
        {"x.example.org", 1},
        {"y.x.example.org", 1},
        {"X.EXAMPLE.ORG.", 1},
        {"www.example.org", 2},
        {"x.www.example.org", 1},
        {"deep.example.org", 3},
        {"x.deep.example.org", 4},
        {"y.x.deep.example.org", 4},
        {"xdeep.example.org", 1},
        {"org", 7},
        {"[2001:db8::1]", 5},
        {"192.0.2.1", 5},
        {"", 7},
        {".", 7},
        {"..", 7},
        {"...............................", 7},
    };
    ck_assert_int_eq(add("A.example.", 0), 0);
    ck_assert_int_eq(add("*.example.org", 1), 0);
    ck_assert_int_eq(add("www.example.org", 2), 0);
    ck_assert_int_eq(add("deep.example.org", 3), 0);
    ck_assert_int_eq(add("*.deep.example.org", 4), 0);
    ck_assert_int_eq(add("[2001:DB8::1]", 5), 0);
    ck_assert_int_eq(add("192.0.2.1", 5), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned id = http_route_site(&sites, keel_str(rows[i].host), 0)->id;
        ck_assert_msg(id == rows[i].id, "%s: %u", rows[i].host, id);
    }
    /* longer than any name, and as many labels as fit */
    static char host[8192];
    memset(host, 'a', sizeof host);
    ck_assert_uint_eq(http_route_site(&sites, (struct keel_str){host, sizeof host}, 0)->id, 7);
    for (size_t i = 1; i < sizeof host; i += 2)
        host[i] = '.';
    memcpy(host + HTTP_HOST_MAX - 12, ".example.org", 12);
    ck_assert_uint_eq(http_route_site(&sites, (struct keel_str){host, HTTP_HOST_MAX}, 0)->id, 1);
    ck_assert_uint_eq(http_route_site(&sites, (struct keel_str){host, HTTP_HOST_MAX - 1}, 0)->id,
                      7);
}
END_TEST

START_TEST(test_names)
{
    static const char *const bad[] = {
        "",
        "*",
        "*.",
        ".",
        "a..b",
        ".a",
        "www.*.example",
        "w*.example",
        "*a.b",
        "a b",
        "a/b",
        "a:80",
        "example.*",
        "[::1",
        "[x]",
        "*.[::1]",
        "*.*.a",
        "b\303\274cher.example",
        "a23456789.123456789.123456789.123456789.123456789.123456789.1234",
    };
    for (size_t i = 0; i + 1 < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(add(bad[i], 0) == KEEL_EINVAL, "%s", bad[i]);
    ck_assert_int_eq(add(bad[sizeof bad / sizeof *bad - 1], 0), 0); /* no label is too long */
    char label[65];
    memset(label, 'a', 64);
    label[64] = '\0';
    ck_assert_int_eq(add(label, 0), KEEL_EINVAL);
    label[63] = '\0';
    ck_assert_int_eq(add(label, 0), 0);
    ck_assert_int_eq(add("_", 0), 0);
    const struct http_host_name *other;
    ck_assert_int_eq(http_sites_add_name(&sites, &arena, KEEL_STR("B.example"), 3, 12, &other), 0);
    ck_assert_int_eq(http_sites_add_name(&sites, &arena, KEEL_STR("b.Example."), 4, 13, &other),
                     KEEL_EEXIST);
    ck_assert(other->site == 3 && other->line == 12);
    ck_assert_int_eq(add("*.b.example", 4), 0);
    ck_assert_int_eq(add("*.B.example", 5), KEEL_EEXIST);
}
END_TEST

static int run_names(void *arg)
{
    set_up();
    int err = add("a.example", 0);
    for (unsigned i = 0; i < 40 && !err; i++) {
        char name[32];
        snprintf(name, sizeof name, "*.b%u.example", i);
        err = add(name, 1);
    }
    tear_down();
    return err;
}

START_TEST(test_no_memory)
{
    allocfail_sweep(run_names, NULL);
}
END_TEST

START_TEST(test_paths)
{
    static const struct {
        const char *path, *prefix;
        bool exact;
    } rows[] = {
        {"/", "/", false},
        {"/app", "/app", false},
        {"/app/", "/app/", false},
        {"/app/x", "/app/", false},
        {"/apple", "/", false},
        {"/app.html", "/", false},
        {"/app/exact", "/app/exact", true},
        {"/app/exact/", "/app/", false},
        {"/list", "/", false},
        {"/list/", "/list/", false},
        {"/list/deep", "/list/", false},
        {"/list/deep/er/x", "/list/deep/", false},
        {"/list/deeper", "/list/", false},
        {"/x", "/x", true},
        {"/x/y", "/", false},
        {"/zzzz", "/", false},
        {"", "/", false},
        {"*", "/", false},
    };
    static const struct http_location list[] = {
        {.prefix = {"/list/deep/", 11}}, {.prefix = {"/x", 2}, .exact = true},
        {.prefix = {"/app", 4}},         {.prefix = {"/app/exact", 10}, .exact = true},
        {.prefix = {"/list/", 6}},       {.prefix = {"/app/", 5}},
        {.prefix = {"/app/exactly", 12}}};
    struct http_location locations[sizeof list / sizeof *list];
    const struct http_location *twice;
    memcpy(locations, list, sizeof list);
    struct http_site site = {.locations = locations, .location_count = sizeof list / sizeof *list};
    ck_assert_int_eq(http_locations_compile(&site, &twice), 0);
    ck_assert_uint_eq(site.prefix_count, 5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct http_location *found = http_route_location(&site, keel_str(rows[i].path));
        ck_assert_msg(keel_str_equal(found->prefix, keel_str(rows[i].prefix)) &&
                          found->exact == rows[i].exact,
                      "%s: %s", rows[i].path, found->prefix.p);
    }
    struct http_location same[] = {{.prefix = {"/a", 2}, .order = 7},
                                   {.prefix = {"/a", 2}, .order = 3},
                                   {.prefix = {"/a", 2}, .order = 4, .exact = true}};
    site = (struct http_site){.locations = same, .location_count = 3};
    ck_assert_int_eq(http_locations_compile(&site, &twice), KEEL_EEXIST);
    ck_assert(twice->order == 7 && twice[-1].order == 3);
}
END_TEST

/* The longest that fits, looked for one by one. */
static const struct http_location *find_plainly(const struct http_site *site, struct keel_str path)
{
    const struct http_location *best = NULL;
    for (unsigned i = 0; i < site->location_count; i++) {
        const struct http_location *l = &site->locations[i];
        if (l->exact && keel_str_equal(l->prefix, path))
            return l;
        if (!l->exact && keel_str_begins(path, l->prefix) &&
            (path.n == l->prefix.n || l->prefix.p[l->prefix.n - 1] == '/' ||
             path.p[l->prefix.n] == '/') &&
            (!best || l->prefix.n > best->prefix.n))
            best = l;
    }
    return best;
}

static struct keel_str random_path(struct keel_prng *prng, char *out)
{
    unsigned n = 1 + keel_prng_below(prng, 7);
    out[0] = '/';
    for (unsigned i = 1; i < n; i++)
        out[i] =
            out[i - 1] == '/' ? "ab"[keel_prng_below(prng, 2)] : "ab/"[keel_prng_below(prng, 3)];
    return (struct keel_str){out, n};
}

START_TEST(test_random_paths)
{
    struct keel_prng prng;
    keel_prng_seed(&prng, 7);
    for (unsigned round = 0; round < 300; round++) {
        struct http_location list[40];
        char text[40][8], path[8];
        unsigned count = keel_prng_below(&prng, 40), n = 0;
        for (unsigned i = 0; i < count; i++) {
            struct http_location l = {.prefix = random_path(&prng, text[i]),
                                      .exact = keel_prng_below(&prng, 4) == 0};
            bool known = false;
            for (unsigned k = 0; k < n; k++)
                known =
                    known || (list[k].exact == l.exact && keel_str_equal(list[k].prefix, l.prefix));
            if (!known)
                list[n++] = l;
        }
        struct http_site site = {.locations = list, .location_count = n};
        const struct http_location *twice;
        ck_assert_int_eq(http_locations_compile(&site, &twice), 0);
        for (unsigned i = 0; i < 200; i++) {
            struct keel_str p = random_path(&prng, path);
            const struct http_location *want = find_plainly(&site, p);
            const struct http_location *found = http_route_location(&site, p);
            ck_assert_msg(want ? found == want : found->line == 0 && found->prefix.n == 1,
                          "round %u: %.*s", round, (int)p.n, p.p);
        }
    }
}
END_TEST

Suite *route_suite(void);
Suite *route_suite(void)
{
    Suite *s = suite_create("httpd/request/route");
    TCase *t = tcase_create("hosts");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_hosts);
    tcase_add_test(t, test_names);
    suite_add_tcase(s, t);
    t = tcase_create("paths");
    tcase_add_test(t, test_no_memory);
    tcase_add_test(t, test_paths);
    tcase_add_test(t, test_random_paths);
    suite_add_tcase(s, t);
    return s;
}
