#include "dnsd/wire/type.h"
#include "dnsd/zone/compile.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"
#include "tests/support/allocfail.h"

#include <stdlib.h>

#define HEAD "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n"

static const struct {
    const char *text, *what;
} bad[] = {
    {"$TTL 60\n@ NS ns\n", "there is no SOA record for z."},
    {"$TTL 60\n@ SOA ns h 7 2 3 4 5\n", "there is no NS record for z."},
    {HEAD "@ SOA ns h 8 2 3 4 5\n", "zone:4: z.: a second SOA"},
    {HEAD "a SOA ns h 8 2 3 4 5\n", "zone:4: SOA below the zone's apex z."},
    {HEAD "a.other. A 192.0.2.1\n", "zone:4: a.other. is outside of the zone"},
    {HEAD "az. A 192.0.2.1\n", "zone:4: az. is outside of the zone"},
    {HEAD "a CNAME b\na A 192.0.2.1\n", "zone:5: a.z.: a record beside a CNAME"},
    {HEAD "a CNAME b\na CNAME c\n", "zone:5: a.z.: a second CNAME"},
    {HEAD "a DNAME b\na DNAME c\n", "zone:5: a.z.: a second DNAME"},
    {HEAD "a DNAME b\nx.a A 192.0.2.1\n", "zone:5: x.a.z.: below a DNAME (RFC 6672, 2.4)"},
    {HEAD "a DNAME b\ny.x.a A 192.0.2.1\n", "zone:5: y.x.a.z.: below a DNAME (RFC 6672, 2.4)"},
    {HEAD "*.a NS b\n", "zone:4: NS at a wildcard"},
    {HEAD "*.a DNAME b\n", "zone:4: DNAME at a wildcard"},
    {HEAD "$GENERATE 1-300 a TXT ${0,250}\n",
     "zone:4: a.z.: its TXT records do not fit into a message"},
};

START_TEST(refuses_what_is_no_zone)
{
    struct dns_image *image;
    struct keel_diag diag;
    int err = support_compile("z", bad[_i].text, &image, &diag);
    ck_assert_int_lt(err, 0);
    ck_assert_str_eq(diag.text, bad[_i].what);
}
END_TEST

START_TEST(accepts_what_looks_odd)
{
    static const char *const texts[] = {
        HEAD "a CNAME b\na CNAME b\na NSEC b CNAME\n", /* a double, and NSEC beside a CNAME */
        HEAD "a NS b\nb.a A 192.0.2.1\na DNAME c\n",
        HEAD "* A 192.0.2.1\nx.* A 192.0.2.1\n",
        HEAD "\\000.\\001 A 192.0.2.1\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        keel_free(support_image("z", texts[i]));
}
END_TEST

START_TEST(drops_doubles_and_lowers_ttls)
{
    struct dns_image *image =
        support_image("z", HEAD "a 9 A 192.0.2.1\nA 7 A 192.0.2.1\na 8 A 192.0.2.2\n");
    struct dns_name a = support_name("a.z");
    const struct dns_node *node =
        dns_image_find(image, dns_image_hash(image, a.bytes, a.size), a.bytes, a.size);
    const struct dns_set *set = dns_node_set(image, node, DNS_TYPE_A);
    ck_assert_uint_eq(set->count, 2);
    ck_assert_uint_eq(set->ttl, 7);
    ck_assert_uint_eq(image->records, 4);
    ck_assert_uint_eq(image->serial, 7);
    keel_free(image);
}
END_TEST

/* nodes stand in canonical order, parents before children, empty non-terminals among them */
START_TEST(orders_names)
{
    struct dns_image *image = support_image(
        "z", HEAD "b A 192.0.2.1\na.b.c A 192.0.2.1\n\\000 A 192.0.2.1\n\\001\\000 A 192.0.2.1\n"
                  "* A 192.0.2.1\nB\\000 A 192.0.2.1\nb.b A 192.0.2.1\n");
    struct dns_name last, name;
    ck_assert_uint_eq(image->node_count, 10);
    dns_name_set(&last, dns_node_name(image, dns_image_apex(image)));
    for (uint32_t i = 1; i < image->node_count; i++) {
        const struct dns_node *node = dns_image_node(image, i);
        dns_name_set(&name, dns_node_name(image, node));
        ck_assert_int_lt(dns_name_compare(&last, &name), 0);
        ck_assert_uint_lt(node->parent, i);
        ck_assert_uint_eq(dns_image_node(image, node->parent)->labels + 1u, node->labels);
        last = name;
    }
    keel_free(image);
}
END_TEST

static int sweep(void *arg)
{
    struct dns_image *image;
    struct keel_diag diag;
    int err = support_compile("example.org", arg, &image, &diag);
    if (err == 0)
        keel_free(image);
    return err;
}

START_TEST(survives_every_failing_allocation)
{
    char *text = support_data("example.org.zone");
    ck_assert_uint_gt(allocfail_sweep(sweep, text), 20);
    free(text);
}
END_TEST

Suite *compile_suite(void)
{
    Suite *s = suite_create("dnsd/zone/compile");
    TCase *t = tcase_create("compile");
    tcase_add_loop_test(t, refuses_what_is_no_zone, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, accepts_what_looks_odd);
    tcase_add_test(t, drops_doubles_and_lowers_ttls);
    tcase_add_test(t, orders_names);
    tcase_add_test(t, survives_every_failing_allocation);
    suite_add_tcase(s, t);
    return s;
}
