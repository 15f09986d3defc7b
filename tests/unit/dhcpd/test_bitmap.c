#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dhcpd/lease/bitmap.h"
#include "tests/unit/dhcpd/suites.h"

static const uint32_t sizes[] = {1, 2, 63, 64, 65, 100, 4095, 4096, 4097, 262144, 262145, 4194302};

START_TEST(test_exhaust)
{
    struct dhcp_bitmap b;
    uint32_t size = sizes[_i], at;
    ck_assert_int_eq(dhcp_bitmap_init(&b, size), 0);
    for (uint32_t i = 0; i < size; i++) {
        ck_assert_int_eq(dhcp_bitmap_next(&b, i, &at), 0);
        ck_assert_uint_eq(at, i);
        dhcp_bitmap_take(&b, i);
    }
    ck_assert_uint_eq(b.free, 0);
    ck_assert_int_eq(dhcp_bitmap_next(&b, 0, &at), KEEL_ENOENT);
    dhcp_bitmap_release(&b, size / 2);
    dhcp_bitmap_release(&b, size / 2);
    ck_assert_uint_eq(b.free, 1);
    ck_assert_int_eq(dhcp_bitmap_next(&b, size - 1, &at), 0);
    ck_assert_uint_eq(at, size / 2);
    ck_assert_int_eq(dhcp_bitmap_next(&b, 0, &at), 0);
    ck_assert_uint_eq(at, size / 2);
    dhcp_bitmap_fini(&b);
}
END_TEST

/* Beside a plain array. */
START_TEST(test_random)
{
    enum { SIZE = 9000 };
    static bool is_free[SIZE];
    struct dhcp_bitmap b;
    struct keel_prng prng;
    keel_prng_seed(&prng, 7);
    ck_assert_int_eq(dhcp_bitmap_init(&b, SIZE), 0);
    memset(is_free, 1, sizeof is_free);
    for (unsigned round = 0; round < 40000; round++) {
        uint32_t i = keel_prng_below(&prng, SIZE), from = keel_prng_below(&prng, SIZE), at;
        /* mostly taking, so that it gets full and stays nearly so */
        if (keel_prng_below(&prng, 100) < 80) {
            dhcp_bitmap_take(&b, i);
            is_free[i] = false;
        } else {
            dhcp_bitmap_release(&b, i);
            is_free[i] = true;
        }
        uint32_t expect = from;
        while (!is_free[expect] && (expect = (expect + 1) % SIZE) != from)
            ;
        int err = dhcp_bitmap_next(&b, from, &at);
        ck_assert_int_eq(err, is_free[expect] ? 0 : KEEL_ENOENT);
        if (!err)
            ck_assert_uint_eq(at, expect);
    }
    dhcp_bitmap_fini(&b);
}
END_TEST

START_TEST(test_no_memory)
{
    struct dhcp_bitmap b;
    keel_mem_fail_at(1);
    ck_assert_int_eq(dhcp_bitmap_init(&b, 100), KEEL_ENOMEM);
    keel_mem_fail_at(0);
}
END_TEST

Suite *bitmap_suite(void)
{
    Suite *s = suite_create("dhcpd/lease/bitmap");
    TCase *t = tcase_create("bitmap");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, test_exhaust, 0, sizeof sizes / sizeof sizes[0]);
    tcase_add_test(t, test_random);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
