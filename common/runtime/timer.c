#include "common/runtime/timer.h"

#include "common/runtime/loop_private.h"

#include "common/base/err.h"

/* Deadlines called in one go before descriptors get their turn again. */
#define DUE_PER_CALLBACK 256

static struct timeval to_timeval(uint64_t ns)
{
    uint64_t us = ns / 1000 + (ns % 1000 != 0);
    return (struct timeval){(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
}

static int arm(struct keel_timer *timer, uint64_t after_ns)
{
    struct timeval tv = to_timeval(after_ns);
    return event_add(&timer->ev, &tv) < 0 ? KEEL_ENOMEM : 0;
}

static void timer_ready(evutil_socket_t fd, short what, void *arg)
{
    struct keel_timer *timer = arg;
    struct keel_loop *loop = timer->loop;
    const char *name = timer->name;
    keel_loop_enter(loop);
    uint64_t now = loop->now_ns;
    if (now < timer->due_ns) {
        /* libevent's coarse clock runs up to a scheduler tick behind: never early. The event's
         * node is allocated already, so that this cannot fail. */
        arm(timer, timer->due_ns - now);
    } else {
        if (timer->repeat_ns > 0) {
            timer->due_ns += timer->repeat_ns;
            if (timer->due_ns <= now) /* fell behind: skip what was missed */
                timer->due_ns = now + timer->repeat_ns;
            arm(timer, timer->due_ns - now);
        }
        timer->on_timer(timer);
    }
    keel_loop_leave(loop, name);
}

void keel_timer_init(struct keel_timer *timer, struct keel_loop *loop, const char *name,
                     void (*on_timer)(struct keel_timer *timer))
{
    timer->loop = loop;
    timer->on_timer = on_timer;
    timer->repeat_ns = 0;
    timer->due_ns = 0;
    timer->name = name;
    event_assign(&timer->ev, loop->base, -1, 0, timer_ready, timer);
    event_priority_set(&timer->ev, KEEL_PRIORITY_CONTROL);
}

int keel_timer_start(struct keel_timer *timer, uint64_t after_ns, uint64_t repeat_ns)
{
    timer->repeat_ns = repeat_ns;
    timer->due_ns = keel_loop_now(timer->loop) + after_ns;
    return arm(timer, after_ns);
}

void keel_timer_stop(struct keel_timer *timer)
{
    if (timer->loop)
        event_del(&timer->ev);
}

bool keel_timer_pending(const struct keel_timer *timer)
{
    return timer->loop && event_pending(&timer->ev, EV_TIMEOUT, NULL) != 0;
}

static uint64_t tick_of(uint64_t ns)
{
    return (ns + KEEL_DEADLINE_TICK - 1) / KEEL_DEADLINE_TICK;
}

/* Links d where the wheel finds it at its deadline, or as late as it reaches. */
static void file(struct keel_wheel *wheel, struct keel_deadline *d)
{
    uint64_t tick = d->at;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick > wheel->tick + KEEL_WHEEL_SLOTS - 1)
        tick = wheel->tick + KEEL_WHEEL_SLOTS - 1;
    d->slot = (uint32_t)tick;
    keel_list_push_back(&wheel->slots[tick % KEEL_WHEEL_SLOTS], &d->node);
}

static bool wheel_empty(const struct keel_wheel *wheel)
{
    if (!keel_list_empty(&wheel->due))
        return false;
    for (unsigned i = 0; i < KEEL_WHEEL_SLOTS; i++)
        if (!keel_list_empty(&wheel->slots[i]))
            return false;
    return true;
}

/* Moves every slot up to now to the due list. */
static void advance(struct keel_wheel *wheel, uint64_t now)
{
    uint64_t target = now / KEEL_DEADLINE_TICK;
    if (target > wheel->tick + KEEL_WHEEL_SLOTS) /* the process was stopped: once around is all */
        wheel->tick = target - KEEL_WHEEL_SLOTS;
    while (wheel->tick < target) {
        struct keel_list *slot = &wheel->slots[++wheel->tick % KEEL_WHEEL_SLOTS];
        while (!keel_list_empty(slot)) {
            struct keel_list *node = slot->next;
            keel_list_remove(node);
            keel_list_push_back(&wheel->due, node);
        }
    }
}

static void arm_wheel(struct keel_loop *loop, uint64_t now)
{
    struct keel_wheel *wheel = &loop->wheel;
    uint64_t after = 0;
    if (keel_list_empty(&wheel->due))
        after = (wheel->tick + 1) * KEEL_DEADLINE_TICK - now;
    keel_timer_start(&wheel->timer, after, 0);
}

static void on_tick(struct keel_timer *timer)
{
    struct keel_wheel *wheel = KEEL_CONTAINER(timer, struct keel_wheel, timer);
    struct keel_loop *loop = KEEL_CONTAINER(wheel, struct keel_loop, wheel);
    uint64_t now = loop->now_ns;
    advance(wheel, now);
    for (unsigned i = 0; i < DUE_PER_CALLBACK && !keel_list_empty(&wheel->due); i++) {
        struct keel_deadline *d = KEEL_CONTAINER(wheel->due.next, struct keel_deadline, node);
        keel_list_remove(&d->node);
        if (d->at > now / KEEL_DEADLINE_TICK) {
            file(wheel, d); /* it was moved on while it waited */
            continue;
        }
        d->at = 0;
        d->on_deadline(d);
    }
    if (!wheel_empty(wheel))
        arm_wheel(loop, now);
}

void keel_wheel_init(struct keel_loop *loop)
{
    struct keel_wheel *wheel = &loop->wheel;
    for (unsigned i = 0; i < KEEL_WHEEL_SLOTS; i++)
        keel_list_init(&wheel->slots[i]);
    keel_list_init(&wheel->due);
    wheel->tick = loop->now_ns / KEEL_DEADLINE_TICK;
    keel_timer_init(&wheel->timer, loop, "deadline", on_tick);
    /* Not before the descriptors: thousands of deadlines must not hold up those who are in time. */
    event_priority_set(&wheel->timer.ev, KEEL_PRIORITY_TRAFFIC);
}

void keel_wheel_fini(struct keel_loop *loop)
{
    keel_timer_stop(&loop->wheel.timer);
}

void keel_deadline_init(struct keel_deadline *d, void (*on_deadline)(struct keel_deadline *d))
{
    keel_list_init(&d->node);
    d->at = d->slot = 0;
    d->on_deadline = on_deadline;
}

void keel_deadline_set(struct keel_deadline *d, struct keel_loop *loop, uint64_t after_ns)
{
    struct keel_wheel *wheel = &loop->wheel;
    uint64_t now = keel_loop_now(loop);
    uint64_t tick = tick_of(now + after_ns);
    d->at = tick < UINT32_MAX ? (uint32_t)tick : UINT32_MAX;
    if (!keel_list_empty(&d->node)) {
        if (d->slot <= d->at) /* later: the wheel sees it when it comes by */
            return;
        keel_list_remove(&d->node);
    }
    if (!keel_timer_pending(&wheel->timer)) {
        /* The wheel stood still while it was empty. */
        if (wheel_empty(wheel))
            wheel->tick = now / KEEL_DEADLINE_TICK;
        file(wheel, d);
        arm_wheel(loop, now);
        return;
    }
    file(wheel, d);
}

void keel_deadline_clear(struct keel_deadline *d)
{
    keel_list_remove(&d->node);
    d->at = 0;
}
