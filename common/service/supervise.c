#include "common/service/master.h"

#include "common/base/mem.h"
#include "common/runtime/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A heartbeat later than this lets siblings serve the worker's descriptors as well: harmless when
 * it was only busy. */
#define LATE (600 * KEEL_NS_PER_MS)
#define WARN KEEL_NS_PER_S
/* From SIGABRT (which writes a backtrace) to SIGKILL. */
#define ABORT_GRACE (5 * KEEL_NS_PER_S)
/* After so long in good health the next death counts as the first. */
#define HEALTHY (30 * KEEL_NS_PER_S)
#define BUDGET_WINDOW (30 * KEEL_NS_PER_S)
/* Longest backoff when no worker is left. */
#define LAST_DELAY (100 * KEEL_NS_PER_MS)

bool keel_process_healthy(const struct keel_process *p)
{
    return p->state == KEEL_PROCESS_SERVING && !p->hung;
}

/* --- who serves which descriptor --- */

/* The next healthy one behind `index`, or NULL. */
static struct keel_process *deputy_of(struct keel_generation *g, unsigned index)
{
    for (unsigned i = 1; i < g->count; i++) {
        struct keel_process *p = &g->processes[(index + i) % g->count];
        if (keel_process_healthy(p))
            return p;
    }
    return NULL;
}

/* While it starts it keeps what it was started with. */
static void hand_over(struct keel_process *p, unsigned endpoint, unsigned slot, bool give)
{
    struct keel_generation *g = p->generation;
    struct keel_kept *kept = g->kept[endpoint];
    uint32_t *has = &p->has[g->first_slot[endpoint] + slot], wanted = give ? kept->opening : 0;
    if (*has == wanted || p->state != KEEL_PROCESS_SERVING)
        return;
    /* also one of an interface that has gone and come back meanwhile */
    if (*has &&
        keel_channel_send(&p->channel, KEEL_MSG_RELEASE, endpoint, slot, NULL, 0, NULL, 0) != 0)
        return;
    *has = 0;
    if (give && keel_channel_send(&p->channel, KEEL_MSG_ADOPT, endpoint, slot, NULL, 0,
                                  &kept->fds[slot], 1) == 0)
        *has = wanted;
}

static void assign_slot(struct keel_generation *g, unsigned endpoint, unsigned slot)
{
    unsigned slots = g->first_slot[endpoint + 1] - g->first_slot[endpoint];
    bool open = slot < g->kept[endpoint]->count && !keel_generation_accepts(g, endpoint);
    if (!open || slots == 1 || g->core.schedule == KEEL_SCHEDULE_SINGLE) {
        /* nobody's; or everybody's, and the active one's to serve */
        for (unsigned i = 0; i < g->count; i++)
            hand_over(&g->processes[i], endpoint, slot, open);
        return;
    }
    struct keel_process *owner = &g->processes[slot % g->count];
    struct keel_process *deputy = keel_process_healthy(owner) ? NULL : deputy_of(g, owner->index);
    /* giving comes before taking, so that there is never nobody */
    hand_over(owner, endpoint, slot, true);
    if (deputy)
        hand_over(deputy, endpoint, slot, true);
    if (!keel_process_healthy(owner))
        return;
    for (unsigned i = 0; i < g->count; i++) {
        if (i != owner->index)
            hand_over(&g->processes[i], endpoint, slot, false);
    }
}

void keel_supervise_assign(struct keel_generation *g)
{
    if (g->state == KEEL_GENERATION_DRAINING)
        return;
    if (keel_generation_widen(g) != 0)
        keel_error("master", "no memory to serve all descriptors", "generation=%u", g->number);
    for (unsigned e = 0; e < g->endpoints.count; e++) {
        for (unsigned s = 0; s < g->first_slot[e + 1] - g->first_slot[e]; s++)
            assign_slot(g, e, s);
    }
}

/* A worker, or a helper of this kind, of any generation. */
static bool somebody_is_active(const struct keel_master *master, const struct keel_helper *helper)
{
    keel_list_for (node, &master->generations) {
        const struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        for (unsigned i = 0; i < g->total; i++) {
            const struct keel_process *p = &g->processes[i];
            if (p->pid > 0 && p->active && p->helper == helper)
                return true;
        }
    }
    return false;
}

/* The first healthy one of processes from..to-1 becomes active. */
static void activate_one(struct keel_generation *g, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct keel_process *p = &g->processes[i];
        if (!keel_process_healthy(p))
            continue;
        if (keel_channel_send(&p->channel, KEEL_MSG_ACTIVATE, 0, 0, NULL, 0, NULL, 0) != 0)
            continue;
        p->active = true;
        return;
    }
}

void keel_supervise_activate(struct keel_generation *g)
{
    struct keel_master *master = g->master;
    if (g->state != KEEL_GENERATION_SERVING)
        return;
    if (g->core.schedule == KEEL_SCHEDULE_SINGLE && !keel_upgrade_waiting(master, NULL) &&
        !somebody_is_active(master, NULL))
        activate_one(g, 0, g->count);
    for (unsigned i = g->count; i < g->total; i++) {
        const struct keel_helper *helper = g->processes[i].helper;
        if (!keel_upgrade_waiting(master, helper) && !somebody_is_active(master, helper))
            activate_one(g, i, i + 1);
    }
}

void keel_supervise_retire(struct keel_generation *g)
{
    for (unsigned i = g->count; i < g->total; i++) {
        struct keel_process *p = &g->processes[i];
        if (p->pid > 0 && p->active)
            keel_channel_send(&p->channel, KEEL_MSG_RETIRE, 0, 0, NULL, 0, NULL, 0);
    }
}

void keel_supervise_retired(struct keel_process *p)
{
    struct keel_master *master = p->generation->master;
    if (!p->active || p->generation->state != KEEL_GENERATION_DRAINING)
        return;
    p->active = false;
    keel_info("master", "helper has handed over", "helper=%s pid=%d", p->helper->name, (int)p->pid);
    keel_upgrade_ownerless(master, p->helper);
    if (master->serving)
        keel_supervise_activate(master->serving);
}

/* --- deaths --- */

/* Deaths of all workers inside the window. */
static unsigned recent_deaths(const struct keel_master *master, uint64_t now)
{
    unsigned n = 0, size = sizeof master->deaths_ns / sizeof master->deaths_ns[0];
    unsigned kept = master->deaths < size ? master->deaths : size;
    for (unsigned i = 0; i < kept; i++)
        n += now - master->deaths_ns[i] <= BUDGET_WINDOW;
    return n;
}

/* 0, 0.1, 0.2, 0.4 ... 10 s */
static uint64_t respawn_delay(unsigned deaths)
{
    if (deaths <= 1)
        return 0;
    uint64_t delay = 100 * KEEL_NS_PER_MS;
    for (unsigned i = 2; i < deaths && delay < 10 * KEEL_NS_PER_S; i++)
        delay *= 2;
    return delay < 10 * KEEL_NS_PER_S ? delay : 10 * KEEL_NS_PER_S;
}

static bool another_comes_or_serves(const struct keel_generation *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        if (g->processes[i].state == KEEL_PROCESS_SERVING ||
            g->processes[i].state == KEEL_PROCESS_STARTING)
            return true;
    }
    return false;
}

static void plan_respawn(struct keel_process *p, uint64_t now)
{
    struct keel_master *master = p->generation->master;
    unsigned budget = p->generation->core.respawn_budget * p->generation->count;
    unsigned size = sizeof master->deaths_ns / sizeof master->deaths_ns[0];
    master->deaths_ns[master->deaths++ % size] = now;
    if (budget > size)
        budget = size;
    unsigned deaths = recent_deaths(master, now);
    if (budget > 0 && deaths >= budget) {
        keel_error("master", "workers die too often, giving up",
                   "deaths=%u seconds=%u option=respawn-budget", deaths,
                   (unsigned)(BUDGET_WINDOW / KEEL_NS_PER_S));
        keel_master_stop(master, false, EXIT_FAILURE);
        return;
    }
    if (p->ready_ns && now - p->ready_ns > HEALTHY)
        p->deaths = 0;
    p->deaths++;
    uint64_t delay = respawn_delay(p->deaths);
    /* with siblings a backoff costs no client anything; the last one does not keep them waiting */
    if (!p->helper && delay > LAST_DELAY && !another_comes_or_serves(p->generation))
        delay = LAST_DELAY;
    keel_timer_start(&p->respawn, delay, 0);
}

/* Messages that it sent before it died: FAILED says why. */
static void read_last_words(struct keel_process *p)
{
    uint8_t space[KEEL_MESSAGE_MAX + 16];
    int fds[KEEL_MESSAGE_FDS];
    struct keel_message message;
    while (p->channel.fd >= 0 && keel_channel_receive(p->channel.fd, &message, space, fds) == 1) {
        keel_process_message(&p->channel, &message);
        for (unsigned i = 0; i < message.fd_count; i++) {
            if (fds[i] >= 0)
                close(fds[i]);
        }
    }
}

static void log_death(const struct keel_process *p, const char *how)
{
    if (p->failure[0])
        keel_error("master", "worker failed", "worker=%u pid=%d reason=%s", p->index, (int)p->pid,
                   p->failure);
    else
        keel_error("master", "worker died", "worker=%u pid=%d how=%s", p->index, (int)p->pid, how);
}

/* Not every end is news: some were told to go, and why a start failed is said once, for all. */
static bool is_news(const struct keel_process *p, int status)
{
    if (p->generation->state == KEEL_GENERATION_SERVING)
        return true;
    return p->ready_ns > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void process_ended(struct keel_process *p, int status)
{
    struct keel_generation *g = p->generation;
    struct keel_master *master = g->master;
    char how[64];
    bool was_active = p->active;
    read_last_words(p);
    keel_child_format_status(how, sizeof how, status);
    if (is_news(p, status))
        log_death(p, how);
    p->state = KEEL_PROCESS_EMPTY;
    p->pid = 0;
    p->active = false;
    keel_totals_fold(master, p);
    keel_control_reply(p, 0, NULL, 0, false);
    keel_balance_recover(p);
    keel_channel_stop(&p->channel);
    close(p->worker_end);
    p->worker_end = -1;
    memset(p->has, 0, g->first_slot[g->endpoints.count] * sizeof *p->has);
    if (g->state == KEEL_GENERATION_SERVING) {
        keel_supervise_assign(g);
        keel_supervise_activate(g);
        plan_respawn(p, keel_clock_monotonic());
        return;
    }
    if (was_active && p->helper)
        keel_upgrade_ownerless(master, p->helper);
    if (was_active && master->serving)
        keel_supervise_activate(master->serving);
    keel_generation_lost(p, how);
}

/* Only our own are waited for, one by one: whoever started another child waits for it. Returns
 * one that ended, and its status. */
static struct keel_process *find_ended(struct keel_master *master, int *status)
{
    keel_list_for (node, &master->generations) {
        struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        for (unsigned i = 0; i < g->total; i++) {
            pid_t pid = g->processes[i].pid;
            if (pid > 0 && waitpid(pid, status, WNOHANG) == pid)
                return &g->processes[i];
        }
    }
    return NULL;
}

void keel_supervise_reap(struct keel_master *master)
{
    struct keel_process *p;
    int status;
    while ((p = find_ended(master, &status)))
        process_ended(p, status); /* its generation may be gone now */
    keel_upgrade_reap(master);
    /* Process 1 of a container inherits the orphans of all others. */
    while (getpid() == 1 && waitpid(-1, &status, WNOHANG) > 0)
        ;
}

/* --- heartbeats --- */

/* 'T': stopped by a signal. A stopped process cannot touch a store, so that ending it is safe. */
static bool is_stopped(pid_t pid)
{
    char path[40], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *state = strrchr(text, ')');
    return state && state[1] == ' ' && (state[2] == 'T' || state[2] == 't');
}

static void end_hung(struct keel_process *p, uint64_t now)
{
    if (!p->aborted) {
        keel_error("master", "worker hangs, aborting it", "worker=%u pid=%d", p->index,
                   (int)p->pid);
        p->aborted = true;
        p->aborted_ns = now;
        kill(p->pid, SIGABRT);
        kill(p->pid, SIGCONT); /* a stopped one would not see it */
    } else if (now - p->aborted_ns > ABORT_GRACE) {
        kill(p->pid, SIGKILL);
    }
}

static void check_heartbeat(struct keel_process *p, uint64_t now)
{
    struct keel_generation *g = p->generation;
    const struct keel_slot *slot = keel_segment_slot(&g->master->board.segment, p->slot);
    uint64_t beat = keel_slot_get(&slot->heartbeat_ns);
    uint64_t age = beat && beat < now ? now - beat : 0;
    bool hung = age > LATE;
    if (hung != p->hung) {
        p->hung = hung;
        keel_supervise_assign(g);
        if (hung)
            keel_balance_recover(p);
        else
            keel_balance_flush(g->master);
    }
    if (!hung) {
        p->warned = false;
        return;
    }
    if (age > WARN && !p->warned) {
        p->warned = true;
        keel_warning("master", "worker gives no sign of life", "worker=%u pid=%d ms=%llu", p->index,
                     (int)p->pid, (unsigned long long)(age / KEEL_NS_PER_MS));
    }
    /* with one active worker nobody else may serve: a stopped one is replaced at once */
    if (p->active && (p->helper || g->core.schedule == KEEL_SCHEDULE_SINGLE) && is_stopped(p->pid))
        kill(p->pid, SIGKILL);
    if (age > g->core.worker_timeout)
        end_hung(p, now);
}

/* A replacement that does not get ready. */
static void end_late(struct keel_process *p)
{
    if (!p->aborted)
        keel_error("master", "worker is not ready within start-timeout, ending it",
                   "worker=%u pid=%d", p->index, (int)p->pid);
    p->aborted = true;
    kill(p->pid, SIGKILL);
}

static void on_tick(struct keel_timer *timer)
{
    struct keel_master *master = KEEL_CONTAINER(timer, struct keel_master, tick);
    struct keel_generation *g = master->serving;
    uint64_t now = keel_clock_monotonic();
    bool frozen = now - master->ticked_ns > LATE;
    master->ticked_ns = now;
    keel_log_tick();
    if (frozen) /* as we were, so were the workers: the next tick tells */
        return;
    for (unsigned i = 0; g && i < g->total; i++) {
        struct keel_process *p = &g->processes[i];
        if (p->state == KEEL_PROCESS_SERVING)
            check_heartbeat(p, now);
        else if (p->state == KEEL_PROCESS_STARTING && now - p->spawned_ns > g->core.start_timeout)
            end_late(p);
    }
}

/* --- interfaces that come and go --- */

static void link_changed(struct keel_generation *g, unsigned endpoint)
{
    struct keel_kept *kept = g->kept[endpoint];
    struct keel_diag diag = {""};
    struct keel_interface interface;
    bool exists = keel_interface_by_name(kept->endpoint.interface, &interface) == 0;
    if (exists && kept->count > 0 && kept->interface_index != interface.index) {
        keel_sockets_close_fds(kept); /* it went and came back between two looks */
        keel_supervise_assign(g);
    }
    if (exists == (kept->count > 0))
        return;
    if (exists) {
        if (keel_sockets_open_late(kept, &diag) != 0)
            keel_error("listen", "cannot serve the interface", "interface=%s reason=%s",
                       kept->endpoint.interface, diag.text);
        else
            keel_notice("listen", "interface appeared", "interface=%s", kept->endpoint.interface);
        keel_supervise_assign(g);
        return;
    }
    keel_notice("listen", "interface is gone, waiting for it", "interface=%s",
                kept->endpoint.interface);
    keel_sockets_close_fds(kept);
    keel_supervise_assign(g);
}

static void on_link(struct keel_link_watch *watch, unsigned index, const char *name)
{
    struct keel_master *master = KEEL_CONTAINER(watch, struct keel_master, links);
    struct keel_generation *g = master->serving;
    for (unsigned e = 0; g && e < g->endpoints.count; e++) {
        if (g->endpoints.items[e].interface[0])
            link_changed(g, e);
    }
}

void keel_supervise_start(struct keel_master *master)
{
    master->ticked_ns = keel_clock_monotonic();
    keel_timer_init(&master->tick, master->loop, "supervise", on_tick);
    keel_timer_start(&master->tick, KEEL_HEARTBEAT, KEEL_HEARTBEAT);
    if (keel_link_watch_start(&master->links, master->loop, on_link) == 0)
        master->watching_links = true;
    else
        keel_warning("master", "cannot follow interfaces", "error=%m");
}

void keel_supervise_stop(struct keel_master *master)
{
    keel_timer_stop(&master->tick);
    if (master->watching_links)
        keel_link_watch_stop(&master->links);
    master->watching_links = false;
}
