#include "common/service/master.h"

#include "common/base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

const char *keel_process_state_name(enum keel_process_state state)
{
    static const char *const names[] = {"respawning", "starting", "serving", "draining"};
    return names[state];
}

/* --- start --- */

static int add_descriptors(struct keel_process *p, struct keel_manifest *m)
{
    struct keel_generation *g = p->generation;
    for (unsigned e = 0; e < g->endpoints.count; e++) {
        for (unsigned s = 0; s < g->first_slot[e + 1] - g->first_slot[e]; s++) {
            if (!p->has[g->first_slot[e] + s])
                continue;
            if (keel_manifest_add_fd(m, e, s, g->kept[e]->fds[s], false) != 0)
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

pid_t keel_process_fork(void)
{
    static const int ignored[] = {SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    int error = errno;
    if (pid == 0) {
        for (int number = 1; number < NSIG; number++)
            signal(number, SIG_DFL);
        for (unsigned i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
            signal(ignored[i], SIG_IGN);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
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
        return keel_diag_memory(diag);
    }
    *pid = keel_process_fork();
    if (*pid == 0) {
        keel_manifest_pass(m);
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
    if (keel_channel_start(&p->channel, p->generation->master->loop, pair[0], keel_process_message,
                           NULL) != 0) {
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
        bool shared = slots == 1 || g->core.schedule == KEEL_SCHEDULE_SINGLE;
        bool passed = keel_generation_accepts(g, e);
        for (unsigned s = 0; s < slots; s++)
            p->has[g->first_slot[e] + s] =
                !passed && s < g->kept[e]->count && (shared || s % g->count == p->index)
                    ? g->kept[e]->opening
                    : 0;
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
    m.replaces =
        g->state == KEEL_GENERATION_STARTING && (!g->first || keel_upgrade_waiting(master, NULL));
    m.channel = p->worker_end;
    m.segment = master->board.segment.fd;
    m.log = g->core.log.target == KEEL_LOG_FILE ? keel_log_fd() : -1;
    m.log_level = master->log_level;
    m.tickets = master->tickets;
    m.files = g->access.watched;
    m.file_count = g->access.watch_count;
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
    keel_totals_enter(p);
    p->state = KEEL_PROCESS_STARTING;
    p->active = m.active;
    p->ready_ns = 0; /* health counts from its own READY */
    p->hung = p->warned = p->aborted = false;
    p->passed = 0;
    p->failure[0] = '\0';
    p->failure_status = 0;
    p->spawned_ns = keel_clock_monotonic();
    introduce(p);
    return 0;
}

/* --- what it says --- */

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
        p->failure_status = (int)message->a;
        break;
    case KEEL_MSG_ACTIVATED:
        keel_notice("master", "worker is active", "worker=%u pid=%d", p->index, (int)p->pid);
        break;
    case KEEL_MSG_RETIRED:
        keel_supervise_retired(p);
        break;
    case KEEL_MSG_REPLY:
        keel_control_reply(p, message->a, message->bytes, message->size, message->b != 0);
        break;
    default:
        keel_warning("master", "unknown message of a worker", "type=%u worker=%u", message->type,
                     p->index);
    }
}
