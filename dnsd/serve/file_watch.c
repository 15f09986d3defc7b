#include "dnsd/serve/file_watch.h"

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/runtime/timer.h"
#include "common/runtime/watch.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

struct dns_watched_folder {
    struct keel_list node;
    struct keel_list files; /* dns_watched */
    struct keel_watched watched;
    char path[];
};

struct dns_file_watch {
    struct keel_watch *core;
    struct keel_timer timer;
    struct keel_list folders;
    void (*on_touched)(void *arg, struct dns_watched *w);
    void *arg;
};

static void touch(struct dns_file_watch *watch, struct dns_watched *w)
{
    w->touched = true;
    /* not put off by what goes on and on */
    if (!keel_timer_pending(&watch->timer))
        keel_timer_start(&watch->timer, DNS_FILE_WATCH_DELAY, 0);
}

/* name NULL: all of them. */
static bool touch_named(struct dns_file_watch *watch, struct dns_watched_folder *folder,
                        const char *name)
{
    bool found = false;
    keel_list_for (node, &folder->files) {
        struct dns_watched *w = KEEL_CONTAINER(node, struct dns_watched, node);
        if (name && strcmp(w->file, name) != 0)
            continue;
        touch(watch, w);
        found = true;
    }
    return found;
}

static void on_event(void *arg, struct keel_watched *w, const char *name)
{
    struct dns_file_watch *watch = arg;
    struct dns_watched_folder *folder = KEEL_CONTAINER(w, struct dns_watched_folder, watched);
    if (!name) /* the folder was replaced: on to the new one */
        keel_watch_add(watch->core, &folder->watched, folder->path);
    /* one that nobody knows may be what a file includes, or a link in its path */
    if (!name || !*name || !touch_named(watch, folder, name))
        touch_named(watch, folder, NULL);
}

static void on_lost(void *arg)
{
    struct dns_file_watch *watch = arg;
    keel_list_for (node, &watch->folders)
        touch_named(watch, KEEL_CONTAINER(node, struct dns_watched_folder, node), NULL);
}

static void on_timer(struct keel_timer *timer)
{
    struct dns_file_watch *watch = KEEL_CONTAINER(timer, struct dns_file_watch, timer);
    keel_list_for (node, &watch->folders) {
        struct dns_watched_folder *folder = KEEL_CONTAINER(node, struct dns_watched_folder, node);
        keel_list_for (file, &folder->files) {
            struct dns_watched *w = KEEL_CONTAINER(file, struct dns_watched, node);
            bool touched = w->touched;
            w->touched = false;
            if (touched)
                watch->on_touched(watch->arg, w);
        }
    }
}

struct dns_file_watch *dns_file_watch_new(struct keel_loop *loop,
                                          void (*on_touched)(void *arg, struct dns_watched *w),
                                          void *arg)
{
    struct dns_file_watch *watch = keel_calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->on_touched = on_touched;
    watch->arg = arg;
    keel_list_init(&watch->folders);
    keel_timer_init(&watch->timer, loop, "watch", on_timer);
    /* A file that was written, and one that took the place of another: not one that is just made.
     */
    const struct keel_watch_options options = {.loop = loop,
                                               .name = "zone files",
                                               .events = IN_CLOSE_WRITE | IN_MOVED_TO,
                                               .on_event = on_event,
                                               .on_lost = on_lost,
                                               .arg = watch};
    if (keel_watch_new(&options, &watch->core) != 0) {
        keel_free(watch);
        return NULL;
    }
    return watch;
}

void dns_file_watch_free(struct dns_file_watch *watch)
{
    if (!watch)
        return;
    keel_list_for_safe (node, &watch->folders) {
        struct dns_watched_folder *folder = KEEL_CONTAINER(node, struct dns_watched_folder, node);
        keel_list_for_safe (file, &folder->files)
            *KEEL_CONTAINER(file, struct dns_watched, node) = (struct dns_watched){0};
        keel_watch_remove(watch->core, &folder->watched);
        keel_free(folder);
    }
    keel_watch_free(watch->core);
    keel_timer_stop(&watch->timer);
    keel_free(watch);
}

/* path has n bytes. */
static struct dns_watched_folder *get_folder(struct dns_file_watch *watch, const char *path,
                                             size_t n)
{
    keel_list_for (node, &watch->folders) {
        struct dns_watched_folder *folder = KEEL_CONTAINER(node, struct dns_watched_folder, node);
        if (strlen(folder->path) == n && memcmp(folder->path, path, n) == 0)
            return folder;
    }
    struct dns_watched_folder *folder = keel_calloc(1, sizeof *folder + n + 1);
    if (!folder)
        return NULL;
    memcpy(folder->path, path, n);
    keel_list_init(&folder->files);
    if (keel_watch_add(watch->core, &folder->watched, folder->path) != 0) {
        keel_free(folder);
        return NULL;
    }
    keel_list_push_back(&watch->folders, &folder->node);
    return folder;
}

int dns_file_watch_add(struct dns_file_watch *watch, struct dns_watched *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    errno = 0;
    if (!slash)
        w->folder = get_folder(watch, ".", 1);
    else
        w->folder = get_folder(watch, path, n > 0 ? n : 1);
    if (!w->folder)
        return errno ? KEEL_ESYS : KEEL_ENOMEM;
    w->file = slash ? slash + 1 : path;
    w->touched = false;
    keel_list_push_back(&w->folder->files, &w->node);
    return 0;
}

void dns_file_watch_remove(struct dns_file_watch *watch, struct dns_watched *w)
{
    struct dns_watched_folder *folder = w->folder;
    if (!folder)
        return;
    keel_list_remove(&w->node);
    *w = (struct dns_watched){0};
    if (!keel_list_empty(&folder->files))
        return;
    keel_watch_remove(watch->core, &folder->watched);
    keel_list_remove(&folder->node);
    keel_free(folder);
}

void dns_file_watch_again(struct dns_file_watch *watch, struct dns_watched *w)
{
    if (w->folder)
        touch(watch, w);
}
