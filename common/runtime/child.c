/*
 * A child on the loop, from its start to its end.
 */
#include "common/runtime/child_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

void keel_child_signal_group(pid_t pid, int number)
{
    if (pid > 0)
        kill(-pid, number);
}

/* The group's leader ended but is not reaped, so that nobody else can have its number. */
int keel_child_reap(pid_t pid, int pidfd, bool leave_group)
{
    siginfo_t info = {.si_code = CLD_KILLED, .si_status = SIGKILL};
    if (!leave_group)
        keel_child_signal_group(pid, SIGKILL);
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
    int status = keel_child_reap(child->pid, child->pidfd, child->leave_group);
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
                         struct keel_child_ends *ends)
{
    for (unsigned i = 0; i < ends->count; i++) {
        const struct keel_child_io *io = keel_child_io_of(o, i);
        if (io->kind != KEEL_CHILD_STREAM)
            continue;
        int err = keel_stream_start(io->stream, loop, ends->ours[i], io->ops, NULL, NULL);
        if (err) {
            for (unsigned j = 0; j < i; j++) {
                if (keel_child_io_of(o, j)->kind == KEEL_CHILD_STREAM)
                    keel_stream_close(keel_child_io_of(o, j)->stream);
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
    struct keel_child_ends ends;
    memset(child, 0, sizeof *child);
    child->pidfd = -1;
    child->on_exit = on_exit;
    child->grace_ns = options->grace_ns ? options->grace_ns : KEEL_CHILD_GRACE;
    child->leave_group = options->leave_group;
    int err = keel_child_open_ends(&ends, options, diag);
    if (err)
        return err;
    err = keel_child_start_program(options, ends.theirs, ends.count, &child->pid, &child->pidfd,
                                   diag);
    if (err) {
        child->pid = 0;
        keel_child_close_ends(&ends, options, true);
        return err;
    }
    keel_child_close_ends(&ends, options, false);
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
    keel_child_signal_group(child->pid, SIGTERM);
    keel_child_signal_group(child->pid, SIGCONT); /* a stopped one must get up to see it */
    if (keel_timer_start(&child->timer, child->grace_ns, 0) != 0)
        keel_child_kill(child);
}

void keel_child_kill(struct keel_child *child)
{
    child->terminating = true;
    keel_child_signal_group(child->pid, SIGKILL);
}

void keel_child_fini(struct keel_child *child)
{
    if (!keel_child_running(child))
        return;
    keel_child_signal_group(child->pid, SIGKILL);
    keel_child_reap(child->pid, child->pidfd, child->leave_group);
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
