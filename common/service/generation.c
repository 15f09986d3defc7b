#include "common/service/master.h"

#include "common/base/mem.h"
#include "common/service/notify.h"
#include "common/service/paths.h"
#include "common/service/worker.h"

#include <signal.h>
#include <stdlib.h>

/* From TERM to KILL for a worker that does not leave. */
#define LEAVE_GRACE (5 * KEEL_NS_PER_S)

const char *keel_generation_state_name(enum keel_generation_state state)
{
    static const char *const names[] = {"", "starting", "serving", "draining"};
    return names[state];
}

/* --- making and freeing --- */

/* It serves no more: an address that nobody else wants closes. */
static void drop_sockets(struct keel_generation *g)
{
    if (g->kept)
        keel_sockets_drop(&g->master->sockets, g->kept, g->endpoints.count);
    keel_free(g->kept);
    g->kept = NULL;
}

static void generation_free(struct keel_generation *g)
{
    keel_timer_stop(&g->deadline);
    for (unsigned i = 0; i < g->total; i++) {
        keel_timer_stop(&g->processes[i].respawn);
        keel_free(g->processes[i].has);
    }
    drop_sockets(g);
    keel_list_remove(&g->node);
    keel_free(g->processes);
    keel_free(g->first_slot);
    keel_free(g->endpoints.items);
    keel_access_fini(&g->access);
    keel_conf_free(g->conf);
    keel_free(g->text);
    keel_free(g);
}

/* Reads and checks everything, as --check does, short of binding. */
static int load(struct keel_generation *g, struct keel_diag *diag)
{
    const struct keel_conf_source source = {g->master->conf_file, g->text, g->master->overrides};
    return keel_configuration_load(g->master->protocol, g->master->rows, &source, &g->conf,
                                   &g->core, &g->endpoints, &g->access, false, diag);
}

/* Numbers of an endpoint's descriptors; an absent interface will have one. */
static unsigned slots_of(const struct keel_kept *kept)
{
    return kept->count ? kept->count : 1;
}

static int acquire(struct keel_generation *g, struct keel_diag *diag)
{
    unsigned n = g->endpoints.count;
    g->first_slot = keel_calloc(n + 1, sizeof *g->first_slot);
    unsigned workers = g->core.workers, total = workers;
    if (!g->endpoints.no_helpers)
        total += keel_helper_count(g->master->protocol);
    g->processes = keel_calloc(total, sizeof *g->processes);
    struct keel_kept **kept = keel_calloc(n, sizeof(struct keel_kept *));
    if (!kept || !g->first_slot || !g->processes) {
        keel_free(kept);
        return keel_diag_memory(diag);
    }
    int err = keel_sockets_acquire(&g->master->sockets, &g->endpoints, g->core.schedule, workers,
                                   kept, diag);
    if (err) {
        keel_free(kept);
        return err;
    }
    g->kept = kept;
    g->count = workers;
    g->total = total;
    for (unsigned i = 0; i < n; i++)
        g->first_slot[i + 1] = g->first_slot[i] + slots_of(kept[i]);
    return 0;
}

bool keel_generation_accepts(const struct keel_generation *g, unsigned endpoint)
{
    return g->endpoints.items[endpoint].kind == KEEL_ENDPOINT_TCP &&
           (g->core.schedule == KEEL_SCHEDULE_ROUND_ROBIN ||
            g->core.schedule == KEEL_SCHEDULE_LEAST);
}

static bool is_wide(const struct keel_generation *g)
{
    for (unsigned e = 0; e < g->endpoints.count; e++) {
        if (slots_of(g->kept[e]) > g->first_slot[e + 1] - g->first_slot[e])
            return false;
    }
    return true;
}

/* What a process has, by new numbers: those behind the old ones of an endpoint are free. Returns
 * new. */
static uint32_t *renumber(const struct keel_process *p, const unsigned *old, const unsigned *now,
                          unsigned n)
{
    uint32_t *has = keel_calloc(now[n] + 1, sizeof *has);
    for (unsigned e = 0; has && e < n; e++)
        memcpy(has + now[e], p->has + old[e], (old[e + 1] - old[e]) * sizeof *has);
    return has;
}

/* All or nothing: numbers and what goes by them change together. */
static int renumber_all(struct keel_generation *g, unsigned *now, uint32_t **fresh)
{
    unsigned made = 0;
    while (made < g->total &&
           (fresh[made] = renumber(&g->processes[made], g->first_slot, now, g->endpoints.count)))
        made++;
    bool all = made == g->total;
    for (unsigned i = 0; i < made; i++) {
        keel_free(all ? g->processes[i].has : fresh[i]);
        if (all)
            g->processes[i].has = fresh[i];
    }
    if (!all)
        return KEEL_ENOMEM;
    keel_free(g->first_slot);
    g->first_slot = now;
    return 0;
}

int keel_generation_widen(struct keel_generation *g)
{
    unsigned n = g->endpoints.count;
    if (is_wide(g))
        return 0;
    unsigned *now = keel_calloc(n + 1, sizeof *now);
    uint32_t **fresh = keel_calloc(g->total, sizeof *fresh);
    for (unsigned e = 0; now && e < n; e++) {
        unsigned have = g->first_slot[e + 1] - g->first_slot[e], want = slots_of(g->kept[e]);
        now[e + 1] = now[e] + (want > have ? want : have);
    }
    int err = now && fresh ? renumber_all(g, now, fresh) : KEEL_ENOMEM;
    if (err)
        keel_free(now);
    keel_free(fresh);
    return err;
}

/* Descriptors that were opened for a new generation take their share of the connections at once,
 * and for good if that generation is undone: the one that serves now takes them. */
static void serve_new_descriptors(struct keel_master *master)
{
    struct keel_generation *g = master->serving;
    if (!g || is_wide(g))
        return;
    keel_supervise_assign(g);
    keel_balance_update(master);
}

static void on_respawn(struct keel_timer *timer)
{
    struct keel_process *p = KEEL_CONTAINER(timer, struct keel_process, respawn);
    struct keel_diag diag = {""};
    if (keel_process_spawn(p, false, &diag) == 0) {
        p->generation->master->respawns++;
        return;
    }
    keel_error("master", "cannot start a worker", "worker=%u reason=%s", p->index, diag.text);
    keel_timer_start(&p->respawn, KEEL_NS_PER_S, 0);
}

static int init_processes(struct keel_generation *g, struct keel_diag *diag)
{
    for (unsigned i = 0; i < g->total; i++) {
        struct keel_process *p = &g->processes[i];
        p->generation = g;
        p->index = i < g->count ? i : i - g->count;
        p->helper = i < g->count ? NULL : g->master->protocol->helpers[p->index];
        p->channel.fd = p->worker_end = -1;
        keel_timer_init(&p->respawn, g->master->loop, "respawn", on_respawn);
        p->has = keel_calloc(g->first_slot[g->endpoints.count] + 1, sizeof *p->has);
        if (!p->has)
            return keel_diag_memory(diag);
    }
    return 0;
}

static void log_listeners(const struct keel_generation *g)
{
    for (unsigned i = 0; i < g->endpoints.count; i++) {
        char text[256];
        keel_kept_format(text, sizeof text, g->kept[i]);
        const char *state = g->kept[i]->count                    ? "serving"
                            : g->endpoints.items[i].interface[0] ? "waiting for the interface"
                                                                 : "not permitted";
        keel_info("listen", state, "kind=%s address=%s%s",
                  keel_endpoint_kind_name(g->endpoints.items[i].kind), text,
                  g->endpoints.items[i].tls ? " tls" : "");
    }
}

void keel_generation_reopen_logs(struct keel_generation *g)
{
    for (unsigned i = 0; i < g->access.log_count; i++) {
        struct keel_diag diag = {""};
        int fd = keel_log_open_file(g->access.logs[i], &diag);
        if (fd < 0) {
            keel_error("master", "cannot reopen a log", "reason=%s", diag.text);
            continue;
        }
        for (unsigned n = 0; n < g->count; n++) {
            if (g->processes[n].pid > 0)
                keel_channel_send(&g->processes[n].channel, KEEL_MSG_LOG_FD, i + 1, 0, NULL, 0, &fd,
                                  1);
        }
        close(fd);
    }
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

/* Tells processes to finish; returns how many there are. */
static unsigned drain_range(struct keel_generation *g, unsigned from, unsigned to)
{
    unsigned left = 0;
    for (unsigned i = from; i < to; i++) {
        struct keel_process *p = &g->processes[i];
        if (p->pid <= 0)
            continue;
        left++;
        if (p->state == KEEL_PROCESS_STARTING) /* nothing is under way, and it may not listen */
            kill(p->pid, SIGTERM);
        keel_channel_send(&p->channel, KEEL_MSG_DRAIN, (uint32_t)(g->drain_ns / KEEL_NS_PER_MS), 0,
                          NULL, 0, NULL, 0);
        p->state = KEEL_PROCESS_DRAINING;
    }
    return left;
}

void keel_generation_drain(struct keel_generation *g, uint64_t deadline_ns)
{
    struct keel_master *master = g->master;
    bool draining = g->state == KEEL_GENERATION_DRAINING;
    g->state = KEEL_GENERATION_DRAINING;
    g->drain_ns = deadline_ns;
    if (master->serving == g) {
        master->serving = NULL;
        keel_balance_update(master);
    }
    drop_sockets(g);
    for (unsigned i = 0; i < g->total; i++)
        keel_timer_stop(&g->processes[i].respawn);
    /* helpers serve the workers to their end, but the newer ones own what there is one of */
    if (!draining)
        keel_supervise_retire(g);
    unsigned left = drain_range(g, 0, g->count);
    if (left == 0)
        left = drain_range(g, g->count, g->total);
    if (left == 0) {
        generation_free(g);
        keel_master_check_done(master);
        return;
    }
    uint64_t patience = deadline_ns + 2 * KEEL_NS_PER_S;
    uint64_t due = keel_loop_now(master->loop) + patience;
    if (!draining || due < g->deadline.due_ns) /* asked again: never later than promised */
        keel_timer_start(&g->deadline, patience, 0);
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
    keel_totals_publish(master);
    if (before)
        master->reloads++;
    keel_balance_update(master);
    if (before)
        keel_generation_drain(before, before->core.drain_timeout);
    keel_supervise_assign(g);
    keel_upgrade_takeover(master);
    keel_control_follow(master, &g->core);
    keel_supervise_activate(g);
    keel_tickets_plan(master);
    keel_renew_plan(master);
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
        keel_balance_flush(g->master);
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

/* It will not serve; the one before it goes on. */
static void undo(struct keel_generation *g, const char *why)
{
    struct keel_master *master = g->master;
    if (master->serving)
        keel_master_apply_log(master, &master->serving->core);
    keel_generation_drain(g, 0); /* may free g */
    keel_master_settle(master, false, why);
}

/* A process ended (or, while starting, will not come). */
void keel_generation_lost(struct keel_process *p, const char *why)
{
    struct keel_generation *g = p->generation;
    struct keel_master *master = g->master;
    if (g->state == KEEL_GENERATION_STARTING) {
        char text[1152];
        const char *said = p->failure[0] ? p->failure : why;
        if (p->helper)
            snprintf(text, sizeof text, "%s: %s", p->helper->name, said);
        else
            snprintf(text, sizeof text, "worker %u: %s", p->index, said);
        keel_error("master", g->first ? "cannot start" : "the new generation is undone",
                   "generation=%u reason=%s", g->number, text);
        if (g->first) {
            if (p->failure_status == KEEL_EXIT_USAGE)
                fprintf(stderr, "%s: %s\n", master->protocol->name, said);
            keel_master_stop(master, true, p->failure_status ? p->failure_status : EXIT_FAILURE);
        } else
            undo(g, text);
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
        return keel_diag_memory(diag);
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
    if (!err)
        keel_renew_note(g);
    if (!err && !make_directories(g, diag))
        err = KEEL_ESYS;
    if (!err)
        err = acquire(g, diag);
    serve_new_descriptors(master);
    if (!err)
        err = init_processes(g, diag);
    if (err) {
        generation_free(g);
        return err;
    }
    master->next_generation++;
    keel_master_apply_log(master, &g->core);
    log_listeners(g);
    keel_timer_start(&g->deadline, g->core.start_timeout, 0);
    bool active = g->first && !keel_upgrade_waiting(master, NULL);
    for (unsigned i = 0; i < g->total && !err; i++)
        err = keel_process_spawn(&g->processes[i], active && (i == 0 || i >= g->count), diag);
    if (err)
        undo(g, diag->text);
    return err;
}
