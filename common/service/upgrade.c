#include "common/service/master.h"

#include "common/base/mem.h"
#include "common/runtime/child.h"
#include "common/service/notify.h"
#include "common/service/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The two masters of an upgrade, as each sees the other. */
struct keel_upgrade {
    struct keel_master *master;
    struct keel_channel channel;
    bool is_new;           /* we are the new one */
    pid_t pid;             /* of the other; 0: reaped */
    bool replaced;         /* the new one serves */
    char *counters;        /* new: what the old one has told so far */
    struct keel_buf words; /* new: COUNTERS in pieces */
    bool *ownerless;       /* new: by our helpers' numbers: the old one's has retired */
    struct keel_timer deadline;
};

static void settle_waiters(struct keel_master *master, bool ok, const char *text)
{
    keel_log(ok ? KEEL_LOG_NOTICE : KEEL_LOG_ERROR, "upgrade", ok ? "done" : "failed", "text=%s",
             text);
    keel_master_settle(master, ok, text);
}

void keel_upgrade_free(struct keel_master *master)
{
    struct keel_upgrade *u = master->upgrade;
    if (!u)
        return;
    keel_timer_stop(&u->deadline);
    keel_channel_stop(&u->channel);
    keel_buf_fini(&u->words);
    keel_free(u->counters);
    keel_free(u->ownerless);
    keel_free(u);
    master->upgrade = NULL;
}

static struct keel_upgrade *upgrade_new(struct keel_master *master)
{
    struct keel_upgrade *u = keel_calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->master = master;
    u->channel.fd = -1;
    keel_buf_init(&u->words, 64u << 20);
    keel_timer_init(&u->deadline, master->loop, "upgrade", NULL);
    master->upgrade = u;
    return u;
}

/* --- the old master --- */

static void send_counters(struct keel_upgrade *u)
{
    char *text = keel_totals_save(u->master);
    const char *p = text ? text : "{}";
    size_t left = strlen(p);
    do {
        size_t n = left < KEEL_MESSAGE_MAX ? left : KEEL_MESSAGE_MAX;
        left -= n;
        keel_channel_send(&u->channel, KEEL_MSG_COUNTERS, 0, left > 0, p, n, NULL, 0);
        p += n;
    } while (left > 0);
    free(text);
}

/* The new master serves: our workers finish, we leave. */
static void on_handover(struct keel_upgrade *u)
{
    struct keel_master *master = u->master;
    char text[64];
    u->replaced = true;
    master->handed_over = true;
    master->sockets.left = true;
    keel_timer_stop(&u->deadline);
    snprintf(text, sizeof text, "MAINPID=%d", (int)u->pid);
    keel_notify(text); /* it may be that systemd listens to us only */
    if (master->reload_again)
        kill(u->pid, SIGHUP);
    master->reload_again = false;
    snprintf(text, sizeof text, "process %d took over", (int)u->pid);
    settle_waiters(master, true, text);
    /* it answers from when it knows what we had counted, so that no counter goes back */
    keel_control_leave(master);
    send_counters(u);
    keel_master_stop(master, false, EXIT_SUCCESS);
}

static void on_new_message(struct keel_channel *channel, struct keel_message *message)
{
    struct keel_upgrade *u = KEEL_CONTAINER(channel, struct keel_upgrade, channel);
    if (message->type == KEEL_MSG_HANDOVER && !u->replaced)
        on_handover(u);
}

static void on_new_deadline(struct keel_timer *timer)
{
    struct keel_upgrade *u = KEEL_CONTAINER(timer, struct keel_upgrade, deadline);
    keel_error("upgrade", "the new process is not ready in time, ending it", "pid=%d", (int)u->pid);
    kill(u->pid, SIGKILL); /* its end is reaped, and settles */
}

void keel_upgrade_reap(struct keel_master *master)
{
    struct keel_upgrade *u = master->upgrade;
    char text[96], how[64];
    int status;
    if (!u || u->is_new || u->pid <= 0 || waitpid(u->pid, &status, WNOHANG) != u->pid)
        return;
    u->pid = 0;
    keel_child_format_status(how, sizeof how, status);
    if (u->replaced) {
        keel_error("upgrade", "the new process ended behind us", "how=%s", how);
        return;
    }
    snprintf(text, sizeof text, "the new process ended: %s", how);
    keel_upgrade_free(master);
    settle_waiters(master, false, text);
    keel_master_check_done(master);
}

void keel_upgrade_cancel(struct keel_master *master)
{
    struct keel_upgrade *u = master->upgrade;
    if (u && !u->is_new && !u->replaced && u->pid > 0)
        kill(u->pid, SIGTERM);
}

void keel_upgrade_farewell(struct keel_master *master)
{
    struct keel_upgrade *u = master->upgrade;
    if (!u || u->is_new || !u->replaced)
        return;
    send_counters(u);
    keel_channel_flush(&u->channel, 1000);
}

void keel_upgrade_ownerless(struct keel_master *master, const struct keel_helper *helper)
{
    struct keel_upgrade *u = master->upgrade;
    if (u && !u->is_new && u->replaced)
        keel_channel_send(&u->channel, KEEL_MSG_OWNERLESS, 0, 0, helper->name, strlen(helper->name),
                          NULL, 0);
}

/* The kept sockets as a manifest's endpoints and descriptors. */
static int describe_sockets(struct keel_master *master, struct keel_manifest *m)
{
    keel_list_for (node, &master->sockets.all) {
        const struct keel_kept *kept = KEEL_CONTAINER(node, struct keel_kept, node);
        unsigned endpoint = m->endpoints.count;
        if (keel_endpoints_add(&m->endpoints, &kept->endpoint) != 0)
            return KEEL_ENOMEM;
        for (unsigned s = 0; s < kept->count; s++) {
            if (keel_manifest_add_fd(m, endpoint, s, kept->fds[s], kept->inherited) != 0)
                return KEEL_ENOMEM;
        }
    }
    return 0;
}

/* In the child: the descriptors come along; the binary is found by its name again, so that it is
 * the new one. */
static void exec_new(struct keel_master *master, const struct keel_manifest *m, int manifest)
{
    char text[16];
    keel_manifest_pass(m);
    snprintf(text, sizeof text, "%d", manifest);
    setenv(KEEL_MANIFEST_ENV, text, 1);
    if (getenv("WATCHDOG_PID")) { /* from now on the manager's watchdog is its business */
        snprintf(text, sizeof text, "%d", (int)getpid());
        setenv("WATCHDOG_PID", text, 1);
    }
    execv(master->binary, master->argv);
    _exit(127);
}

static int spawn_new(struct keel_master *master, struct keel_upgrade *u, int new_end,
                     struct keel_diag *diag)
{
    struct keel_manifest m;
    keel_manifest_init(&m);
    m.role = KEEL_ROLE_MASTER;
    m.generation = master->next_generation;
    m.channel = new_end;
    m.control = keel_control_fd(master);
    m.log_level = master->log_level;
    m.counters = keel_totals_save(master);
    m.started_ns = master->started_realtime_ns;
    m.tickets = master->tickets;
    int err = describe_sockets(master, &m);
    int fd = err ? err : keel_manifest_write(&m);
    if (fd < 0) {
        err = keel_diag_set(diag, fd, "cannot write the manifest: %s", keel_strerror(fd));
    } else {
        u->pid = keel_process_fork();
        if (u->pid == 0)
            exec_new(master, &m, fd);
        if (u->pid < 0)
            err = keel_diag_set(diag, KEEL_ESYS, "cannot fork: %s", strerror(errno));
        close(fd);
    }
    free(m.counters); /* jansson's */
    m.counters = NULL;
    keel_manifest_fini(&m);
    return err;
}

int keel_upgrade_start(struct keel_master *master, struct keel_diag *diag)
{
    int pair[2];
    if (keel_upgrade_waiting(master, NULL))
        return keel_diag_set(diag, KEEL_EBUSY, "the process before this one has not left yet");
    if (master->upgrade || master->stopping)
        return keel_diag_set(diag, KEEL_EBUSY, "an upgrade or a stop is under way");
    if (getpid() == 1)
        return keel_diag_set(diag, KEEL_ENOTSUP,
                             "as process 1 of a container we cannot leave; restart it instead");
    if (!master->serving || keel_master_is_starting(master))
        return keel_diag_set(diag, KEEL_EBUSY, "a reload is under way");
    int err = keel_master_can_reread(master, diag);
    if (err)
        return err;
    struct keel_upgrade *u = upgrade_new(master);
    if (!u || keel_channel_pair(pair) != 0) {
        keel_upgrade_free(master);
        return keel_diag_set(diag, KEEL_ESYS, "cannot make a channel: %s", strerror(errno));
    }
    err = keel_channel_start(&u->channel, master->loop, pair[0], on_new_message, NULL);
    if (err) {
        keel_diag_set(diag, err, "cannot watch a channel: %s", strerror(errno));
        close(pair[0]);
    } else {
        err = spawn_new(master, u, pair[1], diag);
    }
    close(pair[1]);
    if (err) {
        keel_upgrade_free(master);
        return err;
    }
    u->deadline.on_timer = on_new_deadline;
    keel_timer_start(&u->deadline, master->serving->core.start_timeout + 10 * KEEL_NS_PER_S, 0);
    keel_notice("upgrade", "started", "pid=%d binary=%s", (int)u->pid, master->binary);
    return 0;
}

/* --- the new master --- */

static void old_is_gone(struct keel_upgrade *u)
{
    struct keel_master *master = u->master;
    pid_t pid = u->pid;
    keel_upgrade_free(master);
    keel_notice("upgrade", "the old process left", "pid=%d", (int)pid);
    keel_control_listen(master);
    if (master->serving)
        keel_supervise_activate(master->serving);
}

static void note_ownerless(struct keel_upgrade *u, const struct keel_message *message)
{
    struct keel_master *master = u->master;
    struct keel_str name = {(const char *)message->bytes, message->size};
    for (unsigned i = 0; i < keel_helper_count(master->protocol); i++) {
        if (keel_str_equal(name, keel_str(master->protocol->helpers[i]->name)))
            u->ownerless[i] = true;
    }
    if (master->serving)
        keel_supervise_activate(master->serving);
}

static void on_old_message(struct keel_channel *channel, struct keel_message *message)
{
    struct keel_upgrade *u = KEEL_CONTAINER(channel, struct keel_upgrade, channel);
    if (message->type == KEEL_MSG_OWNERLESS)
        note_ownerless(u, message);
    if (message->type != KEEL_MSG_COUNTERS)
        return;
    keel_buf_append(&u->words, message->bytes, message->size);
    if (message->b != 0)
        return;
    char *text = keel_buf_text(&u->words) ? keel_strdup(keel_buf_text(&u->words)) : NULL;
    if (text && strcmp(text, "{}") != 0) { /* that one had no memory to tell */
        keel_totals_add(u->master, text, u->counters);
        keel_free(u->counters);
        u->counters = text;
    } else {
        keel_free(text);
    }
    keel_buf_clear(&u->words);
    keel_control_listen(u->master);
}

static void on_old_end(struct keel_channel *channel)
{
    old_is_gone(KEEL_CONTAINER(channel, struct keel_upgrade, channel));
}

int keel_upgrade_receive(struct keel_master *master, struct keel_manifest *manifest,
                         struct keel_diag *diag)
{
    struct keel_upgrade *u = upgrade_new(master);
    if (!u)
        return keel_diag_memory(diag);
    u->ownerless = keel_calloc(keel_helper_count(master->protocol) + 1, sizeof *u->ownerless);
    if (!u->ownerless)
        return keel_diag_memory(diag);
    u->is_new = true;
    u->pid = getppid();
    u->counters = manifest->counters;
    manifest->counters = NULL;
    if (keel_channel_start(&u->channel, master->loop, manifest->channel, on_old_message,
                           on_old_end) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot watch the channel: %s", strerror(errno));
    for (unsigned i = 0; i < manifest->fd_count; i++) {
        const struct keel_manifest_fd *f = &manifest->fds[i];
        int err = keel_sockets_adopt(&master->sockets, &manifest->endpoints.items[f->endpoint],
                                     f->slot, f->fd, f->inherited);
        if (err)
            return keel_diag_set(diag, err, "cannot take over a socket: %s", keel_strerror(err));
    }
    master->next_generation = manifest->generation;
    master->started_realtime_ns = manifest->started_ns;
    keel_totals_publish(master);
    master->tickets = manifest->tickets;
    if (u->counters)
        keel_totals_add(master, u->counters, NULL);
    return 0;
}

void keel_upgrade_takeover(struct keel_master *master)
{
    struct keel_upgrade *u = master->upgrade;
    keel_sockets_own(&master->sockets);
    if (!u || !u->is_new || u->replaced)
        return;
    u->replaced = true;
    char state[64];
    snprintf(state, sizeof state, "MAINPID=%d\nREADY=1", (int)getpid());
    keel_notify(state);
    keel_channel_send(&u->channel, KEEL_MSG_HANDOVER, 0, 0, NULL, 0, NULL, 0);
}

bool keel_upgrade_waiting(const struct keel_master *master, const struct keel_helper *helper)
{
    const struct keel_upgrade *u = master->upgrade;
    if (!u || !u->is_new)
        return false;
    for (unsigned i = 0; i < keel_helper_count(master->protocol); i++) {
        if (master->protocol->helpers[i] == helper && u->ownerless[i])
            return false;
    }
    return true;
}

bool keel_upgrade_is_pending(const struct keel_master *master)
{
    return master->upgrade && !master->upgrade->replaced;
}
