/* Files that are not in memory, sent by streams: a thread reads them. */
#include "common/base/mem.h"
#include "common/runtime/offload.h"
#include "tests/unit/runtime/harness.h"
#include "tests/unit/runtime/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SIZE (1024 * 1024 + 77)

static struct keel_loop *loop;
static struct keel_offload *pool;
static struct owner o;
static char *dir;
static uint8_t *content;
static int file, peer, released;

/* --- calls that a disk or a file system makes fail: ours stand before the C library's --- */

enum {
    COLD = 1,          /* nothing is in memory */
    CANNOT_SAY = 2,    /* nor is it known */
    SHORT = 4,         /* reads give little, and are interrupted */
    NO_SENDFILE = 8,   /* the file system has none */
    LITTLE = 16,       /* sendfile sends little */
    BROKEN = 32,       /* the disk, behind BROKEN_AT */
    COMBINATIONS = 32, /* of those that do not end the stream */
};
#define BROKEN_AT 300000
static unsigned faults;

static bool is_broken(off_t offset)
{
    if (!(faults & BROKEN) || offset < BROKEN_AT)
        return false;
    errno = EIO;
    return true;
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    if (flags && (faults & (COLD | CANNOT_SAY))) {
        errno = faults & CANNOT_SAY ? EOPNOTSUPP : EAGAIN;
        return -1;
    }
    return is_broken(offset) ? -1 : syscall(SYS_preadv2, fd, iov, count, offset, 0, flags);
}

ssize_t pread(int fd, void *out, size_t size, off_t offset)
{
    static unsigned calls; /* in any thread: how many does not matter */
    if ((faults & SHORT) && __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    if ((faults & SHORT) && size > 7777)
        size = 7777;
    return is_broken(offset) ? -1 : syscall(SYS_pread64, fd, out, size, offset);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size)
{
    if (faults & NO_SENDFILE) {
        errno = EINVAL;
        return -1;
    }
    if ((faults & LITTLE) && size > 7777)
        size = 7777;
    return is_broken(*offset) ? -1 : syscall(SYS_sendfile, to, from, offset, size);
}

static void release(void *arg)
{
    released++;
}

static void setup(void)
{
    char path[256];
    loop = keel_loop_new();
    pool = keel_offload_new(loop, 2, 100);
    keel_offload_serve_streams(pool);
    dir = test_directory();
    snprintf(path, sizeof path, "%s/file", dir);
    file = open(path, O_RDWR | O_CREAT, 0600);
    content = keel_malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 2654435761u >> 13);
    ck_assert_int_eq(write(file, content, SIZE), SIZE);
    /* out of memory, where the file system has any other place for it */
    ck_assert_int_eq(fsync(file), 0);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    released = 0;
    faults = 0;
    owner_init(&o);
    peer = owner_start(&o, loop);
}

static void teardown(void)
{
    if (!o.closed)
        keel_stream_close(&o.s);
    owner_fini(&o);
    keel_offload_free(pool);
    close(peer);
    close(file);
    keel_free(content);
    keel_loop_free(loop);
    test_directory_remove(dir);
}

START_TEST(test_whole)
{
    uint8_t *got = keel_malloc(SIZE + 4);
    size_t n = 0;
    faults = (unsigned)_i;
    keel_stream_write(&o.s, "head", 4);
    keel_stream_write_file(&o.s, file, 5, SIZE - 5, release, NULL);
    keel_stream_write(&o.s, "tail", 4);
    for (unsigned turns = 0; n < SIZE + 3 && turns < 100000; turns++) {
        keel_loop_turn(loop, KEEL_NS_PER_MS);
        ssize_t r = read(peer, got + n, SIZE + 4 - n);
        n += r > 0 ? (size_t)r : 0;
    }
    ck_assert_uint_eq(n, SIZE + 3);
    ck_assert(memcmp(got, "head", 4) == 0 && memcmp(got + 4, content + 5, SIZE - 5) == 0);
    ck_assert(memcmp(got + SIZE - 1, "tail", 4) == 0);
    ck_assert_int_eq(released, 1);
    keel_free(got);
}
END_TEST

/* The stream goes while a thread reads for it, and so does the file's descriptor. */
START_TEST(test_closed_meanwhile)
{
    keel_stream_write_file(&o.s, file, 0, SIZE, release, NULL);
    keel_loop_turn(loop, 0);
    keel_stream_close(&o.s);
    ck_assert_int_eq(released, 1);
    ck_assert_int_eq(ftruncate(file, 0), 0);
    for (unsigned turns = 0; keel_offload_busy(pool) > 0 && turns < 5000; turns++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_uint_eq(keel_offload_busy(pool), 0);
}
END_TEST

START_TEST(test_too_short)
{
    uint8_t bytes[65536];
    keel_stream_write_file(&o.s, file, SIZE - 10, 20, release, NULL);
    for (unsigned turns = 0; !o.closed && turns < 5000; turns++) {
        keel_loop_turn(loop, KEEL_NS_PER_MS);
        if (read(peer, bytes, sizeof bytes) == 0)
            break;
    }
    ck_assert(o.closed && o.why == KEEL_END_RESET);
    ck_assert_int_eq(released, 1);
}
END_TEST

/* What was read before leaves, and then the stream ends: the rest never does as if it were whole.
 */
START_TEST(test_broken_disk)
{
    uint8_t bytes[65536];
    size_t n = 0;
    faults = (unsigned)_i | BROKEN;
    keel_stream_write_file(&o.s, file, 0, SIZE, release, NULL);
    keel_stream_write(&o.s, "tail", 4);
    for (unsigned turns = 0; turns < 5000; turns++) {
        keel_loop_turn(loop, KEEL_NS_PER_MS);
        ssize_t r = read(peer, bytes, sizeof bytes);
        if (r > 0)
            ck_assert(memcmp(bytes, content + n, (size_t)r) == 0);
        if (r == 0)
            break;
        n += r > 0 ? (size_t)r : 0;
    }
    ck_assert(o.closed && o.why == KEEL_END_RESET && o.s.error == EIO);
    ck_assert(n > 0 && n <= BROKEN_AT + 256 * 1024);
    ck_assert_int_eq(released, 1);
}
END_TEST

/* The pool goes first: the loop reads by itself. */
START_TEST(test_without_pool)
{
    keel_stream_write_file(&o.s, file, 0, 100, release, NULL);
    keel_loop_turn(loop, 0);
    keel_offload_free(pool);
    pool = NULL;
    uint8_t got[100];
    size_t n = 0;
    for (unsigned turns = 0; n < sizeof got && turns < 5000; turns++) {
        keel_loop_turn(loop, KEEL_NS_PER_MS);
        ssize_t r = read(peer, got + n, sizeof got - n);
        n += r > 0 ? (size_t)r : 0;
    }
    ck_assert(n == sizeof got && memcmp(got, content, n) == 0);
}
END_TEST

Suite *stream_file_suite(void)
{
    Suite *s = suite_create("stream_file");
    TCase *t = tcase_create("file");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, test_whole, 0, COMBINATIONS);
    tcase_add_loop_test(t, test_broken_disk, 0, COMBINATIONS);
    tcase_add_test(t, test_closed_meanwhile);
    tcase_add_test(t, test_too_short);
    tcase_add_test(t, test_without_pool);
    suite_add_tcase(s, t);
    return s;
}
