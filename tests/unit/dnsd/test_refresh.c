#include "dnsd/transfer/refresh.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "suites.h"
#include "tests/support/allocfail.h"

#include <stdlib.h>

#define S KEEL_NS_PER_S

static const struct dns_soa soa = {
    .serial = 5, .refresh = 7200, .retry = 900, .expire = 86400, .minimum = 60};
static const struct dns_refresh_known nothing;
static const struct dns_refresh_known fresh = {.have = true, .soa = {5, 7200, 900, 86400, 60}};

static struct dns_refresher r;
static uint64_t now;

static void setup(void)
{
    dns_refresher_init(&r, 10, 3, 42);
    now = 1000 * S;
}

static void teardown(void)
{
    dns_refresher_fini(&r);
}

static enum dns_refresh_action next(struct dns_refresh_zone *expected)
{
    struct dns_refresh_zone *zone = NULL;
    enum dns_refresh_action action = dns_refresher_next(&r, now, &zone);
    if (expected)
        ck_assert_ptr_eq(zone, expected);
    return action;
}

/* Goes to when something is due, which is between these seconds from now. */
static void go(uint64_t least, uint64_t most)
{
    uint64_t due = dns_refresher_due(&r);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_NOTHING);
    ck_assert_msg(due >= now + least * S && due <= now + most * S, "%llu s",
                  (unsigned long long)((due - now) / S));
    now = due;
}

START_TEST(a_zone_without_data_is_got_at_once)
{
    struct dns_refresh_zone zone;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &nothing, now), 0);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_NOTHING);
    ck_assert_uint_eq(dns_refresher_due(&r), UINT64_MAX);
    ck_assert(!dns_refresh_incremental(&zone));
    dns_refresher_newer(&r, &zone);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
    dns_refresher_updated(&r, &zone, &soa, UINT32_MAX, now);
    ck_assert_uint_eq(zone.expire_ns, now + 86400 * S);
    ck_assert(dns_refresh_incremental(&zone));
    go(6300, 7200);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_current(&r, &zone, UINT32_MAX, now);
    ck_assert_uint_eq(zone.expire_ns, now + 86400 * S);
    go(6300, 7200);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
}
END_TEST

START_TEST(nobody_answers_until_it_expires)
{
    struct dns_refresh_zone zone;
    uint64_t began = now;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &fresh, now), 0);
    go(0, DNS_REFRESH_SPREAD);
    while (now < began + 86400 * S) {
        ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
        ck_assert(!dns_refresher_failed(&r, &zone, false, now));
        go(0, 900);
    }
    ck_assert_uint_eq(now, began + 86400 * S);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_EXPIRE);
    ck_assert(zone.expired);
    go(0, 900); /* and it goes on asking */
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_current(&r, &zone, UINT32_MAX, now);
    ck_assert(!zone.expired);
    ck_assert_uint_eq(zone.expire_ns, now + 86400 * S);
}
END_TEST

START_TEST(it_expires_in_the_middle_of_a_transfer)
{
    struct dns_refresh_zone zone;
    struct dns_refresh_known old = fresh;
    old.age = 86399;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &old, now), 0);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_newer(&r, &zone);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
    go(1, 1);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_EXPIRE);
    dns_refresher_updated(&r, &zone, &soa, UINT32_MAX, now);
    ck_assert(!zone.expired);
    go(6300, 7200);
}
END_TEST

START_TEST(expired_when_it_comes)
{
    struct dns_refresh_zone zone;
    struct dns_refresh_known old = fresh;
    old.age = 90000;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &old, now), 0);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_EXPIRE);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
}
END_TEST

START_TEST(what_the_primary_says_of_expiry)
{
    struct dns_refresh_zone zone;
    struct dns_refresh_known known = fresh;
    known.expires_known = true;
    known.expires_in = 500;
    known.age = 7200;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &known, now), 0);
    ck_assert_uint_eq(zone.expire_ns, now + 500 * S);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_current(&r, &zone, 100, now); /* it has less left than we */
    ck_assert_uint_eq(zone.expire_ns, now + 500 * S);
    dns_refresher_force(&r, &zone, false, now);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_current(&r, &zone, 1000, now);
    ck_assert_uint_eq(zone.expire_ns, now + 1000 * S);
    dns_refresher_force(&r, &zone, false, now);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_newer(&r, &zone);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
    dns_refresher_updated(&r, &zone, &soa, 300, now); /* another version: what is said of it */
    ck_assert_uint_eq(zone.expire_ns, now + 300 * S);
    dns_refresher_force(&r, &zone, false, now);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_current(&r, &zone, 1000000, now); /* never more than the SOA says */
    ck_assert_uint_eq(zone.expire_ns, now + 86400 * S);
}
END_TEST

START_TEST(primaries_take_turns)
{
    struct dns_refresh_zone zone;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 3, &fresh, now), 0);
    dns_refresher_force(&r, &zone, false, now);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
        ck_assert_uint_eq(zone.primary, i);
        if (i == 1) { /* fails in the transfer */
            dns_refresher_newer(&r, &zone);
            ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
        }
        ck_assert(dns_refresher_failed(&r, &zone, false, now) == (i < 2));
    }
    go(787, 900);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    ck_assert_uint_eq(zone.primary, 0);
    ck_assert(dns_refresher_failed(&r, &zone, false, now));
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_current(&r, &zone, UINT32_MAX, now);
    go(6300, 7200);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    ck_assert_uint_eq(zone.primary, 1); /* the one that was good */
}
END_TEST

START_TEST(differences_that_are_no_good)
{
    struct dns_refresh_zone zone;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &fresh, now), 0);
    dns_refresher_force(&r, &zone, false, now);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    dns_refresher_newer(&r, &zone);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
    ck_assert(dns_refresh_incremental(&zone));
    ck_assert(dns_refresher_failed(&r, &zone, true, now));
    ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
    ck_assert(!dns_refresh_incremental(&zone));
    ck_assert(!dns_refresher_failed(&r, &zone, true, now)); /* that was all that can be done */
    ck_assert(dns_refresh_incremental(&zone));
    go(787, 900);
}
END_TEST

START_TEST(notified)
{
    struct dns_refresh_zone zone;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 3, &fresh, now), 0);
    now += 10 * S;
    dns_refresher_notified(&r, &zone, 2, now);
    ck_assert_uint_le(dns_refresher_due(&r), now);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    ck_assert_uint_eq(zone.primary, 2);
    dns_refresher_notified(&r, &zone, 1, now); /* in the middle of it: once more behind it */
    dns_refresher_notified(&r, &zone, 9, now);
    dns_refresher_newer(&r, &zone);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_NOTHING);
    dns_refresher_updated(&r, &zone, &soa, UINT32_MAX, now);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    ck_assert_uint_eq(zone.primary, 2);
    dns_refresher_current(&r, &zone, UINT32_MAX, now);
    go(6300, 7200);
}
END_TEST

START_TEST(forced)
{
    struct dns_refresh_zone zone;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &fresh, now), 0);
    dns_refresher_force(&r, &zone, true, now);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
    ck_assert(!dns_refresh_incremental(&zone));
    ck_assert(zone.forced);
    dns_refresher_newer(&r, &zone);
    ck_assert_int_eq(next(&zone), DNS_REFRESH_TRANSFER);
    dns_refresher_updated(&r, &zone, &soa, UINT32_MAX, now);
    ck_assert(!zone.forced);
}
END_TEST

START_TEST(backoff_without_data)
{
    struct dns_refresh_zone zone;
    ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &nothing, now), 0);
    for (unsigned i = 0, wait = 2; i < 12; i++, wait = wait < 150 ? 2 * wait : 300) {
        ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
        dns_refresher_failed(&r, &zone, false, now);
        go(wait * 7 / 8, wait);
    }
}
END_TEST

START_TEST(odd_numbers_are_bounded)
{
    static const struct dns_soa rows[] = {{.serial = 1},
                                          {1, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0}};
    for (unsigned i = 0; i < 2; i++) {
        struct dns_refresh_zone zone;
        const struct dns_refresh_known known = {.have = true, .soa = rows[i]};
        ck_assert_int_eq(dns_refresher_add(&r, &zone, 1, &known, now), 0);
        go(0, i ? DNS_REFRESH_SPREAD : DNS_REFRESH_LEAST);
        ck_assert_int_eq(next(&zone), DNS_REFRESH_CHECK);
        dns_refresher_current(&r, &zone, UINT32_MAX, now);
        go(i ? DNS_REFRESH_MOST * 7 / 8 : 1, i ? DNS_REFRESH_MOST : DNS_REFRESH_LEAST);
        dns_refresher_remove(&r, &zone);
        ck_assert_uint_eq(dns_refresher_due(&r), UINT64_MAX);
    }
}
END_TEST

START_TEST(so_many_at_a_time)
{
    enum { ZONES = 50 };
    struct dns_refresh_zone zones[ZONES], *zone;
    struct dns_refresh_zone *checked[10], *transferred[3];
    for (unsigned i = 0; i < ZONES; i++)
        ck_assert_int_eq(dns_refresher_add(&r, &zones[i], 1, &nothing, now), 0);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(dns_refresher_next(&r, now, &checked[i]), DNS_REFRESH_CHECK);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_NOTHING);
    ck_assert_uint_eq(dns_refresher_due(&r), UINT64_MAX); /* a report comes first */
    for (unsigned i = 0; i < 5; i++)
        dns_refresher_newer(&r, checked[i]);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(dns_refresher_next(&r, now, &transferred[i]), DNS_REFRESH_TRANSFER);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(dns_refresher_next(&r, now, &zone), DNS_REFRESH_CHECK);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_NOTHING);
    dns_refresher_updated(&r, transferred[0], &soa, UINT32_MAX, now);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_TRANSFER);
    dns_refresher_remove(&r, transferred[1]); /* gone in the middle */
    ck_assert_int_eq(next(NULL), DNS_REFRESH_TRANSFER);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_NOTHING);
    dns_refresher_remove(&r, checked[9]);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_CHECK);
    ck_assert_int_eq(next(NULL), DNS_REFRESH_NOTHING);
    ck_assert_uint_eq(r.checks, 10);
    ck_assert_uint_eq(r.transfers, 3);
}
END_TEST

/* A day of thousands of zones and unreliable primaries, by the rules: nothing is forgotten, nothing
 * is done twice, no zone is served behind its end. */
START_TEST(a_day_of_many)
{
    enum { ZONES = 2000 };
    static struct dns_refresh_zone zones[ZONES];
    struct dns_refresh_zone *busy[16], *zone;
    unsigned busy_count = 0, expired = 0, updated = 0;
    struct keel_prng prng;

    keel_prng_seed(&prng, 7);
    for (unsigned i = 0; i < ZONES; i++) {
        struct dns_refresh_known known = {.have = i % 3, .soa = {i, 100 + i % 900, 60, 3000, 1}};
        known.age = i % 4000;
        ck_assert_int_eq(dns_refresher_add(&r, &zones[i], 1 + i % 3, &known, now), 0);
    }
    for (uint64_t end = now + 20000 * S; now < end;) {
        enum dns_refresh_action action;
        while ((action = dns_refresher_next(&r, now, &zone)) != DNS_REFRESH_NOTHING) {
            if (action == DNS_REFRESH_EXPIRE) {
                ck_assert(zone->have && zone->expire_ns <= now);
                expired++;
                continue;
            }
            ck_assert_uint_lt(busy_count, 16);
            for (unsigned i = 0; i < busy_count; i++)
                ck_assert_ptr_ne(busy[i], zone);
            busy[busy_count++] = zone;
        }
        ck_assert_uint_le(r.checks, 10);
        ck_assert_uint_le(r.transfers, 3);
        ck_assert_uint_eq(r.checks + r.transfers, busy_count);
        uint64_t due = dns_refresher_due(&r);
        if (busy_count > 0) {
            unsigned which = keel_prng_below(&prng, busy_count);
            zone = busy[which];
            busy[which] = busy[--busy_count];
            bool outage = end - now > 5000 * S && end - now < 10000 * S;
            unsigned dice = outage ? 1 : keel_prng_below(&prng, 10);
            if (dice < 5)
                dns_refresher_failed(&r, zone, dice == 0, now);
            else if (zone->state == DNS_REFRESH_CHECKING && (dice < 8 || !zone->have))
                dns_refresher_newer(&r, zone);
            else if (zone->state == DNS_REFRESH_TRANSFERRING) {
                dns_refresher_updated(&r, zone, &zone->soa, UINT32_MAX, now);
                updated++;
            } else
                dns_refresher_current(&r, zone, UINT32_MAX, now);
            now += keel_prng_below(&prng, 30) * KEEL_NS_PER_MS;
            continue;
        }
        now = due > now && due != UINT64_MAX ? due : now + S;
    }
    ck_assert_uint_gt(updated, 1000);
    ck_assert_uint_gt(expired, 10);
    for (unsigned i = 0; i < ZONES; i++)
        ck_assert(!zones[i].have || zones[i].expired || zones[i].expire_ns > now - S);
}
END_TEST

static int add_many(void *arg)
{
    struct dns_refresh_zone zones[100];
    int err = 0;
    dns_refresher_init(&r, 1, 1, 1);
    for (unsigned i = 0; i < 100 && !err; i++)
        err = dns_refresher_add(&r, &zones[i], 1, &nothing, now);
    dns_refresher_fini(&r);
    return err;
}

START_TEST(every_allocation_may_fail)
{
    allocfail_sweep(add_many, NULL);
}
END_TEST

Suite *refresh_suite(void)
{
    Suite *suite = suite_create("refresh");
    TCase *tc = tcase_create("refresh");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_zone_without_data_is_got_at_once);
    tcase_add_test(tc, nobody_answers_until_it_expires);
    tcase_add_test(tc, it_expires_in_the_middle_of_a_transfer);
    tcase_add_test(tc, expired_when_it_comes);
    tcase_add_test(tc, what_the_primary_says_of_expiry);
    tcase_add_test(tc, primaries_take_turns);
    tcase_add_test(tc, differences_that_are_no_good);
    tcase_add_test(tc, notified);
    tcase_add_test(tc, forced);
    tcase_add_test(tc, backoff_without_data);
    tcase_add_test(tc, odd_numbers_are_bounded);
    tcase_add_test(tc, so_many_at_a_time);
    tcase_add_test(tc, a_day_of_many);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
