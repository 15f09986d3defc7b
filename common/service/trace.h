/*
 * Following live what a process does: `keelctl dnsd trace client=192.0.2.1`.
 *
 * A trace is a command of the protocol. keelctl asks again and again until it is stopped; in each
 * worker the questions of one run belong to a session, which has a filter and the lines that came
 * since it was last asked. A session that nobody asks for any more ends by itself. While there is
 * none, all it costs is one look at keel_trace_on.
 *
 *     {"command": "trace", "args": [FILTER ...]}               {"watch": true}
 *     {"command": "trace", "args": [FILTER ..., "session=X"]}  {"lines": ["TIME TEXT", ...],
 * "lost": 0}
 */
#ifndef KEEL_SERVICE_TRACE_H
#define KEEL_SERVICE_TRACE_H

#include "common/base/list.h"
#include "common/runtime/timer.h"
#include "common/service/control.h"

#include <stdbool.h>
#include <stddef.h>

#define KEEL_TRACE_SESSIONS 8
#define KEEL_TRACE_LINE 1024 /* bytes of a line's text that are kept */

/* One line of the filter's arguments into filter (zeroed before the first). KEEL_EINVAL with diag.
 */
typedef int (*keel_trace_parse)(void *filter, const char *argument, struct keel_diag *diag);

struct keel_trace {
    struct keel_list sessions;
    unsigned count;
    struct keel_loop *loop;
    struct keel_timer sweep;
    size_t filter_size;
    keel_trace_parse parse;
};
struct keel_trace_session;

void keel_trace_init(struct keel_trace *trace, struct keel_loop *loop, size_t filter_size,
                     keel_trace_parse parse);
void keel_trace_fini(struct keel_trace *trace);
static inline bool keel_trace_on(const struct keel_trace *trace)
{
    return trace->count > 0;
}

/* The first session (previous NULL), or the next; NULL at the end. */
struct keel_trace_session *keel_trace_next(const struct keel_trace *trace,
                                           const struct keel_trace_session *previous);
const void *keel_trace_filter(const struct keel_trace_session *session);
/* Adds a line, without its end; bytes that are not printable are escaped. What nobody fetches in
 * time is counted as lost. */
void keel_trace_line(struct keel_trace_session *session, const char *text);

/* `run` of the command, see struct keel_command. */
int keel_trace_run(struct keel_trace *trace, json_t *args, json_t **result, struct keel_diag *diag);

#endif
