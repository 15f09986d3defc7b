#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dhcpd/lease/pool.h"
#include "tests/unit/dhcpd/suites.h"

#define NOW 1700000000ull

static uint32_t list_of(const struct dhcp_pool *p, uint32_t address)
{
    return p->entries[p->index[address - p->first] & 0x3fffffff].list;
}

START_TEST(test_life)
{
    struct dhcp_pool p;
    uint32_t a;
    ck_assert_int_eq(dhcp_pool_init(&p, 1000, 1003, NOW), 0);
    ck_assert(dhcp_pool_has(&p, 1000) && dhcp_pool_has(&p, 1003));
    ck_assert(!dhcp_pool_has(&p, 999) && !dhcp_pool_has(&p, 1004));
    ck_assert_int_eq(dhcp_pool_pick_free(&p, 2, &a), 0);
    ck_assert_uint_eq(a, 1002);
    dhcp_pool_offer(&p, 1002, true);
    ck_assert_int_eq(dhcp_pool_pick_free(&p, 2, &a), 0);
    ck_assert_uint_eq(a, 1003);
    dhcp_pool_bind(&p, 1002, NOW + 100);
    dhcp_pool_offer(&p, 1002, false);
    ck_assert_uint_eq(p.bound, 1);
    ck_assert_uint_eq(p.map.free, 3);
    dhcp_pool_reserve(&p, 1003);
    dhcp_pool_bind(&p, 1000, NOW + 50);
    dhcp_pool_bind(&p, 1001, NOW + 200);
    ck_assert_int_eq(dhcp_pool_pick_free(&p, 0, &a), KEEL_ENOENT);
    ck_assert_int_eq(dhcp_pool_pick_expired(&p, NOW, &a), KEEL_ENOENT);
    dhcp_pool_reap(&p, NOW + 150, 100, NULL);
    ck_assert_uint_eq(p.expired, 2);
    ck_assert_int_eq(dhcp_pool_pick_expired(&p, NOW + 150, &a), 0);
    ck_assert_uint_eq(a, 1000); /* the oldest */
    dhcp_pool_offer(&p, 1000, true);
    ck_assert_int_eq(dhcp_pool_pick_expired(&p, NOW + 150, &a), 0);
    ck_assert_uint_eq(a, 1002);
    dhcp_pool_bind(&p, 1000, NOW + 500);
    ck_assert_uint_eq(p.bound, 2);
    ck_assert_uint_eq(p.expired, 1);
    dhcp_pool_forget(&p, 1002);
    ck_assert_int_eq(dhcp_pool_pick_free(&p, 0, &a), 0);
    ck_assert_uint_eq(a, 1002);
    dhcp_pool_fini(&p);
}
END_TEST

/* A large pool is filled one block after the other, whoever comes; in the block the client's hash
 * says where. */
START_TEST(test_blocks)
{
    struct dhcp_pool p;
    uint32_t a;
    uint64_t hash = 1;
    ck_assert_int_eq(dhcp_pool_init(&p, 1000, 1000 + 2 * DHCP_POOL_BLOCK + 9, NOW), 0);
    ck_assert_int_eq(dhcp_pool_pick_free(&p, 77ull << 32 | 77 * DHCP_POOL_BLOCK | 5, &a), 0);
    ck_assert_uint_eq(a, 1005);
    for (uint32_t i = 0; i < p.size; i++) {
        hash = hash * 6364136223846793005u + 1442695040888963407u;
        ck_assert_int_eq(dhcp_pool_pick_free(&p, hash >> 16, &a), 0);
        ck_assert_uint_eq((a - 1000) / DHCP_POOL_BLOCK, i / DHCP_POOL_BLOCK);
        ck_assert_int_eq(dhcp_pool_state(&p, a), DHCP_SLOT_FREE);
        dhcp_pool_bind(&p, a, NOW + 100);
    }
    ck_assert_int_eq(dhcp_pool_pick_free(&p, hash, &a), KEEL_ENOENT);
    /* what comes back is taken first, wherever the hash would be */
    dhcp_pool_forget(&p, 1003);
    ck_assert_int_eq(dhcp_pool_pick_free(&p, 200, &a), 0);
    ck_assert_uint_eq(a, 1003);
    dhcp_pool_fini(&p);
}
END_TEST

/* A renewal moves nothing; the reaper sees the new time. */
START_TEST(test_renewal_is_lazy)
{
    struct dhcp_pool p;
    ck_assert_int_eq(dhcp_pool_init(&p, 1, 10, NOW), 0);
    dhcp_pool_bind(&p, 5, NOW + 100);
    uint32_t bucket = list_of(&p, 5);
    dhcp_pool_bind(&p, 5, NOW + 1000);
    ck_assert_uint_eq(list_of(&p, 5), bucket);
    dhcp_pool_reap(&p, NOW + 200, 100, NULL);
    ck_assert_uint_eq(p.bound, 1);
    ck_assert_uint_ne(list_of(&p, 5), bucket);
    /* a shorter lease does move */
    dhcp_pool_bind(&p, 5, NOW + 300);
    dhcp_pool_reap(&p, NOW + 400, 100, NULL);
    ck_assert_uint_eq(p.expired, 1);
    dhcp_pool_fini(&p);
}
END_TEST

/* Beyond the wheel, and after a sleep longer than the wheel. */
START_TEST(test_far)
{
    struct dhcp_pool p;
    uint64_t week = 7 * 86400;
    ck_assert_int_eq(dhcp_pool_init(&p, 1, 10, NOW), 0);
    dhcp_pool_bind(&p, 5, NOW + week);
    dhcp_pool_bind(&p, 6, NOW + 10);
    for (uint64_t t = 0; t < week; t += 600)
        dhcp_pool_reap(&p, NOW + t, 100, NULL);
    ck_assert_uint_eq(p.bound, 1);
    ck_assert_uint_eq(p.expired, 1);
    dhcp_pool_reap(&p, NOW + 3 * week, 100, NULL);
    ck_assert_uint_eq(p.bound, 0);
    ck_assert_uint_eq(p.expired, 2);
    dhcp_pool_fini(&p);
}
END_TEST

/* The clock goes back: nothing expires until it has passed the old time again. */
START_TEST(test_clock_back)
{
    struct dhcp_pool p;
    ck_assert_int_eq(dhcp_pool_init(&p, 1, 10, NOW), 0);
    dhcp_pool_reap(&p, NOW + 1000, 100, NULL);
    dhcp_pool_bind(&p, 5, NOW - 5000 + 100); /* granted after the jump */
    dhcp_pool_reap(&p, NOW - 4000, 100, NULL);
    ck_assert_uint_eq(p.bound, 1);
    dhcp_pool_reap(&p, NOW + 1100, 100, NULL);
    ck_assert_uint_eq(p.expired, 1);
    dhcp_pool_fini(&p);
}
END_TEST

START_TEST(test_budget)
{
    struct dhcp_pool p;
    ck_assert_int_eq(dhcp_pool_init(&p, 0, 999, NOW), 0);
    for (uint32_t i = 0; i < 1000; i++)
        dhcp_pool_bind(&p, i, NOW + 60);
    dhcp_pool_reap(&p, NOW + 600, 100, NULL);
    ck_assert_uint_eq(p.expired, 100);
    dhcp_pool_reap(&p, NOW + 600, 1000, NULL);
    ck_assert_uint_eq(p.expired, 1000);
    dhcp_pool_fini(&p);
}
END_TEST

/* Any number of offers on expired addresses hides none of the others, and an offer that lapses puts
 * its address where it was. */
START_TEST(test_expired_and_offered)
{
    struct dhcp_pool p;
    uint32_t a;
    ck_assert_int_eq(dhcp_pool_init(&p, 0, 999, NOW), 0);
    for (uint32_t i = 0; i < 1000; i++)
        dhcp_pool_bind(&p, i, NOW + i / 10);
    dhcp_pool_reap(&p, NOW + 600, 1000, NULL);
    for (uint32_t i = 0; i < 999; i++) {
        ck_assert_int_eq(dhcp_pool_pick_expired(&p, NOW + 600, &a), 0);
        ck_assert_uint_eq(a, i);
        dhcp_pool_offer(&p, a, true);
    }
    dhcp_pool_reserve(&p, 999);
    ck_assert_int_eq(dhcp_pool_pick_expired(&p, NOW + 600, &a), KEEL_ENOENT);
    ck_assert_uint_eq(p.expired, 1000);
    dhcp_pool_offer(&p, 500, false);
    dhcp_pool_offer(&p, 3, false);
    dhcp_pool_offer(&p, 700, false);
    ck_assert_int_eq(dhcp_pool_pick_expired(&p, NOW + 600, &a), 0);
    ck_assert_uint_eq(a, 3);
    /* not before its time, when the clock went back */
    ck_assert_int_eq(dhcp_pool_pick_expired(&p, NOW - 1, &a), KEEL_ENOENT);
    dhcp_pool_fini(&p);
}
END_TEST

/* Leases that end beyond the wheel are looked at a few at a time, not all in one bucket. */
START_TEST(test_far_ones_are_spread)
{
    struct dhcp_pool p;
    enum { SIZE = 50000 };
    unsigned most = 0, in[DHCP_BUCKETS] = {0};
    ck_assert_int_eq(dhcp_pool_init(&p, 0, SIZE - 1, NOW), 0);
    for (uint32_t i = 0; i < SIZE; i++)
        dhcp_pool_bind(&p, i, NOW + 86400 + i);
    for (uint32_t i = 0; i < SIZE; i++)
        in[list_of(&p, i)]++;
    for (unsigned i = 0; i < DHCP_BUCKETS; i++)
        most = in[i] > most ? in[i] : most;
    ck_assert_uint_le(most, SIZE / (DHCP_BUCKETS / 2) * 2);
    /* and still end when they should, however rarely somebody looks */
    for (uint64_t t = 0; t <= 86400 + SIZE + 16; t += 3000)
        dhcp_pool_reap(&p, NOW + t, SIZE, NULL);
    ck_assert_uint_gt(p.expired, SIZE - 3100);
    dhcp_pool_reap(&p, NOW + 86400 + SIZE + 32, SIZE, NULL);
    ck_assert_uint_eq(p.expired, SIZE);
    dhcp_pool_fini(&p);
}
END_TEST

/* Random life against counts by hand. */
START_TEST(test_random)
{
    enum { SIZE = 300 };
    struct dhcp_pool p;
    struct keel_prng prng;
    uint64_t now = NOW;
    keel_prng_seed(&prng, 3);
    ck_assert_int_eq(dhcp_pool_init(&p, 0, SIZE - 1, now), 0);
    for (unsigned round = 0; round < 50000; round++) {
        uint32_t a = keel_prng_below(&prng, SIZE);
        switch (keel_prng_below(&prng, 6)) {
        case 0:
            dhcp_pool_offer(&p, a, keel_prng_below(&prng, 2));
            break;
        case 1:
            dhcp_pool_bind(&p, a, now + keel_prng_below(&prng, 40000));
            break;
        case 2:
            dhcp_pool_expire(&p, a, now);
            break;
        case 3:
            dhcp_pool_forget(&p, a);
            break;
        default:
            now += keel_prng_below(&prng, 60);
            dhcp_pool_reap(&p, now, 16, NULL);
        }
        uint32_t bound = 0, expired = 0, unused = 0, pickable = 0, picked;
        for (uint32_t i = 0; i < SIZE; i++) {
            enum dhcp_slot_state state = dhcp_pool_state(&p, i);
            bound += state == DHCP_SLOT_BOUND;
            expired += state == DHCP_SLOT_EXPIRED;
            unused += state == DHCP_SLOT_FREE && !dhcp_pool_is_offered(&p, i);
            pickable += state == DHCP_SLOT_EXPIRED && !dhcp_pool_is_offered(&p, i);
        }
        ck_assert_uint_eq(p.bound, bound);
        ck_assert_uint_eq(p.expired, expired);
        ck_assert_uint_eq(p.map.free, unused);
        ck_assert_int_eq(dhcp_pool_pick_expired(&p, now, &picked) == 0, pickable > 0);
        ck_assert(pickable == 0 || (dhcp_pool_state(&p, picked) == DHCP_SLOT_EXPIRED &&
                                    !dhcp_pool_is_offered(&p, picked)));
        ck_assert_uint_le(p.used, SIZE);
    }
    dhcp_pool_fini(&p);
}
END_TEST

START_TEST(test_no_memory)
{
    struct dhcp_pool p;
    for (unsigned n = 1; n <= 3; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(dhcp_pool_init(&p, 1, 10, NOW), KEEL_ENOMEM);
        keel_mem_fail_at(0);
    }
}
END_TEST

Suite *pool_suite(void)
{
    Suite *s = suite_create("dhcpd/lease/pool");
    TCase *t = tcase_create("pool");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_life);
    tcase_add_test(t, test_blocks);
    tcase_add_test(t, test_renewal_is_lazy);
    tcase_add_test(t, test_far);
    tcase_add_test(t, test_clock_back);
    tcase_add_test(t, test_budget);
    tcase_add_test(t, test_expired_and_offered);
    tcase_add_test(t, test_far_ones_are_spread);
    tcase_add_test(t, test_random);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
