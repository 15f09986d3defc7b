/*
 * The command line of dhcpd --import-leases. It runs as the user that dhcpd serves as, so that
 * dhcpd can open what it leaves.
 */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"
#include "common/service/options.h"
#include "common/service/paths.h"
#include "dhcpd/serve/import.h"
#include "dhcpd/serve/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_USAGE 2

struct line {
    const char *file, *state_dir, *leases;
    enum dhcp_import_format format;
    bool check;
};

bool dhcp_import_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--import-leases", 15) == 0 && strchr("=", argv[i][15]))
            return true;
    return false;
}

static int usage(const char *text, const char *what)
{
    fprintf(stderr,
            "dhcpd: %s%s\nusage: dhcpd -c FILE [--state-dir DIR] [--check] "
            "--import-leases kea|isc|dnsmasq|csv:LEASES\n",
            text, what);
    return EXIT_USAGE;
}

/* "--name=value" or "--name value". */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    return argv[*i][n] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

static int parse(struct line *line, int argc, char **argv)
{
    const char *what = NULL, *value;
    for (int i = 1; i < argc; i++) {
        if ((value = value_of("-c", argc, argv, &i)))
            line->file = value;
        else if ((value = value_of("--state-dir", argc, argv, &i)))
            line->state_dir = value;
        else if ((value = value_of("--import-leases", argc, argv, &i)))
            what = value;
        else if (strcmp(argv[i], "--check") == 0)
            line->check = true;
        else
            return usage("not together with --import-leases: ", argv[i]);
    }
    struct keel_str rest = keel_str(what ? what : ""), format;
    if (!line->file)
        return usage("the configuration is needed: its subnets are those of the leases", "");
    if (!strchr(rest.p, ':') || !keel_str_split(&rest, ':', &format) ||
        dhcp_import_format_by_name(format, &line->format) != 0)
        return usage("--import-leases wants a format and a file, such as kea:leases.csv", "");
    line->leases = rest.p;
    return 0;
}

/* Everything that is worked with. */
struct work {
    const struct keel_protocol *protocol;
    struct keel_option *rows;
    struct keel_conf *conf;
    struct keel_core core;
    struct keel_endpoints endpoints;
    void *settings;
    char *text; /* of the configuration */
    const char *leases;
    size_t leases_size;
    struct dhcp_durable durable;
    struct dhcp_engine *engine;
    struct keel_prng prng;
};

static int load_configuration(struct work *w, const struct line *line, struct keel_diag *diag)
{
    struct keel_buf overrides;
    keel_buf_init(&overrides, 0);
    if (line->state_dir) {
        char *path = realpath(line->state_dir, NULL); /* not relative to the file */
        keel_buf_printf(&overrides, "state-dir = \"%s\"\n", path ? path : line->state_dir);
        free(path);
    }
    int err = keel_conf_read_file(line->file, &w->text, diag);
    w->rows = keel_options_join(w->protocol);
    const struct keel_conf_source source = {line->file, w->text,
                                            line->state_dir ? keel_buf_text(&overrides) : NULL};
    if (!err)
        err = !w->rows ? keel_diag_set(diag, KEEL_ENOMEM, "no memory")
                       : keel_configuration_load(w->protocol, w->rows, &source, &w->conf, &w->core,
                                                 &w->endpoints, NULL, false, diag);
    if (!err)
        err = w->protocol->configure(w->conf, &w->settings, NULL, NULL, diag);
    keel_buf_fini(&overrides);
    return err;
}

static int map_leases(struct work *w, const char *path, struct keel_diag *diag)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot open \"%s\": %s", path, strerror(errno));
    w->leases = "";
    w->leases_size = (size_t)st.st_size;
    void *p = st.st_size ? mmap(NULL, w->leases_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (p == MAP_FAILED)
        return keel_diag_set(diag, KEEL_ESYS, "cannot read \"%s\": %s", path, strerror(errno));
    w->leases = p ? p : "";
    return 0;
}

/* For good: what is written from here on belongs to the user that dhcpd serves as. */
static int become_user(const struct work *w, struct keel_diag *diag)
{
    if (geteuid() != 0 || w->core.uid == (uid_t)-1 || w->core.uid == 0)
        return 0;
    if (setgroups(0, NULL) != 0 || setgid(w->core.gid) != 0 || setuid(w->core.uid) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot become \"%s\": %s", w->core.user,
                             strerror(errno));
    return 0;
}

static int open_store(struct work *w, struct keel_diag *diag)
{
    char path[sizeof w->core.state_dir + 8];
    snprintf(path, sizeof path, "%s/leases", w->core.state_dir);
    const struct dhcp_env env = {
        .config = &((struct dhcp_settings *)w->settings)->config,
        .clock = &keel_clock_system,
        .prng = &w->prng,
        .store = &w->durable.store,
    };
    keel_prng_seed(&w->prng, keel_rand_u64());
    int err = keel_path_make(w->core.state_dir, 0750, w->core.uid, w->core.gid, diag);
    if (!err)
        err = become_user(w, diag);
    if (!err)
        err = dhcp_durable_open(&w->durable, path, diag);
    if (err == KEEL_EBUSY)
        return keel_diag_set(diag, err, "dhcpd runs: stop it first (%s)", path);
    if (err)
        return err;
    err = keel_store_read(w->durable.env);
    if (!err) {
        err = dhcp_engine_new(&env, &w->engine);
        keel_store_read_end(w->durable.env);
    }
    return err ? keel_diag_set(diag, err, "%s: cannot read the leases: %s", path,
                               keel_strerror(err))
               : 0;
}

static void complain(void *arg, unsigned number, const char *text)
{
    const struct line *line = arg;
    fprintf(stderr, "%s:%u: %s\n", line->leases, number, text);
}

static int run(struct work *w, struct line *line, struct keel_diag *diag)
{
    struct dhcp_import_result r;
    int err = load_configuration(w, line, diag);
    if (!err)
        err = map_leases(w, line->leases, diag);
    if (!err)
        err = open_store(w, diag);
    if (err)
        return err;
    err = dhcp_import_leases(&w->durable, w->engine, line->format,
                             (struct keel_str){w->leases, w->leases_size}, line->check, complain,
                             line, &r);
    if (err == KEEL_EINVAL)
        return keel_diag_set(diag, err, "%s: not a lease file of this kind", line->leases);
    if (err)
        return keel_diag_set(diag, err, "the lease store cannot be written: %s",
                             keel_strerror(err));
    printf("%s: %llu entries, %llu active leases and %llu past ones %s, %llu conflicts, %llu lines "
           "that make no sense\n",
           line->leases, (unsigned long long)r.read, (unsigned long long)r.active,
           (unsigned long long)r.kept, line->check ? "would be imported" : "imported",
           (unsigned long long)r.conflicts, (unsigned long long)r.faults);
    return 0;
}

static void clean_up(struct work *w)
{
    dhcp_engine_free(w->engine);
    dhcp_durable_close(&w->durable);
    if (w->leases_size)
        munmap((void *)w->leases, w->leases_size);
    if (w->settings)
        w->protocol->free_settings(w->settings);
    keel_free(w->endpoints.items);
    keel_conf_free(w->conf);
    keel_free(w->rows);
    keel_free(w->text);
}

int dhcp_import_main(const struct keel_protocol *protocol, int argc, char **argv)
{
    struct work w = {.protocol = protocol};
    struct line line = {.file = NULL};
    struct keel_diag diag = {""};
    int status = parse(&line, argc, argv);
    if (status)
        return status;
    int err = run(&w, &line, &diag);
    clean_up(&w);
    if (!err)
        return EXIT_SUCCESS;
    fprintf(stderr, "dhcpd: %s\n", diag.text[0] ? diag.text : keel_strerror(err));
    return err == KEEL_ECONF || err == KEEL_EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}
