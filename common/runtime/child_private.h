/*
 * What the files of child processes share: starting a program, its descriptors, its end. Not
 * installed.
 */
#ifndef KEEL_RUNTIME_CHILD_PRIVATE_H
#define KEEL_RUNTIME_CHILD_PRIVATE_H

#include "common/base/clock.h"
#include "common/runtime/child.h"

/* From TERM to KILL, where the options say nothing. */
#define KEEL_CHILD_GRACE (5 * KEEL_NS_PER_S)
/* Most descriptors of a child. */
#define KEEL_CHILD_FDS (3 + KEEL_CHILD_MORE)

/* child_launch.c: starts the program with these descriptors of ours as 0, 1, 2 ... They stay the
 * caller's. 0 with *pid and *pidfd (new); or an error with diag, and then no process is left. */
int keel_child_start_program(const struct keel_child_options *options, const int *fds,
                             unsigned count, pid_t *pid, int *pidfd, struct keel_diag *diag);

/* child_launch.c: the descriptors that the options ask for. */
struct keel_child_ends {
    int ours[KEEL_CHILD_FDS];   /* for a stream; -1: none */
    int theirs[KEEL_CHILD_FDS]; /* becomes 0, 1, 2 ...; the caller's when KEEL_CHILD_FD */
    unsigned count;
    int null; /* -1: not needed */
};

/* Number i of the options. */
const struct keel_child_io *keel_child_io_of(const struct keel_child_options *o, unsigned i);
/* 0, or an error with diag, and then nothing is open. */
int keel_child_open_ends(struct keel_child_ends *ends, const struct keel_child_options *o,
                         struct keel_diag *diag);
/* Closes what was opened for the child, and (ours) our ends. */
void keel_child_close_ends(struct keel_child_ends *ends, const struct keel_child_options *o,
                           bool ours);

/* child.c: a signal to the group of a child that is not reaped; harmless when pid is 0. */
void keel_child_signal_group(pid_t pid, int number);
/* child.c: reaps a child that ended, or is about to, after a KILL to what is left of its group
 * (unless leave_group). Returns its status as of waitpid(2). pidfd stays open. */
int keel_child_reap(pid_t pid, int pidfd, bool leave_group);

#endif
