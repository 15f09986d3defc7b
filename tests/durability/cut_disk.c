#include "tests/durability/cut_disk.h"

#include "common/base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR 512
#define PAGE 4096 /* of the page cache */
#define FILE_MAX (8u << 20)

/* The calls below are those of the whole process: there is one disk. */
static struct {
    struct cut_plan plan;
    struct keel_prng prng;
    unsigned calls;
    int cache, platter; /* descriptors of the file, to read, and of what is on disk */
    struct stat file;
    uint8_t waits[FILE_MAX / SECTOR]; /* sectors written and not synced */
} disk;

static void die(const char *what)
{
    perror(what);
    abort();
}

static bool is_watched(int fd)
{
    struct stat st;
    return disk.platter > 0 && fstat(fd, &st) == 0 && st.st_dev == disk.file.st_dev &&
           st.st_ino == disk.file.st_ino;
}

static ssize_t raw_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return syscall(SYS_pwrite64, fd, p, n, at);
}

/* One sector from the page cache to the platter. */
static void settle(size_t sector)
{
    uint8_t bytes[SECTOR];
    ssize_t n = pread(disk.cache, bytes, SECTOR, (off_t)(sector * SECTOR));
    if (n <= 0 || raw_pwrite(disk.platter, bytes, (size_t)n, (off_t)(sector * SECTOR)) != n)
        die("platter");
    disk.waits[sector] = 0;
}

/* some: each sector with even odds, and none of them waits any longer. */
static void settle_waiting(bool some)
{
    for (size_t i = 0; i < FILE_MAX / SECTOR; i++) {
        if (!disk.waits[i])
            continue;
        if (!some || keel_prng_below(&disk.prng, 2))
            settle(i);
        disk.waits[i] = 0;
    }
}

static void end_process(void)
{
    if (disk.plan.kind == CUT_POWER)
        settle_waiting(true);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static bool is_now(enum cut_moment moment)
{
    return (disk.plan.kind == CUT_KILL || disk.plan.kind == CUT_POWER) &&
           disk.calls == disk.plan.at && disk.plan.moment == moment;
}

static bool fails_now(void)
{
    return disk.plan.kind == CUT_FAIL && disk.calls >= disk.plan.at &&
           disk.calls < disk.plan.at + disk.plan.failures;
}

/* How much of a write that fails, or during which the process dies, gets into the page cache: the
 * kernel copies whole pages, and never a part of what goes into one. */
static size_t cut_write(size_t n, off_t at)
{
    size_t part = keel_prng_below(&disk.prng, (uint32_t)n + 1);
    size_t torn = ((size_t)at + part) % PAGE; /* in the page where it ends: all of that, or none */
    if (keel_prng_below(&disk.prng, 2))
        return part > torn ? part - torn : 0;
    part += (PAGE - torn) % PAGE;
    return part < n ? part : n;
}

/* As much of it as the kernel took. */
static ssize_t write_some(const uint8_t *p, size_t n, off_t at)
{
    /* not by their descriptor: with O_DSYNC it would wait for a real disk */
    ssize_t done = raw_pwrite(disk.cache, p, n, at);
    for (off_t i = at / SECTOR; done > 0 && i <= (at + done - 1) / SECTOR; i++)
        disk.waits[i] = 1;
    return done;
}

static ssize_t write_at(int fd, const uint8_t *p, size_t n, off_t at)
{
    if (at < 0 || (size_t)at + n > FILE_MAX)
        die("the file is larger than this test thought");
    disk.calls++;
    if (is_now(CUT_BEFORE))
        end_process();
    bool fails = fails_now();
    if (fails || is_now(CUT_DURING)) {
        size_t part = cut_write(n, at);
        ssize_t done = part ? write_some(p, part, at) : 0;
        if (!fails)
            end_process();
        /* an error of a synchronous write does not say that nothing got there */
        for (off_t i = at / SECTOR;
             fcntl(fd, F_GETFL) & O_DSYNC && done > 0 && i <= (at + done - 1) / SECTOR; i++)
            if (keel_prng_below(&disk.prng, 2))
                settle((size_t)i);
        /* a full disk takes a part, a broken one nothing that counts */
        if (disk.plan.error == ENOSPC && done > 0 && (size_t)done < n)
            return done;
        errno = disk.plan.error;
        return -1;
    }
    ssize_t done = write_some(p, n, at);
    if (fcntl(fd, F_GETFL) & O_DSYNC)
        for (off_t i = at / SECTOR; done > 0 && i <= (at + done - 1) / SECTOR; i++)
            settle((size_t)i);
    if (is_now(CUT_AFTER))
        end_process();
    return done;
}

static int sync_all(int fd)
{
    disk.calls++;
    if (is_now(CUT_BEFORE) || is_now(CUT_DURING))
        end_process();
    if (fails_now()) {
        /* the kernel says it once and takes the pages for clean: they never get there */
        settle_waiting(true);
        errno = disk.plan.error;
        return -1;
    }
    settle_waiting(false);
    if (is_now(CUT_AFTER))
        end_process();
    return 0;
}

/* --- in the place of libc's ------------------------------------------------------------------- */

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return is_watched(fd) ? write_at(fd, p, n, at) : raw_pwrite(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (!is_watched(fd))
        return syscall(SYS_write, fd, p, n);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = write_at(fd, p, n, at);
    if (done > 0)
        lseek(fd, at + done, SEEK_SET);
    return done;
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    if (!is_watched(fd))
        return syscall(SYS_writev, fd, iov, count);
    off_t at = lseek(fd, 0, SEEK_CUR);
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += iov[i].iov_len;
    uint8_t *all = malloc(total + 1), *p = all;
    if (!all)
        die("malloc");
    for (int i = 0; i < count; p += iov[i++].iov_len)
        memcpy(p, iov[i].iov_base, iov[i].iov_len);
    ssize_t done = write_at(fd, all, total, at);
    free(all);
    if (done > 0)
        lseek(fd, at + done, SEEK_SET);
    return done;
}

int fdatasync(int fd)
{
    return is_watched(fd) ? sync_all(fd) : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return is_watched(fd) ? sync_all(fd) : (int)syscall(SYS_fsync, fd);
}

/* The store never writes through its map. */
int msync(void *p, size_t n, int flags)
{
    (void)p, (void)n, (void)flags;
    die("an msync that this test does not know");
    return -1;
}

/* --- for the test ----------------------------------------------------------------------------- */

void cut_disk_start(const struct cut_plan *plan, const char *file, const char *platter,
                    uint64_t seed)
{
    uint8_t ours[SECTOR], theirs[SECTOR];
    disk.cache = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    disk.platter = open(platter, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (disk.cache < 0 || disk.platter < 0 || fstat(disk.cache, &disk.file) != 0)
        die(file);
    keel_prng_seed(&disk.prng, seed);
    for (size_t i = 0; i * SECTOR < (size_t)disk.file.st_size; i++) {
        memset(ours, 0, SECTOR);
        memset(theirs, 0, SECTOR);
        if (pread(disk.cache, ours, SECTOR, (off_t)(i * SECTOR)) < 0 ||
            pread(disk.platter, theirs, SECTOR, (off_t)(i * SECTOR)) < 0)
            die(file);
        disk.waits[i] = memcmp(ours, theirs, SECTOR) != 0;
    }
    disk.plan = *plan;
}

unsigned cut_disk_calls(void)
{
    return disk.calls;
}

void cut_disk_restore(const char *file, const char *platter)
{
    static uint8_t bytes[FILE_MAX];
    int from = open(platter, O_RDONLY | O_CLOEXEC);
    int to = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = from < 0 ? -1 : read(from, bytes, sizeof bytes);
    if (to < 0 || n < 0 || (n > 0 && raw_pwrite(to, bytes, (size_t)n, 0) != n))
        die(file);
    close(from);
    close(to);
}
