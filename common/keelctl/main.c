/*
 * keelctl: asks a daemon through its control socket and shows the answer.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/keelctl/client.h"
#include "common/keelctl/console.h"
#include "common/keelctl/print.h"
#include "common/keelctl/watch.h"

#include <getopt.h>
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_TIMEOUT (60 * KEEL_NS_PER_S)

static void complain(const char *text)
{
    struct keel_buf out = {0};
    keelctl_print_text(text, &out);
    const char *safe = keel_buf_text(&out);
    fprintf(stderr, "keelctl: %s\n", safe ? safe : "no memory");
    keel_buf_fini(&out);
}

static int show(const struct keel_buf *text)
{
    size_t n = keel_buf_size(text);
    if ((n > 0 && fwrite(keel_buf_bytes(text), 1, n, stdout) != n) || fflush(stdout) != 0) {
        complain("cannot write the answer");
        return KEELCTL_UNREACHABLE;
    }
    return KEELCTL_OK;
}

/* A list too long for one reply comes in pages: "rows" or "text", and while there are more, "next",
 * the arguments to put behind the same ones for the page that follows. "times" names fields of
 * rows. */
static const json_t *page_of(const json_t *result)
{
    const json_t *rows = json_object_get(result, "rows"), *text = json_object_get(result, "text");
    size_t others = json_object_size(result) - (json_object_get(result, "next") != NULL) -
                    (json_object_get(result, "times") != NULL);
    return others != 1 ? result : json_is_array(rows) ? rows : json_is_string(text) ? text : result;
}

/* The rows with those fields as text that the list "times" of the result names: seconds since 1970.
 * Returns new. */
static json_t *with_times(const json_t *result, const json_t *rows)
{
    json_t *list = json_array(), *given;
    size_t i, k;
    const json_t *name;
    json_array_foreach((json_t *)rows, i, given)
    {
        json_t *row = json_copy(given);
        json_array_foreach(json_object_get(result, "times"), k, name)
        {
            const char *field = json_string_value(name);
            json_int_t at = json_integer_value(field ? json_object_get(row, field) : NULL);
            char text[KEEL_TIME_TEXT];
            if (at <= 0 || at > 253402300799) /* of the year 9999 */
                continue;
            keel_time_text(text, (uint64_t)at * KEEL_NS_PER_S);
            text[strlen("2026-11-20T22:30:01")] = '\0'; /* UTC, as all our times */
            json_object_set_new(row, field, json_sprintf("%sZ", text));
        }
        json_array_append_new(list, row);
    }
    return list;
}

/* Of a list in pages some may be empty: that there is nothing is said once, at the end. */
static void print_page(const json_t *result, bool wide, bool *shown, struct keel_buf *out)
{
    const json_t *page = page_of(result);
    bool empty = page != result && json_is_array(page) && json_array_size(page) == 0;
    json_t *rows = json_is_array(page) && json_object_get(result, "times")
                       ? with_times(result, page)
                       : json_incref((json_t *)page);
    if (!empty || (!*shown && !json_object_get(result, "next")))
        keelctl_print(rows, wide, out);
    json_decref(rows);
    *shown = *shown || !empty;
}

/* A reply that promises "ok" but does not keep to the form is no answer. */
static int show_reply(const struct keelctl_options *options, struct keel_buf *line, json_t *reply,
                      bool *shown)
{
    const json_t *ok = json_object_get(reply, "ok");
    const char *text = json_string_value(json_object_get(reply, "error"));
    int status = json_is_true(ok) ? KEELCTL_OK : KEELCTL_REFUSED;
    if (!json_is_boolean(ok) || (status == KEELCTL_REFUSED && !text)) {
        complain("the answer is not one");
        return KEELCTL_UNREACHABLE;
    }
    struct keel_buf out = {0};
    if (options->json)
        keel_buf_append(&out, keel_buf_bytes(line), keel_buf_size(line));
    if (options->json)
        keel_buf_puts(&out, "\n");
    else if (status == KEELCTL_OK)
        print_page(json_object_get(reply, "result"), options->wide, shown, &out);
    else
        complain(text);
    int failed = out.failed ? KEELCTL_UNREACHABLE : show(&out);
    keel_buf_fini(&out);
    return failed ? failed : status;
}

static int follow(const struct keelctl_options *options, const char *path, const char *const *words,
                  int count)
{
    struct keel_diag diag;
    int status = keelctl_watch(options, path, words, count, &diag);
    if (status)
        complain(diag.text);
    return status;
}

#define WORDS_MAX 64

/* One request and its reply. *next: new, the arguments of the page that follows; NULL: none. */
static int exchange(const struct keelctl_options *options, const char *path,
                    const char *const *words, int count, bool *shown, json_t **next)
{
    struct keel_diag diag;
    struct keel_buf line;
    keel_buf_init(&line, KEELCTL_REPLY_MAX);
    int err = keelctl_ask(path, words, count, options->timeout_ns, &line, &diag);
    int status = KEELCTL_UNREACHABLE;
    if (err) {
        complain(diag.text);
    } else {
        json_t *reply =
            json_loadb((const char *)keel_buf_bytes(&line), keel_buf_size(&line), 0, NULL);
        status = keelctl_is_watch(reply) ? follow(options, path, words, count)
                                         : show_reply(options, &line, reply, shown);
        *next = json_incref(json_object_get(json_object_get(reply, "result"), "next"));
        json_decref(reply);
    }
    keel_buf_fini(&line);
    return status;
}

/* The words with those of the next page behind them; 0 when they are none. */
static int next_words(const char **words, int count, const json_t *next)
{
    size_t i;
    json_t *word;
    json_array_foreach(next, i, word)
    {
        if (!json_is_string(word) || count == WORDS_MAX)
            return 0;
        words[count++] = json_string_value(word);
    }
    return i > 0 ? count : 0;
}

int keelctl_command(const struct keelctl_options *options, const char *daemon,
                    const char *const *words, int count)
{
    char path[4096];
    const char *all[WORDS_MAX];
    struct keel_diag diag;
    json_t *next = NULL, *last = NULL;
    int err = options->socket ? snprintf(path, sizeof path, "%s", options->socket) < 0
                              : keelctl_find(daemon, path, sizeof path, &diag);
    if (err) {
        complain(diag.text);
        return KEELCTL_UNREACHABLE;
    }
    bool shown = false;
    int status = exchange(options, path, words, count, &shown, &next), n = 0;
    if (count <= WORDS_MAX)
        memcpy(all, words, (size_t)count * sizeof *all);
    while (status == KEELCTL_OK && count <= WORDS_MAX && (n = next_words(all, count, next)) > 0) {
        json_decref(last);
        last = next; /* its words are being asked for */
        next = NULL;
        status = exchange(options, path, all, n, &shown, &next);
    }
    json_decref(next);
    json_decref(last);
    return status;
}

static const char usage[] =
    "usage: keelctl [--socket PATH] [--json] [--wide] [--timeout TIME] [DAEMON [COMMAND [ARGUMENT "
    "...]]]\n"
    "\n"
    "  DAEMON          dnsd, dhcpd, httpd ..., or the path of a control socket\n"
    "  COMMAND         \"help\" lists them; without one: a console\n"
    "  --socket PATH   the control socket, wherever DAEMON's would be\n"
    "  --json          show the reply as it came\n"
    "  --wide          show all columns of a table\n"
    "  --timeout TIME  wait so long for an answer (60s)\n";

enum { OPT_SOCKET = 256, OPT_JSON, OPT_WIDE, OPT_TIMEOUT, OPT_VERSION, OPT_HELP };

static int parse_options(int argc, char **argv, struct keelctl_options *options)
{
    static const struct option longs[] = {{"socket", required_argument, NULL, OPT_SOCKET},
                                          {"json", no_argument, NULL, OPT_JSON},
                                          {"wide", no_argument, NULL, OPT_WIDE},
                                          {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {"help", no_argument, NULL, OPT_HELP},
                                          {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
        switch (c) {
        case OPT_SOCKET:
            options->socket = optarg;
            break;
        case OPT_JSON:
            options->json = true;
            break;
        case OPT_WIDE:
            options->wide = true;
            break;
        case OPT_TIMEOUT:
            if (keel_parse_duration(keel_str(optarg), &options->timeout_ns) != 0 ||
                options->timeout_ns == 0) {
                complain("--timeout needs a time such as 10s");
                return KEELCTL_USAGE;
            }
            break;
        case OPT_VERSION:
            puts("keelctl " KEEL_VERSION);
            return -1;
        case 'h':
        case OPT_HELP:
            fputs(usage, stdout);
            return -1;
        default:
            fputs(usage, stderr);
            return KEELCTL_USAGE;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct keelctl_options options = {.timeout_ns = DEFAULT_TIMEOUT};
    setlocale(LC_CTYPE, "");
    int status = parse_options(argc, argv, &options);
    if (status)
        return status < 0 ? KEELCTL_OK : status;
    const char *const *words = (const char *const *)argv + optind;
    int count = argc - optind;
    if (count >= 2)
        return keelctl_command(&options, words[0], words + 1, count - 1);
    return keelctl_console(&options, count ? words[0] : options.socket);
}
