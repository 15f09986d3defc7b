#include "harness.h"
#include "suites.h"

#include <stdlib.h>

struct alarm {
    struct keel_timer timer;
    uint64_t due, fired_at;
    int count, stop_at;
};

static void on_timer(struct keel_timer *timer)
{
    struct alarm *a = KEEL_CONTAINER(timer, struct alarm, timer);
    a->count++;
    a->fired_at = keel_clock_monotonic();
    if (a->count == a->stop_at)
        keel_timer_stop(timer);
}

START_TEST(once_and_never_early)
{
    struct keel_loop *loop = keel_loop_new();
    for (uint64_t ms = 1; ms < 40; ms += 7) {
        struct alarm a = {.count = 0};
        keel_timer_init(&a.timer, loop, "alarm", on_timer);
        uint64_t start = keel_clock_monotonic();
        ck_assert_int_eq(keel_timer_start(&a.timer, ms * KEEL_NS_PER_MS, 0), 0);
        ck_assert(keel_timer_pending(&a.timer));
        turn_until(loop, &a.count, 1);
        ck_assert(!keel_timer_pending(&a.timer));
        ck_assert_uint_ge(a.fired_at - start, ms * KEEL_NS_PER_MS);
    }
    keel_loop_free(loop);
}
END_TEST

START_TEST(repeats_until_stopped)
{
    struct keel_loop *loop = keel_loop_new();
    struct alarm a = {.stop_at = 3};
    keel_timer_init(&a.timer, loop, "alarm", on_timer);
    ck_assert_int_eq(keel_timer_start(&a.timer, 0, 2 * KEEL_NS_PER_MS), 0);
    turn_until(loop, &a.count, 3);
    turn_for(loop, 20 * KEEL_NS_PER_MS);
    ck_assert_int_eq(a.count, 3);
    /* A restart moves it. */
    a.stop_at = 0;
    ck_assert_int_eq(keel_timer_start(&a.timer, KEEL_NS_PER_S, 0), 0);
    ck_assert_int_eq(keel_timer_start(&a.timer, KEEL_NS_PER_MS, 0), 0);
    turn_until(loop, &a.count, 4);
    keel_timer_stop(&a.timer);
    keel_loop_free(loop);
}
END_TEST

#define MANY 20000
struct entry {
    struct keel_deadline deadline;
    uint64_t due;
    int fired;
    uint64_t fired_at;
    struct entry *kill; /* cleared by this one's callback */
};
static uint64_t last_slot;
static int fired_total;

static void on_entry(struct keel_deadline *d)
{
    struct entry *e = KEEL_CONTAINER(d, struct entry, deadline);
    e->fired++;
    e->fired_at = keel_clock_monotonic();
    fired_total++;
    /* In order of their ticks. */
    ck_assert_uint_ge(d->slot, last_slot);
    last_slot = d->slot;
    if (e->kill)
        keel_deadline_clear(&e->kill->deadline);
}

START_TEST(thousands_of_deadlines_in_order)
{
    struct keel_loop *loop = keel_loop_new();
    struct entry *entries = calloc(MANY, sizeof *entries);
    uint64_t start = keel_clock_monotonic();
    int cleared = 0;
    for (int i = 0; i < MANY; i++) {
        uint64_t after = (uint64_t)(i * 7919 % 1500) * KEEL_NS_PER_MS;
        keel_deadline_init(&entries[i].deadline, on_entry);
        keel_deadline_set(&entries[i].deadline, loop, 400 * KEEL_NS_PER_MS);
        /* Later: one store; earlier: another slot. */
        entries[i].due = keel_clock_monotonic() + after;
        keel_deadline_set(&entries[i].deadline, loop, after);
        if (i % 10 == 3) {
            keel_deadline_clear(&entries[i].deadline);
            keel_deadline_clear(&entries[i].deadline);
            cleared++;
        }
    }
    while (keel_clock_monotonic() - start < 10 * KEEL_NS_PER_S && fired_total < MANY - cleared)
        keel_loop_turn(loop, 100 * KEEL_NS_PER_MS);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(entries[i].fired, i % 10 != 3);
        if (entries[i].fired) {
            ck_assert_uint_ge(entries[i].fired_at, entries[i].due);
            /* The tick, and a busy machine's share. */
            ck_assert_uint_le(entries[i].fired_at,
                              entries[i].due + KEEL_DEADLINE_TICK + 3 * KEEL_NS_PER_S);
        }
    }
    free(entries);
    keel_loop_free(loop);
}
END_TEST

START_TEST(a_deadline_moved_on_does_not_fire)
{
    struct keel_loop *loop = keel_loop_new();
    struct entry e = {.fired = 0};
    last_slot = 0;
    keel_deadline_init(&e.deadline, on_entry);
    for (int i = 0; i < 8; i++) {
        keel_deadline_set(&e.deadline, loop, 300 * KEEL_NS_PER_MS);
        turn_for(loop, 100 * KEEL_NS_PER_MS);
    }
    ck_assert_int_eq(e.fired, 0);
    turn_until(loop, &e.fired, 1);
    keel_loop_free(loop);
}
END_TEST

START_TEST(a_deadline_beyond_the_wheel_waits)
{
    struct keel_loop *loop = keel_loop_new();
    struct entry e = {.fired = 0}, soon = {.fired = 0};
    last_slot = 0;
    keel_deadline_init(&e.deadline, on_entry);
    keel_deadline_init(&soon.deadline, on_entry);
    keel_deadline_set(&e.deadline, loop, 3600 * KEEL_NS_PER_S);
    ck_assert_uint_lt(e.deadline.slot, e.deadline.at);
    keel_deadline_set(&soon.deadline, loop, KEEL_NS_PER_MS);
    turn_until(loop, &soon.fired, 1);
    ck_assert_int_eq(e.fired, 0);
    keel_deadline_set(&e.deadline, loop, KEEL_NS_PER_MS);
    turn_until(loop, &e.fired, 1);
    keel_loop_free(loop);
}
END_TEST

START_TEST(one_deadline_clears_another)
{
    struct keel_loop *loop = keel_loop_new();
    struct entry a = {.fired = 0}, b = {.fired = 0};
    last_slot = 0;
    a.kill = &b;
    b.kill = &a;
    keel_deadline_init(&a.deadline, on_entry);
    keel_deadline_init(&b.deadline, on_entry);
    keel_deadline_set(&a.deadline, loop, KEEL_NS_PER_MS);
    keel_deadline_set(&b.deadline, loop, KEEL_NS_PER_MS);
    turn_until(loop, &a.fired, 1);
    turn_for(loop, 300 * KEEL_NS_PER_MS);
    ck_assert_int_eq(b.fired, 0);
    keel_loop_free(loop);
}
END_TEST

Suite *timer_suite(void)
{
    Suite *suite = suite_create("timer");
    TCase *tc = tcase_create("timer");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, once_and_never_early);
    tcase_add_test(tc, repeats_until_stopped);
    tcase_add_test(tc, thousands_of_deadlines_in_order);
    tcase_add_test(tc, a_deadline_moved_on_does_not_fire);
    tcase_add_test(tc, a_deadline_beyond_the_wheel_waits);
    tcase_add_test(tc, one_deadline_clears_another);
    suite_add_tcase(suite, tc);
    return suite;
}
