/*
 * The allocation-failure sweep: a function is run with its first allocation failing, then with its
 * second, and so on, until it gets through without reaching the one that would fail.
 */
#ifndef KEEL_TESTS_ALLOCFAIL_H
#define KEEL_TESTS_ALLOCFAIL_H

#include "common/base/err.h"
#include "common/base/mem.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/* More allocations than this in one run are taken for a loop without end. */
#define ALLOCFAIL_MOST 100000

/* run does the whole of the work with arg: builds, uses, frees. It returns 0, or KEEL_ENOMEM when
 * an allocation failed; it may also get through a failure (0), where the code promises to do
 * without. Leaks are found by the sanitizer. Returns the number of allocations of the run that got
 * through. */
static inline uint64_t allocfail_sweep(int (*run)(void *arg), void *arg)
{
    for (uint64_t n = 1; n <= ALLOCFAIL_MOST; n++) {
        keel_mem_fail_at(n);
        int err = run(arg);
        uint64_t count = keel_mem_count();
        keel_mem_fail_at(0);
        ck_assert_msg(err == 0 || err == KEEL_ENOMEM, "allocation %llu failing: %s (%d)",
                      (unsigned long long)n, keel_strerror(err), err);
        if (count < n) {
            ck_assert_msg(err == 0, "no allocation failed, and yet: %s", keel_strerror(err));
            return count;
        }
    }
    ck_abort_msg("still allocating after %d allocations", ALLOCFAIL_MOST);
}

#endif
