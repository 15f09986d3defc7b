#include "common/runtime/loop_private.h"

#include "common/base/err.h"
#include "common/base/mem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* Tasks that start tasks: so many rounds, then the descriptors get their turn. */
#define TASK_ROUNDS 16
#define HALF_MINUTE (30 * KEEL_NS_PER_S)

static void on_libevent_fatal(int err)
{
    keel_panic(__FILE__, __LINE__, __func__, "libevent", "libevent cannot go on");
}

static struct event_base *base_new(void)
{
    event_set_fatal_callback(on_libevent_fatal);
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    /* No lock: one thread. No changelist: descriptors are passed and duplicated, and a changelist
     * would apply a change to the wrong one. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base && event_base_priority_init(base, 2) < 0) {
        event_base_free(base);
        return NULL;
    }
    return base;
}

struct keel_loop *keel_loop_new(void)
{
    struct keel_loop *loop = keel_calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    keel_list_init(&loop->tasks);
    loop->scratch = keel_malloc(KEEL_LOOP_SCRATCH);
    loop->input = keel_malloc(KEEL_LOOP_SCRATCH);
    loop->pool = keel_stream_pool_new();
    loop->base = loop->scratch && loop->input && loop->pool ? base_new() : NULL;
    if (!loop->base) {
        if (loop->pool)
            keel_stream_pool_free(loop->pool);
        keel_free(loop->scratch);
        keel_free(loop->input);
        keel_free(loop);
        return NULL;
    }
    loop->now_ns = loop->worst_since = keel_clock_monotonic();
    keel_wheel_init(loop);
    /* A write to a pipe without a reader is an error code, not the end of the process. */
    struct sigaction sa;
    if (sigaction(SIGPIPE, NULL, &sa) == 0 && !(sa.sa_flags & SA_SIGINFO) &&
        sa.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    return loop;
}

void keel_loop_free(struct keel_loop *loop)
{
    if (!loop)
        return;
    keel_wheel_fini(loop);
    event_base_free(loop->base);
    keel_stream_pool_free(loop->pool);
    keel_free(loop->scratch);
    keel_free(loop->input);
    keel_free(loop->output);
    keel_free(loop);
}

/* The row of this name; a name is static text, so its address is the key. */
static struct keel_lag_row *lag_row(struct keel_loop *loop, const char *name)
{
    size_t i = ((uintptr_t)name >> 3 ^ (uintptr_t)name >> 9) % (KEEL_LAG_ROWS - 1);
    for (unsigned probes = 0; probes < KEEL_LAG_ROWS - 1; probes++) {
        struct keel_lag_row *row = &loop->lag[i];
        if (row->name == name)
            return row;
        if (!row->name) {
            row->name = name;
            return row;
        }
        i = (i + 1) % (KEEL_LAG_ROWS - 1);
    }
    loop->lag[KEEL_LAG_ROWS - 1].name = "others";
    return &loop->lag[KEEL_LAG_ROWS - 1];
}

static struct keel_task *task_of(struct keel_list *node)
{
    return KEEL_CONTAINER(node, struct keel_task, node);
}

static void run_tasks(struct keel_loop *loop)
{
    for (unsigned round = 0; round < TASK_ROUNDS && !keel_list_empty(&loop->tasks); round++) {
        /* A mark behind the tasks of this round: they may start others, stop others, and free the
         * memory they are in. */
        struct keel_list mark;
        struct keel_list *first = loop->tasks.next;
        if (first->next == &loop->tasks) { /* the only one, as it is nearly always */
            keel_list_remove(first);
            task_of(first)->run(task_of(first));
            continue;
        }
        keel_list_push_back(&loop->tasks, &mark);
        while (loop->tasks.next != &mark) {
            struct keel_task *task = task_of(loop->tasks.next);
            keel_list_remove(&task->node);
            task->run(task);
        }
        keel_list_remove(&mark);
    }
}

void keel_loop_enter(struct keel_loop *loop)
{
    if (!loop->fresh)
        loop->now_ns = keel_clock_monotonic();
    if (loop->turn_ns == 0)
        loop->turn_ns = loop->now_ns;
    loop->realtime_ns = 0;
    loop->in_callback = true;
}

void keel_loop_leave(struct keel_loop *loop, const char *name)
{
    run_tasks(loop);
    loop->in_callback = false;
    uint64_t end = keel_clock_monotonic();
    uint64_t spent = end - loop->now_ns;
    struct keel_lag_row *row = loop->lag_last;
    if (!row || row->name != name)
        row = loop->lag_last = lag_row(loop, name);
    row->calls++;
    row->total_ns += spent;
    if (spent > row->worst_ns)
        row->worst_ns = spent;
    /* The next callback of this turn starts now: its clock is read already. */
    loop->now_ns = end;
    loop->fresh = true;
}

static void end_turn(struct keel_loop *loop)
{
    loop->fresh = false;
    if (loop->turn_ns == 0)
        return;
    uint64_t spent = loop->now_ns - loop->turn_ns;
    if (loop->now_ns - loop->worst_since >= HALF_MINUTE) {
        bool recent = loop->now_ns - loop->worst_since < 2 * HALF_MINUTE;
        loop->worst_turn[1] = recent ? loop->worst_turn[0] : 0;
        loop->worst_turn[0] = 0;
        loop->worst_since = loop->now_ns;
    }
    if (spent > loop->worst_turn[0])
        loop->worst_turn[0] = spent;
    loop->turn_ns = 0;
}

static int turn(struct keel_loop *loop, int flags)
{
    if (!keel_list_empty(&loop->tasks)) {
        keel_loop_enter(loop);
        keel_loop_leave(loop, "start");
        loop->fresh = false;
    }
    if (!keel_list_empty(&loop->tasks))
        flags = EVLOOP_NONBLOCK;
    loop->running = true;
    int result = event_base_loop(loop->base, flags | EVLOOP_NO_EXIT_ON_EMPTY);
    loop->running = false;
    end_turn(loop);
    return result < 0 ? KEEL_ESYS : 0;
}

int keel_loop_run(struct keel_loop *loop)
{
    if (loop->running)
        return KEEL_EBUSY;
    int err = 0;
    while (!loop->stopped && !err)
        err = turn(loop, EVLOOP_ONCE);
    loop->stopped = false;
    return err;
}

void keel_loop_stop(struct keel_loop *loop)
{
    loop->stopped = true;
    event_base_loopbreak(loop->base);
}

static void on_wait_over(evutil_socket_t fd, short what, void *arg)
{
}

int keel_loop_turn(struct keel_loop *loop, uint64_t wait_ns)
{
    if (loop->running)
        return KEEL_EBUSY;
    if (wait_ns == 0 || !keel_list_empty(&loop->tasks))
        return turn(loop, EVLOOP_NONBLOCK);
    struct event limit;
    uint64_t us = (wait_ns + 999) / 1000;
    struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    if (event_assign(&limit, loop->base, -1, 0, on_wait_over, NULL) < 0 ||
        event_add(&limit, &tv) < 0)
        return KEEL_ENOMEM;
    int err = turn(loop, EVLOOP_ONCE);
    event_del(&limit);
    return err;
}

uint64_t keel_loop_now(const struct keel_loop *loop)
{
    return loop->in_callback ? loop->now_ns : keel_clock_monotonic();
}

uint64_t keel_loop_realtime(struct keel_loop *loop)
{
    if (!loop->in_callback)
        return keel_clock_realtime();
    if (loop->realtime_ns == 0)
        loop->realtime_ns = keel_clock_realtime();
    return loop->realtime_ns;
}

uint8_t *keel_loop_scratch(struct keel_loop *loop)
{
    return loop->scratch;
}

void keel_task_init(struct keel_task *task, void (*run)(struct keel_task *task))
{
    keel_list_init(&task->node);
    task->run = run;
}

void keel_task_start(struct keel_loop *loop, struct keel_task *task)
{
    if (keel_list_empty(&task->node))
        keel_list_push_back(&loop->tasks, &task->node);
}

void keel_task_stop(struct keel_task *task)
{
    keel_list_remove(&task->node);
}

static void io_ready(evutil_socket_t fd, short what, void *arg)
{
    /* The callback may free the memory of io. */
    struct keel_io *io = arg;
    struct keel_loop *loop = io->loop;
    const char *name = io->name;
    keel_loop_enter(loop);
    io->on_ready(io, what);
    keel_loop_leave(loop, name);
}

static int start(struct event *ev, struct keel_loop *loop, int fd, short what,
                 enum keel_priority priority, event_callback_fn on_event, void *arg)
{
    if (event_assign(ev, loop->base, fd, (short)(what | EV_PERSIST), on_event, arg) < 0 ||
        event_priority_set(ev, priority) < 0 || (what && event_add(ev, NULL) < 0))
        return KEEL_ESYS;
    return 0;
}

static int change(struct event *ev, struct keel_loop *loop, short what)
{
    short old = event_get_events(ev);
    bool added = event_pending(ev, EV_READ | EV_WRITE, NULL) != 0;
    what = (short)(what & (EV_READ | EV_WRITE));
    if (added && (old & (EV_READ | EV_WRITE)) == what)
        return 0;
    if (added)
        event_del(ev);
    if (what == 0)
        return 0;
    return start(ev, loop, event_get_fd(ev), what, (enum keel_priority)event_get_priority(ev),
                 event_get_callback(ev), event_get_callback_arg(ev));
}

int keel_io_start(struct keel_io *io, struct keel_loop *loop, int fd, short what,
                  enum keel_priority priority, const char *name,
                  void (*on_ready)(struct keel_io *io, short what))
{
    io->on_ready = on_ready;
    io->name = name;
    int err = start(&io->ev, loop, fd, what, priority, io_ready, io);
    io->loop = err ? NULL : loop;
    return err;
}

int keel_io_change(struct keel_io *io, short what)
{
    return change(&io->ev, io->loop, what);
}

void keel_io_stop(struct keel_io *io)
{
    if (!io->loop)
        return;
    event_del(&io->ev);
    io->loop = NULL;
}

int keel_poll_start(struct keel_poll *poll, struct keel_loop *loop, int fd, short what,
                    enum keel_priority priority, event_callback_fn on_event)
{
    int err = start(&poll->ev, loop, fd, what, priority, on_event, poll);
    poll->loop = err ? NULL : loop;
    return err;
}

int keel_poll_change(struct keel_poll *poll, short what)
{
    return change(&poll->ev, poll->loop, what);
}

void keel_poll_stop(struct keel_poll *poll)
{
    if (!poll->loop)
        return;
    event_del(&poll->ev);
    poll->loop = NULL;
}

static void signal_ready(evutil_socket_t number, short what, void *arg)
{
    struct keel_signal *sig = arg;
    struct keel_loop *loop = sig->loop;
    keel_loop_enter(loop);
    sig->on_signal(sig, (int)number);
    keel_loop_leave(loop, "signal");
}

int keel_signal_start(struct keel_signal *sig, struct keel_loop *loop, int number,
                      void (*on_signal)(struct keel_signal *sig, int number))
{
    sig->loop = loop;
    sig->on_signal = on_signal;
    if (event_assign(&sig->ev, loop->base, number, EV_SIGNAL | EV_PERSIST, signal_ready, sig) < 0 ||
        event_priority_set(&sig->ev, KEEL_PRIORITY_CONTROL) < 0 || event_add(&sig->ev, NULL) < 0) {
        sig->loop = NULL;
        return KEEL_ESYS;
    }
    return 0;
}

void keel_signal_stop(struct keel_signal *sig)
{
    if (!sig->loop)
        return;
    event_del(&sig->ev);
    sig->loop = NULL;
}

unsigned keel_loop_lag(const struct keel_loop *loop, struct keel_lag_row *rows, unsigned max)
{
    struct keel_lag_row all[KEEL_LAG_ROWS];
    unsigned n = 0;
    for (unsigned i = 0; i < KEEL_LAG_ROWS; i++) {
        const struct keel_lag_row *row = &loop->lag[i];
        unsigned at = 0;
        if (!row->name)
            continue;
        /* One text may stand at several addresses, one for each module. */
        while (at < n && strcmp(all[at].name, row->name) != 0)
            at++;
        if (at == n) {
            all[n++] = *row;
            continue;
        }
        all[at].calls += row->calls;
        all[at].total_ns += row->total_ns;
        if (row->worst_ns > all[at].worst_ns)
            all[at].worst_ns = row->worst_ns;
    }
    for (unsigned i = 1; i < n; i++)
        for (unsigned k = i; k > 0 && all[k].total_ns > all[k - 1].total_ns; k--) {
            struct keel_lag_row swap = all[k];
            all[k] = all[k - 1];
            all[k - 1] = swap;
        }
    if (n > max)
        n = max;
    memcpy(rows, all, n * sizeof *rows);
    return n;
}

uint64_t keel_loop_worst_turn(const struct keel_loop *loop)
{
    uint64_t age = keel_loop_now(loop) - loop->worst_since;
    uint64_t now = age < 2 * HALF_MINUTE ? loop->worst_turn[0] : 0;
    uint64_t before = age < HALF_MINUTE ? loop->worst_turn[1] : 0;
    return now > before ? now : before;
}
