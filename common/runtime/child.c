#include "common/runtime/child.h"

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/runtime/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_GRACE (5 * KEEL_NS_PER_S)
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define FDS_MAX (3 + KEEL_CHILD_MORE)

/* --- from here to there: clone and exec ------------------------------------------------------ */

/* What the child needs between clone and exec. It runs in our memory (CLONE_VM), while we stand
 * still (CLONE_VFORK): no page table is copied, and it can leave its error here. */
struct launch {
    const struct keel_child_options *options;
    const char *program;
    const char *const *env;
    int fds[FDS_MAX]; /* ours; becomes 0, 1, 2 ... */
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

/* Starts the program with these descriptors of ours as 0, 1, 2 ... */
static int start_program(const struct keel_child_options *options, const int *fds, unsigned count,
                         pid_t *pid, int *pidfd, struct keel_diag *diag)
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

struct ends {
    int ours[FDS_MAX];   /* for a stream; -1: none */
    int theirs[FDS_MAX]; /* becomes 0, 1, 2 ...; the caller's when KEEL_CHILD_FD */
    unsigned count;
    int null; /* -1: not needed */
};

static const struct keel_child_io *io_of(const struct keel_child_options *o, unsigned i)
{
    return i == 0 ? &o->in : i == 1 ? &o->out : i == 2 ? &o->err : &o->more[i - 3];
}

static void close_ends(struct ends *ends, const struct keel_child_options *o, bool ours)
{
    for (unsigned i = 0; i < ends->count; i++) {
        if (io_of(o, i)->kind == KEEL_CHILD_STREAM && ends->theirs[i] >= 0)
            close(ends->theirs[i]);
        if (ours && ends->ours[i] >= 0)
            close(ends->ours[i]);
    }
    if (ends->null >= 0)
        close(ends->null);
}

static int open_end(struct ends *ends, const struct keel_child_io *io, unsigned i)
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

static int open_ends(struct ends *ends, const struct keel_child_options *o, struct keel_diag *diag)
{
    if (o->more_count > KEEL_CHILD_MORE)
        return keel_diag_set(diag, KEEL_EINVAL, "more than %d descriptors", FDS_MAX);
    ends->null = -1;
    ends->count = 0;
    for (unsigned i = 0; i < 3 + o->more_count; i++) {
        ends->ours[i] = ends->theirs[i] = -1;
        ends->count++;
        int err = open_end(ends, io_of(o, i), i);
        if (err) {
            int error = errno;
            close_ends(ends, o, true);
            return keel_diag_set(diag, err, "cannot open descriptor %u: %s", i,
                                 err == KEEL_ESYS ? strerror(error) : "it is none");
        }
    }
    return 0;
}

/* --- a child on the loop --------------------------------------------------------------------- */

static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return W_EXITCODE(info->si_status, 0);
    case CLD_DUMPED:
        return W_EXITCODE(0, info->si_status) | WCOREFLAG;
    default:
        return W_EXITCODE(0, info->si_status);
    }
}

static void signal_group(pid_t pid, int number)
{
    if (pid > 0)
        kill(-pid, number);
}

/* The group's leader ended but is not reaped, so that nobody else can have its number. Returns its
 * status. */
static int reap(pid_t pid, int pidfd, bool leave_group)
{
    siginfo_t info = {.si_code = CLD_KILLED, .si_status = SIGKILL};
    if (!leave_group)
        signal_group(pid, SIGKILL);
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0 && errno == EINTR)
        ;
    return status_of(&info);
}

static void forget(struct keel_child *child)
{
    keel_io_stop(&child->io);
    keel_timer_stop(&child->timer);
    close(child->pidfd);
    child->pidfd = -1;
    child->pid = 0;
}

static void on_pidfd(struct keel_io *io, short what)
{
    struct keel_child *child = KEEL_CONTAINER(io, struct keel_child, io);
    int status = reap(child->pid, child->pidfd, child->leave_group);
    forget(child);
    child->on_exit(child, status);
}

static void on_child_timer(struct keel_timer *timer)
{
    struct keel_child *child = KEEL_CONTAINER(timer, struct keel_child, timer);
    if (child->terminating) {
        keel_child_kill(child);
        return;
    }
    child->timed_out = true;
    keel_child_terminate(child);
}

static int start_streams(struct keel_loop *loop, const struct keel_child_options *o,
                         struct ends *ends)
{
    for (unsigned i = 0; i < ends->count; i++) {
        const struct keel_child_io *io = io_of(o, i);
        if (io->kind != KEEL_CHILD_STREAM)
            continue;
        int err = keel_stream_start(io->stream, loop, ends->ours[i], io->ops, NULL, NULL);
        if (err) {
            for (unsigned j = 0; j < i; j++) {
                if (io_of(o, j)->kind == KEEL_CHILD_STREAM)
                    keel_stream_close(io_of(o, j)->stream);
            }
            return err;
        }
        ends->ours[i] = -1;
    }
    return 0;
}

static int watch(struct keel_child *child, struct keel_loop *loop,
                 const struct keel_child_options *o)
{
    keel_timer_init(&child->timer, loop, "child", on_child_timer);
    int err = keel_io_start(&child->io, loop, child->pidfd, KEEL_READ, KEEL_PRIORITY_CONTROL,
                            "child", on_pidfd);
    if (!err && o->deadline_ns)
        err = keel_timer_start(&child->timer, o->deadline_ns, 0);
    return err;
}

int keel_child_spawn(struct keel_child *child, struct keel_loop *loop,
                     const struct keel_child_options *options,
                     void (*on_exit)(struct keel_child *child, int status), struct keel_diag *diag)
{
    struct ends ends;
    memset(child, 0, sizeof *child);
    child->pidfd = -1;
    child->on_exit = on_exit;
    child->grace_ns = options->grace_ns ? options->grace_ns : DEFAULT_GRACE;
    child->leave_group = options->leave_group;
    int err = open_ends(&ends, options, diag);
    if (err)
        return err;
    err = start_program(options, ends.theirs, ends.count, &child->pid, &child->pidfd, diag);
    if (err) {
        child->pid = 0;
        close_ends(&ends, options, true);
        return err;
    }
    close_ends(&ends, options, false);
    ends.null = -1;
    err = watch(child, loop, options);
    if (!err)
        err = start_streams(loop, options, &ends);
    if (err) {
        for (unsigned i = 0; i < ends.count; i++) {
            if (ends.ours[i] >= 0)
                close(ends.ours[i]);
        }
        keel_child_fini(child);
        return keel_diag_set(diag, err, "cannot follow \"%s\": %s", options->argv[0],
                             keel_strerror(err));
    }
    return 0;
}

void keel_child_terminate(struct keel_child *child)
{
    if (!keel_child_running(child) || child->terminating)
        return;
    child->terminating = true;
    signal_group(child->pid, SIGTERM);
    signal_group(child->pid, SIGCONT); /* a stopped one must get up to see it */
    if (keel_timer_start(&child->timer, child->grace_ns, 0) != 0)
        keel_child_kill(child);
}

void keel_child_kill(struct keel_child *child)
{
    child->terminating = true;
    signal_group(child->pid, SIGKILL);
}

void keel_child_fini(struct keel_child *child)
{
    if (!keel_child_running(child))
        return;
    signal_group(child->pid, SIGKILL);
    reap(child->pid, child->pidfd, child->leave_group);
    forget(child);
}

size_t keel_child_format_status(char *out, size_t size, int status)
{
    int n;
    if (WIFEXITED(status))
        n = snprintf(out, size, "exit status %d", WEXITSTATUS(status));
    else
        n = snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
    return n < (int)size ? (size_t)n : size ? size - 1 : 0;
}

/* --- a program to its end -------------------------------------------------------------------- */

struct wait {
    struct keel_child_run *run;
    struct keel_buf *bufs[2];
    int pipes[2]; /* stdout, stderr: our ends; -1 closed */
    pid_t pid;
    int pidfd;
    uint64_t deadline; /* monotonic; then of the grace */
    int err;           /* why it is being killed */
};

/* Input is a file in memory: nothing to pump, and a child that does not read it harms nobody. */
static int make_input(const struct keel_child_run *run)
{
    int fd = memfd_create("stdin", MFD_CLOEXEC);
    const uint8_t *p = run->input;
    for (size_t done = 0; fd >= 0 && done < run->input_size;) {
        ssize_t n = write(fd, p + done, run->input_size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Takes what is there. */
static void drain_pipe(struct wait *w, unsigned i)
{
    while (w->pipes[i] >= 0) {
        uint8_t bytes[16384];
        ssize_t n = read(w->pipes[i], bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n > 0 && !w->err && keel_buf_append(w->bufs[i], bytes, (size_t)n) != 0) {
            w->err = w->bufs[i]->failed;
            signal_group(w->pid, SIGKILL);
        }
        if (n <= 0) {
            close(w->pipes[i]);
            w->pipes[i] = -1;
        }
    }
}

/* One wait; true when the child ended. */
static bool wait_turn(struct wait *w, uint64_t grace_ns)
{
    uint64_t now = keel_clock_monotonic();
    if (now >= w->deadline) {
        /* the first time it is asked to, then it is made to; and never waited for longer than the
         * kernel takes for a KILL */
        signal_group(w->pid, w->err ? SIGKILL : SIGTERM);
        signal_group(w->pid, SIGCONT);
        w->deadline = now + (w->err ? KEEL_NS_PER_S : grace_ns);
        if (!w->err)
            w->err = KEEL_ETIMEDOUT;
    }
    struct pollfd fds[3] = {
        {w->pidfd, POLLIN, 0}, {w->pipes[0], POLLIN, 0}, {w->pipes[1], POLLIN, 0}};
    struct timespec ts = {(time_t)((w->deadline - now) / KEEL_NS_PER_S),
                          (long)((w->deadline - now) % KEEL_NS_PER_S)};
    if (ppoll(fds, 3, &ts, NULL) <= 0)
        return false;
    drain_pipe(w, 0);
    drain_pipe(w, 1);
    return fds[0].revents != 0;
}

static void await(struct wait *w, const struct keel_child_options *options)
{
    uint64_t grace = options->grace_ns ? options->grace_ns : DEFAULT_GRACE;
    w->deadline = keel_clock_monotonic() + options->deadline_ns;
    while (!wait_turn(w, grace))
        ;
    w->run->status = reap(w->pid, w->pidfd, options->leave_group);
    close(w->pidfd);
    drain_pipe(w, 0); /* what came between; a process that left the group is not waited for */
    drain_pipe(w, 1);
}

static int open_pipes(struct wait *w, int *theirs)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    theirs[0] = w->run->input ? make_input(w->run) : fcntl(null, F_DUPFD_CLOEXEC, 3);
    bool same = w->bufs[0] && w->bufs[0] == w->bufs[1];
    for (unsigned i = 0; i < 2; i++) {
        int fds[2] = {-1, -1};
        if (i == 1 && same)
            fds[1] = fcntl(theirs[1], F_DUPFD_CLOEXEC, 3);
        else if (!w->bufs[i])
            fds[1] = fcntl(null, F_DUPFD_CLOEXEC, 3);
        else if (pipe2(fds, O_CLOEXEC) == 0)
            fcntl(fds[0], F_SETFL, O_NONBLOCK);
        w->pipes[i] = fds[0];
        theirs[1 + i] = fds[1];
    }
    int error = errno;
    if (null >= 0)
        close(null);
    errno = error;
    return theirs[0] < 0 || theirs[1] < 0 || theirs[2] < 0 ? KEEL_ESYS : 0;
}

int keel_child_run(const struct keel_child_options *options, struct keel_child_run *run,
                   struct keel_diag *diag)
{
    int theirs[3] = {-1, -1, -1};
    struct wait w = {.run = run, .bufs = {run->out, run->err}, .pipes = {-1, -1}};
    KEEL_ASSERT(options->deadline_ns > 0, "a synchronous wait needs a deadline");
    int err = open_pipes(&w, theirs);
    if (err)
        keel_diag_set(diag, err, "cannot open the descriptors of \"%s\": %s", options->argv[0],
                      strerror(errno));
    else
        err = start_program(options, theirs, 3, &w.pid, &w.pidfd, diag);
    for (unsigned i = 0; i < 3; i++) {
        if (theirs[i] >= 0)
            close(theirs[i]);
    }
    if (!err) {
        await(&w, options);
        err = w.err;
        if (err == KEEL_ETIMEDOUT)
            keel_diag_set(diag, err, "\"%s\" took too long and was stopped", options->argv[0]);
        else if (err)
            keel_diag_set(diag, err, "\"%s\" wrote too much and was stopped", options->argv[0]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (w.pipes[i] >= 0)
            close(w.pipes[i]);
    }
    return err;
}
