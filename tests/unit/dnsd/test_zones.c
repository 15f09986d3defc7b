#include "dnsd/zone/zones.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"
#include "tests/support/allocfail.h"

#define TEXT "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n"

static const struct {
    const char *name;
    unsigned max_labels;
    const char *zone; /* NULL: none */
} cases[] = {
    {"example.org", 127, "example.org."},
    {"www.example.org", 127, "example.org."},
    {"sub.example.org", 127, "sub.example.org."},
    {"sub.example.org", 2, "example.org."},
    {"a.b.sub.example.org", 127, "sub.example.org."},
    {"org", 127, NULL},
    {"example.net", 127, NULL},
    {"xexample.org", 127, NULL},
    {".", 127, NULL},
};

START_TEST(finds_the_longest_apex)
{
    struct dns_zones zones;
    support_zones_init(&zones);
    support_serve(&zones, "Example.ORG", TEXT);
    support_serve(&zones, "sub.example.org", TEXT);
    support_serve(&zones, "example.com", TEXT);
    struct dns_name name = support_name(cases[_i].name);
    const struct dns_zone *zone = dns_zones_find(&zones, &name, cases[_i].max_labels);
    if (cases[_i].zone) {
        struct dns_name apex = support_name(cases[_i].zone);
        ck_assert_ptr_nonnull(zone);
        ck_assert_mem_eq(zone->apex.bytes, apex.bytes, apex.size);
    } else {
        ck_assert_ptr_null(zone);
    }
    dns_zones_fini(&zones);
}
END_TEST

START_TEST(serves_the_root_for_all_else)
{
    struct dns_zones zones;
    support_zones_init(&zones);
    support_serve(&zones, ".", TEXT);
    struct dns_name name = support_name("a.b");
    ck_assert_ptr_eq(dns_zones_find(&zones, &name, 127), zones.items[0]);
    dns_zones_fini(&zones);
}
END_TEST

START_TEST(takes_a_name_once)
{
    struct dns_zones zones;
    support_zones_init(&zones);
    support_serve(&zones, "example.org", TEXT);
    struct dns_name apex = support_name("EXAMPLE.org");
    struct dns_image *image = support_image("example.org", TEXT);
    ck_assert_int_eq(dns_zones_add(&zones, &apex, image, "x"), KEEL_EEXIST);
    keel_free(image);
    dns_zones_fini(&zones);
}
END_TEST

static int sweep(void *arg)
{
    struct dns_zones zones;
    support_zones_init(&zones);
    struct dns_name apex = support_name("z");
    struct dns_image *image = NULL;
    struct keel_diag diag;
    int err = support_compile("z", TEXT, &image, &diag);
    if (err == 0 && (err = dns_zones_add(&zones, &apex, image, "x")) != 0)
        keel_free(image);
    dns_zones_fini(&zones);
    return err;
}

START_TEST(survives_every_failing_allocation)
{
    ck_assert_uint_gt(allocfail_sweep(sweep, NULL), 5);
}
END_TEST

Suite *zones_suite(void)
{
    Suite *s = suite_create("dnsd/zone/zones");
    TCase *t = tcase_create("zones");
    tcase_add_loop_test(t, finds_the_longest_apex, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(t, serves_the_root_for_all_else);
    tcase_add_test(t, takes_a_name_once);
    tcase_add_test(t, survives_every_failing_allocation);
    suite_add_tcase(s, t);
    return s;
}
