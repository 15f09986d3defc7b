#include "common/keelctl/console.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/keelctl/client.h"
#include "common/service/paths.h"

#include <histedit.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_LINES 1000
/* Completion must not keep a person waiting. */
#define COMPLETION_TIMEOUT KEEL_NS_PER_S

struct console {
    const struct keelctl_options *options;
    const char *daemon; /* NULL: the first word of a line */
    EditLine *el;
    History *history;
    char history_file[4096]; /* "": none */
    char prompt[64];
    char *commands_of; /* the daemon whose commands are kept here; heap */
    json_t *commands;  /* its answer to `help` */
    int status;        /* of the last command */
    bool done;
};

/* --- one line -------------------------------------------------------------------------------- */

static void print_daemon(void *arg, const char *daemon)
{
    printf("  %s\n", daemon);
}

/* For the console without a daemon. */
static void print_help(void)
{
    puts("DAEMON COMMAND [ARGUMENT ...], \"DAEMON help\" for its commands, \"quit\" to leave.\n"
         "Running here:");
    keelctl_each_daemon(print_daemon, NULL);
}

static void run_words(struct console *c, const char *const *words, int count)
{
    if (strcmp(words[0], "quit") == 0 || strcmp(words[0], "exit") == 0) {
        c->done = true;
    } else if (c->daemon) {
        c->status = keelctl_command(c->options, c->daemon, words, count);
    } else if (strcmp(words[0], "help") == 0) {
        print_help();
        c->status = KEELCTL_OK;
    } else if (count == 1) {
        fprintf(stderr, "keelctl: which command of %s? \"%s help\" lists them\n", words[0],
                words[0]);
        c->status = KEELCTL_USAGE;
    } else {
        c->status = keelctl_command(c->options, words[0], words + 1, count - 1);
    }
}

/* Words as a shell has them, with its quotes. */
static void run_line(struct console *c, const char *line)
{
    Tokenizer *tok = tok_init(NULL);
    const char **words;
    int count;
    if (!tok)
        return;
    if (tok_str(tok, line, &count, &words) != 0) {
        fputs("keelctl: a quote is not closed\n", stderr);
        c->status = KEELCTL_USAGE;
    } else if (count > 0) {
        run_words(c, words, count);
    }
    tok_end(tok);
}

/* --- completion ------------------------------------------------------------------------------ */

struct candidates {
    const char *prefix;
    size_t prefix_size;
    char **names; /* heap, sorted at the end */
    size_t count;
};

static void add_candidate(void *arg, const char *name)
{
    struct candidates *set = arg;
    if (strncmp(name, set->prefix, set->prefix_size) != 0)
        return;
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->names[i], name) == 0)
            return;
    }
    char **names = keel_realloc(set->names, (set->count + 1) * sizeof *names);
    if (!names)
        return;
    set->names = names;
    names[set->count] = keel_strdup(name);
    if (names[set->count])
        set->count++;
}

/* Asks the daemon for its commands, once until the next prompt. */
static json_t *commands_of(struct console *c, const char *daemon)
{
    static const char *const words[] = {"help"};
    char path[4096];
    struct keel_buf line;
    if (c->commands_of && strcmp(c->commands_of, daemon) == 0)
        return c->commands;
    keel_free(c->commands_of);
    json_decref(c->commands);
    c->commands = NULL;
    c->commands_of = keel_strdup(daemon);
    keel_buf_init(&line, KEELCTL_REPLY_MAX);
    int err = c->options->socket
                  ? snprintf(path, sizeof path, "%s", c->options->socket) >= (int)sizeof path
                  : keelctl_find(daemon, path, sizeof path, NULL);
    if (!err && keelctl_ask(path, words, 1, COMPLETION_TIMEOUT, &line, NULL) == 0) {
        json_t *reply =
            json_loadb((const char *)keel_buf_bytes(&line), keel_buf_size(&line), 0, NULL);
        c->commands = json_incref(json_object_get(reply, "result"));
        json_decref(reply);
    }
    keel_buf_fini(&line);
    return c->commands;
}

static void add_commands(struct console *c, const char *daemon, struct candidates *set)
{
    json_t *list = commands_of(c, daemon);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (name)
            add_candidate(set, name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_candidates(struct console *c, const struct candidates *set)
{
    putchar('\n');
    for (size_t i = 0; i < set->count; i++)
        printf("%s%s", set->names[i], i + 1 < set->count ? "  " : "\n");
    fflush(stdout);
    el_set(c->el, EL_REFRESH);
}

/* Adds what all candidates share; one alone is finished with a blank. */
static unsigned char insert_common(struct console *c, struct candidates *set)
{
    if (set->count == 0)
        return CC_ERROR;
    qsort(set->names, set->count, sizeof *set->names, by_name);
    char *first = set->names[0], *last = set->names[set->count - 1];
    size_t common = set->prefix_size;
    while (first[common] && first[common] == last[common])
        common++;
    if (set->count > 1 && common == set->prefix_size) {
        list_candidates(c, set);
        return CC_REDISPLAY;
    }
    first[common] = '\0'; /* nobody reads the rest any more */
    if (common > set->prefix_size && el_insertstr(c->el, first + set->prefix_size) != 0)
        return CC_ERROR;
    if (set->count == 1 && el_insertstr(c->el, " ") != 0)
        return CC_ERROR;
    return CC_REFRESH;
}

/* The words before the cursor; the last one, maybe empty, is being completed. */
static unsigned char on_complete(EditLine *el, int key)
{
    struct console *c;
    const LineInfo *info = el_line(el);
    char line[1024], first[128] = "";
    size_t n = (size_t)(info->cursor - info->buffer);
    if (el_get(el, EL_CLIENTDATA, &c) != 0 || n >= sizeof line)
        return CC_ERROR;
    memcpy(line, info->buffer, n);
    line[n] = '\0';
    char *word = line + strspn(line, " "), *end = word + strcspn(word, " ");
    unsigned index = 0;
    while (*end) {
        if (index++ == 0)
            snprintf(first, sizeof first, "%.*s", (int)(end - word), word);
        word = end + strspn(end, " ");
        end = word + strcspn(word, " ");
    }
    struct candidates set = {.prefix = word, .prefix_size = strlen(word)};
    if (index == 0) {
        add_candidate(&set, "help");
        add_candidate(&set, "quit");
    }
    if (index == 0 && !c->daemon)
        keelctl_each_daemon(add_candidate, &set);
    else if (index == (c->daemon ? 0 : 1))
        add_commands(c, c->daemon ? c->daemon : first, &set);
    unsigned char result = insert_common(c, &set);
    for (size_t i = 0; i < set.count; i++)
        keel_free(set.names[i]);
    keel_free(set.names);
    return result;
}

/* --- the terminal ---------------------------------------------------------------------------- */

static char *prompt(EditLine *el)
{
    struct console *c;
    static char none[] = "> ";
    return el_get(el, EL_CLIENTDATA, &c) == 0 ? c->prompt : none;
}

/* In the state directory of whoever asks, beside the daemons'. */
static void find_history(struct console *c)
{
    struct keel_diag diag;
    if (keel_path_state(c->history_file, sizeof c->history_file, "keelctl") != 0 ||
        keel_path_make(c->history_file, 0700, (uid_t)-1, (gid_t)-1, &diag) != 0 ||
        strlen(c->history_file) + sizeof "/history" > sizeof c->history_file)
        c->history_file[0] = '\0';
    else
        strcat(c->history_file, "/history");
}

static int open_terminal(struct console *c)
{
    HistEvent event;
    c->el = el_init("keelctl", stdin, stdout, stderr);
    c->history = history_init();
    if (!c->el || !c->history)
        return -1;
    find_history(c);
    history(c->history, &event, H_SETSIZE, HISTORY_LINES);
    history(c->history, &event, H_SETUNIQUE, 1);
    if (c->history_file[0])
        history(c->history, &event, H_LOAD, c->history_file);
    el_set(c->el, EL_CLIENTDATA, c);
    el_set(c->el, EL_PROMPT, prompt);
    el_set(c->el, EL_EDITOR, "emacs");
    el_set(c->el, EL_SIGNAL, 1);
    el_set(c->el, EL_HIST, history, c->history);
    el_set(c->el, EL_ADDFN, "keel-complete", "complete a word", on_complete);
    el_set(c->el, EL_BIND, "^I", "keel-complete", NULL);
    /* While a line is edited Ctrl-C drops it; while an answer is waited for, it ends keelctl. */
    el_set(c->el, EL_SETTY, "-d", "-isig", NULL);
    el_set(c->el, EL_BIND, "^C", "em-kill-line", NULL);
    el_source(c->el, NULL); /* ~/.editrc */
    return 0;
}

static void close_terminal(struct console *c)
{
    HistEvent event;
    if (c->history && c->history_file[0])
        history(c->history, &event, H_SAVE, c->history_file);
    if (c->history)
        history_end(c->history);
    if (c->el)
        el_end(c->el);
}

static void edit_lines(struct console *c)
{
    HistEvent event;
    while (!c->done) {
        int n;
        const char *line = el_gets(c->el, &n);
        if (!line || n <= 0)
            break;
        if (line[strspn(line, " \t\n")] != '\0')
            history(c->history, &event, H_ENTER, line);
        run_line(c, line);
        keel_free(c->commands_of); /* a reload may have changed them */
        c->commands_of = NULL;
    }
    if (!c->done)
        putchar('\n');
}

static void read_lines(struct console *c)
{
    char *line = NULL;
    size_t size = 0;
    while (!c->done && getline(&line, &size, stdin) > 0)
        run_line(c, line);
    free(line);
}

int keelctl_console(const struct keelctl_options *options, const char *daemon)
{
    struct console c = {.options = options, .daemon = daemon};
    const char *slash = daemon ? strrchr(daemon, '/') : NULL;
    snprintf(c.prompt, sizeof c.prompt, "%.*s> ", 60, slash ? slash + 1 : daemon ? daemon : "keel");
    if (!isatty(STDIN_FILENO)) {
        read_lines(&c);
    } else if (open_terminal(&c) == 0) {
        edit_lines(&c);
        close_terminal(&c);
    } else {
        close_terminal(&c);
        read_lines(&c);
    }
    keel_free(c.commands_of);
    json_decref(c.commands);
    return c.status;
}
