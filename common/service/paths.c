#include "common/service/paths.h"

#include "common/base/hash.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fits(int length, size_t size)
{
    return length >= 0 && (size_t)length < size ? 0 : KEEL_ENOSPC;
}

/* Never a place where somebody else could wait for us with a directory of his own. */
static const char *home(void)
{
    const char *dir = getenv("HOME");
    if (dir && dir[0] == '/')
        return dir;
    const struct passwd *user = getpwuid(geteuid());
    return user && user->pw_dir[0] == '/' ? user->pw_dir : "/nonexistent";
}

/* The parent of the daemons' state directories. */
static int state_parent(char *out, size_t size)
{
    if (geteuid() == 0)
        return fits(snprintf(out, size, "/var/lib/keel"), size);
    const char *xdg = getenv("XDG_STATE_HOME");
    if (xdg && xdg[0] == '/')
        return fits(snprintf(out, size, "%s/keel", xdg), size);
    return fits(snprintf(out, size, "%s/.local/state/keel", home()), size);
}

int keel_path_state(char *out, size_t size, const char *daemon)
{
    char parent[4096];
    int err = state_parent(parent, sizeof parent);
    return err ? err : fits(snprintf(out, size, "%s/%s", parent, daemon), size);
}

int keel_path_control_dir(char *out, size_t size)
{
    if (geteuid() == 0)
        return fits(snprintf(out, size, "/run/keel"), size);
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    if (xdg && xdg[0] == '/')
        return fits(snprintf(out, size, "%s/keel", xdg), size);
    return state_parent(out, size);
}

int keel_path_control(char *out, size_t size, const char *daemon)
{
    char dir[4096];
    int err = keel_path_control_dir(dir, sizeof dir);
    return err ? err : fits(snprintf(out, size, "%s/%s.sock", dir, daemon), size);
}

int keel_path_make(const char *path, mode_t mode, uid_t owner, gid_t group, struct keel_diag *diag)
{
    char part[4096];
    size_t n = strlen(path);
    struct stat st;
    if (n == 0 || n >= sizeof part)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": not a usable path", path);
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        return keel_diag_set(diag, KEEL_EEXIST, "\"%s\" is not a directory", path);
    }
    memcpy(part, path, n + 1);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return keel_diag_set(diag, KEEL_ESYS, "cannot make directory \"%s\": %s", part,
                                 strerror(errno));
        *slash = '/';
    }
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return keel_diag_set(diag, KEEL_ESYS, "cannot make directory \"%s\": %s", path,
                             strerror(errno));
    if ((owner != (uid_t)-1 || group != (gid_t)-1) && chown(path, owner, group) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot give \"%s\" to its user: %s", path,
                             strerror(errno));
    return 0;
}

uint64_t keel_path_signature(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    const uint64_t parts[] = {(uint64_t)st.st_dev,          (uint64_t)st.st_ino,
                              (uint64_t)st.st_size,         (uint64_t)st.st_mtim.tv_sec,
                              (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_sec,
                              (uint64_t)st.st_ctim.tv_nsec};
    return keel_checksum(parts, sizeof parts) | 1;
}
