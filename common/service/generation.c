#include "common/service/master.h"

#include "common/base/mem.h"
#include "common/service/notify.h"
#include "common/service/paths.h"
#include "common/service/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

/* From TERM to KILL for a worker that does not leave. */
#define LEAVE_GRACE (5 * KEEL_NS_PER_S)

const char *keel_generation_state_name(enum keel_generation_state state)
{
    static const char *const names[] = {"", "starting", "serving", "draining"};
    return names[state];
}

const char *keel_process_state_name(enum keel_process_state state)
{
    static const char *const names[] = {"respawning", "starting", "serving", "draining"};
    return names[state];
}

/* --- making and freeing --- */

static void generation_free(struct keel_generation *g)
{
    keel_timer_stop(&g->deadline);
    for (unsigned i = 0; i < g->total; i++) {
        keel_timer_stop(&g->processes[i].respawn);
        keel_free(g->processes[i].has);
    }
    if (g->kept)
        keel_sockets_drop(&g->master->sockets, g->kept, g->endpoints.count);
    keel_list_remove(&g->node);
    keel_free(g->processes);
    keel_free(g->kept);
    keel_free(g->first_slot);
    keel_free(g->endpoints.items);
    keel_conf_free(g->conf);
    keel_free(g->text);
    keel_free(g);
}

/* Reads and checks everything, as --check does, short of binding. */
static int load(struct keel_generation *g, struct keel_diag *diag)
{
    const struct keel_conf_source source = {g->master->conf_file, g->text, g->master->overrides};
    return keel_configuration_load(g->master->protocol, g->master->rows, &source, &g->conf,
                                   &g->core, &g->endpoints, diag);
}

static int acquire(struct keel_generation *g, struct keel_diag *diag)
{
    unsigned n = g->endpoints.count;
    g->count = g->core.workers;
    g->kept = keel_calloc(n, sizeof *g->kept);
    g->first_slot = keel_calloc(n + 1, sizeof *g->first_slot);
    g->total = g->count + keel_helper_count(g->master->protocol);
    g->processes = keel_calloc(g->total, sizeof *g->processes);
    if (!g->kept || !g->first_slot || !g->processes) {
        keel_free(g->kept);
        g->kept = NULL;
        g->count = g->total = 0;
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    int err = keel_sockets_acquire(&g->master->sockets, &g->endpoints, g->core.schedule, g->count,
                                   g->kept, diag);
    if (err) {
        keel_free(g->kept);
        g->kept = NULL;
        g->count = g->total = 0;
        return err;
    }
    for (unsigned i = 0; i < n; i++) /* an absent interface will have one descriptor */
        g->first_slot[i + 1] = g->first_slot[i] + (g->kept[i]->count ? g->kept[i]->count : 1);
    return 0;
}

static void on_respawn(struct keel_timer *timer)
{
    struct keel_process *p = KEEL_CONTAINER(timer, struct keel_process, respawn);
    struct keel_diag diag = {""};
    p->generation->master->respawns++;
    if (keel_process_spawn(p, false, &diag) != 0) {
        keel_error("master", "cannot start a worker", "worker=%u reason=%s", p->index, diag.text);
        keel_timer_start(&p->respawn, KEEL_NS_PER_S, 0);
    }
}

static int init_processes(struct keel_generation *g)
{
    for (unsigned i = 0; i < g->total; i++) {
        struct keel_process *p = &g->processes[i];
        p->generation = g;
        p->index = i < g->count ? i : i - g->count;
        p->helper = i < g->count ? NULL : g->master->protocol->helpers[p->index];
        p->channel.fd = p->worker_end = -1;
        keel_timer_init(&p->respawn, g->master->loop, "respawn", on_respawn);
        p->has = keel_calloc(g->first_slot[g->endpoints.count] + 1, sizeof(bool));
        if (!p->has)
            return KEEL_ENOMEM;
    }
    return 0;
}

static void log_listeners(const struct keel_generation *g)
{
    for (unsigned i = 0; i < g->endpoints.count; i++) {
        char text[256];
        keel_kept_format(text, sizeof text, g->kept[i]);
        const char *state = g->kept[i]->count                     ? "serving"
                            : g->endpoints.items[i].interface[0] ? "waiting for the interface"
                                                                 : "not permitted";
        keel_info("listen", state, "kind=%s address=%s%s",
                  keel_endpoint_kind_name(g->endpoints.items[i].kind), text,
                  g->endpoints.items[i].tls ? " tls" : "");
    }
}

/* --- processes --- */

static int add_descriptors(struct keel_process *p, struct keel_manifest *m)
{
    struct keel_generation *g = p->generation;
    for (unsigned e = 0; e < g->endpoints.count; e++) {
        for (unsigned s = 0; s < g->first_slot[e + 1] - g->first_slot[e]; s++) {
            if (!p->has[g->first_slot[e] + s])
                continue;
            if (keel_manifest_add_fd(m, e, s, g->kept[e]->fds[s]) != 0)
                return KEEL_ENOMEM;
        }
    }
    return 0;
}

/* The environment of the new process: ours, and the manifest. Returns new (one block). */
static char **make_environment(int manifest)
{
    size_t n = 0;
    while (environ[n])
        n++;
    char **env = keel_malloc((n + 2) * sizeof(char *) + 32);
    if (!env)
        return NULL;
    char *own = (char *)(env + n + 2);
    snprintf(own, 32, KEEL_MANIFEST_ENV "=%d", manifest);
    size_t out = 0;
    env[out++] = own;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], KEEL_MANIFEST_ENV "=", sizeof KEEL_MANIFEST_ENV) != 0)
            env[out++] = environ[i];
    }
    env[out] = NULL;
    return env;
}

/* In the child: the descriptors of the manifest survive exec, everything else does not. */
static void pass_descriptors(const struct keel_manifest *m)
{
    const int single[] = {m->channel, m->segment, m->log, m->control};
    for (unsigned i = 0; i < sizeof single / sizeof single[0]; i++) {
        if (single[i] >= 0)
            fcntl(single[i], F_SETFD, 0);
    }
    for (unsigned i = 0; i < m->fd_count; i++)
        fcntl(m->fds[i].fd, F_SETFD, 0);
}

static int fork_and_exec(struct keel_master *master, const struct keel_manifest *m, pid_t *pid,
                         struct keel_diag *diag)
{
    int manifest = keel_manifest_write(m);
    if (manifest < 0)
        return keel_diag_set(diag, manifest, "cannot write the manifest: %s", strerror(errno));
    char **env = make_environment(manifest);
    if (!env) {
        close(manifest);
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    *pid = fork();
    if (*pid == 0) {
        pass_descriptors(m);
        fexecve(master->exe, master->argv, env);
        _exit(127);
    }
    int error = errno;
    close(manifest);
    keel_free(env);
    if (*pid < 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot fork: %s", strerror(error));
    return 0;
}

static int open_process_channel(struct keel_process *p, struct keel_diag *diag)
{
    int pair[2];
    if (keel_channel_pair(pair) != 0)
        return keel_diag_set(diag, KEEL_ESYS, "cannot make a channel: %s", strerror(errno));
    if (keel_channel_start(&p->channel, p->generation->master->loop, pair[0],
                           keel_process_message, NULL) != 0) {
        close(pair[0]);
        close(pair[1]);
        p->channel.fd = -1;
        return keel_diag_set(diag, KEEL_ESYS, "cannot watch a channel: %s", strerror(errno));
    }
    p->worker_end = pair[1];
    return 0;
}

/* Which descriptors a new process begins with: those it owns. */
static void grant_own(struct keel_process *p)
{
    struct keel_generation *g = p->generation;
    for (unsigned e = 0; e < g->endpoints.count && !p->helper; e++) {
        unsigned slots = g->first_slot[e + 1] - g->first_slot[e];
        bool passed = g->endpoints.items[e].kind == KEEL_ENDPOINT_TCP &&
                      (g->core.schedule == KEEL_SCHEDULE_ROUND_ROBIN ||
                       g->core.schedule == KEEL_SCHEDULE_LEAST);
        for (unsigned s = 0; s < slots; s++)
            p->has[g->first_slot[e] + s] = !passed && s < g->kept[e]->count &&
                                           (slots == 1 || s % g->count == p->index);
    }
}

/* Joins a worker and a helper by a channel of their own. */
static void join(struct keel_process *worker, struct keel_process *helper)
{
    int pair[2];
    if (worker->pid <= 0 || helper->pid <= 0)
        return; /* the one that comes later is introduced then */
    if (keel_channel_pair(pair) != 0) {
        keel_error("master", "cannot join a worker and a helper", "error=%m");
        return;
    }
    keel_channel_send(&worker->channel, KEEL_MSG_PEER, helper->index, 0, NULL, 0, &pair[0], 1);
    keel_channel_send(&helper->channel, KEEL_MSG_PEER, worker->index, 0, NULL, 0, &pair[1], 1);
    close(pair[0]);
    close(pair[1]);
}

static void introduce(struct keel_process *p)
{
    struct keel_generation *g = p->generation;
    if (p->helper) {
        for (unsigned i = 0; i < g->count; i++)
            join(&g->processes[i], p);
    } else {
        for (unsigned i = g->count; i < g->total; i++)
            join(p, &g->processes[i]);
    }
}

int keel_process_spawn(struct keel_process *p, bool active, struct keel_diag *diag)
{
    struct keel_generation *g = p->generation;
    struct keel_master *master = g->master;
    struct keel_manifest m;
    int err = keel_slot_take(master, &p->slot);
    if (err)
        return keel_diag_set(diag, err, "more than %d processes at once", KEEL_SLOTS);
    err = open_process_channel(p, diag);
    if (err) {
        master->slot_used[p->slot] = 0;
        return err;
    }
    grant_own(p);
    keel_manifest_init(&m);
    m.role = p->helper ? KEEL_ROLE_HELPER : KEEL_ROLE_WORKER;
    m.generation = g->number;
    m.worker = p->index;
    m.workers = g->count;
    m.slot = p->slot;
    bool one_only = p->helper || g->core.schedule == KEEL_SCHEDULE_SINGLE;
    m.active = !one_only || active;
    m.channel = p->worker_end;
    m.segment = master->segment.fd;
    m.log = g->core.log.target == KEEL_LOG_FILE ? keel_log_fd() : -1;
    m.log_level = master->log_level;
    memcpy(m.ticket_key, master->ticket_key, sizeof m.ticket_key);
    m.conf_file = master->conf_file;
    m.conf_text = g->text;
    m.overrides = master->overrides;
    m.endpoints = g->endpoints;
    err = add_descriptors(p, &m);
    if (!err)
        err = fork_and_exec(master, &m, &p->pid, diag);
    keel_free(m.fds); /* the rest is borrowed */
    if (err) {
        keel_channel_stop(&p->channel);
        close(p->worker_end);
        p->worker_end = -1;
        master->slot_used[p->slot] = 0;
        return err;
    }
    p->state = KEEL_PROCESS_STARTING;
    p->active = active;
    p->hung = p->warned = p->aborted = false;
    p->passed = 0;
    p->failure[0] = '\0';
    p->spawned_ns = keel_clock_monotonic();
    introduce(p);
    return 0;
}

/* --- life of a generation --- */

static void on_deadline(struct keel_timer *timer)
{
    struct keel_generation *g = KEEL_CONTAINER(timer, struct keel_generation, deadline);
    if (g->state == KEEL_GENERATION_STARTING) {
        for (unsigned i = 0; i < g->total; i++) {
            if (g->processes[i].state == KEEL_PROCESS_STARTING) {
                keel_generation_lost(&g->processes[i], "not ready within start-timeout");
                return;
            }
        }
        return;
    }
    /* draining, and past its time: TERM, then KILL */
    int number = g->urgency == 0 ? SIGTERM : SIGKILL;
    g->urgency = 2;
    for (unsigned i = 0; i < g->total; i++) {
        if (g->processes[i].pid > 0) {
            keel_warning("master", "worker does not leave", "worker=%u pid=%d signal=%d", i,
                         (int)g->processes[i].pid, number);
            kill(g->processes[i].pid, number);
        }
    }
    keel_timer_start(&g->deadline, LEAVE_GRACE, 0);
}

/* Tells processes to finish; returns how many there are. One that is starting reads it as soon as
 * it listens. */
static unsigned drain_range(struct keel_generation *g, unsigned from, unsigned to)
{
    unsigned left = 0;
    for (unsigned i = from; i < to; i++) {
        struct keel_process *p = &g->processes[i];
        if (p->pid <= 0)
            continue;
        left++;
        keel_channel_send(&p->channel, KEEL_MSG_DRAIN, (uint32_t)(g->drain_ns / KEEL_NS_PER_MS), 0,
                          NULL, 0, NULL, 0);
        p->state = KEEL_PROCESS_DRAINING;
    }
    return left;
}

void keel_generation_drain(struct keel_generation *g, uint64_t deadline_ns)
{
    struct keel_master *master = g->master;
    g->state = KEEL_GENERATION_DRAINING;
    g->drain_ns = deadline_ns;
    for (unsigned i = 0; i < g->total; i++)
        keel_timer_stop(&g->processes[i].respawn);
    /* helpers serve the workers to their end */
    unsigned left = drain_range(g, 0, g->count);
    if (left == 0)
        left = drain_range(g, g->count, g->total);
    if (master->serving == g)
        master->serving = NULL;
    if (left == 0) {
        generation_free(g);
        keel_master_check_done(master);
        return;
    }
    keel_timer_start(&g->deadline, deadline_ns + 2 * KEEL_NS_PER_S, 0);
}

/* All its workers are ready: it serves, and the one before it leaves. */
static void generation_serve(struct keel_generation *g)
{
    struct keel_master *master = g->master;
    struct keel_generation *before = master->serving;
    char text[96];
    keel_timer_stop(&g->deadline);
    g->state = KEEL_GENERATION_SERVING;
    master->serving = g;
    keel_balance_update(master);
    if (before)
        keel_generation_drain(before, before->core.drain_timeout);
    keel_supervise_assign(g);
    keel_upgrade_takeover(master);
    keel_supervise_activate(g);
    snprintf(text, sizeof text, "generation %u serves with %u worker%s", g->number, g->count,
             g->count == 1 ? "" : "s");
    uint64_t took = keel_clock_monotonic() - g->started_ns;
    keel_notice("master", "serving", "generation=%u workers=%u ms=%llu sandbox=%s", g->number,
                g->count, (unsigned long long)(took / KEEL_NS_PER_MS), g->processes[0].sandbox);
    keel_master_settle(master, true, text);
}

void keel_generation_ready(struct keel_process *p)
{
    struct keel_generation *g = p->generation;
    if (p->state != KEEL_PROCESS_STARTING)
        return;
    p->state = KEEL_PROCESS_SERVING;
    p->ready_ns = keel_clock_monotonic();
    if (g->state == KEEL_GENERATION_SERVING) {
        keel_supervise_assign(g);
        keel_supervise_activate(g);
        return;
    }
    for (unsigned i = 0; i < g->total; i++) {
        if (g->processes[i].state != KEEL_PROCESS_SERVING)
            return;
    }
    if (g->state == KEEL_GENERATION_STARTING)
        generation_serve(g);
}

static bool all_gone(const struct keel_generation *g, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (g->processes[i].pid > 0)
            return false;
    }
    return true;
}

/* A process ended (or, while starting, will not come). */
void keel_generation_lost(struct keel_process *p, const char *why)
{
    struct keel_generation *g = p->generation;
    struct keel_master *master = g->master;
    if (g->state == KEEL_GENERATION_STARTING) {
        char text[640];
        snprintf(text, sizeof text, "worker %u: %s", p->index, p->failure[0] ? p->failure : why);
        keel_error("master", g->first ? "cannot start" : "the new generation is undone",
                   "generation=%u reason=%s", g->number, text);
        bool first = g->first;
        if (master->serving)
            keel_master_apply_log(master, &master->serving->core);
        keel_generation_drain(g, 0); /* may free g */
        keel_master_settle(master, false, text);
        if (first)
            keel_master_stop(master, true, EXIT_FAILURE);
        return;
    }
    if (g->state != KEEL_GENERATION_DRAINING)
        return;
    if (!p->helper && all_gone(g, g->count))
        drain_range(g, g->count, g->total);
    if (all_gone(g, g->total)) {
        keel_info("master", "generation ended", "generation=%u", g->number);
        generation_free(g);
        if (master->serving)
            keel_supervise_activate(master->serving);
        keel_master_check_done(master);
    }
}

static bool make_directories(struct keel_generation *g, struct keel_diag *diag)
{
    return keel_path_make(g->core.state_dir, 0750, g->core.uid, g->core.gid, diag) == 0;
}

int keel_generation_start(struct keel_master *master, char *text, struct keel_diag *diag)
{
    struct keel_generation *g = keel_calloc(1, sizeof *g);
    if (!g) {
        keel_free(text);
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    g->master = master;
    g->text = text;
    g->number = master->next_generation;
    g->state = KEEL_GENERATION_STARTING;
    g->first = keel_list_empty(&master->generations);
    g->started_ns = keel_clock_monotonic();
    keel_timer_init(&g->deadline, master->loop, "generation", on_deadline);
    keel_list_push_back(&master->generations, &g->node);

    int err = load(g, diag);
    if (!err && !make_directories(g, diag))
        err = KEEL_ESYS;
    if (!err)
        err = acquire(g, diag);
    if (!err)
        err = init_processes(g);
    if (err) {
        generation_free(g);
        return err;
    }
    master->next_generation++;
    keel_master_apply_log(master, &g->core);
    log_listeners(g);
    keel_timer_start(&g->deadline, g->core.start_timeout, 0);
    bool active = g->first && !keel_upgrade_waiting(master);
    for (unsigned i = 0; i < g->total && !err; i++)
        err = keel_process_spawn(&g->processes[i], active && (i == 0 || i >= g->count), diag);
    if (err)
        keel_generation_drain(g, 0);
    return err;
}

void keel_process_message(struct keel_channel *channel, struct keel_message *message)
{
    struct keel_process *p = KEEL_CONTAINER(channel, struct keel_process, channel);
    size_t n = message->size;
    switch (message->type) {
    case KEEL_MSG_READY:
        n = n < sizeof p->sandbox ? n : sizeof p->sandbox - 1;
        memcpy(p->sandbox, message->bytes, n);
        p->sandbox[n] = '\0';
        keel_generation_ready(p);
        break;
    case KEEL_MSG_FAILED: /* its end follows */
        n = n < sizeof p->failure ? n : sizeof p->failure - 1;
        memcpy(p->failure, message->bytes, n);
        p->failure[n] = '\0';
        break;
    case KEEL_MSG_ACTIVATED:
        keel_notice("master", "worker is active", "worker=%u pid=%d", p->index, (int)p->pid);
        break;
    case KEEL_MSG_REPLY:
        keel_control_reply(p, message->a, message->bytes, message->size, message->b != 0);
        break;
    default:
        keel_warning("master", "unknown message of a worker", "type=%u worker=%u", message->type,
                     p->index);
    }
}
