/*
 * The log: one line an event, `level time daemon[worker] area: message key=value ...`, or JSON.
 *
 * The message is a literal and says what happened; the values follow as fields. The field format
 * is a literal of `name=%conversion` words: "address=%s port=%u". Untrusted bytes are escaped.
 * A message that comes too often is held back and counted ("suppressed=412").
 */
#ifndef KEEL_SERVICE_LOG_H
#define KEEL_SERVICE_LOG_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum keel_log_level {
    KEEL_LOG_ERROR,
    KEEL_LOG_WARNING,
    KEEL_LOG_NOTICE,
    KEEL_LOG_INFO,
    KEEL_LOG_DEBUG
};
enum keel_log_format { KEEL_LOG_TEXT, KEEL_LOG_JSON };
enum keel_log_target { KEEL_LOG_STDERR, KEEL_LOG_FILE, KEEL_LOG_SYSLOG, KEEL_LOG_JOURNAL };

struct keel_log_options {
    enum keel_log_level level;
    enum keel_log_format format;
    enum keel_log_target target;
    const char *file;    /* KEEL_LOG_FILE: its path. SYSLOG, JOURNAL: the socket; NULL: the usual */
    int fd;              /* KEEL_LOG_FILE: already open and taken (workers get it from the master);
                            0 or -1: none */
    const char *daemon;  /* "dnsd" */
    const char *process; /* "master", "0", "keeper" */
};

/* Without it: text to stderr at info level. Copies the options. 0, or an error with diag; the log
 * then stays as it was. */
int keel_log_open(const struct keel_log_options *options, struct keel_diag *diag);
/* Opens a file to append lines to it, made with mode 0640 where it is not there. Never waits for
 * the reader of a FIFO. A descriptor, or KEEL_ESYS with diag. */
int keel_log_open_file(const char *path, struct keel_diag *diag);
/* After rotation: opens the file anew; the master then hands the descriptor to its workers. */
int keel_log_reopen(struct keel_diag *diag);
/* Uses this descriptor (takes it) for KEEL_LOG_FILE from now on. */
void keel_log_use_fd(int fd);
int keel_log_fd(void);
void keel_log_set_level(enum keel_log_level level);
enum keel_log_level keel_log_level(void);
int keel_log_level_parse(const char *text, enum keel_log_level *out);
const char *keel_log_level_name(enum keel_log_level level);
/* Lines written, held back, and not written because the target failed. */
void keel_log_counts(uint64_t *written, uint64_t *suppressed, uint64_t *lost);

/* Once a second from a timer: reports messages that were held back and did not come again. */
void keel_log_tick(void);

/* area, message and fields are literals (the message's address is its rate-limit key).
 * Conversions: %s %d %u %ld %lu %lld %llu %zu %zd %x %c %f %m (errno text), and %.*s. */
void keel_log(enum keel_log_level level, const char *area, const char *message, const char *fields,
              ...) __attribute__((format(printf, 4, 5)));
/* True when a line at this level would be written: for values that cost to compute. */
bool keel_log_enabled(enum keel_log_level level);
/* True when this message has come so often that it would be held back; counts it as that. For
 * values that cost to compute, where others say how often. */
bool keel_log_holds_back(enum keel_log_level level, const char *message);

#define keel_error(area, message, ...) keel_log(KEEL_LOG_ERROR, area, message, __VA_ARGS__)
#define keel_warning(area, message, ...) keel_log(KEEL_LOG_WARNING, area, message, __VA_ARGS__)
#define keel_notice(area, message, ...) keel_log(KEEL_LOG_NOTICE, area, message, __VA_ARGS__)
#define keel_info(area, message, ...) keel_log(KEEL_LOG_INFO, area, message, __VA_ARGS__)
#define keel_debug(area, message, ...)                                                             \
    do {                                                                                           \
        if (keel_log_enabled(KEEL_LOG_DEBUG))                                                      \
            keel_log(KEEL_LOG_DEBUG, area, message, __VA_ARGS__);                                  \
    } while (0)

#endif
