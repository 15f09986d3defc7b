#include "common/service/sandbox_level.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface, spelled out: distributions ship headers older than their kernels. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1
enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_CHAR = 1 << 6,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    MAKE_SOCK = 1 << 9,
    MAKE_FIFO = 1 << 10,
    MAKE_BLOCK = 1 << 11,
    MAKE_SYM = 1 << 12,
    REFER = 1 << 13,     /* ABI 2 */
    TRUNCATE = 1 << 14,  /* ABI 3 */
    IOCTL_DEV = 1 << 15, /* ABI 5 */
};
#define ALL_OF_ABI1                                                                                \
    (EXECUTE | WRITE_FILE | READ_FILE | READ_DIR | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR |          \
     MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM)
#define ON_FILES                                                                                   \
    (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV) /* not on folders only               \
                                                               */
#define SCOPE_ABSTRACT_UNIX_SOCKET 1u
#define SCOPE_SIGNAL 2u

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* ABI 4; not used: addresses are the protocol's business */
    uint64_t scoped;             /* ABI 6 */
};
struct path_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

/* What libc and we read at run time, whatever the protocol. */
static const char *const always_read[] = {
    "/etc/localtime", "/usr/share/zoneinfo", "/proc/self",   "/proc/stat",
    "/proc/meminfo",  "/proc/loadavg",       "/dev/urandom", "/sys/devices/system/cpu",
    "/etc/hosts",     "/etc/resolv.conf",
};
static const char *const always_write[] = {"/dev/null"};

/* Allows access on path and below; a path that is not there is left out. */
static int add_path(int ruleset, const char *path, uint64_t access, struct keel_diag *diag)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        access &= ON_FILES;
    struct path_attr attr = {.allowed_access = access, .parent_fd = fd};
    long failed = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0);
    int reason = errno;
    close(fd);
    return failed ? keel_diag_set(diag, KEEL_ESYS, "Landlock: cannot allow \"%s\": %s", path,
                                  strerror(reason))
                  : 0;
}

static int add_paths(int ruleset, const char *const *paths, unsigned count, uint64_t access,
                     struct keel_diag *diag)
{
    int err = 0;
    for (unsigned i = 0; i < count && !err; i++)
        err = add_path(ruleset, paths[i], access, diag);
    return err;
}

static int restrict_self(int ruleset, const struct keel_sandbox_options *options, uint64_t handled,
                         struct keel_diag *diag)
{
    uint64_t read = READ_FILE | READ_DIR;
    uint64_t write = read | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG |
                     MAKE_SOCK | REFER | TRUNCATE;
    if (options->allow_exec)
        read |= EXECUTE;
    read &= handled;
    write &= handled;
    int err = add_paths(ruleset, always_read, sizeof always_read / sizeof always_read[0],
                        READ_FILE | READ_DIR, diag);
    if (!err)
        err = add_paths(ruleset, always_write, sizeof always_write / sizeof always_write[0], write,
                        diag);
    if (!err)
        err = add_paths(ruleset, options->read, options->reads, read, diag);
    if (!err)
        err = add_paths(ruleset, options->write, options->writes, write, diag);
    if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        err = keel_diag_set(diag, KEEL_ESYS, "Landlock: %s", strerror(errno));
    return err;
}

int sandbox_landlock(const struct keel_sandbox_options *options, int *abi, struct keel_diag *diag)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    *abi = 0;
    if (version < 1) /* ENOSYS: not in this kernel; EOPNOTSUPP: switched off at boot */
        return 0;
    struct ruleset_attr attr = {.handled_access_fs = ALL_OF_ABI1};
    size_t size = sizeof attr.handled_access_fs; /* what the oldest kernel knows */
    if (version >= 2)
        attr.handled_access_fs |= REFER;
    if (version >= 3)
        attr.handled_access_fs |= TRUNCATE;
    if (version >= 5)
        attr.handled_access_fs |= IOCTL_DEV;
    if (version >= 6) {
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
        size = sizeof attr;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return keel_diag_set(diag, KEEL_ESYS, "Landlock: %s", strerror(errno));
    int err = restrict_self(ruleset, options, attr.handled_access_fs, diag);
    close(ruleset);
    if (!err)
        *abi = (int)version;
    return err;
}
