#include "httpd/log/access.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/service/log.h"

/* --- in a thread --- */

static uint64_t count_lines(const char *bytes, size_t n)
{
    uint64_t lines = 0;
    const char *end = bytes + n;
    while (bytes < end && (bytes = memchr(bytes, '\n', (size_t)(end - bytes)))) {
        lines++;
        bytes++;
    }
    return lines;
}

/* One write. A full disk may take a part: what follows begins on a new line then. */
static void write_buffer(struct keel_job *job)
{
    struct http_log_buffer *b = KEEL_CONTAINER(job, struct http_log_buffer, job);
    size_t skip = b->torn ? 0 : 1, size = b->size - skip;
    ssize_t n = -1;
    b->bytes[0] = '\n';
    do
        n = b->fd >= 0 ? write(b->fd, b->bytes + skip, size) : -1;
    while (b->fd >= 0 && n < 0 && errno == EINTR);
    if (n == (ssize_t)size) {
        b->lost = 0;
        b->torn = false;
    } else if (n > 0) {
        const char *left = b->bytes + skip + n;
        b->lost = count_lines(left, size - (size_t)n);
        b->torn = left[-1] != '\n';
    } else {
        b->lost = b->lines;
    }
}

/* --- on the loop --- */

static void start_write(struct http_access_log *log);

static void end_write(struct http_log_buffer *b)
{
    struct http_access_log *log = b->log;
    if (b->lost > 0)
        keel_warning("access-log", "lines are lost", "lines=%llu", (unsigned long long)b->lost);
    keel_metric_add(log->options.metrics, log->options.written, b->lines - b->lost);
    keel_metric_add(log->options.metrics, log->options.lost, b->lost);
    if (b->fd == log->fd)
        log->torn = b->torn;
    else if (b->fd >= 0)
        close(b->fd); /* it was replaced meanwhile */
    b->size = 1;
    b->lines = 0;
    log->writing = NULL;
}

static void on_written(struct keel_job *job, int err)
{
    struct http_log_buffer *b = KEEL_CONTAINER(job, struct http_log_buffer, job);
    struct http_access_log *log = b->log;
    if (err) /* the pool ends */
        write_buffer(job);
    end_write(b);
    if (!err && log->current->size >= log->options.buffer)
        start_write(log);
}

/* Hands the current buffer to a thread, if the other one is back. */
static void start_write(struct http_access_log *log)
{
    struct http_log_buffer *b = log->current;
    if (log->writing || b->lines == 0)
        return;
    b->fd = log->fd;
    b->torn = log->torn;
    if (keel_offload_start(log->options.pool, &b->job, write_buffer, on_written) != 0)
        return; /* at the next tick */
    log->writing = b;
    log->current = b == &log->buffers[0] ? &log->buffers[1] : &log->buffers[0];
}

static void on_timer(struct keel_timer *timer)
{
    struct http_access_log *log = KEEL_CONTAINER(timer, struct http_access_log, timer);
    start_write(log);
    if (log->current->lines > 0)
        keel_timer_start(timer, HTTP_LOG_DELAY, 0);
}

int http_access_log_init(struct http_access_log *log, const struct http_access_log_options *options)
{
    *log = (struct http_access_log){.options = *options, .fd = -1};
    keel_timer_init(&log->timer, options->loop, "access-log", on_timer);
    log->current = &log->buffers[0];
    for (unsigned i = 0; i < 2; i++) {
        struct http_log_buffer *b = &log->buffers[i];
        b->log = log;
        b->size = 1;
        b->bytes = keel_malloc(options->buffer + 1 + HTTP_LOG_LINE_MAX);
        if (!b->bytes) {
            keel_free(log->buffers[0].bytes);
            log->current = NULL;
            return KEEL_ENOMEM;
        }
    }
    return 0;
}

void http_access_log_fini(struct http_access_log *log)
{
    struct http_log_buffer *b = log->current;
    if (!b)
        return;
    keel_timer_stop(&log->timer);
    if (b->lines > 0) {
        b->fd = log->fd;
        b->torn = log->torn;
        write_buffer(&b->job);
        end_write(b);
    }
    if (log->fd >= 0)
        close(log->fd);
    keel_free(log->buffers[0].bytes);
    keel_free(log->buffers[1].bytes);
    *log = (struct http_access_log){.fd = -1};
}

void http_access_log_use(struct http_access_log *log, int fd)
{
    bool in_use = log->writing && log->writing->fd == log->fd; /* its end closes it */
    if (log->fd >= 0 && !in_use)
        close(log->fd);
    log->fd = fd;
    log->torn = false;
}

void http_access_log_add(struct http_access_log *log, struct http_log_record *record,
                         int64_t second)
{
    struct http_log_buffer *b = log->current;
    if (b->size >= log->options.buffer) {
        start_write(log);
        b = log->current;
        if (b->size >= log->options.buffer) {
            keel_metric_add(log->options.metrics, log->options.lost, 1);
            return;
        }
    }
    http_log_time_set(&log->time, second);
    record->time = &log->time;
    if (b->lines++ == 0 && !keel_timer_pending(&log->timer))
        keel_timer_start(&log->timer, HTTP_LOG_DELAY, 0);
    b->size += http_log_line(log->options.format, record, b->bytes + b->size);
}
