/*
 * Files that were read once and may be replaced, certificates above all: the master looks whether
 * they changed, when the system tells (inotify) and by time, and replaces its workers as a reload
 * does, with the configuration that it has. What is live, a stapled response, say, is handed to the
 * workers instead.
 */
#include "common/service/master.h"

#include "common/base/mem.h"
#include "common/runtime/file_watch.h"
#include "common/runtime/file.h"
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
    while (to >= 0 && (n = read(from, buffer, sizeof buffer)) > 0)
        if (keel_file_write(to, buffer, (size_t)n) != 0) {
            n = -1;
            break;
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
    const char *found = NULL;
    *settled = true;
    for (unsigned i = 0; i < g->access.watch_count; i++) {
        struct keel_input_file *file = &g->access.watched[i];
        uint64_t now = keel_path_signature(file->path);
        *settled = *settled && now == file->last;
        file->last = now;
        if (now != file->seen)
            found = file->path;
    }
    return found;
}

static bool changed(const struct keel_input_file *file)
{
    return file->last != file->seen;
}

/* True when the workers can take up all that changed without being replaced. */
static bool is_live(const struct keel_generation *g)
{
    for (unsigned i = 0; i < g->access.watch_count; i++)
        if (changed(&g->access.watched[i]) && !g->access.watched[i].live)
            return false;
    return true;
}

/* Reads the configuration that it has once more, as a reload would; of what it says now, the
 * certificates are kept. */
static int try_again(struct keel_generation *g, struct keel_diag *diag)
{
    const struct keel_master *master = g->master;
    const struct keel_conf_source source = {master->conf_file, g->text, master->overrides};
    struct keel_conf *conf = NULL;
    struct keel_core core;
    struct keel_endpoints endpoints = {0};
    struct keel_access access = {0};
    int err = keel_configuration_load(master->protocol, master->rows, &source, &conf, &core,
                                      &endpoints, &access, false, diag);
    if (!err) {
        json_decref(g->access.certificates);
        g->access.certificates = json_incref(access.certificates);
    }
    keel_access_fini(&access);
    keel_free(endpoints.items);
    keel_conf_free(conf);
    return err;
}

/* To the workers; from now on it is what those get that start later. */
static void hand_out(struct keel_generation *g, struct keel_input_file *file)
{
    int copy = copy_file(file->path);
    if (copy < 0 || keel_path_signature(file->path) != file->last) {
        if (copy >= 0)
            close(copy);
        return; /* it changes just now: the next look */
    }
    for (unsigned i = 0; i < g->count; i++) {
        struct keel_process *p = &g->processes[i];
        if (p->pid > 0)
            keel_channel_send(&p->channel, KEEL_MSG_FILE, 0, 0, file->path, strlen(file->path),
                              &copy, 1);
    }
    if (file->copy >= 0)
        close(file->copy);
    file->copy = copy;
    file->seen = file->last;
    keel_notice("master", "a file changed, taken up", "file=%s", file->path);
}

static void take_up(struct keel_generation *g)
{
    struct keel_diag diag = {""};
    int err = try_again(g, &diag);
    if (err) {
        g->master->files_refused++;
        keel_error("master", "a file changed and is no good, the old content stays", "reason=%s",
                   diag.text);
    }
    for (unsigned i = 0; i < g->access.watch_count; i++) {
        struct keel_input_file *file = &g->access.watched[i];
        if (err)
            file->seen = file->last; /* said once for each change */
        else if (changed(file))
            hand_out(g, file);
    }
}

static void renew(struct keel_generation *g, const char *file)
{
    struct keel_diag diag = {""};
    if (is_live(g)) {
        take_up(g);
        return;
    }
    keel_notice("master", "a file changed, reloading", "file=%s", file);
    for (unsigned i = 0; i < g->access.watch_count; i++) /* once for each change */
        g->access.watched[i].seen = g->access.watched[i].last;
    if (keel_master_renew(g->master, &diag) != 0) /* which says what is wrong */
        g->master->files_refused++;
}

static void on_timer(struct keel_timer *timer)
{
    struct keel_master *master = KEEL_CONTAINER(timer, struct keel_master, renew_timer);
    struct keel_generation *g = master->serving;
    bool settled;
    if (!g || master->stopping || g->core.certificate_watch == 0)
        return;
    uint64_t next = g->core.certificate_watch;
    const char *file = find_change(g, &settled);
    if (file && (!settled || keel_master_is_starting(master) || keel_upgrade_is_pending(master)))
        next = next < SETTLING ? next : SETTLING;
    else if (file)
        renew(g, file);
    keel_timer_start(timer, next, 0);
}

void keel_renew_start(struct keel_master *master)
{
    keel_timer_init(&master->renew_timer, master->loop, "renew", on_timer);
}

static void unwatch(struct keel_master *master)
{
    keel_file_watch_free(master->renew_watch);
    keel_free(master->renew_watched);
    master->renew_watch = NULL;
    master->renew_watched = NULL;
}

void keel_renew_stop(struct keel_master *master)
{
    keel_timer_stop(&master->renew_timer);
    unwatch(master);
}

/* The system says that something happened to one of the files. */
static void on_touched(void *arg, struct keel_watched_files *w)
{
    struct keel_master *master = arg;
    keel_timer_start(&master->renew_timer, 0, 0);
}

/* Of what cannot be watched the timer tells. */
static void watch(struct keel_master *master, const struct keel_generation *g)
{
    unwatch(master);
    master->renew_watched = keel_calloc(g->access.watch_count, sizeof *master->renew_watched);
    if (master->renew_watched)
        master->renew_watch =
            keel_file_watch_new(master->loop, "files of the configuration", on_touched, master);
    for (unsigned i = 0; i < g->access.watch_count && master->renew_watch; i++)
        keel_file_watch_add(master->renew_watch, &master->renew_watched[i],
                            g->access.watched[i].path);
}

void keel_renew_plan(struct keel_master *master)
{
    const struct keel_generation *g = master->serving;
    if (g && g->access.watch_count > 0 && g->core.certificate_watch > 0) {
        uint64_t first = g->core.certificate_watch;
        watch(master, g);
        /* soon: what happened before the files were watched */
        keel_timer_start(&master->renew_timer, first < SETTLING ? first : SETTLING, 0);
    } else {
        keel_timer_stop(&master->renew_timer);
        unwatch(master);
    }
}
