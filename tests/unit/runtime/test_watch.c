#include "common/runtime/watch.h"

#include "common/base/err.h"
#include "tests/support/allocfail.h"
#include "tests/unit/runtime/harness.h"
#include "tests/unit/runtime/suites.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct keel_loop *loop;
static struct keel_watch *watch;
static char *dir;

/* What is heard. */
struct user {
    struct keel_watched w;
    int events, gone;
    char name[64];               /* of the last event */
    struct keel_watched *remove; /* in the next callback */
};
static struct user a, b;
static int lost;

static void on_event(void *arg, struct keel_watched *w, const char *name)
{
    struct user *user = KEEL_CONTAINER(w, struct user, w);
    ck_assert_ptr_eq(arg, &lost);
    user->events++;
    user->gone += !name;
    snprintf(user->name, sizeof user->name, "%s", name ? name : "");
    if (user->remove)
        keel_watch_remove(watch, user->remove);
}

static void on_lost(void *arg)
{
    lost++;
}

static struct keel_watch_options options(void)
{
    return (struct keel_watch_options){.loop = loop,
                                       .name = "test",
                                       .events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE,
                                       .on_event = on_event,
                                       .on_lost = on_lost,
                                       .arg = &lost};
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
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    close(fd);
}

static void setup(void)
{
    struct keel_watch_options o;
    a = b = (struct user){.events = 0};
    lost = 0;
    loop = keel_loop_new();
    dir = test_directory();
    o = options();
    ck_assert_int_eq(keel_watch_new(&o, &watch), 0);
}

static void teardown(void)
{
    keel_watch_free(watch);
    keel_loop_free(loop);
    test_directory_remove(dir);
}

START_TEST(test_hears)
{
    ck_assert_int_eq(keel_watch_add(watch, &a.w, dir), 0);
    put("one");
    turn_until(loop, &a.events, 1);
    ck_assert_str_eq(a.name, "one");
    ck_assert_int_eq(rename(path_of("one"), path_of("two")), 0);
    turn_until(loop, &a.events, 2);
    ck_assert_str_eq(a.name, "two");
    /* what several watch is one watch, and each hears */
    int fd = open(dir, O_PATH | O_DIRECTORY);
    ck_assert_int_eq(keel_watch_add_fd(watch, &b.w, fd), 0);
    close(fd);
    ck_assert_uint_eq(keel_watch_count(watch), 1);
    unlink(path_of("two"));
    turn_until(loop, &b.events, 1);
    ck_assert_int_eq(a.events, 3);
    keel_watch_remove(watch, &a.w);
    keel_watch_remove(watch, &a.w);
    put("three");
    turn_until(loop, &b.events, 2);
    ck_assert_int_eq(a.events, 3);
    /* events of a watch that was removed are not told */
    put("four");
    keel_watch_remove(watch, &b.w);
    ck_assert_uint_eq(keel_watch_count(watch), 0);
    turn_for(loop, 20 * KEEL_NS_PER_MS);
    ck_assert_int_eq(b.events, 2);
}
END_TEST

START_TEST(test_removed_while_told)
{
    ck_assert_int_eq(keel_watch_add(watch, &a.w, dir), 0);
    ck_assert_int_eq(keel_watch_add(watch, &b.w, dir), 0);
    a.remove = &b.w; /* who comes later */
    put("one");
    turn_until(loop, &a.events, 1);
    ck_assert_int_eq(b.events, 0);
    a.remove = &a.w; /* the last one */
    put("two");
    turn_until(loop, &a.events, 2);
    ck_assert_uint_eq(keel_watch_count(watch), 0);
}
END_TEST

START_TEST(test_gone)
{
    ck_assert_int_eq(mkdir(path_of("sub"), 0755), 0);
    ck_assert_int_eq(keel_watch_add(watch, &a.w, path_of("sub")), 0);
    ck_assert_int_eq(rmdir(path_of("sub")), 0);
    turn_until(loop, &a.gone, 1);
    ck_assert_ptr_null(a.w.folder);
    ck_assert_uint_eq(keel_watch_count(watch), 0);
    ck_assert_int_eq(mkdir(path_of("sub"), 0755), 0);
    ck_assert_int_eq(keel_watch_add(watch, &a.w, path_of("sub")), 0);
    put("sub/x");
    turn_until(loop, &a.events, 2);
    ck_assert_str_eq(a.name, "x");
}
END_TEST

START_TEST(test_limits)
{
    struct keel_watch_options o = options();
    struct keel_watch *small;
    o.max = 1;
    ck_assert_int_eq(mkdir(path_of("sub"), 0755), 0);
    ck_assert_int_eq(keel_watch_new(&o, &small), 0);
    ck_assert_int_eq(keel_watch_add(small, &a.w, dir), 0);
    ck_assert_int_eq(keel_watch_add(small, &b.w, path_of("sub")), KEEL_ELIMIT);
    ck_assert_ptr_null(b.w.folder);
    keel_watch_remove(small, &a.w);
    ck_assert_int_eq(keel_watch_add(small, &b.w, path_of("sub")), 0);
    keel_watch_free(small);
    ck_assert_ptr_null(b.w.folder);
    ck_assert_int_eq(keel_watch_add(watch, &a.w, path_of("none")), KEEL_ESYS);
    put("file");
    ck_assert_int_eq(keel_watch_add(watch, &a.w, path_of("file")), KEEL_ESYS);
}
END_TEST

/* More events than the system keeps. */
START_TEST(test_overflow)
{
    unsigned most = 16384;
    FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (f) {
        ck_assert_int_eq(fscanf(f, "%u", &most), 1);
        fclose(f);
    }
    if (most > 100000)
        return;
    ck_assert_int_eq(keel_watch_add(watch, &a.w, dir), 0);
    for (unsigned i = 0; i < most / 2 + 2; i++) { /* equal ones in a row are one */
        put("one");
        put("two");
    }
    turn_until(loop, &lost, 1);
    int before = a.events;
    put("three");
    turn_until(loop, &a.events, before + 1);
}
END_TEST

/* In a mount namespace of its own, where the system lets us make one. */
START_TEST(test_mounts)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct keel_watch_options o = options();
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
            _exit(0);
        loop = keel_loop_new();
        o.loop = loop;
        o.mounts = true;
        if (keel_watch_new(&o, &watch) != 0)
            _exit(1);
        for (unsigned i = 0; i < 3; i++)
            keel_loop_turn(loop, KEEL_NS_PER_MS);
        if (lost != 0)
            _exit(2);
        if (mount("none", dir, "tmpfs", 0, NULL) != 0)
            _exit(0);
        for (unsigned i = 0; i < 500 && lost == 0; i++)
            keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
        umount(dir);
        _exit(lost > 0 ? 0 : 3);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static int make_and_watch(void *arg)
{
    struct keel_watch_options o = options();
    struct keel_watch *w;
    o.mounts = true;
    int err = keel_watch_new(&o, &w);
    if (err)
        return err;
    err = keel_watch_add(w, &a.w, dir);
    keel_watch_free(w);
    return err;
}

START_TEST(test_no_memory)
{
    allocfail_sweep(make_and_watch, NULL);
}
END_TEST

Suite *watch_suite(void)
{
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("watch");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, test_hears);
    tcase_add_test(t, test_removed_while_told);
    tcase_add_test(t, test_gone);
    tcase_add_test(t, test_limits);
    tcase_add_test(t, test_overflow);
    tcase_add_test(t, test_mounts);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
