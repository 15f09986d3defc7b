#include "common/keelctl/watch.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/keelctl/client.h"
#include "common/keelctl/print.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE (250 * KEEL_NS_PER_MS)
#define WORDS_MAX 64

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    stopped = 1;
}

/* A worker's own result: of the reply itself, or of the first in a list of workers. */
static const json_t *first_result(const json_t *result)
{
    return json_is_array(result) ? json_object_get(json_array_get(result, 0), "result") : result;
}

bool keelctl_is_watch(const json_t *reply)
{
    const json_t *result = first_result(json_object_get(reply, "result"));
    return json_is_true(json_object_get(result, "watch"));
}

/* --- one round --- */

struct line {
    const char *text; /* of the reply */
    json_int_t worker;
    size_t order; /* among equal times */
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    /* RFC 3339: the order of the texts is the order of the times */
    int d = strncmp(x->text, y->text, strlen("2026-11-20T22:30:01.123Z"));
    return d ? d : (x->order > y->order) - (x->order < y->order);
}

static size_t count_lines(const json_t *workers)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(workers); i++)
        n += json_array_size(
            json_object_get(json_object_get(json_array_get(workers, i), "result"), "lines"));
    return n;
}

static size_t collect(const json_t *workers, struct line *lines, json_int_t *lost)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *row = json_array_get(workers, i), *result = json_object_get(row, "result");
        const json_t *list = json_object_get(result, "lines");
        *lost += json_integer_value(json_object_get(result, "lost"));
        for (size_t k = 0; k < json_array_size(list); k++) {
            const char *text = json_string_value(json_array_get(list, k));
            if (text)
                lines[n] =
                    (struct line){text, json_integer_value(json_object_get(row, "worker")), n};
            n += text != NULL;
        }
    }
    return n;
}

static void print_line(const struct keelctl_options *options, const struct line *line,
                       struct keel_buf *out)
{
    if (options->json) {
        json_t *row = json_pack("{s:I, s:s}", "worker", line->worker, "line", line->text);
        char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;
        keel_buf_puts(out, text ? text : "");
        free(text);
        json_decref(row);
    } else {
        keelctl_print_text(line->text, out);
    }
    keel_buf_puts(out, "\n");
}

static int show_lines(const struct keelctl_options *options, const json_t *reply,
                      struct keel_diag *diag)
{
    const json_t *workers = json_object_get(reply, "result");
    struct line *lines = keel_calloc(count_lines(workers) + 1, sizeof *lines);
    struct keel_buf out = {0};
    json_int_t lost = 0;
    if (!lines)
        return keel_diag_memory(diag);
    size_t n = collect(workers, lines, &lost);
    qsort(lines, n, sizeof *lines, compare_lines);
    for (size_t i = 0; i < n; i++)
        print_line(options, &lines[i], &out);
    size_t size = keel_buf_size(&out);
    int err = 0;
    if ((size > 0 && fwrite(keel_buf_bytes(&out), 1, size, stdout) != size) || fflush(stdout) != 0)
        err = keel_diag_set(diag, KEEL_ESYS, "cannot write the lines");
    if (lost > 0)
        fprintf(stderr, "keelctl: %lld more came too fast to show\n", (long long)lost);
    keel_buf_fini(&out);
    keel_free(lines);
    return err;
}

/* One question. An exit status. */
static int round_(const struct keelctl_options *options, const char *path, const char *const *words,
                  int count, struct keel_diag *diag)
{
    struct keel_buf line;
    keel_buf_init(&line, KEELCTL_REPLY_MAX);
    int err = keelctl_ask(path, words, count, options->timeout_ns, &line, diag);
    json_t *reply =
        err ? NULL : json_loadb((const char *)keel_buf_bytes(&line), keel_buf_size(&line), 0, NULL);
    int status = KEELCTL_UNREACHABLE;
    if (json_is_true(json_object_get(reply, "ok"))) {
        status = show_lines(options, reply, diag) ? KEELCTL_UNREACHABLE : KEELCTL_OK;
    } else if (reply) {
        const char *text = json_string_value(json_object_get(reply, "error"));
        keel_diag_set(diag, KEEL_EINVAL, "%s", text ? text : "the answer is not one");
        status = KEELCTL_REFUSED;
    }
    json_decref(reply);
    keel_buf_fini(&line);
    return status;
}

int keelctl_watch(const struct keelctl_options *options, const char *path, const char *const *words,
                  int count, struct keel_diag *diag)
{
    const char *all[WORDS_MAX + 1];
    char session[40];
    struct sigaction action = {.sa_handler = on_signal}, old_int, old_term;
    const struct timespec pause = {0, PAUSE};
    int status;
    if (count >= WORDS_MAX) {
        keel_diag_set(diag, KEEL_EINVAL, "too many words");
        return KEELCTL_USAGE;
    }
    memcpy(all, words, (size_t)count * sizeof *words);
    snprintf(session, sizeof session, "session=%016llx", (unsigned long long)keel_rand_u64());
    all[count] = session;
    stopped = 0;
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGTERM, &action, &old_term);
    do {
        status = round_(options, path, all, count + 1, diag);
        if (status == KEELCTL_OK && !stopped)
            nanosleep(&pause, NULL);
    } while (status == KEELCTL_OK && !stopped);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    return stopped ? KEELCTL_OK : status;
}
