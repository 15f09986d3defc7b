#include "dnsd/serve/dump.h"

#include "common/base/mem.h"
#include "dnsd/zone/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY ".XXXXXX"

static int write_all(void *arg, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    while (size > 0) {
        ssize_t n = write(*(int *)arg, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return KEEL_ESYS;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int fail(struct keel_diag *diag, int err, const char *path)
{
    if (err != KEEL_ESYS)
        return keel_diag_set(diag, err, "cannot write \"%s\": %s", path, keel_strerror(err));
    err = errno == ENOSPC || errno == EDQUOT ? KEEL_ENOSPC : KEEL_ESYS;
    return keel_diag_set(diag, err, "cannot write \"%s\": %s", path, strerror(errno));
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

/* So that the name is on the disk too. */
static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? keel_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : keel_strdup(".");
    if (!folder)
        return KEEL_ENOMEM;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : KEEL_ESYS;
    if (fd >= 0)
        close(fd);
    keel_free(folder);
    return err;
}

static int fill(int fd, const struct dns_view *view, const char *path)
{
    int err = take_mode(fd, path) == 0 ? dns_zone_print(view, true, write_all, &fd) : KEEL_ESYS;
    return err == 0 && fsync(fd) != 0 ? KEEL_ESYS : err;
}

int dns_dump_zone(const struct dns_view *view, const char *path, struct keel_diag *diag)
{
    size_t size = strlen(path) + sizeof TEMPORARY;
    char *temporary = keel_malloc(size);
    if (!temporary)
        return fail(diag, KEEL_ENOMEM, path);
    snprintf(temporary, size, "%s" TEMPORARY, path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    int err = fd < 0 ? KEEL_ESYS : fill(fd, view, path);
    if (err == 0 && rename(temporary, path) != 0)
        err = KEEL_ESYS;
    if (err)
        fail(diag, err, path); /* before anything else changes errno */
    if (err && fd >= 0)
        unlink(temporary);
    if (fd >= 0)
        close(fd);
    keel_free(temporary);
    if (err == 0 && (err = sync_folder(path)) != 0)
        fail(diag, err, path);
    return err;
}
