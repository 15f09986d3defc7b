/*
 * Timers: exact single ones, and coarse deadlines for tens of thousands of connections.
 */
#ifndef KEEL_RUNTIME_TIMER_H
#define KEEL_RUNTIME_TIMER_H

#include "common/runtime/loop.h"

/* Embedded. Fires once, or every repeat_ns after the first; never early, a few ms late at most
 * while the loop is free. */
struct keel_timer {
    struct event ev;
    struct keel_loop *loop; /* NULL before the first start */
    void (*on_timer)(struct keel_timer *timer);
    uint64_t repeat_ns;
    uint64_t due_ns;
    const char *name; /* static text for the lag table */
};
void keel_timer_init(struct keel_timer *timer, struct keel_loop *loop, const char *name,
                     void (*on_timer)(struct keel_timer *timer));
/* Restarts when it is pending. repeat_ns 0: once. 0 or KEEL_ENOMEM. */
int keel_timer_start(struct keel_timer *timer, uint64_t after_ns, uint64_t repeat_ns);
void keel_timer_stop(struct keel_timer *timer);
bool keel_timer_pending(const struct keel_timer *timer);

/* Coarse deadline (never early, at most KEEL_DEADLINE_TICK late): a wheel in the loop. Moving one
 * later costs one store, which is what every request of a kept connection does. */
#define KEEL_DEADLINE_TICK (250 * KEEL_NS_PER_MS)
struct keel_deadline {
    struct keel_list node;
    /* in ticks, which last 34 years in 32 bits */
    uint32_t at;   /* 0: none */
    uint32_t slot; /* where the wheel will look at it next */
    void (*on_deadline)(struct keel_deadline *deadline);
};
void keel_deadline_init(struct keel_deadline *d, void (*on_deadline)(struct keel_deadline *d));
void keel_deadline_set(struct keel_deadline *d, struct keel_loop *loop, uint64_t after_ns);
void keel_deadline_clear(struct keel_deadline *d);

#endif
