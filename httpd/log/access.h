/*
 * The access log of a worker: lines gather in one of two buffers and leave in one write of whole
 * lines, from a thread, when the buffer is full or after a second. The loop never waits; what finds
 * both buffers full, or a full disk, is counted as lost.
 *
 * The file is opened to append, so that the writes of several workers never mix.
 */
#ifndef HTTPD_LOG_ACCESS_H
#define HTTPD_LOG_ACCESS_H

#include "common/runtime/offload.h"
#include "common/runtime/timer.h"
#include "common/service/metric.h"
#include "httpd/log/format.h"

#define HTTP_LOG_DELAY KEEL_NS_PER_S /* longest that a line waits */

struct http_log_buffer {
    struct keel_job job;
    struct http_access_log *log;
    char *bytes; /* begins with room for the newline that ends a torn line */
    size_t size;
    uint64_t lines, lost; /* in it; of them not written */
    int fd;               /* where it is being written to */
    bool torn;            /* before: the file ends inside a line; after: it does now */
};

struct http_access_log_options {
    const struct http_log_format *format;
    size_t buffer; /* bytes that are written at once */
    struct keel_loop *loop;
    struct keel_offload *pool;
    struct keel_metrics *metrics;
    unsigned written, lost; /* counters of lines in it */
};
struct http_access_log {
    struct http_access_log_options options;
    struct http_log_time time;
    struct keel_timer timer; /* runs while lines wait */
    struct http_log_buffer buffers[2];
    struct http_log_buffer *current; /* lines go here */
    struct http_log_buffer *writing; /* with the pool; NULL: none */
    int fd;
    bool torn;
};

/* Borrows what options name. Without a file lines are lost. 0 or KEEL_ENOMEM. */
int http_access_log_init(struct http_access_log *log,
                         const struct http_access_log_options *options);
/* Writes what waits; call it when the pool is gone. */
void http_access_log_fini(struct http_access_log *log);
/* Lines go there from now on; takes fd. */
void http_access_log_use(struct http_access_log *log, int fd);
/* Adds a line. The record's time is the log's own. */
void http_access_log_add(struct http_access_log *log, struct http_log_record *record,
                         int64_t second);

#endif
