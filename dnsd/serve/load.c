#include "dnsd/serve/load.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dnsd/zone/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((off_t)4 << 30) /* an image is no larger either */

static int cannot(struct keel_diag *diag, const char *what, const char *path)
{
    return keel_diag_set(diag, errno == ENOENT ? KEEL_ENOENT : KEEL_ESYS, "cannot %s \"%s\": %s",
                         what, path, strerror(errno));
}

static int read_all(int fd, const char *path, char **text, size_t *size, struct keel_diag *diag)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return cannot(diag, "read", path);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return keel_diag_set(diag, KEEL_EINVAL, "cannot read \"%s\": %s", path,
                             S_ISREG(st.st_mode) ? "it is too large" : "it is not a file");
    char *bytes = keel_malloc((size_t)st.st_size + 1);
    if (!bytes)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    size_t got = 0;
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, bytes + got, (size_t)st.st_size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            keel_free(bytes);
            return cannot(diag, "read", path);
        }
        if (n == 0) /* it became shorter meanwhile */
            break;
        got += (size_t)n;
    }
    *text = bytes;
    *size = got;
    return 0;
}

/* A relative path is beside the file that names it; NULL when memory is out. */
static char *resolve(const char *path, const char *from)
{
    const char *slash = from ? strrchr(from, '/') : NULL;
    if (path[0] == '/' || !slash)
        return keel_strdup(path);
    size_t folder = (size_t)(slash - from) + 1, n = strlen(path);
    char *joined = keel_malloc(folder + n + 1);
    if (joined) {
        memcpy(joined, from, folder);
        memcpy(joined + folder, path, n + 1);
    }
    return joined;
}

static int read_file(void *arg, const char *path, const char *from, char **text, size_t *size,
                     char **opened, struct keel_diag *diag)
{
    char *name = resolve(path, from);
    if (!name)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? cannot(diag, "open", name) : read_all(fd, name, text, size, diag);
    if (fd >= 0)
        close(fd);
    if (err)
        keel_free(name);
    else
        *opened = name;
    return err;
}

int dns_load_zone(const char *file, const struct dns_name *apex, dns_zone_warning warn, void *arg,
                  struct dns_image **image, struct keel_diag *diag)
{
    /* nobody outside knows where names fall in the hash */
    struct keel_hash_key key = {keel_rand_u64(), keel_rand_u64()};
    struct dns_compiler *compiler = dns_compiler_new(apex, key);
    if (!compiler)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    dns_compiler_on_warning(compiler, warn, arg);
    struct dns_scan_io io = {read_file, dns_compiler_add, compiler};
    int err = dns_scan_file(file, apex, &io, diag);
    if (err == 0)
        err = dns_compiler_finish(compiler, image, diag);
    dns_compiler_free(compiler);
    return err;
}
