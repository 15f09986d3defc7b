#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/service/log_line.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Bytes kept free for the end of a line that was cut. */
#define TAIL 24

struct writer {
    char *out;
    size_t used, size; /* size: without the tail */
    bool cut;
};

/* All or nothing. */
static void put(struct writer *w, const void *bytes, size_t n)
{
    if (w->cut || n > w->size - w->used) {
        w->cut = true;
        return;
    }
    memcpy(w->out + w->used, bytes, n);
    w->used += n;
}

static void puts_(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

/* Back to `mark` when something did not fit: a line holds whole fields only. */
static bool keep_or_undo(struct writer *w, size_t mark)
{
    if (w->cut)
        w->used = mark;
    return !w->cut;
}

static void put_time(struct writer *w, uint64_t time_ns)
{
    char text[KEEL_TIME_TEXT];
    puts_(w, keel_time_text(text, time_ns));
}

static bool needs_quotes(const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (value[i] <= ' ' || value[i] > '~' || value[i] == '"' || value[i] == '\\' ||
            value[i] == '=')
            return true;
    return n == 0;
}

static void put_escaped(struct writer *w, const char *bytes, size_t n)
{
    char text[LOG_LINE_MAX];
    put(w, text, keel_escape(text, sizeof text, bytes, n));
}

static void put_text_value(struct writer *w, const struct log_field *field)
{
    if (!needs_quotes(field->value, field->size)) {
        put(w, field->value, field->size);
        return;
    }
    puts_(w, "\"");
    put_escaped(w, field->value, field->size);
    puts_(w, "\"");
}

/* `area: message key=value` */
static void put_body(struct writer *w, const struct log_line *line)
{
    puts_(w, line->area);
    puts_(w, ": ");
    puts_(w, line->message);
    for (unsigned i = 0; i < line->count; i++) {
        size_t mark = w->used;
        puts_(w, " ");
        put(w, line->fields[i].name, line->fields[i].name_size);
        puts_(w, "=");
        put_text_value(w, &line->fields[i]);
        if (!keep_or_undo(w, mark))
            break;
    }
}

static size_t finish(struct writer *w, bool cut, const char *cut_text, const char *end)
{
    cut |= w->cut;
    w->cut = false;
    w->size += TAIL;
    if (cut)
        puts_(w, cut_text);
    puts_(w, end);
    return w->used;
}

size_t log_render_text(const struct log_line *line, char *out)
{
    static const char *const levels[] = {"ERROR   ", "WARNING ", "NOTICE  ", "INFO    ",
                                         "DEBUG   "};
    struct writer w = {.out = out, .size = LOG_LINE_MAX - TAIL};
    puts_(&w, levels[line->level]);
    put_time(&w, line->time_ns);
    puts_(&w, " ");
    puts_(&w, line->daemon);
    if (line->process[0]) {
        puts_(&w, "[");
        puts_(&w, line->process);
        puts_(&w, "]");
    }
    puts_(&w, " ");
    put_body(&w, line);
    return finish(&w, line->cut, " ...", "\n");
}

static void put_json_string(struct writer *w, const char *bytes, size_t n)
{
    char text[LOG_LINE_MAX];
    size_t size = keel_format_json_string(text, sizeof text, bytes, n);
    if (size >= sizeof text)
        w->cut = true;
    else
        put(w, text, size);
}

static void put_json_pair(struct writer *w, const char *name, const char *value)
{
    puts_(w, "\"");
    puts_(w, name);
    puts_(w, "\":");
    put_json_string(w, value, strlen(value));
    puts_(w, ",");
}

static size_t render_json(const struct log_line *line, char *out, const char *end)
{
    struct writer w = {.out = out, .size = LOG_LINE_MAX - TAIL};
    puts_(&w, "{");
    put_json_pair(&w, "level", keel_log_level_name(line->level));
    puts_(&w, "\"time\":\"");
    put_time(&w, line->time_ns);
    puts_(&w, "\",");
    put_json_pair(&w, "daemon", line->daemon);
    put_json_pair(&w, "process", line->process);
    put_json_pair(&w, "area", line->area);
    puts_(&w, "\"message\":");
    put_json_string(&w, line->message, strlen(line->message));
    for (unsigned i = 0; i < line->count; i++) {
        const struct log_field *field = &line->fields[i];
        size_t mark = w.used;
        puts_(&w, ",");
        put_json_string(&w, field->name, field->name_size);
        puts_(&w, ":");
        if (field->number)
            put(&w, field->value, field->size);
        else
            put_json_string(&w, field->value, field->size);
        if (!keep_or_undo(&w, mark))
            break;
    }
    return finish(&w, line->cut, ",\"truncated\":true", end);
}

size_t log_render_json(const struct log_line *line, char *out)
{
    return render_json(line, out, "}\n");
}

static int priority_of(enum keel_log_level level)
{
    static const int priorities[] = {3, 4, 5, 6, 7}; /* RFC 5424, 6.2.1 */
    return priorities[level];
}

/* What syslog daemons read from /dev/log: RFC 3164, 4.1 without the host, in local time. */
size_t log_render_syslog(const struct log_line *line, enum keel_log_format format, char *out)
{
    char head[128], when[32];
    struct tm tm;
    time_t seconds = (time_t)(line->time_ns / KEEL_NS_PER_S);
    localtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
    snprintf(head, sizeof head,
             "<%d>%s %.32s[%ld]: ", 3 * 8 /* daemon */ + priority_of(line->level), when,
             line->daemon, (long)getpid());
    size_t n = strlen(head);
    memcpy(out, head, n);
    if (format == KEEL_LOG_JSON) {
        char json[LOG_LINE_MAX];
        size_t size = render_json(line, json, "}");
        if (size > LOG_LINE_MAX - n) /* cannot be cut without breaking it */
            return 0;
        memcpy(out + n, json, size);
        return n + size;
    }
    struct writer w = {.out = out, .used = n, .size = LOG_LINE_MAX - TAIL};
    if (line->process[0]) {
        puts_(&w, "[");
        puts_(&w, line->process);
        puts_(&w, "] ");
    }
    put_body(&w, line);
    return finish(&w, line->cut, " ...", "");
}

/* `NAME=value\n`, or the form with a length where the value has line ends. */
static void put_journal(struct writer *w, const char *prefix, const char *name, size_t name_size,
                        const char *value, size_t size)
{
    size_t mark = w->used;
    puts_(w, prefix);
    for (size_t i = 0; i < name_size; i++) {
        char c = name[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 32);
        else if (!(c >= 'A' && c <= 'Z') && !keel_is_digit(c))
            c = '_';
        put(w, &c, 1);
    }
    if (memchr(value, '\n', size)) {
        uint64_t length = htole64(size);
        puts_(w, "\n");
        put(w, &length, sizeof length);
    } else {
        puts_(w, "=");
    }
    put(w, value, size);
    puts_(w, "\n");
    if (!keep_or_undo(w, mark))
        w->cut = false; /* the next one may be shorter */
}

static void put_journal_text(struct writer *w, const char *name, const char *value)
{
    put_journal(w, "", name, strlen(name), value, strlen(value));
}

size_t log_render_journal(const struct log_line *line, char *out)
{
    char body[LOG_LINE_MAX], priority[4];
    struct writer b = {.out = body, .size = LOG_LINE_MAX / 2};
    put_body(&b, line);
    size_t body_size = finish(&b, line->cut, " ...", "");
    snprintf(priority, sizeof priority, "%d", priority_of(line->level));
    struct writer w = {.out = out, .size = LOG_LINE_MAX};
    put_journal(&w, "", "MESSAGE", 7, body, body_size);
    put_journal_text(&w, "PRIORITY", priority);
    put_journal_text(&w, "SYSLOG_FACILITY", "3");
    put_journal_text(&w, "SYSLOG_IDENTIFIER", line->daemon);
    put_journal_text(&w, "KEEL_PROCESS", line->process);
    put_journal_text(&w, "KEEL_AREA", line->area);
    for (unsigned i = 0; i < line->count; i++)
        put_journal(&w, "KEEL_", line->fields[i].name, line->fields[i].name_size,
                    line->fields[i].value, line->fields[i].size);
    return w.used;
}
