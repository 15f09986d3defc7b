#include "tests/support/http_corpus.h"

#include <stdlib.h>
#include <string.h>

static void fail(const struct http_case *c, const char *text)
{
    fprintf(stderr, "corpus: case \"%s\": cannot read: %s\n", c->name, text);
    exit(99);
}

/* The byte that an escape stands for; *p is behind its backslash, and then at its last letter. */
static char unescape(const struct http_case *c, const char **p)
{
    static const char letters[] = "rnt0s\\", meant[] = "\r\n\t\0 \\";
    const char *letter = **p ? strchr(letters, **p) : NULL;
    if (letter)
        return meant[letter - letters];
    int high = **p == 'x' ? keel_hex_digit((uint8_t)(*p)[1]) : -1;
    int low = high < 0 ? -1 : keel_hex_digit((uint8_t)(*p)[2]);
    if (low < 0)
        fail(c, *p);
    *p += 2;
    return (char)(high << 4 | low);
}

static void append(struct http_case *c, const char *text)
{
    for (const char *p = text; *p; p++) {
        char byte = *p;
        if (strncmp(p, "{etag}", 6) == 0)
            p += 5; /* what stands in its place is nothing to a reader */
        else if (byte == '\\' && p++)
            byte = unescape(c, &p);
        keel_buf_append(&c->bytes, &byte, 1);
    }
}

static void read_expected(struct http_case *c, char *text)
{
    for (char *rest, *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        unsigned status = (unsigned)strtoul(word, NULL, 10);
        if (status == 0)
            c->end = *word;
        else if (status >= 200 && c->count < HTTP_CASE_STATUSES)
            c->statuses[c->count++] = status;
    }
    if (!c->end || !strchr("kcwd", c->end))
        fail(c, "what to expect");
}

static void read_line(struct http_case *c, char *line)
{
    char *text = line + 2;
    unsigned long times = 1;
    if (strncmp(line, ">*", 2) == 0)
        times = strtoul(line + 2, &text, 10);
    else if (line[0] != '>')
        times = 0;
    for (text += times > 1; times > 0; times--)
        append(c, text);
    if (line[0] == '=')
        read_expected(c, line + 1);
}

void http_corpus_read(const char *path, void (*on_case)(const struct http_case *c, void *arg),
                      void *arg)
{
    struct http_case c = {.name = ""};
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        fail(&c, path);
    for (;;) {
        ssize_t n = getline(&line, &size, file);
        if (n > 0 && line[n - 1] == '\n')
            line[n - 1] = 0;
        if (n > 0 && strncmp(line, "case ", 5) != 0) {
            read_line(&c, line);
            continue;
        }
        if (c.end)
            on_case(&c, arg);
        if (n <= 0)
            break;
        keel_buf_clear(&c.bytes);
        c.count = 0;
        c.end = 0;
        snprintf(c.name, sizeof c.name, "%.255s", line + 5);
    }
    keel_buf_fini(&c.bytes);
    free(line);
    fclose(file);
}

static void note(struct h1_trace *trace, enum http_h1_event event, const struct http_head *head,
                 struct keel_str content, unsigned status)
{
    struct keel_str path;
    if (trace->content && event != HTTP_H1_CONTENT && event != HTTP_H1_NEED)
        keel_buf_puts(&trace->text, " ");
    switch (event) {
    case HTTP_H1_REQUEST:
        path = http_span_str(head, head->path);
        keel_buf_printf(&trace->text, "R%.*s ", (int)path.n, path.p);
        break;
    case HTTP_H1_CONTENT:
        keel_buf_puts(&trace->text, trace->content ? "" : "C");
        keel_buf_append(&trace->text, content.p, content.n);
        break;
    case HTTP_H1_END:
        keel_buf_puts(&trace->text, "E ");
        break;
    case HTTP_H1_BAD:
        keel_buf_printf(&trace->text, "B%u ", status);
        break;
    default:
        return;
    }
    trace->content = event == HTTP_H1_CONTENT;
}

void h1_trace_fini(struct h1_trace *trace)
{
    keel_buf_fini(&trace->text);
}

/* As the daemon decides that it reads no further. */
static bool ends_connection(const struct h1_trace *trace, const struct http_h1 *h1,
                            const struct http_head *head, enum http_h1_event event)
{
    if (event == HTTP_H1_CONTENT)
        return h1->taken > trace->discard;
    return event == HTTP_H1_REQUEST &&
           (!head->keep_alive || head->expect_continue ||
            (head->body == HTTP_BODY_LENGTH && head->content_length > trace->discard));
}

size_t h1_trace_offer(struct h1_trace *trace, struct http_h1 *h1,
                      const struct http_head_limits *limits, const void *bytes, size_t size)
{
    static struct http_head head;
    uint8_t *copy = malloc(size > 0 ? size : 1); /* of just that size, for the sanitizers */
    if (size > 0)
        memcpy(copy, bytes, size);
    size_t at = 0, used;
    enum http_h1_event event;
    do {
        struct keel_str content;
        unsigned status = 0;
        bool answered = h1->state == HTTP_H1_BODY;
        event = http_h1_read(h1, limits, &head, copy + at, size - at, &used, &content, &status);
        note(trace, event, &head, content, status);
        if (event == HTTP_H1_REQUEST || (event == HTTP_H1_BAD && !answered))
            trace->answers++;
        if (event == HTTP_H1_BAD && !answered)
            trace->status = status;
        if (trace->discard > 0 && ends_connection(trace, h1, &head, event))
            http_h1_close(h1);
        at += used;
    } while (event != HTTP_H1_NEED);
    free(copy);
    return at;
}
