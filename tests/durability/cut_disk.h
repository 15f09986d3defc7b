/*
 * A disk that fails when it is told to: this program's own write, writev, pwrite, fdatasync, fsync
 * and msync stand before those of libc, so that the calls of LMDB on one file come through here.
 *
 * The file itself is what the kernel's page cache would show. Beside it a second file, the platter,
 * holds what is on disk for certain: a write reaches it with the next sync (at once, when its
 * descriptor has O_DSYNC). No call ever waits for a real disk.
 */
#ifndef KEEL_TESTS_CUT_DISK_H
#define KEEL_TESTS_CUT_DISK_H

#include <stdbool.h>
#include <stdint.h>

enum cut_kind {
    CUT_NONE,
    CUT_KILL,  /* the process dies (SIGKILL); what it wrote stays in the page cache */
    CUT_POWER, /* the machine dies: of what was not synced any sectors may be on the platter */
    CUT_FAIL,  /* the call fails, and what a sync was to write may be lost for good */
};
enum cut_moment { CUT_BEFORE, CUT_DURING, CUT_AFTER };

struct cut_plan {
    enum cut_kind kind;
    unsigned at; /* the n-th call on the file, from 1 */
    enum cut_moment moment;
    int error;         /* FAIL: errno */
    unsigned failures; /* FAIL: so many calls */
};

/* From now on the plan holds for `file`. What it has and the platter has not (it was killed before)
 * waits for the next sync. seed: which sectors get through. */
void cut_disk_start(const struct cut_plan *plan, const char *file, const char *platter,
                    uint64_t seed);
/* Calls on the file so far. */
unsigned cut_disk_calls(void);
/* After CUT_POWER, in another process: the file as the machine finds it when it is back. */
void cut_disk_restore(const char *file, const char *platter);

#endif
