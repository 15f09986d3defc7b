#include "common/service/daemon.h"

#include "common/base/mem.h"
#include "common/service/crash.h"
#include "common/service/master.h"
#include "common/service/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXIT_USAGE 2

/* What the command line says. */
struct command_line {
    const char *file;
    bool check, print, man;
    int log_level;             /* -1: not given */
    struct keel_buf listen;    /* the items of a listen list */
    struct keel_buf overrides; /* configuration text */
};

/* Options that every daemon has; `value` 0: none, 1: required, 2: maybe (--balance). */
static const struct {
    const char *name, *argument, *help;
    int value;
} common_options[] = {
    {"check", NULL, "check the configuration, say what is wrong, bind nothing", 0},
    {"print-config", NULL, "print the configuration in effect, defaults included", 0},
    {"print-man", NULL, "print the options of the configuration file as a manual page part", 0},
    {"balance", "N", "N workers; without N one for each processor", 2},
    {"schedule", "MODE", "kernel, round-robin, least or single", 1},
    {"listen", "ADDR", "an address to serve; may be given more than once", 1},
    {"log-level", "L", "error, warning, notice, info or debug", 1},
    {"control", "PATH", "the control socket", 1},
    {"state-dir", "DIR", "where state is kept", 1},
    {"version", NULL, "print the version", 0},
    {"help", NULL, "print this", 0},
};

static int usage_error(const struct keel_protocol *p, const char *text, const char *what)
{
    fprintf(stderr, "%s: %s%s; see %s --help\n", p->name, text, what, p->name);
    return EXIT_USAGE;
}

static void print_option(const char *name, const char *argument, bool optional, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s%s%s", name, optional ? "[" : "", argument ? "=" : "",
             argument ? argument : "", optional ? "]" : "");
    printf("  %-24s %s\n", left, help);
}

static const struct keel_tool *tools_of(const struct keel_protocol *p)
{
    return KEEL_PROTOCOL_HAS(p, tools) ? p->tools : NULL;
}

static void print_help(const struct keel_protocol *p)
{
    printf("%s - %s\n\nUsage: %s -c FILE [options]\n       %s --listen ADDR ... [options]\n\n",
           p->name, p->summary ? p->summary : "", p->name, p->name);
    printf("  %-24s %s\n", "-c FILE", "the configuration file");
    for (const struct keel_cli_option *o = p->cli; o && o->name; o++)
        print_option(o->name, o->argument, false, o->help);
    for (size_t i = 0; i < sizeof common_options / sizeof common_options[0]; i++)
        print_option(common_options[i].name, common_options[i].argument,
                     common_options[i].value == 2, common_options[i].help);
    for (const struct keel_tool *tool = tools_of(p); tool && tool->name; tool++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", tool->name, tool->arguments);
        printf("  %-24s %s\n", left, tool->help);
    }
    printf(
        "\nSignals: HUP reload, TERM finish and stop, INT stop, USR1 reopen logs, USR2 upgrade.\n"
        "The manual: man %s. To look inside and steer: keelctl %s help.\n",
        p->name, p->name);
}

/* --- command line -> configuration text --- */

/* Appends text as a quoted string of the configuration syntax. */
static void put_quoted(struct keel_buf *out, const char *text)
{
    keel_buf_puts(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            keel_buf_puts(out, "\\");
        keel_buf_append(out, text, 1);
    }
    keel_buf_puts(out, "\"");
}

static void put_string(struct keel_buf *out, const char *name, const char *value)
{
    keel_buf_printf(out, "%s = ", name);
    put_quoted(out, value);
    keel_buf_puts(out, "\n");
}

/* A path of the command line is relative to where we stand, not to the file. */
static void put_path(struct keel_buf *out, const char *name, const char *value)
{
    char path[PATH_MAX * 2] = "";
    if (value[0] != '/' && getcwd(path, PATH_MAX))
        strcat(path, "/");
    strncat(path, value, PATH_MAX - 1);
    put_string(out, name, path);
}

static int apply_common(const struct keel_protocol *p, struct command_line *line, const char *name,
                        const char *value)
{
    enum keel_log_level level;
    if (strcmp(name, "check") == 0)
        line->check = true;
    else if (strcmp(name, "print-config") == 0)
        line->print = true;
    else if (strcmp(name, "print-man") == 0)
        line->man = true;
    else if (strcmp(name, "balance") == 0)
        put_string(&line->overrides, "balance", value ? value : "auto");
    else if (strcmp(name, "schedule") == 0)
        put_string(&line->overrides, name, value);
    else if (strcmp(name, "control") == 0 || strcmp(name, "state-dir") == 0)
        put_path(&line->overrides, name, value);
    else if (strcmp(name, "listen") == 0) {
        keel_buf_puts(&line->listen, keel_buf_size(&line->listen) ? ", " : "");
        put_quoted(&line->listen, value);
    } else if (strcmp(name, "log-level") == 0) {
        if (keel_log_level_parse(value, &level) != 0)
            return usage_error(p, "unknown log level ", value);
        line->log_level = (int)level;
    }
    return 0;
}

static int apply_cli(const struct keel_protocol *p, const struct keel_cli_option *option,
                     struct command_line *line, const char *value)
{
    struct keel_diag diag = {""};
    if (option->apply(value, &line->overrides, &diag) == 0)
        return 0;
    fprintf(stderr, "%s: --%s: %s\n", p->name, option->name, diag.text);
    return EXIT_USAGE;
}

/* Where "--name", "--name=value" or "--name value" of argv[*i] says what. Returns an exit status,
 * or 0. */
static int take_option(const struct keel_protocol *p, struct command_line *line, int argc,
                       char **argv, int *i)
{
    char name[64];
    const char *text = argv[*i] + 2, *equal = strchr(text, '=');
    size_t n = equal ? (size_t)(equal - text) : strlen(text);
    const char *value = equal ? equal + 1 : NULL;
    if (n >= sizeof name)
        return usage_error(p, "unknown option ", argv[*i]);
    memcpy(name, text, n);
    name[n] = '\0';

    const struct keel_cli_option *cli = p->cli;
    while (cli && cli->name && strcmp(cli->name, name) != 0)
        cli++;
    size_t c = 0, count = sizeof common_options / sizeof common_options[0];
    while (c < count && strcmp(common_options[c].name, name) != 0)
        c++;
    bool own = cli && cli->name;
    if (!own && c == count)
        return usage_error(p, "unknown option ", argv[*i]);
    int wants = own ? cli->argument != NULL : common_options[c].value;
    if (wants == 0 && value)
        return usage_error(p, "no value is taken by --", name);
    if (wants == 1 && !value && ++*i < argc)
        value = argv[*i];
    if (wants == 1 && !value)
        return usage_error(p, "a value is missing behind --", name);
    return own ? apply_cli(p, cli, line, value) : apply_common(p, line, name, value);
}

static int parse_command_line(const struct keel_protocol *p, struct command_line *line, int argc,
                              char **argv)
{
    int status = 0;
    for (int i = 1; i < argc && status == 0; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            line->file = argv[++i];
        else if (strcmp(argv[i], "-c") == 0)
            status = usage_error(p, "a file is missing behind ", "-c");
        else if (strncmp(argv[i], "--", 2) == 0 && argv[i][2])
            status = take_option(p, line, argc, argv, &i);
        else
            status = usage_error(p, "unknown argument ", argv[i]);
    }
    if (keel_buf_size(&line->listen) > 0)
        keel_buf_printf(&line->overrides, "listen = { %s }\n", keel_buf_text(&line->listen));
    if (status == 0 && (line->listen.failed || line->overrides.failed))
        status = usage_error(p, "no memory", "");
    return status;
}

/* --help and --version need nothing else to be right. */
static bool wants(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], option) == 0)
            return true;
    }
    return false;
}

/* --- what to do --- */

/* --check and --print-config: everything that a start does, short of binding. */
static int check_only(const struct keel_protocol *p, const struct keel_conf_source *source,
                      bool print)
{
    struct keel_diag diag = {""};
    struct keel_core core;
    struct keel_conf *conf = NULL;
    struct keel_endpoints endpoints = {0};
    struct keel_option *rows = keel_options_join(p);
    int err = rows ? keel_configuration_load(p, rows, source, &conf, &core, &endpoints, NULL,
                                             !print, &diag)
                   : KEEL_ENOMEM;
    if (!err && print) {
        struct keel_buf out;
        keel_buf_init(&out, 0);
        err = keel_conf_print(conf, &out);
        fwrite(keel_buf_bytes(&out), 1, keel_buf_size(&out), stdout);
        keel_buf_fini(&out);
    }
    if (err)
        fprintf(stderr, "%s\n", diag.text[0] ? diag.text : keel_strerror(err));
    keel_free(endpoints.items);
    keel_conf_free(conf);
    keel_free(rows);
    return err ? EXIT_USAGE : EXIT_SUCCESS;
}

static int print_man(const struct keel_protocol *p)
{
    struct keel_buf out;
    struct keel_option *rows = keel_options_join(p);
    keel_buf_init(&out, 0);
    int err = rows ? keel_conf_print_man(rows, &out) : KEEL_ENOMEM;
    fwrite(keel_buf_bytes(&out), 1, keel_buf_size(&out), stdout);
    keel_buf_fini(&out);
    keel_free(rows);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_master(const struct keel_protocol *p, int argc, char **argv,
                      const struct command_line *line, char *file, char *text,
                      struct keel_manifest *manifest)
{
    static struct keel_master master; /* some 30 KiB, and there is one */
    struct keel_log_options log = {
        .level = KEEL_LOG_INFO, .fd = -1, .daemon = p->name, .process = "master"};
    if (line->log_level >= 0)
        log.level = (enum keel_log_level)line->log_level;
    keel_log_open(&log, NULL);
    master.protocol = p;
    master.argc = argc;
    master.argv = argv;
    master.conf_file = file;
    master.overrides = keel_buf_size(&line->overrides)
                           ? keel_strdup(keel_buf_text((struct keel_buf *)&line->overrides))
                           : NULL;
    master.log_level = manifest ? manifest->log_level : line->log_level;
    int status = keel_master_run(&master, text, manifest);
    keel_free(master.overrides);
    return status;
}

static int start(const struct keel_protocol *p, int argc, char **argv, struct command_line *line,
                 struct keel_manifest *manifest)
{
    struct keel_diag diag = {""};
    char *text = NULL, *file = NULL;
    int status;
    if (line->file) {
        file = realpath(line->file, NULL); /* a reload finds it from anywhere */
        if (!file)
            file = strdup(line->file); /* a pipe, or an error in a moment */
        if (keel_conf_read_file(line->file, &text, &diag) != 0) {
            fprintf(stderr, "%s: %s\n", p->name, diag.text);
            free(file);
            return EXIT_USAGE;
        }
    }
    if (line->check || line->print) {
        const struct keel_conf_source source = {line->file, text, keel_buf_text(&line->overrides)};
        status = check_only(p, &source, line->print);
        keel_free(text);
    } else {
        status = run_master(p, argc, argv, line, file, text, manifest);
    }
    free(file);
    return status;
}

/* A tool stands first on the command line, alone with its arguments. Returns its exit status, or -1
 * when there is none. */
static int run_tool(const struct keel_protocol *p, int argc, char **argv)
{
    const struct keel_tool *tool = argc > 1 ? tools_of(p) : NULL;
    while (tool && tool->name &&
           (strncmp(argv[1], "--", 2) != 0 || strcmp(argv[1] + 2, tool->name) != 0))
        tool++;
    if (!tool || !tool->name)
        return -1;
    if (argc != (int)tool->count + 2) {
        fprintf(stderr, "%s: --%s %s is all that is expected; see %s --help\n", p->name, tool->name,
                tool->arguments, p->name);
        return EXIT_USAGE;
    }
    return tool->run(argv + 2);
}

static int run_daemon(const struct keel_protocol *p, int argc, char **argv,
                      struct keel_manifest *manifest)
{
    struct command_line line = {.log_level = -1};
    if (wants(argc, argv, "--help") || wants(argc, argv, "-h")) {
        print_help(p);
        return EXIT_SUCCESS;
    }
    if (wants(argc, argv, "--version")) {
        printf("%s %s (keel %s)\n", p->name, p->version, KEEL_VERSION);
        return EXIT_SUCCESS;
    }
    int status = manifest ? -1 : run_tool(p, argc, argv);
    if (status >= 0)
        return status;
    status = parse_command_line(p, &line, argc, argv);
    if (status == 0 && line.man)
        status = print_man(p);
    else if (status == 0)
        status = start(p, argc, argv, &line, manifest);
    keel_buf_fini(&line.listen);
    keel_buf_fini(&line.overrides);
    return status;
}

/* 0, 1 and 2 are open, so that no socket or store gets those numbers; all others (the manifest's
 * too) go no further than here: a child gets what it is given. */
static int sort_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    return fd < 0 ? KEEL_ESYS : 0;
}

int keel_main(int argc, char **argv, const struct keel_protocol *protocol)
{
    struct keel_diag diag = {""};
    struct keel_manifest manifest;
    const char *number = getenv(KEEL_MANIFEST_ENV);
    int status;
    if (sort_descriptors() != 0)
        return EXIT_FAILURE;
    if (keel_module_check(protocol, &diag) != 0) {
        fprintf(stderr, "%s\n", diag.text);
        return EXIT_FAILURE;
    }
    if (!number)
        return run_daemon(protocol, argc, argv, NULL);

    int fd = atoi(number);
    unsetenv(KEEL_MANIFEST_ENV);
    if (keel_manifest_read(fd, &manifest, &diag) != 0) {
        fprintf(stderr, "%s: %s\n", protocol->name, diag.text);
        return EXIT_FAILURE;
    }
    close(fd);
    if (manifest.role != KEEL_ROLE_MASTER)
        status = keel_worker_run(protocol, &manifest, argc, argv);
    else
        status = run_daemon(protocol, argc, argv, &manifest);
    keel_manifest_fini(&manifest);
    return status;
}
