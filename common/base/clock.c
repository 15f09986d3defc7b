#include "common/base/clock.h"

#include "common/base/list.h"

#include <stdio.h>
#include <time.h>

static uint64_t clock_read(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * KEEL_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t keel_clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t keel_clock_realtime(void)
{
    return clock_read(CLOCK_REALTIME);
}

char *keel_time_text(char *out, uint64_t realtime_ns)
{
    time_t seconds = (time_t)(realtime_ns / KEEL_NS_PER_S);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, KEEL_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, KEEL_TIME_TEXT - n, ".%03uZ",
             (unsigned)(realtime_ns % KEEL_NS_PER_S / KEEL_NS_PER_MS));
    return out;
}

static uint64_t system_monotonic(const struct keel_clock *clock)
{
    return keel_clock_monotonic();
}

static uint64_t system_realtime(const struct keel_clock *clock)
{
    return keel_clock_realtime();
}

const struct keel_clock keel_clock_system = {system_monotonic, system_realtime};

static uint64_t fake_monotonic(const struct keel_clock *clock)
{
    return KEEL_CONTAINER(clock, struct keel_fake_clock, clock)->monotonic_ns;
}

static uint64_t fake_realtime(const struct keel_clock *clock)
{
    return KEEL_CONTAINER(clock, struct keel_fake_clock, clock)->realtime_ns;
}

void keel_fake_clock_init(struct keel_fake_clock *fake, uint64_t realtime_ns)
{
    *fake = (struct keel_fake_clock){
        .clock = {fake_monotonic, fake_realtime},
        .realtime_ns = realtime_ns,
    };
}

void keel_fake_clock_advance(struct keel_fake_clock *fake, uint64_t ns)
{
    fake->monotonic_ns += ns;
    fake->realtime_ns += ns;
}
