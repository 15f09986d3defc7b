/*
 * The event loop: one per process (or per thread), on libevent, made after fork and exec.
 *
 * Everything on a loop runs in its thread, one callback at a time. Callbacks are timed, so that
 * `keelctl DAEMON lag` can name what blocks the loop.
 */
#ifndef KEEL_RUNTIME_LOOP_H
#define KEEL_RUNTIME_LOOP_H

#include "common/base/clock.h"
#include "common/base/list.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct keel_loop;

/* Control work runs before traffic when both are ready. */
enum keel_priority { KEEL_PRIORITY_CONTROL = 0, KEEL_PRIORITY_TRAFFIC = 1 };

/* Returns new; NULL when memory or descriptors are out. Ignores SIGPIPE when nobody handles it:
 * whoever starts other programs gives them the default back. */
struct keel_loop *keel_loop_new(void);
/* Everything started on it must have been stopped. */
void keel_loop_free(struct keel_loop *loop);
/* Runs until keel_loop_stop; returns at once when that was called before. 0 or KEEL_ESYS. */
int keel_loop_run(struct keel_loop *loop);
void keel_loop_stop(struct keel_loop *loop);
/* One turn; waits at most wait_ns for something to happen. For tests and tools. KEEL_EBUSY inside a
 * callback: who must wait there waits on a loop of its own. */
int keel_loop_turn(struct keel_loop *loop, uint64_t wait_ns);

/* Monotonic ns at the start of the running callback: free to call. Outside of one: the clock. */
uint64_t keel_loop_now(const struct keel_loop *loop);
/* Realtime ns, refreshed at most once a callback. */
uint64_t keel_loop_realtime(struct keel_loop *loop);

/* A process-wide buffer of KEEL_LOOP_SCRATCH bytes for the running callback: never keep it. */
#define KEEL_LOOP_SCRATCH 65536
uint8_t *keel_loop_scratch(struct keel_loop *loop);

/* Work to do when the running callback ends (before the loop waits again). Embedded; running it
 * unlinks it, starting it twice is one run. */
struct keel_task {
    struct keel_list node;
    void (*run)(struct keel_task *task);
};
void keel_task_init(struct keel_task *task, void (*run)(struct keel_task *task));
void keel_task_start(struct keel_loop *loop, struct keel_task *task);
void keel_task_stop(struct keel_task *task);

/* Readiness of a descriptor. Embedded in its owner; level-triggered and persistent. */
#define KEEL_READ EV_READ
#define KEEL_WRITE EV_WRITE
struct keel_io {
    struct event ev;
    struct keel_loop *loop; /* NULL while stopped */
    void (*on_ready)(struct keel_io *io, short what);
    const char *name; /* static text for the lag table, "stream", "dgram" */
};
/* 0 or KEEL_ESYS. The descriptor stays the caller's. */
int keel_io_start(struct keel_io *io, struct keel_loop *loop, int fd, short what,
                  enum keel_priority priority, const char *name,
                  void (*on_ready)(struct keel_io *io, short what));
/* Other interest, same descriptor; 0: deaf, but not stopped. 0 or KEEL_ESYS. */
int keel_io_change(struct keel_io *io, short what);
/* Safe when stopped; safe inside its own callback. */
void keel_io_stop(struct keel_io *io);

/* What of a keel_io its owner cannot have elsewhere: for those of which there are very many. The
 * functions are the runtime's own (loop_private.h). */
struct keel_poll {
    struct event ev;
    struct keel_loop *loop; /* NULL while stopped */
};

/* A signal as an event. The only place where the suite catches one asynchronously. */
struct keel_signal {
    struct event ev;
    struct keel_loop *loop;
    void (*on_signal)(struct keel_signal *sig, int number);
};
int keel_signal_start(struct keel_signal *sig, struct keel_loop *loop, int number,
                      void (*on_signal)(struct keel_signal *sig, int number));
void keel_signal_stop(struct keel_signal *sig);

/* What blocks the loop: the slowest callback names by total and worst time since the start. */
struct keel_lag_row {
    const char *name;
    uint64_t calls, total_ns, worst_ns;
};
/* Fills up to max rows, most total time first; returns how many. */
unsigned keel_loop_lag(const struct keel_loop *loop, struct keel_lag_row *rows, unsigned max);
/* The slowest turn of the last minute (half a minute at least), ns: from its first callback to its
 * last, which is what the last descriptor waited. */
uint64_t keel_loop_worst_turn(const struct keel_loop *loop);

#endif
