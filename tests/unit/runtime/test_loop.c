#include "harness.h"
#include "suites.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct job {
    struct keel_task task;
    struct keel_loop *loop;
    int runs, again;
    struct job *victim;
};

static void run_job(struct keel_task *task)
{
    struct job *job = KEEL_CONTAINER(task, struct job, task);
    job->runs++;
    if (job->again > 0) {
        job->again--;
        keel_task_start(job->loop, task);
    }
    if (job->victim)
        keel_task_stop(&job->victim->task);
}

START_TEST(tasks_run_before_the_loop_waits)
{
    struct keel_loop *loop = keel_loop_new();
    struct job a = {.loop = loop}, b = {.loop = loop}, c = {.loop = loop};
    keel_task_init(&a.task, run_job);
    keel_task_init(&b.task, run_job);
    keel_task_init(&c.task, run_job);
    a.again = 3;
    a.victim = &b;
    keel_task_start(loop, &a.task);
    keel_task_start(loop, &a.task);
    keel_task_start(loop, &b.task);
    keel_task_start(loop, &c.task);
    keel_loop_turn(loop, 0);
    ck_assert_int_eq(a.runs, 4);
    ck_assert_int_eq(b.runs, 0);
    ck_assert_int_eq(c.runs, 1);
    /* A task that never stops starting itself does not keep the loop. */
    a.again = 1000000;
    keel_task_start(loop, &a.task);
    keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert_int_lt(a.runs, 100);
    keel_task_stop(&a.task);
    keel_loop_free(loop);
}
END_TEST

struct reader {
    struct keel_io io;
    int calls, order;
    int *sequence;
    bool stop, slow;
};

static void on_ready_nested(struct keel_io *io, short what)
{
    struct reader *r = KEEL_CONTAINER(io, struct reader, io);
    r->calls++;
    ck_assert_int_eq(keel_loop_turn(io->loop, 0), KEEL_EBUSY);
    ck_assert_int_eq(keel_loop_run(io->loop), KEEL_EBUSY);
}

static void on_ready(struct keel_io *io, short what)
{
    struct reader *r = KEEL_CONTAINER(io, struct reader, io);
    r->calls++;
    r->order = ++*r->sequence;
    if (r->slow) {
        struct timespec ms = {0, 5000000};
        nanosleep(&ms, NULL);
    }
    if (r->stop)
        keel_io_stop(io);
}

START_TEST(control_goes_first)
{
    struct keel_loop *loop = keel_loop_new();
    int fds[2][2], sequence = 0;
    struct reader r[2] = {{.sequence = &sequence, .stop = true},
                          {.sequence = &sequence, .stop = true}};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, fds[i]), 0);
        ck_assert_int_eq(write(fds[i][1], "x", 1), 1);
        ck_assert_int_eq(keel_io_start(&r[i].io, loop, fds[i][0], KEEL_READ,
                                       i == 0 ? KEEL_PRIORITY_TRAFFIC : KEEL_PRIORITY_CONTROL,
                                       i == 0 ? "traffic" : "control", on_ready),
                         0);
    }
    turn_for(loop, 20 * KEEL_NS_PER_MS);
    ck_assert_int_eq(r[1].order, 1);
    ck_assert_int_eq(r[0].order, 2);
    keel_io_stop(&r[0].io); /* twice is harmless */
    keel_loop_free(loop);
    for (int i = 0; i < 4; i++)
        close(fds[i / 2][i % 2]);
}
END_TEST

START_TEST(a_nested_turn_is_refused)
{
    struct keel_loop *loop = keel_loop_new();
    int fds[2], sequence = 0;
    struct reader r = {.sequence = &sequence};
    ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(
        keel_io_start(&r.io, loop, fds[0], KEEL_READ, KEEL_PRIORITY_TRAFFIC, "r", on_ready_nested),
        0);
    keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert_int_eq(r.calls, 1);
    keel_io_stop(&r.io);
    keel_loop_free(loop);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(interest_changes)
{
    struct keel_loop *loop = keel_loop_new();
    int fds[2], sequence = 0;
    struct reader r = {.sequence = &sequence};
    ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(keel_io_start(&r.io, loop, fds[0], 0, KEEL_PRIORITY_TRAFFIC, "r", on_ready),
                     0);
    keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_int_eq(r.calls, 0);
    ck_assert_int_eq(keel_io_change(&r.io, KEEL_READ), 0);
    keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert_int_eq(r.calls, 1);
    ck_assert_int_eq(keel_io_change(&r.io, 0), 0);
    keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_int_eq(r.calls, 1);
    ck_assert_int_eq(keel_io_change(&r.io, KEEL_WRITE), 0);
    keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert_int_eq(r.calls, 2);
    keel_io_stop(&r.io);
    keel_loop_free(loop);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static int signals;

static void on_signal(struct keel_signal *sig, int number)
{
    ck_assert_int_eq(number, SIGUSR1);
    signals++;
    keel_loop_stop(sig->loop);
}

START_TEST(a_signal_stops_the_loop)
{
    struct keel_loop *loop = keel_loop_new();
    struct keel_signal sig;
    ck_assert_int_eq(keel_signal_start(&sig, loop, SIGUSR1, on_signal), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(keel_loop_run(loop), 0);
    ck_assert_int_eq(signals, 1);
    keel_signal_stop(&sig);
    keel_signal_stop(&sig);
    keel_loop_stop(loop); /* before: it does not begin */
    ck_assert_int_eq(keel_loop_run(loop), 0);
    keel_loop_free(loop);
}
END_TEST

START_TEST(the_slowest_callback_is_named)
{
    struct keel_loop *loop = keel_loop_new();
    int fds[2][2], sequence = 0;
    static const char *const names[] = {"fast", "slow"};
    char copy[] = "slow"; /* the same text elsewhere is the same row */
    struct reader r[2] = {{.sequence = &sequence, .stop = true},
                          {.sequence = &sequence, .stop = true, .slow = true}};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, fds[i]), 0);
            ck_assert_int_eq(write(fds[i][1], "x", 1), 1);
            ck_assert_int_eq(keel_io_start(&r[i].io, loop, fds[i][0], KEEL_READ,
                                           KEEL_PRIORITY_TRAFFIC,
                                           i == 1 && round == 1 ? copy : names[i], on_ready),
                             0);
        }
        turn_for(loop, 20 * KEEL_NS_PER_MS);
        for (int i = 0; i < 4; i++)
            close(fds[i / 2][i % 2]);
    }
    struct keel_lag_row rows[4];
    ck_assert_uint_eq(keel_loop_lag(loop, rows, 4), 2);
    ck_assert_str_eq(rows[0].name, "slow");
    ck_assert_uint_eq(rows[0].calls, 2);
    ck_assert_uint_ge(rows[0].total_ns, 10 * KEEL_NS_PER_MS);
    ck_assert_uint_ge(rows[0].worst_ns, 5 * KEEL_NS_PER_MS);
    ck_assert_uint_eq(keel_loop_lag(loop, rows, 1), 1);
    ck_assert_uint_ge(keel_loop_worst_turn(loop), 5 * KEEL_NS_PER_MS);
    keel_loop_free(loop);
}
END_TEST

START_TEST(many_names_overflow_into_one_row)
{
    struct keel_loop *loop = keel_loop_new();
    static char names[100][16];
    int fds[2], sequence = 0;
    ck_assert_int_eq(keel_sock_pair(SOCK_STREAM, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 100; i++) {
        struct reader r = {.sequence = &sequence, .stop = true};
        snprintf(names[i], sizeof names[i], "n%d", i);
        keel_io_start(&r.io, loop, fds[0], KEEL_READ, KEEL_PRIORITY_TRAFFIC, names[i], on_ready);
        keel_loop_turn(loop, KEEL_NS_PER_S);
    }
    struct keel_lag_row rows[100];
    unsigned n = keel_loop_lag(loop, rows, 100);
    uint64_t calls = 0;
    for (unsigned i = 0; i < n; i++)
        calls += rows[i].calls;
    ck_assert_uint_eq(n, 64);
    ck_assert_uint_eq(calls, 100);
    keel_loop_free(loop);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

Suite *loop_suite(void)
{
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, tasks_run_before_the_loop_waits);
    tcase_add_test(tc, control_goes_first);
    tcase_add_test(tc, a_nested_turn_is_refused);
    tcase_add_test(tc, interest_changes);
    tcase_add_test(tc, a_signal_stops_the_loop);
    tcase_add_test(tc, the_slowest_callback_is_named);
    tcase_add_test(tc, many_names_overflow_into_one_row);
    suite_add_tcase(suite, tc);
    return suite;
}
