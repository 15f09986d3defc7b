#include "common/service/master.h"

#include "common/base/mem.h"
#include "common/runtime/sock.h"
#include "common/service/crash.h"
#include "common/service/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- reload --- */

static void answer_waiters(struct keel_master *master, bool ok, const char *text)
{
    keel_list_for_safe (node, &master->waiters) {
        struct keel_waiter *waiter = KEEL_CONTAINER(node, struct keel_waiter, node);
        if (waiter->next && master->reload_again) {
            waiter->next = false; /* the reload that comes now is its own */
            continue;
        }
        keel_list_remove(node);
        waiter->settled(waiter, ok, text);
    }
}

void keel_master_settle(struct keel_master *master, bool ok, const char *text)
{
    bool again = master->reload_again && !master->stopping && master->serving;
    master->reload_again = again;
    answer_waiters(master, ok, text);
    if (master->stopping || !master->serving)
        return;
    keel_notify("READY=1");
    if (again) {
        struct keel_diag diag = {""};
        master->reload_again = false;
        if (keel_master_reload(master, &diag) != 0)
            answer_waiters(master, false, diag.text);
    }
}

int keel_master_reload_next(struct keel_master *master, struct keel_diag *diag)
{
    if (!keel_master_is_starting(master) || master->stopping || keel_upgrade_is_pending(master))
        return keel_master_reload(master, diag);
    master->reload_again = true;
    return KEEL_EAGAIN;
}

bool keel_master_is_starting(const struct keel_master *master)
{
    keel_list_for (node, &master->generations) {
        if (KEEL_CONTAINER(node, struct keel_generation, node)->state == KEEL_GENERATION_STARTING)
            return true;
    }
    return false;
}

void keel_master_apply_log(struct keel_master *master, const struct keel_core *core)
{
    struct keel_diag diag = {""};
    struct keel_log_options options = core->log;
    options.process = "master";
    if (master->log_level >= 0)
        options.level = (enum keel_log_level)master->log_level;
    if (keel_log_open(&options, &diag) != 0)
        keel_error("master", "the log stays as it was", "reason=%s", diag.text);
}

int keel_master_can_reread(const struct keel_master *master, struct keel_diag *diag)
{
    struct stat st;
    if (master->conf_file && stat(master->conf_file, &st) == 0 && !S_ISREG(st.st_mode))
        return keel_diag_set(diag, KEEL_EINVAL, "%s is no regular file, and cannot be read again",
                             master->conf_file);
    return 0;
}

/* text: the configuration, or NULL: of the file (reread), or none. Takes it. */
static int reload(struct keel_master *master, char *text, bool reread, struct keel_diag *diag)
{
    keel_notify_reloading();
    int err = reread ? keel_master_can_reread(master, diag) : 0;
    if (!err && reread && master->conf_file)
        err = keel_conf_read_file(master->conf_file, &text, diag);
    if (!err)
        err = keel_generation_start(master, text, diag);
    if (err) {
        keel_error("master", "reload refused, nothing changed", "reason=%s", diag->text);
        keel_notify("READY=1");
        return err;
    }
    const struct keel_generation *g =
        KEEL_CONTAINER(master->generations.prev, struct keel_generation, node);
    keel_info("master", "reloading", "generation=%u", g->number);
    return 0;
}

int keel_master_renew(struct keel_master *master, struct keel_diag *diag)
{
    char *text = NULL;
    const struct keel_generation *g = master->serving;
    if (!g || master->stopping || keel_upgrade_is_pending(master) ||
        keel_master_is_starting(master))
        return keel_diag_set(diag, KEEL_EBUSY, "a reload, an upgrade or a stop is under way");
    if (g->text && !(text = keel_strdup(g->text)))
        return keel_diag_memory(diag);
    return reload(master, text, false, diag);
}

int keel_master_reload(struct keel_master *master, struct keel_diag *diag)
{
    if (master->stopping || keel_upgrade_is_pending(master))
        return keel_diag_set(diag, KEEL_EBUSY, "an upgrade or a stop is under way");
    if (keel_master_is_starting(master))
        return keel_diag_set(diag, KEEL_EBUSY, "a reload is under way");
    return reload(master, NULL, true, diag);
}

/* --- stop --- */

void keel_master_stop(struct keel_master *master, bool fast, int exit_status)
{
    if (master->stopping && !fast)
        return;
    if (!master->stopping)
        keel_notice("master", "stopping", "how=%s", fast ? "now" : "after what is under way");
    master->stopping = true;
    if (exit_status != EXIT_SUCCESS || master->exit_status == EXIT_SUCCESS)
        master->exit_status = exit_status;
    if (!master->handed_over)
        keel_notify("STOPPING=1");
    keel_master_settle(master, false, "the daemon is stopping");
    keel_upgrade_cancel(master);
    keel_supervise_stop(master);
    keel_list_for_safe (node, &master->generations) {
        struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        keel_generation_drain(g, fast ? 0 : g->core.drain_timeout);
    }
    keel_balance_update(master);
    keel_master_check_done(master);
}

void keel_master_check_done(struct keel_master *master)
{
    bool child = keel_upgrade_is_pending(master) && !keel_upgrade_waiting(master, NULL);
    if (master->stopping && keel_list_empty(&master->generations) && !child)
        keel_loop_stop(master->loop);
}

void keel_master_broadcast(struct keel_master *master, uint32_t type, uint32_t a, const int *fds,
                           unsigned fd_count)
{
    keel_list_for (node, &master->generations) {
        struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        for (unsigned i = 0; i < g->total; i++) {
            if (g->processes[i].pid > 0)
                keel_channel_send(&g->processes[i].channel, type, a, 0, NULL, 0, fds, fd_count);
        }
    }
}

/* --- signals --- */

static void reopen_logs(struct keel_master *master)
{
    struct keel_diag diag = {""};
    keel_list_for (node, &master->generations)
        keel_generation_reopen_logs(KEEL_CONTAINER(node, struct keel_generation, node));
    if (keel_log_reopen(&diag) != 0) {
        keel_error("master", "cannot reopen the log", "reason=%s", diag.text);
        return;
    }
    int fd = keel_log_fd();
    keel_info("master", "log reopened", "fd=%d", fd);
    if (fd >= 0)
        keel_master_broadcast(master, KEEL_MSG_LOG_FD, 0, &fd, 1);
}

static void on_signal(struct keel_signal *sig, int number)
{
    struct keel_master *master = KEEL_CONTAINER(sig, struct keel_master_signal, signal)->master;
    struct keel_diag diag = {""};
    switch (number) {
    case SIGHUP:
        if (keel_master_is_starting(master) || keel_upgrade_is_pending(master))
            master->reload_again = true; /* when that is settled */
        else
            keel_master_reload(master, &diag);
        break;
    case SIGTERM:
        keel_master_stop(master, false, EXIT_SUCCESS);
        break;
    case SIGINT:
        keel_master_stop(master, true, EXIT_SUCCESS);
        break;
    case SIGUSR1:
        reopen_logs(master);
        break;
    case SIGUSR2:
        if (keel_upgrade_start(master, &diag) != 0)
            keel_error("upgrade", "refused", "reason=%s", diag.text);
        break;
    case SIGCHLD:
        keel_supervise_reap(master);
        break;
    }
}

static int catch_signals(struct keel_master *master, struct keel_diag *diag)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* whoever started us may have blocked some */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full log is an error of write, not our end */
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        master->signals[i].master = master;
        if (keel_signal_start(&master->signals[i].signal, master->loop, numbers[i], on_signal) != 0)
            return keel_diag_set(diag, KEEL_ESYS, "cannot catch signal %d: %s", numbers[i],
                                 strerror(errno));
    }
    return 0;
}

static void on_watchdog(struct keel_timer *timer)
{
    keel_notify("WATCHDOG=1");
}

/* --- start --- */

/* The binary itself for respawns, its path for upgrades. */
static int find_binary(struct keel_master *master, struct keel_diag *diag)
{
    char path[4096];
    master->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (master->exe < 0 || n <= 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot open /proc/self/exe: %s", strerror(errno));
    path[n] = '\0';
    char *deleted = strstr(path, " (deleted)"); /* replaced on disk while we started */
    if (deleted && deleted[10] == '\0')
        *deleted = '\0';
    master->binary = keel_strdup(path);
    return master->binary ? 0 : keel_diag_memory(diag);
}

static int master_start(struct keel_master *master, char *text, struct keel_manifest *manifest,
                        struct keel_diag *diag)
{
    keel_list_init(&master->generations);
    keel_list_init(&master->waiters);
    keel_sockets_init(&master->sockets);
    master->next_generation = 1;
    master->started_realtime_ns = keel_clock_realtime();
    master->sockets.inherited_fds = manifest ? 0 : keel_notify_sockets();
    keel_sock_raise_nofile();
    keel_crash_install(master->protocol->name);

    int err = find_binary(master, diag);
    master->rows = keel_options_join(master->protocol);
    if (!err && !master->rows)
        err = keel_diag_memory(diag);
    if (!err) {
        master->loop = keel_loop_new();
        if (!master->loop)
            err = keel_diag_set(diag, KEEL_ESYS, "cannot make the event loop: %s", strerror(errno));
    }
    if (!err && keel_totals_new(master) != 0)
        err = keel_diag_set(diag, KEEL_ESYS, "cannot make the shared segment: %s", strerror(errno));
    if (!err && keel_balance_init(master) != 0)
        err = keel_diag_memory(diag);
    if (!err)
        err = catch_signals(master, diag);
    if (!err && manifest)
        err = keel_upgrade_receive(master, manifest, diag);
    if (err) {
        keel_free(text);
        return err;
    }
    keel_supervise_start(master);
    keel_tickets_start(master);
    keel_renew_start(master);
    err = keel_generation_start(master, text, diag);
    if (err)
        return err;
    return keel_control_start(master, manifest ? manifest->control : -1, diag);
}

static void master_finish(struct keel_master *master)
{
    for (unsigned i = 0; i < sizeof master->signals / sizeof master->signals[0]; i++) {
        if (master->signals[i].signal.loop)
            keel_signal_stop(&master->signals[i].signal);
    }
    if (master->loop) {
        keel_timer_stop(&master->watchdog);
        keel_tickets_stop(master);
        keel_renew_stop(master);
        keel_supervise_stop(master);
        keel_control_stop(master);
        keel_upgrade_farewell(master);
        keel_upgrade_free(master);
        keel_balance_free(master);
    }
    keel_sockets_fini(&master->sockets);
    keel_totals_free(master);
    if (master->loop)
        keel_loop_free(master->loop);
    if (master->exe >= 0)
        close(master->exe);
    keel_free(master->binary);
    keel_free(master->rows);
}

/* A start that failed half-way may have workers already: end them before we say so. */
static void abandon(struct keel_master *master)
{
    if (!master->loop || keel_list_empty(&master->generations))
        return;
    keel_master_stop(master, true, EXIT_FAILURE);
    if (!keel_list_empty(&master->generations))
        keel_loop_run(master->loop);
}

int keel_master_run(struct keel_master *master, char *text, struct keel_manifest *manifest)
{
    struct keel_diag diag = {""};
    master->exe = -1;
    int err = master_start(master, text, manifest, &diag);
    if (err) {
        fprintf(stderr, "%s: %s\n", master->protocol->name, diag.text);
        abandon(master);
        master_finish(master);
        return err == KEEL_ECONF ? 2 : EXIT_FAILURE;
    }
    uint64_t watchdog = keel_notify_watchdog();
    keel_timer_init(&master->watchdog, master->loop, "watchdog", on_watchdog);
    if (watchdog > 0)
        keel_timer_start(&master->watchdog, watchdog, watchdog);
    if (keel_loop_run(master->loop) != 0)
        master->exit_status = EXIT_FAILURE;
    keel_notice("master", "stopped", "pid=%d", (int)getpid());
    master_finish(master);
    return master->exit_status;
}
