/* Files written whole, or not at all. */
#include "common/runtime/file.h"
#include "tests/unit/runtime/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/keel-test-file.XXXXXX";

static const char *at(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void setup(void)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    rmdir(at("folder"));
    unlink(at("a"));
    unlink(at("a.new"));
    rmdir(folder);
}

/* What the file has; "": it is not there. */
static const char *content(const char *name)
{
    static char text[64];
    int fd = open(at(name), O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

START_TEST(replaces)
{
    struct stat st;
    ck_assert_int_eq(keel_file_replace(at("a"), "one", 3, 0600, _i), 0);
    ck_assert_str_eq(content("a"), "one");
    ck_assert_int_eq(stat(at("a"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(keel_file_replace(at("a"), "", 0, 0600, _i), 0);
    ck_assert_str_eq(content("a"), "");
    /* what one that was killed has left */
    int fd = open(at("a.new"), O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(keel_file_write(fd, "left over", 9), 0);
    close(fd);
    ck_assert_int_eq(keel_file_replace(at("a"), "two", 3, 0600, _i), 0);
    ck_assert_str_eq(content("a"), "two");
    ck_assert_int_ne(access(at("a.new"), F_OK), 0);
}
END_TEST

START_TEST(leaves_the_old_one)
{
    ck_assert_int_eq(keel_file_replace(at("none/a"), "one", 3, 0600, true), KEEL_ESYS);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(mkdir(at("folder"), 0700), 0);
    ck_assert_int_eq(keel_file_replace(at("folder"), "one", 3, 0600, true), KEEL_ESYS);
    ck_assert_int_eq(errno, EISDIR);
    ck_assert_int_ne(access(at("folder.new"), F_OK), 0);
    /* nobody is led elsewhere by a link */
    ck_assert_int_eq(keel_file_replace(at("a"), "one", 3, 0600, true), 0);
    ck_assert_int_eq(symlink("/dev/full", at("a.new")), 0);
    ck_assert_int_eq(keel_file_replace(at("a"), "two", 3, 0600, true), KEEL_ESYS);
    ck_assert_int_eq(errno, ELOOP);
    ck_assert_str_eq(content("a"), "one");
}
END_TEST

START_TEST(says_that_the_disk_is_full)
{
    int fd = open("/dev/full", O_WRONLY);
    ck_assert_int_eq(keel_file_write(fd, "one", 3), KEEL_ENOSPC);
    ck_assert_int_eq(keel_file_write_at(fd, "one", 3, 7), KEEL_ENOSPC);
    ck_assert_int_eq(keel_file_write(fd, "", 0), 0);
    close(fd);
    ck_assert_int_eq(keel_file_write(fd, "one", 3), KEEL_ESYS);
}
END_TEST

START_TEST(keeps_bytes_in_memory)
{
    static char bytes[300000], got[sizeof bytes];
    memset(bytes, 'x', sizeof bytes);
    int fd = keel_file_in_memory("test", bytes, sizeof bytes);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(read(fd, got, sizeof got), sizeof got);
    ck_assert_mem_eq(got, bytes, sizeof got);
    ck_assert_int_eq(keel_file_write_at(fd, "ab", 2, 1), 0);
    ck_assert_int_eq(pread(fd, got, 4, 0), 4);
    ck_assert_mem_eq(got, "xabx", 4);
    close(fd);
}
END_TEST

START_TEST(syncs_folders)
{
    ck_assert_int_eq(keel_file_sync_folder(at("a")), 0);
    ck_assert_int_eq(keel_file_sync_folder("/a"), 0);
    ck_assert_int_eq(keel_file_sync_folder("a"), 0);
    ck_assert_int_eq(keel_file_sync_folder(at("none/a")), KEEL_ESYS);
}
END_TEST

Suite *file_suite(void)
{
    Suite *s = suite_create("runtime/file");
    TCase *t = tcase_create("file");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, replaces, 0, 2);
    tcase_add_test(t, leaves_the_old_one);
    tcase_add_test(t, says_that_the_disk_is_full);
    tcase_add_test(t, keeps_bytes_in_memory);
    tcase_add_test(t, syncs_folders);
    suite_add_tcase(s, t);
    return s;
}
