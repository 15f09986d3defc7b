#include "common/service/sandbox_level.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a worker on this core calls, whatever its arguments. By name, so that a name which this
 * libseccomp or this architecture does not have is left out. The kernel keeps such rules in a
 * bitmap, so that they cost the hot path next to nothing. */
static const char *const allowed[] = {
    /* waiting and time */
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "signalfd4",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "times",
    /* sockets: made, bound for outgoing connections, and used; never listening */
    "socketpair",
    "bind",
    "connect",
    "accept",
    "accept4",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "sendfile",
    "splice",
    "tee",
    /* descriptors and files */
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "lseek",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "flock",
    "pipe2",
    "memfd_create",
    "open",
    "openat",
    "openat2",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "getcwd",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "truncate",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "fadvise64",
    "readahead",
    "copy_file_range",
    "fchmod",
    "umask",
    "utimensat",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    /* memory (mmap and mprotect: below) */
    "munmap",
    "mremap",
    "madvise",
    "msync",
    "mincore",
    "mlock",
    "munlock",
    "brk",
    "membarrier",
    /* threads, signals, and what a process may know of itself */
    "futex",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "set_tid_address",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "getcpu",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "sigaltstack",
    "restart_syscall",
    "pause",
    "alarm",
    "setitimer",
    "getitimer",
    "exit",
    "exit_group",
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "getpgrp",
    "getpgid",
    "getsid",
    "getpriority",
    "getrusage",
    "getrlimit",
    "prlimit64",
    "sysinfo",
    "uname",
    "getrandom",
    "capget",
    "pidfd_open",
    "wait4",
    "waitid",
    "arch_prctl",
};

/* What no program behind a server needs, for helpers that start programs. */
static const char *const refused[] = {
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "setns",
    "unshare",
    "open_by_handle_at",
    "name_to_handle_at",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "syslog",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "vhangup",
    "lookup_dcookie",
    "nfsservctl",
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
static const unsigned long ioctls[] = {
    FIONREAD,     FIONBIO,     FIOCLEX,      FIONCLEX,    TCGETS,     TIOCGWINSZ,    SIOCOUTQ,
    SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFMTU, SIOCGIFHWADDR,
};
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_SET_VMA};

/* Adds one rule for each value that argument 0 or 1 may have. */
static int add_values(scmp_filter_ctx filter, int call, unsigned argument, const void *values,
                      size_t count, size_t size)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        const char *p = (const char *)values + i * size;
        scmp_datum_t value =
            size == sizeof(int) ? (scmp_datum_t) * (const int *)p : *(const unsigned long *)p;
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                                  SCMP_CMP(argument, SCMP_CMP_EQ, value, 0));
    }
    return failed;
}

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names,
                     size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);
        if (call != __NR_SCMP_ERROR && call >= 0) /* below 0: of another architecture */
            failed = seccomp_rule_add(filter, action, call, 0);
    }
    return failed;
}

/* Calls whose arguments matter. */
static int add_checked(scmp_filter_ctx filter)
{
    scmp_datum_t self = (scmp_datum_t)getpid();
    int failed = add_values(filter, SCMP_SYS(socket), 0, families, COUNT(families), sizeof(int));
    if (!failed)
        failed =
            add_values(filter, SCMP_SYS(ioctl), 1, ioctls, COUNT(ioctls), sizeof(unsigned long));
    if (!failed)
        failed = add_values(filter, SCMP_SYS(prctl), 0, prctls, COUNT(prctls), sizeof(int));
    /* memory is never both written and run */
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* threads, not processes; of clone3 a filter cannot see the flags: libc then takes clone */
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* signals to ourselves: abort, and a thread that hangs */
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, self, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, self, 0));
    return failed;
}

static int fill(scmp_filter_ctx filter, bool allow_exec)
{
    if (allow_exec)
        return add_names(filter, SCMP_ACT_ERRNO(EPERM), refused, COUNT(refused));
    int failed = add_names(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    return failed ? failed : add_checked(filter);
}

int sandbox_seccomp(bool allow_exec, bool *on, struct keel_diag *diag)
{
    *on = false;
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL)
        return 0; /* not in this kernel */
    scmp_filter_ctx filter = seccomp_init(allow_exec ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return keel_diag_memory(diag);
    int failed = fill(filter, allow_exec);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    if (failed)
        return keel_diag_set(diag, KEEL_ESYS, "seccomp: %s", strerror(-failed));
    *on = true;
    return 0;
}
