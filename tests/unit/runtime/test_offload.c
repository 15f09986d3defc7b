#include "common/runtime/offload.h"

#include "common/base/err.h"
#include "tests/unit/runtime/suites.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

static struct keel_loop *loop;
static struct keel_offload *pool;

/* The threads wait at this gate while it is closed. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

struct work {
    struct keel_job job;
    int ran, done, err;
    pthread_t by;
};

static void setup(void)
{
    loop = keel_loop_new();
    pool = keel_offload_new(loop, 2, 3);
    ck_assert_ptr_nonnull(pool);
}

static void teardown(void)
{
    keel_offload_free(pool);
    keel_loop_free(loop);
}

static void run_work(struct keel_job *job)
{
    struct work *w = KEEL_CONTAINER(job, struct work, job);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    w->ran++;
    w->by = pthread_self();
}

static void work_done(struct keel_job *job, int err)
{
    struct work *w = KEEL_CONTAINER(job, struct work, job);
    w->done++;
    w->err = err;
}

static int start(struct work *w)
{
    return keel_offload_start(pool, &w->job, run_work, work_done);
}

static void until_idle(void)
{
    for (int i = 0; i < 1000 && keel_offload_busy(pool); i++)
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    ck_assert_uint_eq(keel_offload_busy(pool), 0);
}

START_TEST(jobs_run_elsewhere_and_end_on_the_loop)
{
    struct work w[3] = {{.ran = 0}};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(start(&w[i]), 0);
    ck_assert_uint_eq(keel_offload_busy(pool), 3);
    until_idle();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(w[i].ran, 1);
        ck_assert_int_eq(w[i].done, 1);
        ck_assert_int_eq(w[i].err, 0);
        ck_assert(!pthread_equal(w[i].by, pthread_self()));
    }
    ck_assert_int_eq(start(&w[0]), 0); /* a job may be started again */
    until_idle();
    ck_assert_int_eq(w[0].done, 2);
}
END_TEST

/* Two threads, each held at the gate. */
static void hold_threads(struct work *held)
{
    pthread_mutex_lock(&gate);
    ck_assert_int_eq(start(&held[0]), 0);
    ck_assert_int_eq(start(&held[1]), 0);
    for (int i = 0; i < 500 && keel_offload_cancel(pool, &held[0].job); i++) {
        ck_assert_int_eq(start(&held[0]), 0); /* not taken yet: again */
        usleep(1000);
    }
    for (int i = 0; i < 500 && keel_offload_cancel(pool, &held[1].job); i++) {
        ck_assert_int_eq(start(&held[1]), 0);
        usleep(1000);
    }
    ck_assert_uint_eq(keel_offload_busy(pool), 2);
}

START_TEST(a_full_queue_says_so)
{
    struct work held[2] = {{.ran = 0}}, waiting[3] = {{.ran = 0}}, more = {.ran = 0};
    hold_threads(held);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(start(&waiting[i]), 0);
    ck_assert_int_eq(start(&more), KEEL_EBUSY);
    pthread_mutex_unlock(&gate);
    until_idle();
    ck_assert_int_eq(waiting[2].done, 1);
    ck_assert_int_eq(more.ran + more.done, 0);
    ck_assert_int_eq(start(&more), 0);
    until_idle();
}
END_TEST

START_TEST(only_what_waits_can_be_cancelled)
{
    struct work held[2] = {{.ran = 0}}, waiting = {.ran = 0};
    hold_threads(held);
    ck_assert_int_eq(start(&waiting), 0);
    ck_assert(keel_offload_cancel(pool, &waiting.job));
    ck_assert(!keel_offload_cancel(pool, &waiting.job));
    ck_assert(!keel_offload_cancel(pool, &held[0].job));
    pthread_mutex_unlock(&gate);
    until_idle();
    ck_assert_int_eq(waiting.ran + waiting.done, 0);
    ck_assert_int_eq(held[0].done, 1);
    ck_assert(!keel_offload_cancel(pool, &held[0].job));
}
END_TEST

START_TEST(free_waits_and_tells_everybody)
{
    struct work held[2] = {{.ran = 0}}, waiting = {.ran = 0};
    hold_threads(held);
    ck_assert_int_eq(start(&waiting), 0);
    pthread_mutex_unlock(&gate);
    keel_offload_free(pool);
    pool = NULL;
    ck_assert_int_eq(held[0].done + held[1].done, 2);
    ck_assert_int_eq(held[0].err, 0);
    ck_assert_int_eq(waiting.done, 1);
    ck_assert_int_eq(waiting.err, waiting.ran ? 0 : KEEL_ECANCELED);
}
END_TEST

static void work_again(struct keel_job *job, int err)
{
    struct work *w = KEEL_CONTAINER(job, struct work, job);
    if (++w->done < 1000 && !err)
        ck_assert_int_eq(keel_offload_start(pool, job, run_work, work_again), 0);
}

START_TEST(a_job_may_be_started_by_its_end)
{
    struct work w[3] = {{.ran = 0}};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(keel_offload_start(pool, &w[i].job, run_work, work_again), 0);
    for (int i = 0; i < 5000 && keel_offload_busy(pool); i++)
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(w[i].ran, 1000);
}
END_TEST

/* --- files ----------------------------------------------------------------------------------- */

static int read_ends, read_err;

static void on_read(struct keel_file_read *read, int err)
{
    read_ends++;
    read_err = err;
}

static int make_file(const char *text)
{
    char path[] = "/tmp/keel-offload-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

START_TEST(files_are_read_at_an_offset)
{
    char buffer[16] = "";
    struct keel_file_read read = {.done = 0};
    int fd = make_file("0123456789");
    ck_assert_int_eq(keel_offload_read(pool, &read, fd, 4, buffer, 3, on_read), 0);
    ck_assert_int_eq(read_ends, 0); /* never from inside the call */
    until_idle();
    ck_assert_int_eq(read_ends, 1);
    ck_assert_uint_eq(read.done, 3);
    ck_assert_str_eq(buffer, "456");
    ck_assert_int_eq(keel_offload_read(pool, &read, fd, 8, buffer, sizeof buffer, on_read), 0);
    until_idle();
    ck_assert_int_eq(read_err, 0);
    ck_assert_uint_eq(read.done, 2); /* the file ends there */
    ck_assert_int_eq(keel_offload_read(pool, &read, fd, 99, buffer, 1, on_read), 0);
    until_idle();
    ck_assert_uint_eq(read.done, 0);
    close(fd);
}
END_TEST

START_TEST(a_read_that_fails_says_why)
{
    char buffer[16];
    struct keel_file_read read = {.done = 0};
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(keel_offload_read(pool, &read, fd, 0, buffer, sizeof buffer, on_read), 0);
    until_idle();
    ck_assert_int_eq(read_err, KEEL_ESYS);
    ck_assert_int_eq(read.error, EISDIR);
    ck_assert(!read.cached);
    close(fd);
}
END_TEST

START_TEST(a_read_can_be_cancelled_or_outlived)
{
    char buffer[4];
    struct keel_file_read read = {.done = 0};
    int fd = make_file("0123456789");
    ck_assert_int_eq(keel_offload_read(pool, &read, fd, 0, buffer, 4, on_read), 0);
    if (keel_offload_read_cancel(pool, &read)) {
        ck_assert(!keel_offload_read_cancel(pool, &read));
        until_idle();
        ck_assert_int_eq(read_ends, 0);
    }
    until_idle();
    read_ends = 0;
    ck_assert_int_eq(keel_offload_read(pool, &read, fd, 0, buffer, 4, on_read), 0);
    keel_offload_free(pool);
    pool = NULL;
    ck_assert_int_eq(read_ends, 1);
    keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_int_eq(read_ends, 1);
    close(fd);
}
END_TEST

Suite *offload_suite(void)
{
    Suite *suite = suite_create("offload");
    TCase *tc = tcase_create("offload");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, jobs_run_elsewhere_and_end_on_the_loop);
    tcase_add_test(tc, a_full_queue_says_so);
    tcase_add_test(tc, only_what_waits_can_be_cancelled);
    tcase_add_test(tc, free_waits_and_tells_everybody);
    tcase_add_test(tc, a_job_may_be_started_by_its_end);
    tcase_add_test(tc, files_are_read_at_an_offset);
    tcase_add_test(tc, a_read_that_fails_says_why);
    tcase_add_test(tc, a_read_can_be_cancelled_or_outlived);
    suite_add_tcase(suite, tc);
    return suite;
}
