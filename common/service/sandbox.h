/*
 * The sandbox: what a worker gives up before it looks at the first byte from the network.
 *
 * Levels, each on top of the one before; those that the kernel does not have are left out and named
 * in the report: another user, no capabilities, no new privileges, Landlock (paths), seccomp
 * (system calls). A level that could be had but fails is an error, not a weaker sandbox.
 */
#ifndef KEEL_SERVICE_SANDBOX_H
#define KEEL_SERVICE_SANDBOX_H

#include "common/base/err.h"

#include <stdbool.h>

struct keel_sandbox_options {
    const char *user;  /* to become, when we are root; NULL or "": stay who we are */
    const char *group; /* NULL or "": the user's own, with its supplementary ones */
    /* Landlock: files and folders (with all below them). Rights stick to the file itself, not to
     * its name: what is replaced by rename while we run has to be given by its folder. Paths that
     * do not exist are left out. */
    const char *const *read;
    const char *const *write; /* read, write, create, rename and remove */
    unsigned reads, writes;
    bool any_path;   /* no Landlock: the process has to reach paths that nobody can list */
    bool allow_exec; /* a helper that starts programs: they inherit the sandbox, so of the system
                        calls only those are refused that no program behind a server needs */
    bool no_seccomp;
};

struct keel_sandbox_report {
    int landlock_abi; /* 0: no Landlock */
    bool seccomp;
    char text[256]; /* "user=keel caps=none no_new_privs landlock=abi7 seccomp" */
};

/* Enters, for good. Call it before the first thread is started, with everything opened that the
 * process may not open afterwards. 0; KEEL_ENOENT for an unknown user or group, KEEL_EACCES when a
 * user is given and we may not change to it, KEEL_ESYS; all with diag, and then the process has to
 * end: it may be half inside. */
int keel_sandbox_enter(const struct keel_sandbox_options *options,
                       struct keel_sandbox_report *report, struct keel_diag *diag);

#endif
