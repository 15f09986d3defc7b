/*
 * Time, as an argument: engines get a keel_clock, tests give them a fake one.
 */
#ifndef KEEL_BASE_CLOCK_H
#define KEEL_BASE_CLOCK_H

#include <stdint.h>

#define KEEL_NS_PER_S 1000000000ull
#define KEEL_NS_PER_MS 1000000ull
#define KEEL_NS_PER_US 1000ull

/* Nanoseconds since some moment; never goes back, whatever is done to the date. */
uint64_t keel_clock_monotonic(void);
/* Nanoseconds since 1970 (UTC); jumps when the date is set. */
uint64_t keel_clock_realtime(void);

/* A moment as RFC 3339 has it, in UTC: "2026-11-20T22:30:01.123Z". Returns out, KEEL_TIME_TEXT
 * bytes. */
#define KEEL_TIME_TEXT 32
char *keel_time_text(char *out, uint64_t realtime_ns);

/* What an engine is lent; the functions get the clock that they stand in. */
struct keel_clock {
    uint64_t (*monotonic)(const struct keel_clock *clock);
    uint64_t (*realtime)(const struct keel_clock *clock);
};
extern const struct keel_clock keel_clock_system;

/* A clock for tests: it stands still until it is advanced. Set realtime_ns to make the date jump.
 */
struct keel_fake_clock {
    struct keel_clock clock;
    uint64_t monotonic_ns, realtime_ns;
};
void keel_fake_clock_init(struct keel_fake_clock *fake, uint64_t realtime_ns);
void keel_fake_clock_advance(struct keel_fake_clock *fake, uint64_t ns);

#endif
