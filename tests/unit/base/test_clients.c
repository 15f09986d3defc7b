/* Rates and counts of clients. */
#include "common/base/clients.h"
#include "suites.h"
#include "tests/support/unit.h"

#define SECOND UINT64_C(1000000000)

static struct keel_addr addr(const char *text)
{
    struct keel_addr a;
    ck_assert_int_eq(keel_addr_parse(&a, keel_str(text), 1, NULL), 0);
    return a;
}

START_TEST(test_rates)
{
    struct keel_clients clients;
    struct keel_rate rate = {.interval_ns = SECOND / 10, .burst_ns = SECOND / 2, .rule = 1};
    struct keel_addr a = addr("192.0.2.1"), mapped = addr("::ffff:192.0.2.1");
    struct keel_addr b = addr("2001:db8:0:1::1"), same = addr("2001:db8:0:1:ffff::");
    struct keel_addr other = addr("2001:db8:0:2::1");
    uint64_t now = 100 * SECOND, wait;
    ck_assert_int_eq(keel_clients_init(&clients, 1000), 0);
    for (unsigned i = 0; i < 6; i++) /* a burst, and one more */
        ck_assert(keel_clients_take(&clients, i % 2 ? &a : &mapped, &rate, now, &wait));
    ck_assert(!keel_clients_take(&clients, &a, &rate, now, &wait));
    ck_assert_uint_eq(wait, SECOND / 10);
    ck_assert(keel_clients_take(&clients, &b, &rate, now, &wait));
    rate.rule = 2; /* another location's limit */
    ck_assert(keel_clients_take(&clients, &a, &rate, now, &wait));
    rate.rule = 1;
    now += SECOND / 10;
    ck_assert(keel_clients_take(&clients, &a, &rate, now, &wait));
    ck_assert(!keel_clients_take(&clients, &mapped, &rate, now, &wait));
    now += 100 * SECOND; /* no more than the burst is saved up */
    unsigned taken = 0;
    while (keel_clients_take(&clients, &a, &rate, now, &wait))
        taken++;
    ck_assert_uint_eq(taken, 6);
    rate.burst_ns = 0; /* a /64 is one client */
    ck_assert(keel_clients_take(&clients, &b, &rate, now, &wait));
    ck_assert(!keel_clients_take(&clients, &same, &rate, now, &wait));
    ck_assert(keel_clients_take(&clients, &other, &rate, now, &wait));
    keel_clients_fini(&clients);
}
END_TEST

/* A flood of other addresses forgets those that are at rest, not the one at its limit. */
START_TEST(test_flood)
{
    struct keel_clients clients;
    struct keel_rate rate = {.interval_ns = SECOND, .burst_ns = 10 * SECOND};
    struct keel_addr a = addr("192.0.2.1"), b;
    uint64_t now = 100 * SECOND, wait;
    ck_assert_int_eq(keel_clients_init(&clients, 64), 0);
    while (keel_clients_take(&clients, &a, &rate, now, &wait))
        ;
    for (uint32_t i = 0; i < 10000; i++) {
        keel_addr_set4(&b, 0x0a000000 + i, 1);
        ck_assert(keel_clients_take(&clients, &b, &rate, now, &wait));
    }
    ck_assert(!keel_clients_take(&clients, &a, &rate, now, &wait));
    keel_clients_fini(&clients);
}
END_TEST

START_TEST(test_connections)
{
    struct keel_clients clients;
    struct keel_addr a = addr("192.0.2.1"), b;
    unsigned admitted = 0, unknown = 0;
    ck_assert_int_eq(keel_clients_init(&clients, 4), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(keel_clients_enter(&clients, &a, 3), KEEL_ADMIT);
    ck_assert_int_eq(keel_clients_enter(&clients, &a, 3), KEEL_REFUSE);
    keel_clients_leave(&clients, &a);
    ck_assert_int_eq(keel_clients_enter(&clients, &a, 3), KEEL_ADMIT);
    for (uint32_t i = 0; i < 10; i++) {
        keel_addr_set4(&b, 0x0a000000 + i, 1);
        enum keel_admission how = keel_clients_enter(&clients, &b, 3);
        admitted += how == KEEL_ADMIT;
        unknown += how == KEEL_ADMIT_UNKNOWN;
    }
    ck_assert(admitted == 3 && unknown == 7);
    ck_assert_int_eq(keel_clients_enter(&clients, &a, 3), KEEL_REFUSE);
    for (unsigned i = 0; i < 3; i++)
        keel_clients_leave(&clients, &a);
    ck_assert_int_eq(keel_clients_enter(&clients, &a, 3), KEEL_ADMIT);
    keel_clients_fini(&clients);
}
END_TEST

Suite *clients_suite(void)
{
    Suite *s = suite_create("base/clients");
    TCase *t = tcase_create("clients");
    tcase_add_test(t, test_rates);
    tcase_add_test(t, test_flood);
    tcase_add_test(t, test_connections);
    suite_add_tcase(s, t);
    return s;
}
