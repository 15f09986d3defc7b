#include "dnsd/serve/dump.h"

#include "common/base/mem.h"
#include "common/runtime/file.h"
#include "dnsd/zone/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(void *arg, const void *bytes, size_t size)
{
    return keel_file_write(*(int *)arg, bytes, size);
}

static int fail(struct keel_diag *diag, int err, const char *path)
{
    return keel_diag_set(diag, err, "cannot write \"%s\": %s", path,
                         err == KEEL_ESYS ? strerror(errno) : keel_strerror(err));
}

static int system_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? KEEL_ENOSPC : KEEL_ESYS;
}

/* The new file looks as the old one did. That a change of the owner is not allowed is no error. */
static int take_mode(int fd, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? fchmod(fd, 0644) : -1;
    if (fchown(fd, st.st_uid, st.st_gid) != 0 && errno != EPERM)
        return -1;
    return fchmod(fd, st.st_mode & 07777);
}

/* The temporary file, ours alone until it is closed: another who writes the same zone file has it
 * locked, or has given it its name meanwhile. What one that was killed has left is written over. */
static int open_temporary(const char *path, int *out)
{
    struct stat opened, named;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), err = 0;
    if (fd < 0)
        return system_error();
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        err = errno == EWOULDBLOCK ? KEEL_EBUSY : KEEL_ESYS;
    else if (fstat(fd, &opened) != 0 || lstat(path, &named) != 0)
        err = errno == ENOENT ? KEEL_EBUSY : KEEL_ESYS;
    else if (opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
        err = KEEL_EBUSY;
    else if (ftruncate(fd, 0) != 0)
        err = KEEL_ESYS;
    if (err)
        close(fd);
    *out = fd;
    return err;
}

static int fill(int fd, const struct dns_view *view, const char *path)
{
    int err = take_mode(fd, path) == 0 ? dns_zone_print(view, true, put, &fd) : KEEL_ESYS;
    return err == 0 && fsync(fd) != 0 ? system_error() : err;
}

int dns_dump_zone(const struct dns_view *view, const char *path, struct keel_diag *diag)
{
    size_t size = strlen(path) + sizeof DNS_DUMP_TEMPORARY;
    char *temporary = keel_malloc(size);
    int fd;
    if (!temporary)
        return fail(diag, KEEL_ENOMEM, path);
    snprintf(temporary, size, "%s" DNS_DUMP_TEMPORARY, path);
    int err = open_temporary(temporary, &fd);
    if (err) {
        fail(diag, err, temporary);
        keel_free(temporary);
        return err;
    }
    err = fill(fd, view, path);
    if (err == 0 && rename(temporary, path) != 0)
        err = system_error();
    if (err) {
        fail(diag, err, path); /* before anything else changes errno */
        unlink(temporary);
    }
    close(fd);
    keel_free(temporary);
    if (err == 0 && (err = keel_file_sync_folder(path)) != 0)
        fail(diag, err, path);
    return err;
}
