/*
 * Files that were read once and may be replaced, certificates above all: the master looks whether
 * they changed, and replaces its workers as a reload does, with the configuration that it has.
 */
#include "common/service/master.h"

#include "common/service/paths.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Certificate and key are replaced one after the other: a change counts when it has settled. */
#define SETTLING (1 * KEEL_NS_PER_S)

/* All of it into a descriptor that nobody else changes; -1: it cannot be read. */
static int copy_file(const char *path)
{
    char buffer[16384];
    ssize_t n = 0;
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = from >= 0 ? memfd_create("keel-file", MFD_CLOEXEC) : -1;
    while (to >= 0 && (n = read(from, buffer, sizeof buffer)) > 0) {
        if (write(to, buffer, (size_t)n) != n) {
            n = -1;
            break;
        }
    }
    explicit_bzero(buffer, sizeof buffer); /* keys */
    if (from >= 0)
        close(from);
    if (to >= 0 && n < 0) {
        close(to);
        to = -1;
    }
    return to;
}

void keel_renew_note(struct keel_generation *g)
{
    for (unsigned i = 0; i < g->access.watch_count; i++) {
        struct keel_input_file *file = &g->access.watched[i];
        file->last = file->seen;
        file->copy = copy_file(file->path);
    }
}

/* Looks at all. Returns a file that is not as it was; *settled: all are as at the last look. */
static const char *find_change(struct keel_generation *g, bool *settled)
{
    const char *changed = NULL;
    *settled = true;
    for (unsigned i = 0; i < g->access.watch_count; i++) {
        struct keel_input_file *file = &g->access.watched[i];
        uint64_t now = keel_path_signature(file->path);
        *settled = *settled && now == file->last;
        file->last = now;
        if (now != file->seen)
            changed = file->path;
    }
    return changed;
}

static void renew(struct keel_generation *g, const char *file)
{
    struct keel_diag diag = {""};
    keel_notice("master", "a file changed, reloading", "file=%s", file);
    for (unsigned i = 0; i < g->access.watch_count; i++) /* once for each change */
        g->access.watched[i].seen = g->access.watched[i].last;
    keel_master_renew(g->master, &diag); /* says what is wrong by itself */
}

static void on_timer(struct keel_timer *timer)
{
    struct keel_master *master = KEEL_CONTAINER(timer, struct keel_master, renew_timer);
    struct keel_generation *g = master->serving;
    bool settled;
    if (!g || master->stopping)
        return;
    uint64_t next = g->core.certificate_watch;
    const char *changed = find_change(g, &settled);
    if (changed && (!settled || keel_master_is_starting(master) || keel_upgrade_is_pending(master)))
        next = next < SETTLING ? next : SETTLING;
    else if (changed)
        renew(g, changed);
    keel_timer_start(timer, next, 0);
}

void keel_renew_start(struct keel_master *master)
{
    keel_timer_init(&master->renew_timer, master->loop, "renew", on_timer);
}

void keel_renew_stop(struct keel_master *master)
{
    keel_timer_stop(&master->renew_timer);
}

void keel_renew_plan(struct keel_master *master)
{
    const struct keel_generation *g = master->serving;
    if (g && g->access.watch_count > 0 && g->core.certificate_watch > 0)
        keel_timer_start(&master->renew_timer, g->core.certificate_watch, 0);
    else
        keel_timer_stop(&master->renew_timer);
}
