/*
 * Starting a program: clone and exec, and the descriptors that it gets.
 */
#include "common/runtime/child_private.h"

#include "common/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* --- from here to there: clone and exec ------------------------------------------------------ */

/* What the child needs between clone and exec. It runs in our memory (CLONE_VM), while we stand
 * still (CLONE_VFORK): no page table is copied, and it can leave its error here. */
struct launch {
    const struct keel_child_options *options;
    const char *program;
    const char *const *env;
    int fds[KEEL_CHILD_FDS]; /* ours; becomes 0, 1, 2 ... */
    unsigned count;
    pid_t parent;
    const char *step; /* "run", "change to": what failed */
    int error;        /* errno; 0: exec succeeded */
};

/* Descriptors that stand where others must go move out of the way; then each takes its place.
 * dup2 leaves close-on-exec off. */
static int place_descriptors(struct launch *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        if (l->fds[i] < (int)l->count) {
            l->fds[i] = fcntl(l->fds[i], F_DUPFD_CLOEXEC, (int)l->count);
            if (l->fds[i] < 0)
                return -1;
        }
    }
    for (unsigned i = 0; i < l->count; i++) {
        if (dup2(l->fds[i], (int)i) < 0)
            return -1;
    }
    syscall(SYS_close_range, l->count, ~0u, 0); /* all others are closed on exec anyway */
    return 0;
}

static int set_limits(const struct keel_child_options *o)
{
    for (unsigned i = 0; i < o->limit_count; i++) {
        struct rlimit limit = {o->limits[i].value, o->limits[i].value};
        if (setrlimit((unsigned)o->limits[i].resource, &limit) != 0)
            return -1;
    }
    return 0;
}

/* As a program expects to find them: nothing ignored, nothing blocked. */
static void reset_signals(void)
{
    struct sigaction sa = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &sa, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs in the child, on a stack inside of ours: only system calls. */
__attribute__((no_sanitize("address"))) static int launch_child(void *arg)
{
    struct launch *l = arg;
    const struct keel_child_options *o = l->options;
    l->step = "make a process group for";
    if (setpgid(0, 0) != 0)
        goto fail;
    if (o->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != l->parent)
            _exit(127);
    }
    l->step = "place the descriptors of";
    if (place_descriptors(l) != 0)
        goto fail;
    l->step = "change to the folder of";
    if (o->cwd && chdir(o->cwd) != 0)
        goto fail;
    l->step = "set the limits of";
    if (set_limits(o) != 0)
        goto fail;
    l->step = "run";
    reset_signals();
    execve(l->program, (char *const *)o->argv, (char *const *)l->env);
fail:
    l->error = errno;
    _exit(127);
}

static int launch(struct launch *l, pid_t *pid, int *pidfd)
{
    _Alignas(16) char stack[32768];
    sigset_t all, before;
    l->error = 0;
    l->parent = getpid();
    sigfillset(&all);
    /* a handler of ours must not run in the child, in our memory */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *pid = clone(launch_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                 l, pidfd);
    int error = *pid < 0 ? errno : l->error;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error && *pid > 0) {
        siginfo_t info;
        waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED);
        close(*pidfd);
    }
    if (error && *pid < 0)
        l->step = "make a process for";
    return error;
}

/* --- what to run ----------------------------------------------------------------------------- */

static const char *path_of(const char *const *env)
{
    for (; env && *env; env++) {
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    }
    return DEFAULT_PATH;
}

/* The path of a program; 0 or errno. */
static int find_program(const char *name, const char *const *env, char *out, size_t size)
{
    int error = ENOENT;
    if (strchr(name, '/'))
        return snprintf(out, size, "%s", name) < (int)size ? 0 : ENAMETOOLONG;
    struct keel_str rest = keel_str(path_of(env)), part;
    while (keel_str_split(&rest, ':', &part)) {
        int n = snprintf(out, size, "%.*s%s%s", (int)part.n, part.p, part.n ? "/" : "./", name);
        if (n >= (int)size)
            continue;
        if (faccessat(AT_FDCWD, out, X_OK, AT_EACCESS) == 0)
            return 0;
        if (errno == EACCES)
            error = EACCES;
    }
    return error;
}

static int from_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return KEEL_ENOENT;
    case EACCES:
    case EPERM:
        return KEEL_EACCES;
    case ENOMEM:
        return KEEL_ENOMEM;
    default:
        return KEEL_ESYS;
    }
}

int keel_child_start_program(const struct keel_child_options *options, const int *fds,
                             unsigned count, pid_t *pid, int *pidfd, struct keel_diag *diag)
{
    static const char *const no_env[] = {NULL};
    char program[4096];
    if (!options->argv || !options->argv[0])
        return keel_diag_set(diag, KEEL_EINVAL, "no program to run");
    struct launch l = {.options = options,
                       .program = program,
                       .env = options->env ? options->env : no_env,
                       .count = count,
                       .step = "run"};
    memcpy(l.fds, fds, count * sizeof *fds);
    int error = find_program(options->argv[0], options->env, program, sizeof program);
    if (!error)
        error = launch(&l, pid, pidfd);
    if (!error)
        return 0;
    errno = error;
    return keel_diag_set(diag, from_errno(error), "cannot %s \"%s\": %s", l.step, options->argv[0],
                         strerror(error));
}

/* --- descriptors ----------------------------------------------------------------------------- */

const struct keel_child_io *keel_child_io_of(const struct keel_child_options *o, unsigned i)
{
    return i == 0 ? &o->in : i == 1 ? &o->out : i == 2 ? &o->err : &o->more[i - 3];
}

void keel_child_close_ends(struct keel_child_ends *ends, const struct keel_child_options *o,
                           bool ours)
{
    for (unsigned i = 0; i < ends->count; i++) {
        if (keel_child_io_of(o, i)->kind == KEEL_CHILD_STREAM && ends->theirs[i] >= 0)
            close(ends->theirs[i]);
        if (ours && ends->ours[i] >= 0)
            close(ends->ours[i]);
    }
    if (ends->null >= 0)
        close(ends->null);
}

static int open_end(struct keel_child_ends *ends, const struct keel_child_io *io, unsigned i)
{
    int pair[2];
    switch (io->kind) {
    case KEEL_CHILD_NULL:
        if (i >= 3)
            return KEEL_EINVAL;
        if (ends->null < 0)
            ends->null = open("/dev/null", O_RDWR | O_CLOEXEC);
        ends->theirs[i] = ends->null;
        return ends->null < 0 ? KEEL_ESYS : 0;
    case KEEL_CHILD_FD:
        ends->theirs[i] = io->fd;
        return io->fd < 0 ? KEEL_EINVAL : 0;
    case KEEL_CHILD_STREAM:
        /* the child's end blocks, as programs expect */
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            return KEEL_ESYS;
        ends->ours[i] = pair[0];
        ends->theirs[i] = pair[1];
        return fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0 ? KEEL_ESYS : 0;
    }
    return KEEL_EINVAL;
}

int keel_child_open_ends(struct keel_child_ends *ends, const struct keel_child_options *o,
                         struct keel_diag *diag)
{
    if (o->more_count > KEEL_CHILD_MORE)
        return keel_diag_set(diag, KEEL_EINVAL, "more than %d descriptors", KEEL_CHILD_FDS);
    ends->null = -1;
    ends->count = 0;
    for (unsigned i = 0; i < 3 + o->more_count; i++) {
        ends->ours[i] = ends->theirs[i] = -1;
        ends->count++;
        int err = open_end(ends, keel_child_io_of(o, i), i);
        if (err) {
            int error = errno;
            keel_child_close_ends(ends, o, true);
            return keel_diag_set(diag, err, "cannot open descriptor %u: %s", i,
                                 err == KEEL_ESYS ? strerror(error) : "it is none");
        }
    }
    return 0;
}
