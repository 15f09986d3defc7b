#include "common/service/log.h"
#include "common/base/clock.h"
#include "common/service/log_line.h"
#include "common/service/log_target.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* A message may come this often in a second; the rest is held back and counted. */
#define RATE_LIMIT 10
#define RATE_WINDOW_NS KEEL_NS_PER_S
#define RATE_SLOTS 64 /* messages watched at a time */
#define RATE_PROBES 4

struct rate {
    const char *message, *area; /* literals; NULL: free */
    enum keel_log_level level;
    uint64_t since_ns;
    unsigned lines, held_back;
};

/* The log is the one thing that every place in a process may reach, so it is a global. Threads of
 * the offload pool may log too: one lock, never held while anything waits for long. */
static struct {
    pthread_mutex_t lock;
    enum keel_log_level level;
    enum keel_log_format format;
    struct log_target target;
    char daemon[32], process[32];
    struct rate rates[RATE_SLOTS];
    uint64_t written, suppressed, lost;
    uint64_t lost_since; /* lines lost since the target took one */
} state = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .level = KEEL_LOG_INFO,
    .target = {.kind = KEEL_LOG_STDERR, .fd = STDERR_FILENO},
    .daemon = "keel",
};

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

int keel_log_open(const struct keel_log_options *options, struct keel_diag *diag)
{
    pthread_mutex_lock(&state.lock);
    int err = log_target_open(&state.target, options, diag);
    if (!err) {
        __atomic_store_n(&state.level, options->level, __ATOMIC_RELAXED);
        state.format = options->format;
        strncpy(state.daemon, options->daemon ? options->daemon : "keel", sizeof state.daemon - 1);
        strncpy(state.process, options->process ? options->process : "", sizeof state.process - 1);
    }
    pthread_mutex_unlock(&state.lock);
    return err;
}

int keel_log_reopen(struct keel_diag *diag)
{
    pthread_mutex_lock(&state.lock);
    int err = log_target_reopen(&state.target, diag);
    pthread_mutex_unlock(&state.lock);
    return err;
}

void keel_log_use_fd(int fd)
{
    pthread_mutex_lock(&state.lock);
    if (state.target.kind == KEEL_LOG_FILE && fd != state.target.fd) {
        log_target_close(&state.target);
        state.target.fd = fd;
        state.target.torn = false;
    } else if (state.target.kind != KEEL_LOG_FILE && fd > STDERR_FILENO) {
        close(fd); /* taken, and of no use */
    }
    pthread_mutex_unlock(&state.lock);
}

int keel_log_fd(void)
{
    pthread_mutex_lock(&state.lock);
    int fd = state.target.kind == KEEL_LOG_FILE ? state.target.fd : -1;
    pthread_mutex_unlock(&state.lock);
    return fd;
}

void keel_log_set_level(enum keel_log_level level)
{
    __atomic_store_n(&state.level, level, __ATOMIC_RELAXED);
}

enum keel_log_level keel_log_level(void)
{
    return __atomic_load_n(&state.level, __ATOMIC_RELAXED);
}

bool keel_log_enabled(enum keel_log_level level)
{
    return level <= keel_log_level();
}

int keel_log_level_parse(const char *text, enum keel_log_level *out)
{
    for (int i = KEEL_LOG_ERROR; i <= KEEL_LOG_DEBUG; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum keel_log_level)i;
            return 0;
        }
    return KEEL_EINVAL;
}

const char *keel_log_level_name(enum keel_log_level level)
{
    return (unsigned)level <= KEEL_LOG_DEBUG ? level_names[level] : "unknown";
}

void keel_log_counts(uint64_t *written, uint64_t *suppressed, uint64_t *lost)
{
    pthread_mutex_lock(&state.lock);
    *written = state.written;
    *suppressed = state.suppressed;
    *lost = state.lost;
    pthread_mutex_unlock(&state.lock);
}

static void begin_line(struct log_line *line, enum keel_log_level level, const char *area,
                       const char *message)
{
    line->level = level;
    line->time_ns = keel_clock_realtime();
    line->daemon = state.daemon;
    line->process = state.process;
    line->area = area;
    line->message = message;
    line->count = 0;
    line->cut = false;
    line->pool_used = 0;
}

static bool write_line(const struct log_line *line)
{
    char out[LOG_LINE_MAX];
    size_t size;
    if (state.target.kind == KEEL_LOG_JOURNAL)
        size = log_render_journal(line, out);
    else if (state.target.kind == KEEL_LOG_SYSLOG)
        size = log_render_syslog(line, state.format, out);
    else if (state.format == KEEL_LOG_JSON)
        size = log_render_json(line, out);
    else
        size = log_render_text(line, out);
    if (size > 0 && log_target_write(&state.target, out, size)) {
        state.written++;
        return true;
    }
    state.lost++;
    state.lost_since++;
    return false;
}

/* Writes; says once how much is missing when the target works again. */
static void emit(const struct log_line *line)
{
    if (!write_line(line) || state.lost_since == 0)
        return;
    struct log_line notice;
    uint64_t lost = state.lost_since;
    state.lost_since = 0;
    begin_line(&notice, KEEL_LOG_NOTICE, "log", "lines could not be written and are lost");
    log_fields_add_number(&notice, "lost", lost);
    write_line(&notice);
}

/* Ends a window: says how many lines of it were held back. */
static void report_held_back(struct rate *rate)
{
    struct log_line line;
    if (rate->held_back > 0) {
        begin_line(&line, rate->level, rate->area, rate->message);
        log_fields_add_number(&line, "suppressed", rate->held_back);
        emit(&line);
    }
    *rate = (struct rate){.message = NULL};
}

static void report_old(uint64_t now)
{
    for (int i = 0; i < RATE_SLOTS; i++)
        if (state.rates[i].held_back > 0 && now - state.rates[i].since_ns >= RATE_WINDOW_NS)
            report_held_back(&state.rates[i]);
}

static size_t rate_slot(const char *message)
{
    return ((uintptr_t)message >> 3) * 0x9E3779B97F4A7C15ull >> 58;
}

/* The slot of this message; the oldest of its neighbours gives way. */
static struct rate *find_rate(const char *message, uint64_t now)
{
    size_t start = rate_slot(message);
    struct rate *oldest = NULL;
    for (size_t i = 0; i < RATE_PROBES; i++) {
        struct rate *rate = &state.rates[(start + i) % RATE_SLOTS];
        if (rate->message == message)
            return rate;
        if (!oldest || !rate->message || (oldest->message && rate->since_ns < oldest->since_ns))
            oldest = rate;
    }
    report_held_back(oldest);
    oldest->since_ns = now;
    return oldest;
}

/* True: the line may go out; *held_back is how many of its kind did not. */
static bool admit(enum keel_log_level level, const char *area, const char *message,
                  unsigned *held_back)
{
    uint64_t now = keel_clock_monotonic();
    struct rate *rate = find_rate(message, now);
    *held_back = 0;
    if (now - rate->since_ns >= RATE_WINDOW_NS) {
        *held_back = rate->held_back;
        rate->held_back = rate->lines = 0;
        rate->since_ns = now;
    }
    rate->message = message;
    rate->area = area;
    rate->level = level;
    if (rate->lines < RATE_LIMIT) {
        rate->lines++;
        report_old(now);
        return true;
    }
    rate->held_back++;
    state.suppressed++;
    return false;
}

void keel_log(enum keel_log_level level, const char *area, const char *message, const char *fields,
              ...)
{
    if (!keel_log_enabled(level))
        return;
    int error_number = errno;
    unsigned held_back;
    pthread_mutex_lock(&state.lock);
    if (admit(level, area, message, &held_back)) {
        struct log_line line;
        begin_line(&line, level, area, message);
        va_list ap;
        va_start(ap, fields);
        log_fields_take(&line, fields, error_number, ap);
        va_end(ap);
        if (held_back > 0)
            log_fields_add_number(&line, "suppressed", held_back);
        emit(&line);
    }
    pthread_mutex_unlock(&state.lock);
    errno = error_number; /* so that logging never changes what the caller is about to report */
}

bool keel_log_holds_back(enum keel_log_level level, const char *message)
{
    bool held = false;
    if (!keel_log_enabled(level))
        return true;
    pthread_mutex_lock(&state.lock);
    for (size_t i = 0; i < RATE_PROBES && !held; i++) {
        struct rate *rate = &state.rates[(rate_slot(message) + i) % RATE_SLOTS];
        held = rate->message == message && rate->lines >= RATE_LIMIT &&
               keel_clock_monotonic() - rate->since_ns < RATE_WINDOW_NS;
        if (held) {
            rate->held_back++;
            state.suppressed++;
        }
    }
    pthread_mutex_unlock(&state.lock);
    return held;
}

void keel_log_tick(void)
{
    pthread_mutex_lock(&state.lock);
    report_old(keel_clock_monotonic());
    pthread_mutex_unlock(&state.lock);
}
