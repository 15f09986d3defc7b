/*
 * Time that passes only while nothing happens, for a test that runs a loop by itself.
 *
 * Linking virtual_time.c puts the process's monotonic clock, and epoll_wait, under it: a wait in
 * which nothing is ready takes no time, and moves the clock on by as much as it was to last. So
 * seconds of timeouts cost a few system calls, and what happens depends on the input alone.
 */
#ifndef TESTS_SUPPORT_VIRTUAL_TIME_H
#define TESTS_SUPPORT_VIRTUAL_TIME_H

#include <stdint.h>

/* Nanoseconds that were skipped. */
uint64_t virtual_time_skipped(void);

#endif
