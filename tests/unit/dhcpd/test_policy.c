#include "dhcpd/engine/policy.h"

#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct dhcp_bytes bytes(const char *text)
{
    return (struct dhcp_bytes){(const uint8_t *)text, (uint16_t)strlen(text)};
}

/* Levels as {lease, min, max}, the most specific first, and what comes of them. */
static const struct {
    struct dhcp_times levels[3], want;
} times[] = {
    {{{0}}, {12 * 3600, 300, 7 * 86400}},
    {{{3600, 0, 0}}, {3600, 300, 7 * 86400}},
    {{{60, 0, 0}}, {60, 60, 7 * 86400}},
    {{{30 * 86400, 0, 0}}, {30 * 86400, 300, 30 * 86400}},
    {{{3600, 60, 7200}}, {3600, 60, 7200}},
    /* a lease time nearer to the client widens the limits farther away, on both sides */
    {{{30, 0, 0}, {3600, 60, 7200}}, {30, 30, 7200}},
    {{{9000, 0, 0}, {3600, 60, 7200}}, {9000, 60, 9000}},
    /* limits nearer to the client bend the lease time farther away */
    {{{0, 7200, 0}, {3600, 60, 0}}, {7200, 7200, 7 * 86400}},
    {{{0, 0, 600}, {3600, 60, 0}}, {600, 60, 600}},
    {{{0, 0, 100}}, {100, 100, 100}},
    {{{0, 10, 0}, {0, 0, 100}, {50, 0, 0}}, {50, 10, 100}},
};

START_TEST(test_times)
{
    struct dhcp_policy policies[3];
    struct dhcp_levels levels = {.count = 0};
    memset(policies, 0, sizeof policies);
    for (unsigned i = 0; i < 3; i++) {
        policies[i].times = times[_i].levels[i];
        dhcp_levels_add(&levels, &policies[i]);
    }
    struct dhcp_times t = dhcp_levels_times(&levels);
    ck_assert_uint_eq(t.lease, times[_i].want.lease);
    ck_assert_uint_eq(t.min, times[_i].want.min);
    ck_assert_uint_eq(t.max, times[_i].want.max);
}
END_TEST

START_TEST(test_check)
{
    struct keel_diag diag = {""};
    struct dhcp_policy p = {.times = {100, 200, 0}};
    ck_assert_int_eq(dhcp_policy_check(&p, &diag), KEEL_ECONF);
    p.times = (struct dhcp_times){300, 0, 200};
    ck_assert_int_eq(dhcp_policy_check(&p, &diag), KEEL_ECONF);
    p.times = (struct dhcp_times){0, 300, 200};
    ck_assert_int_eq(dhcp_policy_check(&p, &diag), KEEL_ECONF);
    p.times = (struct dhcp_times){100, 0, 0};
    ck_assert_int_eq(dhcp_policy_check(&p, &diag), 0);
}
END_TEST

START_TEST(test_levels)
{
    struct dhcp_option_value items[2][2];
    struct dhcp_policy near, far;
    memset(&near, 0, sizeof near);
    memset(&far, 0, sizeof far);
    near.options.items = items[0];
    far.options.items = items[1];
    dhcp_options_set(&near.options, 15, bytes("near"));
    dhcp_options_set(&far.options, 15, bytes("far"));
    dhcp_options_set(&far.options, 17, bytes("root"));
    far.boot_file = bytes("file");
    far.next_server = 9;
    near.next_server = 7;
    struct dhcp_levels levels = {.count = 0};
    dhcp_levels_add(&levels, NULL);
    dhcp_levels_add(&levels, &near);
    dhcp_levels_add(&levels, &far);
    ck_assert_uint_eq(levels.count, 2);
    ck_assert_mem_eq(dhcp_levels_option(&levels, 15).p, "near", 4);
    ck_assert_mem_eq(dhcp_levels_option(&levels, 17).p, "root", 4);
    ck_assert_ptr_null(dhcp_levels_option(&levels, 18).p);
    ck_assert_uint_eq(dhcp_levels_next_server(&levels), 7);
    ck_assert_mem_eq(dhcp_levels_boot_file(&levels).p, "file", 4);
    ck_assert_uint_eq(dhcp_levels_server_name(&levels).n, 0);
}
END_TEST

START_TEST(test_vendor)
{
    struct dhcp_vendor_value vendors[] = {
        {.class = bytes("PXEClient"), .value = bytes("pxe")},
        {.enterprise = 7, .value = bytes("seven")},
    };
    struct dhcp_option_value item;
    struct dhcp_policy near, far;
    memset(&near, 0, sizeof near);
    memset(&far, 0, sizeof far);
    near.vendors = vendors;
    near.vendor_count = 2;
    far.options.items = &item;
    dhcp_options_set(&far.options, DHCP_OPTION_VENDOR, bytes("all"));
    struct dhcp_levels levels = {.list = {&near, &far}, .count = 2};
    ck_assert_mem_eq(dhcp_levels_vendor(&levels, bytes("PXEClient:Arch")).p, "pxe", 3);
    ck_assert_mem_eq(dhcp_levels_vendor(&levels, bytes("PXE")).p, "all", 3);
    ck_assert_mem_eq(dhcp_levels_vendor(&levels, bytes("")).p, "all", 3);
}
END_TEST

Suite *policy_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/policy");
    TCase *t = tcase_create("policy");
    tcase_add_loop_test(t, test_times, 0, sizeof times / sizeof times[0]);
    tcase_add_test(t, test_check);
    tcase_add_test(t, test_levels);
    tcase_add_test(t, test_vendor);
    suite_add_tcase(s, t);
    return s;
}
