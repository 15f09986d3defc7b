/*
 * Files that were read once and may be replaced, certificates above all: the master looks whether
 * they changed, and replaces its workers as a reload does, with the configuration that it has.
 */
#include "common/service/master.h"

#include "common/base/hash.h"
#include "common/base/mem.h"

#include <string.h>
#include <sys/stat.h>

/* Certificate and key are replaced one after the other: a change counts when it has settled. */
#define SETTLING (1 * KEEL_NS_PER_S)

/* What changes when the file does; 0: it is not there. */
static uint64_t look_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    const uint64_t parts[] = {(uint64_t)st.st_dev,          (uint64_t)st.st_ino,
                              (uint64_t)st.st_size,         (uint64_t)st.st_mtim.tv_sec,
                              (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_sec,
                              (uint64_t)st.st_ctim.tv_nsec};
    return keel_checksum(parts, sizeof parts) | 1;
}

int keel_renew_note(struct keel_generation *g)
{
    unsigned count = g->access.watch_count;
    g->seen = keel_calloc(2 * count + 1, sizeof *g->seen);
    if (!g->seen)
        return KEEL_ENOMEM;
    for (unsigned i = 0; i < count; i++)
        g->seen[i] = g->seen[count + i] = look_at(g->access.watched[i]);
    return 0;
}

/* Looks at all. Returns a file that is not as it was; *settled: all are as at the last look. */
static const char *find_change(struct keel_generation *g, bool *settled)
{
    const char *changed = NULL;
    unsigned count = g->access.watch_count;
    uint64_t *last = g->seen + count;
    *settled = true;
    for (unsigned i = 0; i < count; i++) {
        uint64_t now = look_at(g->access.watched[i]);
        *settled = *settled && now == last[i];
        last[i] = now;
        if (now != g->seen[i])
            changed = g->access.watched[i];
    }
    return changed;
}

static void renew(struct keel_generation *g, const char *file)
{
    struct keel_diag diag = {""};
    unsigned count = g->access.watch_count;
    keel_notice("master", "a file changed, reloading", "file=%s", file);
    memcpy(g->seen, g->seen + count, count * sizeof *g->seen); /* once for each change */
    keel_master_renew(g->master, &diag);                       /* says what is wrong by itself */
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
