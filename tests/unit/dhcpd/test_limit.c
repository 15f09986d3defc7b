#include "dhcpd/engine/limit.h"

#include "common/base/mem.h"
#include "tests/unit/dhcpd/suites.h"

/* Addresses from 100 on count, those below 10 are over. */
static int counts(void *arg, uint64_t key, uint32_t address)
{
    ++*(unsigned *)arg;
    return address >= 100 ? 1 : address < 10 ? -1 : 0;
}

START_TEST(test_count)
{
    struct dhcp_limits limits;
    unsigned asked = 0;
    ck_assert_int_eq(dhcp_limits_init(&limits, 8), 0);
    ck_assert_uint_eq(dhcp_limits_count(&limits, 7, counts, &asked), 0);
    dhcp_limits_note(&limits, 7, 100);
    dhcp_limits_note(&limits, 7, 100);
    dhcp_limits_note(&limits, 7, 101);
    dhcp_limits_note(&limits, 7, 5);
    dhcp_limits_note(&limits, 7, 50);
    dhcp_limits_note(&limits, 7 + 16, 102); /* the same bucket */
    ck_assert_uint_eq(dhcp_limits_count(&limits, 7, counts, &asked), 2);
    ck_assert_uint_eq(asked, 4);
    asked = 0; /* the one that is over was forgotten */
    ck_assert_uint_eq(dhcp_limits_count(&limits, 7, counts, &asked), 2);
    ck_assert_uint_eq(asked, 3);
    ck_assert_uint_eq(dhcp_limits_count(&limits, 7 + 16, counts, &asked), 1);
    dhcp_limits_fini(&limits);
}
END_TEST

/* A full table forgets, and stays whole. */
START_TEST(test_full)
{
    struct dhcp_limits limits;
    unsigned asked = 0, sum = 0;
    ck_assert_int_eq(dhcp_limits_init(&limits, 4), 0);
    for (uint32_t i = 0; i < 1000; i++)
        dhcp_limits_note(&limits, i % 7, 100 + i);
    for (uint64_t key = 0; key < 7; key++)
        sum += dhcp_limits_count(&limits, key, counts, &asked);
    ck_assert_uint_eq(sum, 4);
    dhcp_limits_fini(&limits);
}
END_TEST

START_TEST(test_no_memory)
{
    struct dhcp_limits limits;
    for (uint64_t n = 1; n <= 2; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(dhcp_limits_init(&limits, 4), KEEL_ENOMEM);
        keel_mem_fail_at(0);
        ck_assert_ptr_null(limits.entries);
    }
}
END_TEST

Suite *limit_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/limit");
    TCase *t = tcase_create("limit");
    tcase_add_test(t, test_count);
    tcase_add_test(t, test_full);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
