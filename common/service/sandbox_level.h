/*
 * The single levels of the sandbox. Private to it.
 */
#ifndef KEEL_SERVICE_SANDBOX_LEVEL_H
#define KEEL_SERVICE_SANDBOX_LEVEL_H

#include "common/service/sandbox.h"

/* 0 and *abi (0: the kernel has none, or it is switched off), or KEEL_ESYS. Needs
 * no_new_privs. */
int sandbox_landlock(const struct keel_sandbox_options *options, int *abi, struct keel_diag *diag);
/* 0 and *on, or KEEL_ESYS, KEEL_ENOMEM. */
int sandbox_seccomp(bool allow_exec, bool *on, struct keel_diag *diag);

#endif
