#include "common/runtime/file.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int failed(void)
{
    return errno == ENOSPC || errno == EDQUOT ? KEEL_ENOSPC : KEEL_ESYS;
}

/* Closes and leaves errno alone. */
static void close_quietly(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
}

/* What is left of the bytes behind a call that returned n; false: it failed. */
static bool advance(const uint8_t **bytes, size_t *size, ssize_t n)
{
    if (n == 0)
        errno = EIO; /* no file does that */
    if (n <= 0)
        return n < 0 && errno == EINTR;
    *bytes += n;
    *size -= (size_t)n;
    return true;
}

int keel_file_write(int fd, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    while (size > 0)
        if (!advance(&p, &size, write(fd, p, size)))
            return failed();
    return 0;
}

int keel_file_write_at(int fd, const void *bytes, size_t size, uint64_t offset)
{
    const uint8_t *p = bytes;
    const uint64_t end = offset + size;
    while (size > 0)
        if (!advance(&p, &size, pwrite(fd, p, size, (off_t)(end - size))))
            return failed();
    return 0;
}

int keel_file_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? keel_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : keel_strdup(".");
    if (!folder)
        return KEEL_ENOMEM;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : failed();
    if (fd >= 0)
        close_quietly(fd);
    keel_free(folder);
    return err;
}

static int fill(const char *path, const void *bytes, size_t size, mode_t mode, bool durable)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return failed();
    int err = keel_file_write(fd, bytes, size);
    if (err == 0 && durable && fsync(fd) != 0)
        err = failed();
    close_quietly(fd);
    return err;
}

int keel_file_replace(const char *path, const void *bytes, size_t size, mode_t mode, bool durable)
{
    size_t room = strlen(path) + sizeof ".new";
    char *fresh = keel_malloc(room);
    if (!fresh)
        return KEEL_ENOMEM;
    snprintf(fresh, room, "%s.new", path);
    int err = fill(fresh, bytes, size, mode, durable);
    if (err == 0 && rename(fresh, path) != 0)
        err = failed();
    if (err) {
        int error = errno;
        unlink(fresh);
        errno = error;
    }
    keel_free(fresh);
    return err == 0 && durable ? keel_file_sync_folder(path) : err;
}

int keel_file_in_memory(const char *name, const void *bytes, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return KEEL_ESYS;
    int err = keel_file_write(fd, bytes, size);
    if (err == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close_quietly(fd);
    return err ? err : KEEL_ESYS;
}
