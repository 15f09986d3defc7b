#include "suites.h"

#include "common/base/clock.h"

#include <time.h>

START_TEST(the_system_clocks_tell_the_time)
{
    uint64_t before = keel_clock_monotonic();
    uint64_t after = keel_clock_system.monotonic(&keel_clock_system);
    ck_assert_uint_le(before, after);
    uint64_t now = (uint64_t)time(NULL), real = keel_clock_system.realtime(&keel_clock_system);
    ck_assert_uint_ge(real / KEEL_NS_PER_S + 2, now);
    ck_assert_uint_le(keel_clock_realtime() / KEEL_NS_PER_S, now + 2);
}
END_TEST

START_TEST(a_fake_clock_moves_when_told)
{
    struct keel_fake_clock fake;
    keel_fake_clock_init(&fake, 1700000000 * KEEL_NS_PER_S);
    uint64_t start = fake.clock.monotonic(&fake.clock);
    ck_assert_uint_eq(fake.clock.monotonic(&fake.clock), start);
    keel_fake_clock_advance(&fake, 3 * KEEL_NS_PER_MS);
    ck_assert_uint_eq(fake.clock.monotonic(&fake.clock), start + 3 * KEEL_NS_PER_MS);
    ck_assert_uint_eq(fake.clock.realtime(&fake.clock),
                      1700000000 * KEEL_NS_PER_S + 3 * KEEL_NS_PER_MS);
    /* somebody sets the date back: only that clock sees it */
    fake.realtime_ns = 5;
    ck_assert_uint_eq(fake.clock.realtime(&fake.clock), 5);
    ck_assert_uint_eq(fake.clock.monotonic(&fake.clock), start + 3 * KEEL_NS_PER_MS);
}
END_TEST

Suite *clock_suite(void)
{
    Suite *suite = suite_create("clock");
    TCase *tc = tcase_create("clock");
    tcase_add_test(tc, the_system_clocks_tell_the_time);
    tcase_add_test(tc, a_fake_clock_moves_when_told);
    suite_add_tcase(suite, tc);
    return suite;
}
