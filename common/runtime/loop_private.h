/*
 * What the runtime's own files know of the loop. Not installed.
 */
#ifndef KEEL_RUNTIME_LOOP_PRIVATE_H
#define KEEL_RUNTIME_LOOP_PRIVATE_H

#include "common/runtime/loop.h"
#include "common/runtime/timer.h"

#include <sys/uio.h>

struct keel_stream_pool;

/* Rows of the lag table, found by the address of the name; the last one takes what is too much. */
#define KEEL_LAG_ROWS 64

/* The deadline wheel: one list a tick, 64 s around; what is further away is looked at again. */
#define KEEL_WHEEL_SLOTS 256
struct keel_wheel {
    struct keel_list slots[KEEL_WHEEL_SLOTS];
    struct keel_list due;    /* reached, not called yet */
    struct keel_timer timer; /* runs only while something is linked */
    uint64_t tick;           /* the last tick that was looked at */
};

struct keel_loop {
    struct event_base *base;
    bool running; /* inside event_base_loop */
    bool stopped; /* keel_loop_stop was called */
    bool in_callback;
    bool fresh;           /* now_ns is the end of the callback just before, in the same turn */
    uint64_t now_ns;      /* start of the running callback */
    uint64_t realtime_ns; /* 0: not asked for in this callback */
    uint64_t turn_ns;     /* start of this turn's first callback; 0: none yet */
    uint64_t worst_turn[2], worst_since; /* the running half-minute and the one before */
    struct keel_list tasks;
    struct keel_lag_row lag[KEEL_LAG_ROWS];
    struct keel_lag_row *lag_last; /* of the callback before */
    uint8_t *scratch;              /* for the owners of callbacks */
    uint8_t *input;                /* for recv; KEEL_LOOP_SCRATCH bytes */
    uint8_t *output; /* for ciphertext and file slices; KEEL_LOOP_OUTPUT bytes, or NULL */
    struct keel_stream_pool *pool;
    struct keel_offload *files; /* reads files for streams; NULL: they are read on the loop */
    struct keel_wheel wheel;
};

#define KEEL_LOOP_OUTPUT (96 * 1024)

/* Around every callback that an event runs: they keep the clock and the lag table, and run what
 * was put off to the callback's end. */
void keel_loop_enter(struct keel_loop *loop);
void keel_loop_leave(struct keel_loop *loop, const char *name);

/* As keel_io_start, _change and _stop. on_event gets the poll as its argument, and enters and
 * leaves the loop itself. */
int keel_poll_start(struct keel_poll *poll, struct keel_loop *loop, int fd, short what,
                    enum keel_priority priority, event_callback_fn on_event);
int keel_poll_change(struct keel_poll *poll, short what);
void keel_poll_stop(struct keel_poll *poll);

void keel_wheel_init(struct keel_loop *loop);
void keel_wheel_fini(struct keel_loop *loop);

/* The stream files' free lists of queues and chunks. */
struct keel_stream_pool *keel_stream_pool_new(void);
void keel_stream_pool_free(struct keel_stream_pool *pool);

#endif
