/*
 * A program run to its end, waiting here: what it writes is taken while it runs.
 */
#include "common/runtime/child_private.h"
#include "common/runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct wait {
    struct keel_child_run *run;
    struct keel_buf *bufs[2];
    int pipes[2]; /* stdout, stderr: our ends; -1 closed */
    pid_t pid;
    int pidfd;
    uint64_t deadline; /* monotonic; then of the grace */
    int err;           /* why it is being killed */
};

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
            keel_child_signal_group(w->pid, SIGKILL);
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
        keel_child_signal_group(w->pid, w->err ? SIGKILL : SIGTERM);
        keel_child_signal_group(w->pid, SIGCONT);
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
    uint64_t grace = options->grace_ns ? options->grace_ns : KEEL_CHILD_GRACE;
    w->deadline = keel_clock_monotonic() + options->deadline_ns;
    while (!wait_turn(w, grace))
        ;
    w->run->status = keel_child_reap(w->pid, w->pidfd, options->leave_group);
    close(w->pidfd);
    drain_pipe(w, 0); /* what came between; a process that left the group is not waited for */
    drain_pipe(w, 1);
}

static int open_pipes(struct wait *w, int *theirs)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* input is a file in memory: nothing to pump, and a child that does not read it harms nobody */
    theirs[0] = w->run->input ? keel_file_in_memory("stdin", w->run->input, w->run->input_size)
                              : fcntl(null, F_DUPFD_CLOEXEC, 3);
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
        err = keel_child_start_program(options, theirs, 3, &w.pid, &w.pidfd, diag);
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
