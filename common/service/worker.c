#include "common/service/worker.h"

#include "common/base/mem.h"
#include "common/runtime/tls.h"
#include "common/service/board.h"
#include "common/service/channel.h"
#include "common/service/crash.h"
#include "common/service/host.h"
#include "common/service/log.h"
#include "common/service/options.h"
#include "common/service/sandbox.h"
#include "common/service/worker_command.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEATS_PER_HOUR (3600 * KEEL_NS_PER_S / KEEL_HEARTBEAT)

struct worker {
    const struct keel_protocol *protocol;
    struct keel_manifest *manifest;
    struct keel_core core;
    struct keel_option *rows; /* the tree points into it */
    struct keel_conf *conf;
    void *settings;
    struct keel_access access;
    int *log_files; /* one for each of access.logs, until the host has them */
    struct keel_board board;
    struct keel_loop *loop;
    struct keel_channel channel;
    struct keel_host *host;
    struct keel_replier replier;
    struct keel_timer heartbeat;
    unsigned beats;
    bool said_ready;
    struct keel_signal on_term;
    const struct keel_helper *helper; /* our role; NULL: a worker */
    bool channel_up;
    char sandbox[256]; /* what was reached, for status */
};

unsigned keel_helper_count(const struct keel_protocol *protocol)
{
    unsigned n = 0;
    while (protocol->helpers && protocol->helpers[n])
        n++;
    return n;
}

static void worker_drained(void *arg)
{
    struct worker *w = arg;
    keel_loop_stop(w->loop);
}

/* --- messages of the master --- */

static void take_connections(struct worker *w, struct keel_message *message)
{
    struct keel_slot *slot = keel_segment_slot(&w->board.segment, w->manifest->slot);
    for (unsigned i = 0; i < message->fd_count && (i + 1) * 4 <= message->size; i++) {
        uint32_t endpoint;
        memcpy(&endpoint, message->bytes + i * 4, 4);
        keel_slot_set(&slot->received, slot->received + 1);
        keel_host_take_connection(w->host, endpoint, message->fds[i]);
        message->fds[i] = -1;
    }
}

static void activate(struct worker *w)
{
    struct keel_diag diag = {""};
    if (keel_host_activate(w->host, &diag) == 0) {
        keel_channel_send(&w->channel, KEEL_MSG_ACTIVATED, 0, 0, NULL, 0, NULL, 0);
        return;
    }
    keel_error("worker", "cannot become active", "reason=%s", diag.text);
    keel_channel_send(&w->channel, KEEL_MSG_FAILED, 1, 0, diag.text, strlen(diag.text), NULL, 0);
    keel_loop_stop(w->loop);
}

static void send_reply(void *arg, uint32_t id, const char *text)
{
    struct worker *w = arg;
    const char *p = text ? text : "{\"ok\":false,\"error\":\"no memory\"}";
    size_t left = strlen(p);
    do {
        size_t n = left < KEEL_MESSAGE_MAX ? left : KEEL_MESSAGE_MAX;
        left -= n;
        keel_channel_send(&w->channel, KEEL_MSG_REPLY, id, left > 0, p, n, NULL, 0);
        p += n;
    } while (left > 0);
}

/* --- TLS --- */

/* The next TLS context of ours; *i begins with 0. NULL: no more. One may come twice. */
static struct keel_tls_context *next_tls(const struct worker *w, unsigned *i)
{
    while (w->protocol->tls && *i < w->manifest->endpoints.count) {
        const struct keel_endpoint *e = &w->manifest->endpoints.items[(*i)++];
        struct keel_tls_context *tls = e->tls ? w->protocol->tls(w->settings, e) : NULL;
        if (tls)
            return tls;
    }
    return NULL;
}

/* Tickets that one worker gave are good at every other, and after a reload or upgrade. */
static int share_tickets(struct worker *w, const uint8_t (*secrets)[KEEL_TLS_TICKET_SECRET],
                         unsigned count)
{
    struct keel_tls_context *tls;
    int err = 0;
    for (unsigned i = 0; count > 0 && (tls = next_tls(w, &i)) && !err;)
        err = keel_tls_context_set_ticket_keys(tls, secrets, count);
    return err;
}

static void take_ticket_keys(struct worker *w, const struct keel_message *message)
{
    uint8_t secrets[KEEL_TLS_TICKET_KEYS][KEEL_TLS_TICKET_SECRET];
    if (message->a > KEEL_TLS_TICKET_KEYS || message->size != message->a * sizeof secrets[0])
        return;
    memcpy(secrets, message->bytes, message->size);
    int err = share_tickets(w, (const uint8_t(*)[KEEL_TLS_TICKET_SECRET])secrets, message->a);
    explicit_bzero(secrets, sizeof secrets);
    if (err)
        keel_error("tls", "the old ticket keys stay", "reason=%s", keel_strerror(err));
}

/* All of a descriptor that others read too, so that its position says nothing. Returns new, with a
 * NUL behind it; NULL: it cannot be read. */
static char *read_content(int fd, size_t *size)
{
    struct stat st;
    char *text = fstat(fd, &st) == 0 && st.st_size <= KEEL_CONF_FILE_MAX
                     ? keel_malloc((size_t)st.st_size + 1)
                     : NULL;
    ssize_t n = 0;
    for (*size = 0;
         text && (n = pread(fd, text + *size, (size_t)st.st_size - *size, (off_t)*size)) > 0;)
        *size += (size_t)n;
    if (text && n == 0) {
        text[*size] = '\0';
        return text;
    }
    keel_free(text);
    return NULL;
}

/* Another content of a file whose workers need not be replaced. */
static void take_file(struct worker *w, const struct keel_message *message)
{
    char path[4096];
    struct keel_diag diag = {""};
    struct keel_tls_context *tls;
    if (message->size >= sizeof path || message->fd_count != 1)
        return;
    memcpy(path, message->bytes, message->size);
    path[message->size] = '\0';
    size_t size = 0;
    char *text = read_content(message->fds[0], &size);
    int err = text ? 0 : keel_diag_set(&diag, KEEL_ESYS, "%s: cannot read it", path);
    for (unsigned i = 0; !err && (tls = next_tls(w, &i));)
        err = keel_tls_context_restaple(tls, path, text, size, &diag);
    if (!err && w->host && !w->helper)
        err = keel_host_file(w->host, path, text, size, &diag);
    if (err)
        keel_error("worker", "the old content stays", "reason=%s", diag.text);
    if (text)
        explicit_bzero(text, size);
    keel_free(text);
    keel_host_restapled(w->host);
}

/* What has ended, or soon will: one of us says so. */
static void report_tls(struct worker *w)
{
    struct keel_tls_context *tls;
    for (unsigned i = 0; w->manifest->worker == 0 && !w->helper && (tls = next_tls(w, &i));)
        keel_tls_context_report(tls, keel_clock_realtime());
}

static void on_message(struct keel_channel *channel, struct keel_message *message)
{
    struct worker *w = KEEL_CONTAINER(channel, struct worker, channel);
    switch (message->type) {
    case KEEL_MSG_ADOPT:
        if (message->fd_count == 1) {
            keel_host_serve(w->host, message->a, message->b, message->fds[0]);
            message->fds[0] = -1;
        }
        break;
    case KEEL_MSG_RELEASE:
        keel_host_release(w->host, message->a, message->b);
        break;
    case KEEL_MSG_CONNECTIONS:
        take_connections(w, message);
        break;
    case KEEL_MSG_ACTIVATE:
        activate(w);
        break;
    case KEEL_MSG_RETIRE:
        keel_host_retire(w->host);
        break;
    case KEEL_MSG_DRAIN:
        keel_host_drain(w->host, (uint64_t)message->a * KEEL_NS_PER_MS, worker_drained, w);
        break;
    case KEEL_MSG_COMMAND:
        keel_worker_command(w->host, w->loop, w->sandbox, &w->replier, message->a, message->bytes,
                            message->size);
        break;
    case KEEL_MSG_LOG_FD:
        if (message->fd_count == 1) {
            if (message->a == 0)
                keel_log_use_fd(message->fds[0]);
            else
                keel_host_log_file(w->host, message->a - 1, message->fds[0]);
            message->fds[0] = -1;
        }
        break;
    case KEEL_MSG_PEER:
        if (message->fd_count == 1) {
            keel_host_peer(w->host, message->a, message->fds[0]);
            message->fds[0] = -1;
        }
        break;
    case KEEL_MSG_FILE:
        take_file(w, message);
        break;
    case KEEL_MSG_TICKET_KEYS:
        take_ticket_keys(w, message);
        break;
    case KEEL_MSG_LOG_LEVEL:
        keel_log_set_level((enum keel_log_level)message->a);
        break;
    default:
        keel_warning("worker", "unknown message from the master", "type=%u", message->type);
    }
}

/* The master is gone: nobody would replace or reload us. Finish what is under way and leave. */
static void on_end(struct keel_channel *channel)
{
    struct worker *w = KEEL_CONTAINER(channel, struct worker, channel);
    keel_error("worker", "the master is gone, finishing", "deadline_ms=%llu",
               (unsigned long long)(w->core.drain_timeout / KEEL_NS_PER_MS));
    keel_host_drain(w->host, w->core.drain_timeout, worker_drained, w);
}

static void on_term(struct keel_signal *sig, int number)
{
    struct worker *w = KEEL_CONTAINER(sig, struct worker, on_term);
    keel_host_drain(w->host, w->core.drain_timeout, worker_drained, w);
}

static void on_heartbeat(struct keel_timer *timer)
{
    struct worker *w = KEEL_CONTAINER(timer, struct worker, heartbeat);
    struct keel_slot *slot = keel_segment_slot(&w->board.segment, w->manifest->slot);
    keel_slot_set(&slot->worst_turn_ns, keel_loop_worst_turn(w->loop));
    keel_slot_set(&slot->heartbeat_ns, keel_loop_now(w->loop));
    if (++w->beats % 4 == 0)
        keel_log_tick();
    if (w->beats % BEATS_PER_HOUR == 1)
        report_tls(w);
}

/* --- start --- */

static void name_process(struct worker *w, int argc, char **argv)
{
    char title[64];
    if (w->helper)
        snprintf(title, sizeof title, "%s[%s]", w->protocol->name, w->helper->name);
    else
        snprintf(title, sizeof title, "%s[%u]", w->protocol->name, w->manifest->worker);
    keel_crash_install(title);
    keel_title_set(argc, argv, title);
}

static int load_configuration(struct worker *w, struct keel_diag *diag)
{
    const struct keel_conf_source source = {w->manifest->conf_file, w->manifest->conf_text,
                                            w->manifest->overrides};
    w->rows = keel_options_join(w->protocol);
    if (!w->rows)
        return keel_diag_memory(diag);
    w->access.watched = w->manifest->files;
    w->access.watch_count = w->manifest->file_count;
    w->manifest->files = NULL;
    w->manifest->file_count = 0;
    int err = keel_conf_load(w->rows, &source, &w->conf, diag);
    if (!err)
        err = keel_core_read(w->conf, w->protocol, &w->core, diag);
    if (!err)
        err = w->protocol->configure(w->conf, &w->settings, NULL, &w->access, diag);
    keel_access_close_copies(&w->access);
    json_decref(w->access.certificates); /* the master's: here they are asked of what is served */
    w->access.certificates = NULL;
    return err;
}

static int open_log(struct worker *w, struct keel_diag *diag)
{
    char process[16];
    snprintf(process, sizeof process, "%u", w->manifest->worker);
    w->core.log.process = w->helper ? w->helper->name : process;
    w->core.log.fd = w->manifest->log;
    if (w->manifest->log_level >= 0)
        w->core.log.level = (enum keel_log_level)w->manifest->log_level;
    return keel_log_open(&w->core.log, diag);
}

/* While we may still open them. */
static int open_log_files(struct worker *w, struct keel_diag *diag)
{
    unsigned count = w->helper ? 0 : w->access.log_count;
    w->log_files = keel_calloc(count + 1, sizeof *w->log_files);
    if (!w->log_files)
        return keel_diag_memory(diag);
    for (unsigned i = 0; i < count; i++) {
        w->log_files[i] = keel_log_open_file(w->access.logs[i], diag);
        if (w->log_files[i] < 0)
            return w->log_files[i];
    }
    return 0;
}

static int enter_sandbox(struct worker *w, struct keel_diag *diag)
{
    struct keel_sandbox_report report = {0};
    if (keel_access_add(&w->access, w->core.state_dir, true) != 0 ||
        (w->helper && w->helper->access && w->helper->access(w->settings, &w->access) != 0))
        return keel_diag_memory(diag);
    bool root = geteuid() == 0; /* nobody else can become another user */
    const struct keel_sandbox_options options = {
        .user = root ? w->core.user : NULL,
        .group = root ? w->core.group : NULL,
        .read = (const char *const *)w->access.read,
        .reads = w->access.reads,
        .write = (const char *const *)w->access.write,
        .writes = w->access.writes,
        .any_path = !w->core.sandbox,
        .no_seccomp = !w->core.sandbox,
        .allow_exec = w->helper && w->helper->allow_exec,
    };
    int err = keel_sandbox_enter(&options, &report, diag);
    if (err)
        return err;
    memcpy(w->sandbox, report.text, sizeof w->sandbox);
    return 0;
}

static int prepare_tls(struct worker *w, struct keel_diag *diag)
{
    const struct keel_ticket_ring *ring = &w->manifest->tickets;
    struct keel_tls_context *tls;
    for (unsigned i = 0; (tls = next_tls(w, &i));)
        keel_tls_context_set_ticket_lifetime(tls, w->core.ticket_lifetime);
    int err = share_tickets(w, ring->secrets, ring->count);
    return err ? keel_diag_set(diag, err, "cannot set the ticket keys: %s", keel_strerror(err)) : 0;
}

static int attach_segment(struct worker *w, struct keel_metrics *metrics, struct keel_diag *diag)
{
    if (keel_board_init(&w->board, w->protocol) != 0)
        return keel_diag_memory(diag);
    struct keel_segment *segment = &w->board.segment;
    int err = keel_segment_attach(segment, w->manifest->segment, w->board.total);
    if (err || w->manifest->slot >= KEEL_SLOTS)
        return keel_diag_set(diag, KEEL_EINVAL, "the shared segment does not fit");
    metrics->cells = keel_segment_cells(segment, w->manifest->slot);
    metrics->offsets = w->board.offsets;
    return 0;
}

static void say_ready(void *arg)
{
    struct worker *w = arg;
    struct keel_slot *slot = keel_segment_slot(&w->board.segment, w->manifest->slot);
    keel_slot_set(&slot->heartbeat_ns, keel_clock_monotonic());
    keel_timer_start(&w->heartbeat, KEEL_HEARTBEAT, KEEL_HEARTBEAT);
    w->said_ready = true;
    keel_channel_send(&w->channel, KEEL_MSG_READY, 0, 0, w->sandbox, strlen(w->sandbox), NULL, 0);
}

static void say_retired(void *arg)
{
    struct worker *w = arg;
    keel_channel_send(&w->channel, KEEL_MSG_RETIRED, 0, 0, NULL, 0, NULL, 0);
}

static int start_host(struct worker *w, struct keel_diag *diag)
{
    struct keel_metrics metrics;
    int err = attach_segment(w, &metrics, diag);
    if (err)
        return err;
    w->replier = (struct keel_replier){send_reply, w};
    const struct keel_host_options options = {
        .loop = w->loop,
        .protocol = w->protocol,
        .settings = w->settings,
        .endpoints = w->manifest->endpoints.items,
        .endpoint_count = w->manifest->endpoints.count,
        .state_dir = w->core.state_dir,
        .worker = w->manifest->worker,
        .workers = w->manifest->workers,
        .slot = keel_segment_slot(&w->board.segment, w->manifest->slot),
        .metrics = metrics,
        .board = &w->board,
        .board_slot = w->manifest->slot,
        .max_connections = w->core.max_connections,
        .helper = w->helper,
        .peers = w->helper ? w->manifest->workers : keel_helper_count(w->protocol),
        .active = w->manifest->active,
        .replaces = w->manifest->replaces,
        .on_ready = say_ready,
        .on_ready_arg = w,
        .on_retired = say_retired,
        .on_retired_arg = w,
    };
    err = keel_host_new(&options, &w->host, diag);
    for (unsigned i = 0; i < w->access.log_count && !w->helper && !err; i++)
        keel_host_log_file(w->host, i, w->log_files[i]);
    for (unsigned i = 0; i < w->manifest->fd_count && !err; i++) {
        const struct keel_manifest_fd *f = &w->manifest->fds[i];
        err = keel_host_serve(w->host, f->endpoint, f->slot, f->fd);
        if (err)
            keel_diag_set(diag, err, "cannot serve a descriptor: %s", keel_strerror(err));
    }
    return err;
}

static int start_loop(struct worker *w, struct keel_diag *diag)
{
    w->loop = keel_loop_new();
    if (!w->loop)
        return keel_diag_set(diag, KEEL_ENOMEM, "cannot make the event loop: %s", strerror(errno));
    if (keel_channel_start(&w->channel, w->loop, w->manifest->channel, on_message, on_end) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot use the channel: %s", strerror(errno));
    w->channel_up = true;
    keel_timer_init(&w->heartbeat, w->loop, "heartbeat", on_heartbeat);
    return 0;
}

static void say_failed(struct worker *w, int err, const char *text)
{
    uint32_t status = err == KEEL_ECONF ? KEEL_EXIT_USAGE : EXIT_FAILURE;
    if (w->channel_up) {
        keel_channel_send(&w->channel, KEEL_MSG_FAILED, status, 0, text, strlen(text), NULL, 0);
        keel_channel_flush(&w->channel, 1000);
    } else {
        keel_error("worker", "cannot start", "reason=%s", text);
    }
}

static int worker_start(struct worker *w, struct keel_diag *diag)
{
    int err = start_loop(w, diag);
    if (!err)
        err = load_configuration(w, diag);
    if (!err)
        err = open_log(w, diag);
    if (!err)
        err = open_log_files(w, diag);
    if (!err)
        err = prepare_tls(w, diag);
    if (!err)
        err = enter_sandbox(w, diag);
    if (!err)
        err = start_host(w, diag);
    if (!err && keel_signal_start(&w->on_term, w->loop, SIGTERM, on_term) != 0)
        err = keel_diag_set(diag, KEEL_ESYS, "cannot catch SIGTERM: %s", strerror(errno));
    return err;
}

static void worker_stop(struct worker *w)
{
    keel_host_free(w->host);
    if (w->channel_up) {
        keel_channel_flush(&w->channel, 100);
        keel_channel_stop(&w->channel);
    }
    if (w->loop) {
        keel_timer_stop(&w->heartbeat);
        keel_signal_stop(&w->on_term);
        keel_loop_free(w->loop);
    }
    if (w->settings && w->protocol->free_settings)
        w->protocol->free_settings(w->settings);
    keel_access_fini(&w->access);
    keel_free(w->log_files);
    keel_conf_free(w->conf);
    keel_free(w->rows);
    keel_board_fini(&w->board);
}

/* What a terminal or an operator sends to the whole group is for the master. */
static void ignore_group_signals(void)
{
    static const int numbers[] = {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_IGN);
}

int keel_worker_run(const struct keel_protocol *protocol, struct keel_manifest *manifest, int argc,
                    char **argv)
{
    struct worker w = {.protocol = protocol, .manifest = manifest};
    struct keel_diag diag = {""};
    if (manifest->role == KEEL_ROLE_HELPER && manifest->worker < keel_helper_count(protocol))
        w.helper = protocol->helpers[manifest->worker];
    int status = EXIT_SUCCESS;
    ignore_group_signals();
    name_process(&w, argc, argv);
    int err = worker_start(&w, &diag);
    if (err) {
        say_failed(&w, err, diag.text);
        status = KEEL_EXIT_FAILED;
    } else {
        if (keel_host_ready(w.host) && !w.said_ready)
            say_ready(&w);
        if (keel_loop_run(w.loop) != 0)
            status = EXIT_FAILURE;
    }
    worker_stop(&w);
    return status;
}
