#include "config.h"

#include "common/store/store.h"

#include "common/base/mem.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *store_suite(void);

/* --- a directory of its own for each test ---------------------------------------------------- */

static char dir[256];
static struct keel_store *store;
static struct keel_store_table *table;
static struct keel_diag diag;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/keel-store-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    keel_store_close(store);
    store = NULL;
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What is logged on purpose is not for the eye. */
static void hush(void)
{
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

static void open_store(void)
{
    int err = keel_store_open(dir, 8, false, &store, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    err = keel_store_table(store, "t", false, &table, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
}

static void reopen_store(void)
{
    keel_store_close(store);
    open_store();
}

static struct keel_bytes text(const char *s)
{
    return (struct keel_bytes){s, strlen(s)};
}

static void put(const char *key, const char *value)
{
    ck_assert_int_eq(keel_store_put(table, text(key), text(value)), 0);
}

static void put_committed(const char *key, const char *value)
{
    ck_assert_int_eq(keel_store_begin(store), 0);
    put(key, value);
    ck_assert_int_eq(keel_store_commit(store), 0);
}

/* In its own read transaction. */
static int get_is(const char *key, const char *value)
{
    struct keel_bytes got;
    ck_assert_int_eq(keel_store_read(store), 0);
    int err = keel_store_get(table, text(key), &got);
    int same = !err && got.n == strlen(value) && memcmp(got.p, value, got.n) == 0;
    keel_store_read_end(store);
    return err ? err : same;
}

/* --- batches --------------------------------------------------------------------------------- */

START_TEST(committed_changes_survive_a_reopen)
{
    open_store();
    ck_assert_int_eq(keel_store_begin(store), 0);
    put("a", "1");
    put("b", "2");
    put("c", "");
    ck_assert_int_eq(keel_store_del(table, text("b")), 0);
    ck_assert_int_eq(keel_store_del(table, text("zz")), KEEL_ENOENT);
    ck_assert_int_eq(keel_store_commit(store), 0);
    reopen_store();
    ck_assert_int_eq(get_is("a", "1"), 1);
    ck_assert_int_eq(get_is("b", ""), KEEL_ENOENT);
    ck_assert_int_eq(get_is("c", ""), 1);
    ck_assert_uint_eq(keel_store_count(table), 2);
}
END_TEST

/* The machine was cut off when the store was made for the first time: a part of a file is in its
 * place, or beside it. Nothing was promised, and it is made again. */
START_TEST(a_store_that_was_never_made_whole_is_made_again)
{
    static const long sizes[] = {0, 1, 4096, 8191};
    char data[300], fresh[300];
    snprintf(data, sizeof data, "%s/data.mdb", dir);
    snprintf(fresh, sizeof fresh, "%s/fresh.mdb", dir);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        open_store();
        keel_store_close(store);
        store = NULL;
        ck_assert_int_eq(truncate(data, sizes[i]), 0);
        FILE *f = fopen(fresh, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_gt(fprintf(f, "half"), 0);
        ck_assert_int_eq(fclose(f), 0);
        open_store();
        put_committed("a", "1");
        ck_assert_int_eq(access(fresh, F_OK), -1);
        reopen_store();
        ck_assert_int_eq(get_is("a", "1"), 1);
        keel_store_close(store);
        store = NULL;
    }
    /* what is no store stays as it is, and is refused */
    FILE *f = fopen(data, "r+");
    ck_assert_ptr_nonnull(f);
    static const char zeros[8192];
    ck_assert_uint_eq(fwrite(zeros, 1, sizeof zeros, f), sizeof zeros);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_ne(keel_store_open(dir, 8, false, &store, &diag), 0);
    store = NULL;
}
END_TEST

START_TEST(an_aborted_batch_leaves_nothing)
{
    open_store();
    put_committed("a", "1");
    ck_assert_int_eq(keel_store_begin(store), 0);
    put("a", "2");
    put("b", "2");
    struct keel_bytes got;
    ck_assert_int_eq(keel_store_get(table, text("b"), &got), 0); /* seen inside */
    ck_assert_uint_eq(keel_store_count(table), 2);
    keel_store_abort(store);
    ck_assert_int_eq(get_is("a", "1"), 1);
    ck_assert_int_eq(get_is("b", "2"), KEEL_ENOENT);
}
END_TEST

START_TEST(bad_keys_are_refused_and_the_batch_goes_on)
{
    static char large[KEEL_STORE_KEY_MAX + 1];
    memset(large, 'x', sizeof large);
    struct keel_bytes got;
    open_store();
    ck_assert_int_eq(keel_store_begin(store), 0);
    ck_assert_int_eq(keel_store_put(table, text(""), text("v")), KEEL_EINVAL);
    ck_assert_int_eq(keel_store_put(table, (struct keel_bytes){large, sizeof large}, text("v")),
                     KEEL_EINVAL);
    ck_assert_int_eq(
        keel_store_put(table, (struct keel_bytes){large, KEEL_STORE_KEY_MAX}, text("v")), 0);
    ck_assert_int_eq(keel_store_get(table, text(""), &got), KEEL_EINVAL);
    ck_assert_int_eq(keel_store_commit(store), 0);
    ck_assert_uint_eq(keel_store_count(table), 1);
}
END_TEST

START_TEST(one_transaction_at_a_time)
{
    open_store();
    ck_assert_int_eq(keel_store_begin(store), 0);
    ck_assert_int_eq(keel_store_begin(store), KEEL_EBUSY);
    ck_assert_int_eq(keel_store_read(store), KEEL_EBUSY);
    keel_store_abort(store);
    ck_assert_int_eq(keel_store_read(store), 0);
    ck_assert_int_eq(keel_store_begin(store), KEEL_EBUSY);
    keel_store_read_end(store);
}
END_TEST

START_TEST(a_change_outside_of_a_batch_is_a_broken_promise)
{
    hush();
    open_store();
    keel_store_put(table, text("a"), text("1"));
}
END_TEST

/* --- the map --------------------------------------------------------------------------------- */

START_TEST(a_batch_of_100_megabytes_grows_a_map_of_one)
{
    enum { COUNT = 100000, SIZE = 1000 };
    struct keel_store_stats stats;
    char key[32], value[SIZE];
    open_store();
    put_committed("first", "x");
    keel_store_stats(store, &stats);
    ck_assert_uint_eq(stats.map_size, 1 << 20);
    ck_assert_int_eq(keel_store_begin(store), 0);
    put("gone", "x");
    ck_assert_int_eq(keel_store_del(table, text("gone")), 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "%08d", i);
        memset(value, i, sizeof value);
        ck_assert_int_eq(keel_store_put(table, text(key), (struct keel_bytes){value, SIZE}), 0);
    }
    struct keel_bytes got;
    ck_assert_int_eq(keel_store_get(table, text("00000000"), &got), 0);
    ck_assert_int_eq(keel_store_get(table, text("gone"), &got), KEEL_ENOENT);
    ck_assert_int_eq(keel_store_commit(store), 0);
    keel_store_stats(store, &stats);
    ck_assert_uint_ge(stats.grown, 7);
    ck_assert_uint_ge(stats.map_size, (uint64_t)COUNT * SIZE);
    reopen_store();
    ck_assert_uint_eq(keel_store_count(table), COUNT + 1);
    ck_assert_int_eq(keel_store_read(store), 0);
    for (int i = 0; i < COUNT; i += 997) {
        snprintf(key, sizeof key, "%08d", i);
        memset(value, i, sizeof value);
        ck_assert_int_eq(keel_store_get(table, text(key), &got), 0);
        ck_assert_uint_eq(got.n, SIZE);
        ck_assert_int_eq(memcmp(got.p, value, SIZE), 0);
    }
    keel_store_read_end(store);
}
END_TEST

START_TEST(small_batches_seldom_meet_a_full_map)
{
    struct keel_store_stats stats;
    char key[32], value[1000] = "";
    open_store();
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(keel_store_begin(store), 0);
        for (int j = 0; j < 20; j++) {
            snprintf(key, sizeof key, "%d.%d", i, j);
            ck_assert_int_eq(
                keel_store_put(table, text(key), (struct keel_bytes){value, sizeof value}), 0);
        }
        ck_assert_int_eq(keel_store_commit(store), 0);
    }
    keel_store_stats(store, &stats);
    ck_assert_uint_eq(stats.commits, 300);
    ck_assert_uint_le(stats.grown, 5);
    ck_assert_uint_eq(keel_store_count(table), 6000);
}
END_TEST

/* --- walks ----------------------------------------------------------------------------------- */

struct seen {
    char text[256];
    int stop_after;
    int delete_all, add_behind;
};

static int see(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    struct seen *seen = arg;
    size_t n = strlen(seen->text);
    snprintf(seen->text + n, sizeof seen->text - n, "%.*s=%.*s ", (int)key.n, (const char *)key.p,
             (int)value.n, (const char *)value.p);
    if (seen->delete_all)
        ck_assert_int_eq(keel_store_del(table, key), 0);
    if (seen->add_behind && *(const char *)key.p == 'b')
        put("bb", "new");
    return seen->stop_after && --seen->stop_after == 0 ? 7 : 0;
}

static void put_letters(void)
{
    ck_assert_int_eq(keel_store_begin(store), 0);
    put("c", "3");
    put("a", "1");
    put("b", "2");
    ck_assert_int_eq(keel_store_commit(store), 0);
}

START_TEST(a_walk_goes_in_order_from_a_key)
{
    struct seen all = {.stop_after = 0}, some = {.stop_after = 0}, one = {.stop_after = 1},
                none = {.stop_after = 0};
    struct keel_bytes from = text("aa"), end = text("x");
    open_store();
    put_letters();
    ck_assert_int_eq(keel_store_read(store), 0);
    ck_assert_int_eq(keel_store_each(table, NULL, see, &all), 0);
    ck_assert_int_eq(keel_store_each(table, &from, see, &some), 0);
    ck_assert_int_eq(keel_store_each(table, NULL, see, &one), 7);
    ck_assert_int_eq(keel_store_each(table, &end, see, &none), 0);
    keel_store_read_end(store);
    ck_assert_str_eq(all.text, "a=1 b=2 c=3 ");
    ck_assert_str_eq(some.text, "b=2 c=3 ");
    ck_assert_str_eq(one.text, "a=1 ");
    ck_assert_str_eq(none.text, "");
}
END_TEST

START_TEST(a_walk_in_a_batch_may_change_the_table)
{
    struct seen deleting = {.delete_all = 1}, adding = {.add_behind = 1};
    open_store();
    put_letters();
    ck_assert_int_eq(keel_store_begin(store), 0);
    ck_assert_int_eq(keel_store_each(table, NULL, see, &adding), 0);
    ck_assert_str_eq(adding.text, "a=1 b=2 bb=new c=3 ");
    ck_assert_int_eq(keel_store_each(table, NULL, see, &deleting), 0);
    ck_assert_str_eq(deleting.text, "a=1 b=2 bb=new c=3 ");
    ck_assert_uint_eq(keel_store_count(table), 0);
    ck_assert_int_eq(keel_store_commit(store), 0);
    ck_assert_uint_eq(keel_store_count(table), 0);
}
END_TEST

static int fatten(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    static char large[400000];
    ++*(int *)arg;
    return keel_store_put(table, key, (struct keel_bytes){large, sizeof large});
}

START_TEST(a_walk_survives_a_growing_map)
{
    struct keel_store_stats stats;
    int visits = 0;
    open_store();
    put_letters();
    ck_assert_int_eq(keel_store_begin(store), 0);
    ck_assert_int_eq(keel_store_each(table, NULL, fatten, &visits), 0);
    ck_assert_int_eq(keel_store_commit(store), 0);
    ck_assert_int_eq(visits, 3);
    keel_store_stats(store, &stats);
    ck_assert_uint_ge(stats.grown, 1);
}
END_TEST

static int see_number(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    uint32_t **next = arg;
    memcpy((*next)++, key.p, 4);
    return 0;
}

START_TEST(integer_keys_sort_as_numbers)
{
    static const uint32_t in[] = {70000, 5, 256, 4000000000u, 0};
    static const uint32_t sorted[] = {0, 5, 256, 70000, 4000000000u};
    uint32_t out[5], *next = out;
    struct keel_store_table *numbers;
    open_store();
    ck_assert_int_eq(keel_store_table(store, "n", true, &numbers, &diag), 0);
    ck_assert_int_eq(keel_store_begin(store), 0);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(keel_store_put(numbers, (struct keel_bytes){&in[i], 4}, text("v")), 0);
    ck_assert_int_eq(keel_store_put(numbers, text("12345"), text("v")), KEEL_EINVAL);
    ck_assert_int_eq(keel_store_commit(store), 0);
    ck_assert_int_eq(keel_store_read(store), 0);
    ck_assert_int_eq(keel_store_each(numbers, NULL, see_number, &next), 0);
    keel_store_read_end(store);
    ck_assert_int_eq(memcmp(out, sorted, sizeof sorted), 0);
}
END_TEST

/* --- other processes ------------------------------------------------------------------------- */

/* Runs `body` in a new process with an environment of its own; returns its exit status. */
static pid_t in_child(void (*body)(void))
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

static int status_of(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void try_to_open(void)
{
    struct keel_store *other;
    _exit(keel_store_open(dir, 8, false, &other, &diag) == KEEL_EBUSY && strstr(diag.text, "in use")
              ? 0
              : 1);
}

START_TEST(a_second_writer_is_refused)
{
    struct keel_store *other;
    open_store();
    ck_assert_int_eq(keel_store_open(dir, 8, false, &other, &diag), KEEL_EBUSY);
    char expected[64];
    snprintf(expected, sizeof expected, "in use by process %ld", (long)getpid());
    ck_assert_ptr_nonnull(strstr(diag.text, expected));
    ck_assert_int_eq(status_of(in_child(try_to_open)), 0);
    put_committed("still", "works");
    keel_store_close(store);
    open_store(); /* the lock went with the close */
}
END_TEST

static int to_child[2], to_parent[2];

static void read_beside_a_writer(void)
{
    struct keel_store *reader;
    struct keel_bytes got;
    char c;
    if (keel_store_open(dir, 8, true, &reader, &diag) != 0 ||
        keel_store_table(reader, "t", false, &table, &diag) != 0)
        _exit(1);
    if (keel_store_begin(reader) != KEEL_EACCES)
        _exit(2);
    store = reader;
    if (keel_store_count(table) != 1)
        _exit(3);
    /* the writer grows the file beyond this map */
    if (write(to_parent[1], "1", 1) != 1 || read(to_child[0], &c, 1) != 1)
        _exit(4);
    if (keel_store_read(reader) != 0 || keel_store_get(table, text("large"), &got) != 0)
        _exit(5);
    if (got.n != 8 << 20 || ((const char *)got.p)[got.n - 1] != 0)
        _exit(6);
    keel_store_read_end(reader);
    keel_store_close(reader);
}

START_TEST(a_reader_follows_a_writer_that_grows)
{
    static char large[8 << 20];
    char c;
    ck_assert_int_eq(pipe2(to_child, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(to_parent, O_CLOEXEC), 0);
    open_store();
    put_committed("first", "x");
    keel_store_close(store);
    store = NULL;
    pid_t pid = in_child(read_beside_a_writer); /* before this process opens its own */
    open_store();
    ck_assert_int_eq(read(to_parent[0], &c, 1), 1);
    ck_assert_int_eq(keel_store_begin(store), 0);
    ck_assert_int_eq(keel_store_put(table, text("large"), (struct keel_bytes){large, sizeof large}),
                     0);
    ck_assert_int_eq(keel_store_commit(store), 0);
    ck_assert_int_eq(write(to_child[1], "1", 1), 1);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

START_TEST(a_missing_store_or_table_cannot_be_read)
{
    struct keel_store *reader;
    char missing[300];
    snprintf(missing, sizeof missing, "%s/none", dir);
    ck_assert_int_eq(keel_store_open(missing, 8, true, &reader, &diag), KEEL_ESYS);
    ck_assert_ptr_nonnull(strstr(diag.text, "No such file"));
    ck_assert_int_ne(access(missing, F_OK), 0);
    open_store();
    keel_store_close(store);
    ck_assert_int_eq(keel_store_open(dir, 8, true, &store, &diag), 0);
    ck_assert_int_eq(keel_store_table(store, "unknown", false, &table, &diag), KEEL_ENOENT);
}
END_TEST

static void commit_until_killed(void)
{
    char key[32];
    open_store();
    for (int i = 0;; i++) {
        if (keel_store_begin(store) != 0)
            _exit(1);
        for (int j = 0; j < 50; j++) {
            snprintf(key, sizeof key, "%d.%d", i, j);
            put(key, "some value of some length");
        }
        if (keel_store_commit(store) != 0 || write(to_parent[1], &i, sizeof i) != sizeof i)
            _exit(2);
    }
}

START_TEST(a_killed_writer_keeps_every_promise)
{
    for (int round = 0; round < 5; round++) {
        int last = -1, told = -1;
        ck_assert_int_eq(pipe2(to_parent, O_CLOEXEC), 0);
        pid_t pid = in_child(commit_until_killed);
        close(to_parent[1]);
        while (told < 20 * (round + 1) && read(to_parent[0], &told, sizeof told) == sizeof told)
            last = told;
        kill(pid, SIGKILL);
        ck_assert_int_eq(status_of(pid), 128 + SIGKILL);
        while (read(to_parent[0], &told, sizeof told) == sizeof told)
            last = told;
        close(to_parent[0]);
        open_store(); /* the lock died with its owner */
        char key[32];
        for (int i = 0; i <= last; i++) {
            snprintf(key, sizeof key, "%d.%d", i, 49);
            ck_assert_int_eq(get_is(key, "some value of some length"), 1);
        }
        ck_assert_uint_eq(keel_store_count(table) % 50, 0); /* whole batches only */
        keel_store_close(store);
        store = NULL;
    }
}
END_TEST

/* --- a disk that is full --------------------------------------------------------------------- */

static void fill(unsigned megabytes, int expected)
{
    static char value[1 << 20];
    char key[32];
    ck_assert_int_eq(keel_store_begin(store), 0);
    put("promise", "new");
    for (unsigned i = 0; i < megabytes; i++) {
        snprintf(key, sizeof key, "fill%u", i);
        ck_assert_int_eq(keel_store_put(table, text(key), (struct keel_bytes){value, sizeof value}),
                         0);
    }
    ck_assert_int_eq(keel_store_commit(store), expected);
}

/* Common to the ways of having no room: the commit fails as a whole, the old data stands, small
 * batches work before and after, and all is well when there is room again. */
static void check_full_disk(void (*make_room)(void))
{
    struct keel_store_stats stats;
    for (int i = 0; i < 3; i++) {
        fill(16, KEEL_ESYS);
        ck_assert_msg(errno == ENOSPC || errno == EFBIG || errno == EIO, "%s", strerror(errno));
        keel_store_stats(store, &stats);
        ck_assert(stats.alarm);
        ck_assert_uint_eq(stats.failures, i + 1);
        ck_assert_int_eq(get_is("promise", "old"), 1);
        ck_assert_int_eq(get_is("fill0", ""), KEEL_ENOENT);
    }
    put_committed("small", "works");
    keel_store_stats(store, &stats);
    ck_assert(!stats.alarm);
    make_room();
    fill(16, 0);
    ck_assert_int_eq(get_is("promise", "new"), 1);
    reopen_store();
    ck_assert_int_eq(get_is("promise", "new"), 1);
    ck_assert_int_eq(get_is("small", "works"), 1);
    ck_assert_uint_eq(keel_store_count(table), 18);
}

static void lift_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

START_TEST(a_commit_over_the_file_size_limit_fails_as_a_whole)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    hush();
    open_store();
    put_committed("promise", "old");
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 8 << 20;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    check_full_disk(lift_limit);
}
END_TEST

static char mount_point[256];

static void remount_larger(void)
{
    ck_assert_int_eq(mount("none", mount_point, "tmpfs", MS_REMOUNT, "size=64m"), 0);
}

START_TEST(a_commit_to_a_full_disk_fails_as_a_whole)
{
    /* a mount of its own, gone with this process; an unprivileged user may have one too */
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=8m") != 0)
        return;
    hush();
    snprintf(mount_point, sizeof mount_point, "%s", dir);
    strcat(dir, "/store");
    open_store();
    put_committed("promise", "old");
    check_full_disk(remount_larger);
    keel_store_close(store);
    store = NULL;
    snprintf(dir, sizeof dir, "%s", mount_point);
    umount2(dir, MNT_DETACH);
}
END_TEST

#ifndef KEEL_SANITIZE /* its shadow memory needs all the address space */
START_TEST(no_address_space_is_an_error_and_no_loss)
{
    static char value[64 << 20];
    struct rlimit limit;
    hush();
    open_store();
    put_committed("promise", "old");
    getrlimit(RLIMIT_AS, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 256 << 20;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return;
    ck_assert_int_eq(keel_store_begin(store), 0);
    put("promise", "new");
    int err = keel_store_put(table, text("v"), (struct keel_bytes){value, sizeof value});
    for (char key[] = "a"; !err && *key <= 'z'; ++*key)
        err = keel_store_put(table, text(key), (struct keel_bytes){value, sizeof value});
    ck_assert_int_eq(err, KEEL_ENOMEM);
    ck_assert_int_eq(keel_store_put(table, text("w"), text("x")), KEEL_ENOMEM);
    ck_assert_int_eq(keel_store_commit(store), KEEL_ENOMEM);
    limit.rlim_cur = before;
    setrlimit(RLIMIT_AS, &limit);
    ck_assert_int_eq(get_is("promise", "old"), 1);
    put_committed("promise", "newer");
    ck_assert_int_eq(get_is("promise", "newer"), 1);
}
END_TEST
#endif

START_TEST(no_memory_anywhere_is_an_error_and_no_loss)
{
    int err = KEEL_ENOMEM;
    hush();
    for (int n = 1; err; n++) {
        ck_assert_int_lt(n, 20);
        keel_mem_fail_at((uint64_t)n);
        err = keel_store_open(dir, 8, false, &store, &diag);
        if (!err && (err = keel_store_table(store, "t", false, &table, &diag)) == 0) {
            ck_assert_int_eq(keel_store_begin(store), 0);
            int put_err = keel_store_put(table, text("a"), text("1"));
            err = keel_store_commit(store);
            ck_assert_int_eq(err, put_err);
        }
        keel_mem_fail_at(0);
        ck_assert(err == 0 || err == KEEL_ENOMEM);
        if (err) {
            keel_store_close(store);
            store = NULL;
        }
    }
    ck_assert_int_eq(get_is("a", "1"), 1);
}
END_TEST

Suite *store_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("store");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, committed_changes_survive_a_reopen);
    tcase_add_test(tc, a_store_that_was_never_made_whole_is_made_again);
    tcase_add_test(tc, an_aborted_batch_leaves_nothing);
    tcase_add_test(tc, bad_keys_are_refused_and_the_batch_goes_on);
    tcase_add_test(tc, one_transaction_at_a_time);
    tcase_add_test_raise_signal(tc, a_change_outside_of_a_batch_is_a_broken_promise, SIGABRT);
    tcase_add_test(tc, a_batch_of_100_megabytes_grows_a_map_of_one);
    tcase_add_test(tc, small_batches_seldom_meet_a_full_map);
    tcase_add_test(tc, a_walk_goes_in_order_from_a_key);
    tcase_add_test(tc, a_walk_in_a_batch_may_change_the_table);
    tcase_add_test(tc, a_walk_survives_a_growing_map);
    tcase_add_test(tc, integer_keys_sort_as_numbers);
    tcase_add_test(tc, a_second_writer_is_refused);
    tcase_add_test(tc, a_reader_follows_a_writer_that_grows);
    tcase_add_test(tc, a_missing_store_or_table_cannot_be_read);
    tcase_add_test(tc, a_killed_writer_keeps_every_promise);
    tcase_add_test(tc, a_commit_over_the_file_size_limit_fails_as_a_whole);
    tcase_add_test(tc, a_commit_to_a_full_disk_fails_as_a_whole);
#ifndef KEEL_SANITIZE
    tcase_add_test(tc, no_address_space_is_an_error_and_no_loss);
#endif
    tcase_add_test(tc, no_memory_anywhere_is_an_error_and_no_loss);
    suite_add_tcase(suite, tc);
    return suite;
}
