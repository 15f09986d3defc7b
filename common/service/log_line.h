/*
 * One log line: its fields taken from the arguments once, then written as text, JSON, syslog or
 * journal. Private to the log. Nothing here allocates.
 */
#ifndef KEEL_SERVICE_LOG_LINE_H
#define KEEL_SERVICE_LOG_LINE_H

#include "common/service/log.h"

#include <stdarg.h>
#include <stddef.h>

/* A line is at most this long with its line end: what a pipe takes in one piece (PIPE_BUF). */
#define LOG_LINE_MAX 4096
#define LOG_FIELDS_MAX 24
#define LOG_VALUES_MAX 3072 /* bytes of all values of a line */

struct log_field {
    const char *name;
    size_t name_size;
    const char *value; /* raw bytes in the pool, NUL behind them */
    size_t size;
    bool number; /* spelled as JSON takes a number */
};
struct log_line {
    enum keel_log_level level;
    uint64_t time_ns; /* realtime */
    const char *daemon, *process, *area, *message;
    struct log_field fields[LOG_FIELDS_MAX];
    unsigned count;
    bool cut; /* not everything fitted */
    size_t pool_used;
    char pool[LOG_VALUES_MAX];
};

/* log_fields.c: reads `name=%conversion` words. error_number is for %m. */
void log_fields_take(struct log_line *line, const char *fields, int error_number, va_list ap);
void log_fields_add_number(struct log_line *line, const char *name, uint64_t value);

/* log_render.c: into out of LOG_LINE_MAX bytes; returns the length. */
size_t log_render_text(const struct log_line *line, char *out);
size_t log_render_json(const struct log_line *line, char *out);
size_t log_render_syslog(const struct log_line *line, enum keel_log_format format, char *out);
size_t log_render_journal(const struct log_line *line, char *out);

#endif
