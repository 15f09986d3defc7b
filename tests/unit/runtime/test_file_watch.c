#include "common/runtime/file_watch.h"

#include "common/base/err.h"
#include "tests/support/allocfail.h"
#include "tests/unit/runtime/harness.h"
#include "tests/unit/runtime/suites.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct keel_loop *loop;
static struct keel_file_watch *watch;
static char *dir;

/* Who watches files, and how often it heard of them. */
struct user {
    struct keel_watched_files w;
    int touched;
};
static struct user a, b;

static void on_touched(void *arg, struct keel_watched_files *w)
{
    struct user *user = KEEL_CONTAINER(w, struct user, w);
    ck_assert_ptr_eq(arg, &a);
    user->touched++;
}

static char *path_of(const char *name)
{
    static char path[2][256];
    static unsigned turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void put(const char *name)
{
    FILE *f = fopen(path_of(name), "w");
    ck_assert_ptr_nonnull(f);
    fputs("x", f);
    fclose(f);
}

static void setup(void)
{
    a = b = (struct user){.touched = 0};
    loop = keel_loop_new();
    dir = test_directory();
    ck_assert_int_eq(mkdir(path_of("sub"), 0755), 0);
    watch = keel_file_watch_new(loop, "test", on_touched, &a);
    ck_assert_ptr_nonnull(watch);
}

static void teardown(void)
{
    keel_file_watch_free(watch);
    keel_loop_free(loop);
    test_directory_remove(dir);
}

START_TEST(test_hears)
{
    put("one");
    ck_assert_int_eq(keel_file_watch_add(watch, &a.w, path_of("one")), 0);
    ck_assert_int_eq(keel_file_watch_add(watch, &a.w, path_of("one")), 0); /* once */
    ck_assert_int_eq(keel_file_watch_add(watch, &a.w, path_of("sub/two")), 0);
    ck_assert_int_eq(keel_file_watch_add(watch, &b.w, path_of("three")), 0);
    ck_assert_uint_eq(a.w.count, 2);
    /* several changes in a row are one */
    put("one");
    put("one");
    put("sub/two");
    turn_until(loop, &a.touched, 1);
    turn_for(loop, 2 * KEEL_FILE_WATCH_DELAY);
    ck_assert_int_eq(a.touched, 1);
    ck_assert_int_eq(b.touched, 0);
    /* one that takes the place of another, and one that nobody knows, which may be a link of it */
    put("new");
    ck_assert_int_eq(rename(path_of("new"), path_of("three")), 0);
    turn_until(loop, &b.touched, 1);
    put("unknown");
    turn_until(loop, &b.touched, 2);
    ck_assert_int_ge(a.touched, 2);
    keel_file_watch_remove(watch, &a.w);
    int before = a.touched;
    put("three");
    turn_until(loop, &b.touched, 3);
    ck_assert_int_eq(a.touched, before);
    keel_file_watch_again(watch, &a.w); /* watches nothing any more */
    keel_file_watch_again(watch, &b.w);
    turn_until(loop, &b.touched, 4);
    ck_assert_int_eq(a.touched, before);
}
END_TEST

/* A folder that another one takes the place of is watched on. */
START_TEST(test_folder_is_replaced)
{
    ck_assert_int_eq(keel_file_watch_add(watch, &a.w, path_of("sub/one")), 0);
    ck_assert_int_eq(keel_file_watch_add(watch, &b.w, path_of("nowhere/one")), KEEL_ESYS);
    ck_assert_uint_eq(b.w.count, 0);
    ck_assert_int_eq(rmdir(path_of("sub")), 0);
    ck_assert_int_eq(mkdir(path_of("sub"), 0755), 0);
    turn_until(loop, &a.touched, 1);
    put("sub/one");
    turn_until(loop, &a.touched, 2);
}
END_TEST

static int make_and_watch(void *arg)
{
    struct keel_watched_files w = {.count = 0};
    struct keel_file_watch *made = keel_file_watch_new(loop, "test", on_touched, &a);
    int err = made ? 0 : KEEL_ENOMEM;
    for (unsigned i = 0; i < 3 && !err; i++) {
        const char *const names[] = {"one", "two", "sub/three"};
        err = keel_file_watch_add(made, &w, path_of(names[i]));
    }
    keel_file_watch_free(made);
    ck_assert_uint_eq(w.count, 0);
    return err;
}

START_TEST(test_no_memory)
{
    allocfail_sweep(make_and_watch, NULL);
}
END_TEST

Suite *file_watch_suite(void)
{
    Suite *s = suite_create("runtime/file_watch");
    TCase *t = tcase_create("file_watch");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_hears);
    tcase_add_test(t, test_folder_is_replaced);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
