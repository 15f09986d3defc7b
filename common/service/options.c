#include "common/service/options.h"

#include "common/base/mem.h"
#include "common/service/certificates.h"
#include "common/service/paths.h"

#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define SECONDS(n) ((int64_t)(n)*1000000000)

static const struct keel_option log_rows[] = {
    {.name = "level",
     .type = KEEL_OPT_CHOICE,
     .def = "info",
     .choices = "error|warning|notice|info|debug",
     .help = "The least important level that is written."},
    {.name = "format",
     .type = KEEL_OPT_CHOICE,
     .def = "text",
     .choices = "text|json",
     .help = "Lines for people, or one JSON object a line."},
    {.name = "target",
     .type = KEEL_OPT_CHOICE,
     .def = "stderr",
     .choices = "stderr|file|syslog|journal",
     .help = "Where lines go."},
    {.name = "file",
     .type = KEEL_OPT_PATH,
     .help = "The file of target file; opened anew on SIGUSR1."},
    {.type = KEEL_OPT_END},
};

const struct keel_option keel_core_options[] = {
    {.name = "listen",
     .type = KEEL_OPT_LISTEN,
     .flags = KEEL_OPT_LIST,
     .help = "Addresses to serve, \"ADDRESS:PORT\" or \"[ADDRESS]:PORT\"; the word tls behind one "
             "makes its connections TLS. Port 0 takes a free one, which status tells."},
    {.name = "balance",
     .type = KEEL_OPT_STRING,
     .def = "1",
     .help = "Number of worker processes; auto is one for each processor."},
    {.name = "schedule",
     .type = KEEL_OPT_CHOICE,
     .choices = "kernel|round-robin|least|single|default",
     .def = "default",
     .help = "Who gets a connection: kernel (each worker has a socket of its own), round-robin and "
             "least (the master accepts and passes evenly, or to the worker with the fewest), "
             "single (one worker serves, the others wait to take over). default is the daemon's "
             "own choice."},
    {.name = "state-dir",
     .type = KEEL_OPT_PATH,
     .help = "Directory of what must survive a restart; /var/lib/keel/DAEMON, or for a user the "
             "XDG state directory."},
    {.name = "control",
     .type = KEEL_OPT_PATH,
     .help = "The control socket; /run/keel/DAEMON.sock, or for a user the XDG runtime directory."},
    {.name = "control-mode",
     .type = KEEL_OPT_STRING,
     .def = "0660",
     .help = "Its permissions, octal."},
    {.name = "user",
     .type = KEEL_OPT_STRING,
     .help = "User that workers become when started by root."},
    {.name = "group",
     .type = KEEL_OPT_STRING,
     .help = "Their group; the user's own when not given."},
    {.name = "sandbox",
     .type = KEEL_OPT_BOOL,
     .def = "true",
     .help = "Workers give up capabilities, and all system calls and paths that they do not need."},
    {.name = "max-connections",
     .type = KEEL_OPT_INT,
     .def = "0",
     .min = 0,
     .max = 10000000,
     .help = "Most open connections of a worker; 0 derives it from the descriptor limit. When it "
             "is reached, the oldest connection with nothing under way makes room."},
    {.name = "drain-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "30s",
     .min = 0,
     .max = SECONDS(86400),
     .help = "How long a worker that leaves may finish its connections."},
    {.name = "start-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "1m",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "How long a worker may take until it is ready; a reload that takes longer is undone."},
    {.name = "worker-timeout",
     .type = KEEL_OPT_DURATION,
     .def = "10s",
     .min = SECONDS(1),
     .max = SECONDS(86400),
     .help = "A worker that gives no sign of life for so long is ended and replaced. Its sockets "
             "are served by others long before."},
    {.name = "respawn-budget",
     .type = KEEL_OPT_INT,
     .def = "5",
     .min = 0,
     .max = 1000000,
     .help = "Deaths for each worker in 30 seconds after which the daemon gives up; 0 never."},
    {.name = "log", .type = KEEL_OPT_SECTION, .sub = log_rows, .help = "The log."},
    {.type = KEEL_OPT_END},
};

/* Of daemons with TLS. */
static const struct keel_option tls_rows[] = {
    {.name = "tls-minimum",
     .type = KEEL_OPT_CHOICE,
     .def = "1.2",
     .choices = "1.2|1.3",
     .help = "The oldest version of TLS that is spoken."},
    {.name = "tls-ciphers",
     .type = KEEL_OPT_STRING,
     .help = "Ciphers of TLS 1.2, in the order of preference and in the language of OpenSSL's "
             "ciphers(1). Without it those with ephemeral keys and authenticated encryption: "
             "ECDHE with AES-GCM or ChaCha20-Poly1305."},
    {.name = "ticket-rotation",
     .type = KEEL_OPT_DURATION,
     .def = "12h",
     .min = 0,
     .max = SECONDS(30 * 86400),
     .help = "How often the key of session tickets is replaced, which all workers share, before "
             "and after reloads and upgrades; 0 never. Old keys open tickets until the last one "
             "made with them has ended. Three are kept."},
    {.name = "ticket-lifetime",
     .type = KEEL_OPT_DURATION,
     .def = "2h",
     .min = SECONDS(1),
     .max = SECONDS(7 * 86400),
     .help = "How long a client may resume a session."},
    {.name = "certificate-watch",
     .type = KEEL_OPT_DURATION,
     .def = "1m",
     .min = 0,
     .max = SECONDS(86400),
     .help =
         "How often the master looks whether the files of certificates, keys, stapled responses, "
         "users and of who signs clients' certificates changed, beside hearing of it from the "
         "system (inotify), which knows nothing of other machines' changes. When they did, and "
         "have stood for a second, it reloads with the configuration that it has (for stapled "
         "responses and users alone nobody is replaced); while the new files are wrong, it says "
         "so once and the old ones serve on. 0: only a reload reads them."},
    {.type = KEEL_OPT_END},
};

static unsigned count_rows(const struct keel_option *rows)
{
    unsigned n = 0;
    while (rows && rows[n].type != KEEL_OPT_END)
        n++;
    return n;
}

struct keel_option *keel_options_join(const struct keel_protocol *protocol)
{
    unsigned core = count_rows(keel_core_options), own = count_rows(protocol->options);
    unsigned tls = protocol->tls ? count_rows(tls_rows) : 0;
    struct keel_option *rows = keel_calloc(core + tls + own + 1, sizeof *rows);
    if (!rows)
        return NULL;
    memcpy(rows, keel_core_options, core * sizeof *rows);
    memcpy(rows + core, tls_rows, tls * sizeof *rows);
    if (own > 0)
        memcpy(rows + core + tls, protocol->options, own * sizeof *rows);
    return rows;
}

static unsigned processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int read_workers(const struct keel_conf *conf, struct keel_core *core,
                        struct keel_diag *diag)
{
    const char *text = keel_conf_str(conf, "balance");
    uint64_t n;
    if (strcmp(text, "auto") == 0)
        n = processors();
    else if (keel_parse_u64(keel_str(text), 512, &n) != 0 || n == 0)
        return keel_conf_error(conf, "balance", diag,
                               "\"%s\": write a number of workers from 1 to 512, or auto", text);
    core->workers = (unsigned)n;
    return 0;
}

static int read_user(const struct keel_conf *conf, struct keel_core *core, struct keel_diag *diag)
{
    core->user = keel_conf_str(conf, "user");
    core->group = keel_conf_str(conf, "group");
    core->uid = (uid_t)-1;
    core->gid = (gid_t)-1;
    if (core->user) {
        const struct passwd *pw = getpwnam(core->user);
        if (!pw)
            return keel_conf_error(conf, "user", diag, "there is no user \"%s\"", core->user);
        core->uid = pw->pw_uid;
        core->gid = pw->pw_gid;
    }
    if (core->group) {
        const struct group *gr = getgrnam(core->group);
        if (!gr)
            return keel_conf_error(conf, "group", diag, "there is no group \"%s\"", core->group);
        core->gid = gr->gr_gid;
    }
    if (geteuid() != 0) { /* cannot change, and need not own anything else */
        core->uid = (uid_t)-1;
        core->gid = (gid_t)-1;
    }
    return 0;
}

static int read_paths(const struct keel_conf *conf, const struct keel_protocol *protocol,
                      struct keel_core *core, struct keel_diag *diag)
{
    const char *state = keel_conf_str(conf, "state-dir");
    const char *control = keel_conf_str(conf, "control");
    int err;
    if (!state)
        err = keel_path_state(core->state_dir, sizeof core->state_dir, protocol->name);
    else
        err = strlen(state) < sizeof core->state_dir ? 0 : KEEL_ENOSPC;
    if (err)
        return keel_conf_error(conf, "state-dir", diag, "the path is too long");
    if (state)
        strcpy(core->state_dir, state);
    if (!control)
        err = keel_path_control(core->control, sizeof core->control, protocol->name);
    else
        err = strlen(control) < sizeof core->control ? 0 : KEEL_ENOSPC;
    if (err)
        return keel_conf_error(conf, "control", diag,
                               "the path is longer than the %zu bytes of a socket name",
                               sizeof core->control - 1);
    if (control)
        strcpy(core->control, control);
    return 0;
}

static int read_control_mode(const struct keel_conf *conf, struct keel_core *core,
                             struct keel_diag *diag)
{
    const char *text = keel_conf_str(conf, "control-mode");
    unsigned mode = 0;
    size_t n = strspn(text, "01234567");
    if (n == 0 || n > 4 || text[n] != '\0')
        return keel_conf_error(conf, "control-mode", diag, "\"%s\": write it octal, like 0660",
                               text);
    for (const char *p = text; *p; p++)
        mode = mode * 8 + (unsigned)(*p - '0');
    core->control_mode = (mode_t)mode & 0777;
    return 0;
}

static int read_tls(const struct keel_conf *conf, struct keel_core *core, struct keel_diag *diag)
{
    const char *ciphers = keel_conf_str(conf, "tls-ciphers");
    struct keel_diag why = {""};
    core->ticket_rotation = (uint64_t)keel_conf_int(conf, "ticket-rotation");
    core->ticket_lifetime = (uint64_t)keel_conf_int(conf, "ticket-lifetime");
    core->certificate_watch = (uint64_t)keel_conf_int(conf, "certificate-watch");
    if (ciphers && keel_tls_check_ciphers(ciphers, &why) != 0)
        return keel_conf_error(conf, "tls-ciphers", diag, "%s", why.text);
    if (core->ticket_rotation > 0 &&
        core->ticket_rotation * (KEEL_TLS_TICKET_KEYS - 1) < core->ticket_lifetime)
        return keel_conf_error(conf, "ticket-rotation", diag,
                               "of a third of ticket-lifetime at least: no more than %d old keys "
                               "are kept",
                               KEEL_TLS_TICKET_KEYS - 1);
    return 0;
}

static int watch_files(struct keel_access *access, const struct keel_tls_certificate *c)
{
    const char *const files[] = {c->certificate, c->key, c->ca_file};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] && keel_access_add_watch(access, files[i]) != 0)
            return KEEL_ENOMEM;
    return c->ocsp ? keel_access_add_live(access, c->ocsp) : 0;
}

static const char *locate(const void *arg, const char *file)
{
    return keel_access_where(arg, file);
}

int keel_tls_configure(const struct keel_conf *conf, struct keel_tls_options *options,
                       struct keel_access *access, struct keel_tls_context **out,
                       struct keel_diag *diag)
{
    options->minimum = keel_conf_int(conf, "tls-minimum") ? KEEL_TLS_1_3 : KEEL_TLS_1_2;
    options->ciphers = keel_conf_str(conf, "tls-ciphers");
    options->locate = locate;
    options->locate_arg = access;
    for (unsigned i = 0; access && i < options->certificate_count; i++)
        if (watch_files(access, &options->certificates[i]) != 0)
            return keel_diag_memory(diag);
    int err = keel_tls_context_new(options, out, diag);
    if (!err && access && keel_certificates_add(&access->certificates, *out) != 0)
        return keel_diag_memory(diag);
    return err;
}

int keel_core_read(const struct keel_conf *conf, const struct keel_protocol *protocol,
                   struct keel_core *core, struct keel_diag *diag)
{
    memset(core, 0, sizeof *core);
    int64_t schedule = keel_conf_int(conf, "schedule");
    core->schedule =
        schedule > KEEL_SCHEDULE_SINGLE ? protocol->schedule : (enum keel_schedule)schedule;
    if (protocol->one_writer && core->schedule != KEEL_SCHEDULE_SINGLE)
        return keel_conf_error(conf, "schedule", diag,
                               "%s has one writer of its state, so only single will do",
                               protocol->name);
    core->sandbox = keel_conf_bool(conf, "sandbox");
    core->max_connections = (unsigned)keel_conf_int(conf, "max-connections");
    core->drain_timeout = (uint64_t)keel_conf_int(conf, "drain-timeout");
    core->start_timeout = (uint64_t)keel_conf_int(conf, "start-timeout");
    core->worker_timeout = (uint64_t)keel_conf_int(conf, "worker-timeout");
    core->respawn_budget = (unsigned)keel_conf_int(conf, "respawn-budget");

    const struct keel_conf *log = keel_conf_section_or_default(conf, "log");
    core->log = (struct keel_log_options){
        .level = (enum keel_log_level)keel_conf_int(log, "level"),
        .format = (enum keel_log_format)keel_conf_int(log, "format"),
        .target = (enum keel_log_target)keel_conf_int(log, "target"),
        .file = keel_conf_str(log, "file"),
        .fd = -1,
        .daemon = protocol->name,
    };
    if (core->log.target == KEEL_LOG_FILE && !core->log.file)
        return keel_conf_error(log, "target", diag, "target file needs a file = \"...\" too");

    int err = read_workers(conf, core, diag);
    if (!err)
        err = read_user(conf, core, diag);
    if (!err)
        err = read_paths(conf, protocol, core, diag);
    if (!err)
        err = read_control_mode(conf, core, diag);
    if (!err && protocol->tls)
        err = read_tls(conf, core, diag);
    return err;
}

/* Every TLS address has its certificate. */
static int check_tls(const struct keel_conf *conf, const struct keel_protocol *protocol,
                     void *settings, const struct keel_endpoints *endpoints, struct keel_diag *diag)
{
    for (unsigned i = 0; i < endpoints->count; i++) {
        const struct keel_endpoint *e = &endpoints->items[i];
        char text[KEEL_ADDR_TEXT];
        if (!e->tls || (protocol->tls && protocol->tls(settings, e)))
            continue;
        keel_addr_format(text, sizeof text, &e->addr);
        return keel_conf_error(conf, "listen", diag, "\"%s tls\": %s", text,
                               protocol->tls ? "there is no certificate; give certificate and key"
                                             : "this daemon has no TLS");
    }
    return 0;
}

int keel_configuration_load(const struct keel_protocol *protocol, const struct keel_option *rows,
                            const struct keel_conf_source *source, struct keel_conf **conf,
                            struct keel_core *core, struct keel_endpoints *endpoints,
                            struct keel_access *access, bool whole, struct keel_diag *diag)
{
    void *settings = NULL;
    int err = keel_conf_load(rows, source, conf, diag);
    if (!err)
        err = keel_core_read(*conf, protocol, core, diag);
    if (!err)
        err = protocol->configure(*conf, &settings, endpoints, access, diag);
    if (!err)
        err = check_tls(*conf, protocol, settings, endpoints, diag);
    if (!err && endpoints->count == 0)
        err = keel_diag_set(diag, KEEL_ECONF,
                            "nothing to serve: give listen = { \"ADDRESS:PORT\" } or --listen");
    if (!err && whole && KEEL_PROTOCOL_HAS(protocol, check) && protocol->check)
        err = protocol->check(settings, diag);
    if (settings && protocol->free_settings)
        protocol->free_settings(settings);
    return err;
}
