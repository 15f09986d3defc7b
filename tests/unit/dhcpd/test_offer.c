#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dhcpd/lease/offer.h"
#include "tests/unit/dhcpd/suites.h"

START_TEST(test_order)
{
    struct dhcp_offers o;
    ck_assert_int_eq(dhcp_offers_init(&o, 3), 0);
    ck_assert_ptr_null(dhcp_offers_oldest(&o));
    dhcp_offers_add(&o, 16, 1, 100, false);
    dhcp_offers_add(&o, 32, 2, 200, false); /* same bucket */
    dhcp_offers_add(&o, 48, 3, 300, false);
    ck_assert(dhcp_offers_full(&o));
    ck_assert_uint_eq(dhcp_offers_oldest(&o)->client, 16);
    ck_assert_uint_eq(dhcp_offers_find(&o, 32)->address, 2);
    dhcp_offers_remove(&o, 32);
    ck_assert_ptr_null(dhcp_offers_find(&o, 32));
    ck_assert_uint_eq(dhcp_offers_find(&o, 48)->address, 3);
    ck_assert_uint_eq(dhcp_offers_find(&o, 16)->address, 1);
    dhcp_offers_remove(&o, 16);
    ck_assert_uint_eq(dhcp_offers_oldest(&o)->client, 48);
    dhcp_offers_fini(&o);
}
END_TEST

START_TEST(test_random)
{
    enum { CLIENTS = 200, CAPACITY = 100 };
    uint32_t address[CLIENTS] = {0};
    struct dhcp_offers o;
    struct keel_prng prng;
    keel_prng_seed(&prng, 5);
    ck_assert_int_eq(dhcp_offers_init(&o, CAPACITY), 0);
    for (uint32_t round = 1; round < 100000; round++) {
        uint32_t c = keel_prng_below(&prng, CLIENTS);
        const struct dhcp_offer *found = dhcp_offers_find(&o, c);
        ck_assert_uint_eq(found ? found->address : 0, address[c]);
        if (found) {
            dhcp_offers_remove(&o, c);
            address[c] = 0;
        } else {
            if (dhcp_offers_full(&o)) {
                uint64_t oldest = dhcp_offers_oldest(&o)->client;
                dhcp_offers_remove(&o, oldest);
                address[oldest] = 0;
            }
            dhcp_offers_add(&o, c, round, round, false);
            address[c] = round;
        }
        uint32_t oldest = 0;
        for (uint32_t i = 0; i < CLIENTS; i++)
            if (address[i] && (!oldest || address[i] < oldest))
                oldest = address[i];
        const struct dhcp_offer *first = dhcp_offers_oldest(&o);
        ck_assert_uint_eq(first ? first->address : 0, oldest);
    }
    dhcp_offers_fini(&o);
}
END_TEST

START_TEST(test_no_memory)
{
    struct dhcp_offers o;
    for (unsigned n = 1; n <= 2; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(dhcp_offers_init(&o, 3), KEEL_ENOMEM);
        keel_mem_fail_at(0);
    }
}
END_TEST

Suite *offer_suite(void)
{
    Suite *s = suite_create("dhcpd/lease/offer");
    TCase *t = tcase_create("offer");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_order);
    tcase_add_test(t, test_random);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
