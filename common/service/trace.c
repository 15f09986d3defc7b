#include "common/service/trace.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include <string.h>

#define LINES_MAX (256u * 1024)       /* bytes that wait in one session */
#define PATIENCE (10 * KEEL_NS_PER_S) /* without a question, then the session ends */
#define SWEEP KEEL_NS_PER_S
#define NAME_MAX 64

struct keel_trace_session {
    struct keel_list node;
    char name[NAME_MAX];
    uint64_t asked_ns; /* monotonic */
    uint64_t lost;
    struct keel_buf lines; /* a NUL behind each */
    _Alignas(max_align_t) uint8_t filter[];
};

static void session_free(struct keel_trace *trace, struct keel_trace_session *session)
{
    keel_list_remove(&session->node);
    keel_buf_fini(&session->lines);
    keel_free(session);
    if (--trace->count == 0)
        keel_timer_stop(&trace->sweep);
}

static void on_sweep(struct keel_timer *timer)
{
    struct keel_trace *trace = KEEL_CONTAINER(timer, struct keel_trace, sweep);
    uint64_t now = keel_loop_now(trace->loop);
    keel_list_for_safe (node, &trace->sessions) {
        struct keel_trace_session *s = KEEL_CONTAINER(node, struct keel_trace_session, node);
        if (now - s->asked_ns > PATIENCE)
            session_free(trace, s);
    }
}

void keel_trace_init(struct keel_trace *trace, struct keel_loop *loop, size_t filter_size,
                     keel_trace_parse parse)
{
    *trace = (struct keel_trace){.loop = loop, .filter_size = filter_size, .parse = parse};
    keel_list_init(&trace->sessions);
    keel_timer_init(&trace->sweep, loop, "trace", on_sweep);
}

void keel_trace_fini(struct keel_trace *trace)
{
    keel_list_for_safe (node, &trace->sessions)
        session_free(trace, KEEL_CONTAINER(node, struct keel_trace_session, node));
}

struct keel_trace_session *keel_trace_next(const struct keel_trace *trace,
                                           const struct keel_trace_session *previous)
{
    struct keel_list *next = previous ? previous->node.next : trace->sessions.next;
    return next == &trace->sessions ? NULL : KEEL_CONTAINER(next, struct keel_trace_session, node);
}

const void *keel_trace_filter(const struct keel_trace_session *session)
{
    return session->filter;
}

void keel_trace_line(struct keel_trace_session *session, const char *text)
{
    char time[KEEL_TIME_TEXT], line[KEEL_TRACE_LINE];
    struct keel_buf *lines = &session->lines;
    keel_escape(line, sizeof line, text, strlen(text));
    keel_time_text(time, keel_clock_realtime());
    size_t size = strlen(time) + 1 + strlen(line) + 1;
    if (keel_buf_size(lines) + size > LINES_MAX || lines->failed ||
        !keel_buf_reserve(lines, size)) {
        session->lost++;
        return;
    }
    keel_buf_puts(lines, time);
    keel_buf_puts(lines, " ");
    keel_buf_append(lines, line, strlen(line) + 1);
}

/* --- the command --- */

static struct keel_trace_session *find(const struct keel_trace *trace, const char *name)
{
    struct keel_trace_session *s = NULL;
    while ((s = keel_trace_next(trace, s)))
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static int parse(const struct keel_trace *trace, void *filter, json_t *args, struct keel_diag *diag)
{
    size_t count = json_array_size(args);
    for (size_t i = 0; i < count; i++) {
        const char *argument = json_string_value(json_array_get(args, i));
        if (strncmp(argument, "session=", 8) == 0)
            continue;
        int err = trace->parse(filter, argument, diag);
        if (err)
            return err;
    }
    return 0;
}

static int begin(struct keel_trace *trace, const char *name, json_t *args,
                 struct keel_trace_session **out, struct keel_diag *diag)
{
    if (trace->count == KEEL_TRACE_SESSIONS)
        return keel_diag_set(diag, KEEL_EBUSY, "%d others follow already", KEEL_TRACE_SESSIONS);
    struct keel_trace_session *s = keel_calloc(1, sizeof *s + trace->filter_size);
    if (!s)
        return keel_diag_memory(diag);
    int err = parse(trace, s->filter, args, diag);
    if (err) {
        keel_free(s);
        return err;
    }
    snprintf(s->name, sizeof s->name, "%s", name);
    keel_list_push_back(&trace->sessions, &s->node);
    if (trace->count++ == 0)
        keel_timer_start(&trace->sweep, SWEEP, SWEEP);
    *out = s;
    return 0;
}

static json_t *take_lines(struct keel_trace_session *s)
{
    json_t *list = json_array();
    const char *p = (const char *)keel_buf_bytes(&s->lines);
    for (size_t left = keel_buf_size(&s->lines); left > 0;) {
        size_t n = strlen(p) + 1;
        json_array_append_new(list, json_stringn(p, n - 1));
        p += n;
        left -= n;
    }
    json_t *result = json_pack("{s:o, s:I}", "lines", list, "lost", (json_int_t)s->lost);
    keel_buf_clear(&s->lines);
    s->lost = 0;
    return result;
}

/* Only whether the filter is one, and that there is something to follow. */
static int check(const struct keel_trace *trace, json_t *args, json_t **result,
                 struct keel_diag *diag)
{
    void *filter = keel_calloc(1, trace->filter_size);
    int err = filter ? parse(trace, filter, args, diag) : KEEL_ENOMEM;
    keel_free(filter);
    if (err == 0)
        *result = json_pack("{s:b}", "watch", 1);
    return err;
}

int keel_trace_run(struct keel_trace *trace, json_t *args, json_t **result, struct keel_diag *diag)
{
    size_t count = json_array_size(args);
    const char *last = count ? json_string_value(json_array_get(args, count - 1)) : "";
    if (strncmp(last, "session=", 8) != 0)
        return check(trace, args, result, diag);
    const char *name = last + 8;
    if (name[0] == '\0' || strlen(name) >= NAME_MAX)
        return keel_diag_set(diag, KEEL_EINVAL, "a session's name has 1 to %d bytes", NAME_MAX - 1);
    struct keel_trace_session *s = find(trace, name);
    int err = s ? 0 : begin(trace, name, args, &s, diag);
    if (err)
        return err;
    s->asked_ns = keel_loop_now(trace->loop);
    *result = take_lines(s);
    return *result ? 0 : KEEL_ENOMEM;
}
