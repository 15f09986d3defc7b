/*
 * Child processes: an argv array (never a shell), a process group of its own, limits, a deadline.
 *
 * The end arrives through a pidfd on the loop. stdin, stdout and stderr are each nothing, a
 * descriptor, or a keel_stream with its backpressure. Every other descriptor is closed.
 */
#ifndef KEEL_RUNTIME_CHILD_H
#define KEEL_RUNTIME_CHILD_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/runtime/loop.h"
#include "common/runtime/stream.h"
#include "common/runtime/timer.h"

#include <sys/resource.h>
#include <sys/types.h>

/* One descriptor of the child. */
enum keel_child_kind {
    KEEL_CHILD_NULL = 0, /* /dev/null */
    KEEL_CHILD_FD,       /* a descriptor of ours, duplicated; stays the caller's */
    KEEL_CHILD_STREAM,   /* the other end of a stream of ours: a unix socket, so that a half
                            close reaches the child (who cannot open /dev/stdin anew) */
};
struct keel_child_io {
    enum keel_child_kind kind;
    int fd;                     /* KEEL_CHILD_FD */
    struct keel_stream *stream; /* KEEL_CHILD_STREAM: started by spawn; the owner's memory */
    const struct keel_stream_ops *ops;
};

/* A resource limit, soft and hard alike. */
struct keel_child_limit {
    int resource; /* RLIMIT_CPU ... */
    rlim_t value;
};

struct keel_child_options {
    /* NULL-terminated. argv[0] with a slash is the program's path (seen from cwd); without, it is
     * looked for in the PATH of `env`, or in /usr/local/bin:/usr/bin:/bin. */
    const char *const *argv;
    const char *const *env; /* "NAME=value", NULL-terminated; NULL: an empty environment */
    const char *cwd;        /* NULL: ours */
    struct keel_child_io in, out, err;
    const struct keel_child_io *more; /* descriptors 3, 4 ...; not KEEL_CHILD_NULL */
    unsigned more_count;              /* at most KEEL_CHILD_MORE */
    const struct keel_child_limit *limits;
    unsigned limit_count;
    uint64_t deadline_ns; /* after it the child is terminated; 0: none */
    uint64_t grace_ns;    /* from TERM to KILL; 0: 5 s */
    bool die_with_parent; /* killed by the kernel when the spawning thread ends */
    bool leave_group;     /* what is left of the group when the child ends stays alive; else it
                             is killed */
};
#define KEEL_CHILD_MORE 4

/* Embedded. */
struct keel_child {
    pid_t pid; /* 0 when none runs; also the process group's id */
    int pidfd;
    struct keel_io io;
    struct keel_timer timer; /* the deadline, then the grace */
    uint64_t grace_ns;
    bool terminating, leave_group;
    bool timed_out; /* its deadline passed; to be read in on_exit */
    /* The child ended; status as of waitpid(2). Its streams end by themselves and may still hold
     * output. The keel_child can be freed or spawned again. */
    void (*on_exit)(struct keel_child *child, int status);
};

/* Starts it. 0; KEEL_ENOENT, KEEL_EACCES, KEEL_ESYS ... with diag when the program cannot be run:
 * what comes before exec, or exec itself, failed. Nothing is left then, and no callback comes but,
 * where memory ran out for one of several streams, on_close of those that had started. */
int keel_child_spawn(struct keel_child *child, struct keel_loop *loop,
                     const struct keel_child_options *options,
                     void (*on_exit)(struct keel_child *child, int status), struct keel_diag *diag);
static inline bool keel_child_running(const struct keel_child *child)
{
    return child->pid > 0;
}
/* TERM to the group now, KILL after the grace. on_exit follows. Harmless when none runs. */
void keel_child_terminate(struct keel_child *child);
/* KILL to the group now. on_exit follows. */
void keel_child_kill(struct keel_child *child);
/* Kills and reaps at once; on_exit is not called. Safe on a zeroed struct. */
void keel_child_fini(struct keel_child *child);
/* "exit status 3", "killed by signal 9 (Killed)". NUL-terminated; returns the length. */
size_t keel_child_format_status(char *out, size_t size, int status);

/* Runs a program to its end, waiting here: for start-up hooks and tools, not for a serving loop.
 * Of options in, out, err and more are not looked at. */
struct keel_child_run {
    const void *input; /* for stdin; may be NULL */
    size_t input_size;
    struct keel_buf *out; /* stdout, stderr; may be NULL or the same. A buffer's limit is the */
    struct keel_buf *err; /* most that is taken. */
    int status;           /* as of waitpid(2), when 0 was returned */
};
/* 0: it ended by itself, status says how. KEEL_ETIMEDOUT: deadline_ns (required) passed, killed.
 * KEEL_ELIMIT: it wrote more than a buffer takes, killed. Or what keel_child_spawn returns. */
int keel_child_run(const struct keel_child_options *options, struct keel_child_run *run,
                   struct keel_diag *diag);

#endif
