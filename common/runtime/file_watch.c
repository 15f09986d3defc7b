#include "common/runtime/file_watch.h"

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/runtime/timer.h"
#include "common/runtime/watch.h"

#include <string.h>
#include <sys/inotify.h>

struct folder {
    struct keel_list node;
    struct keel_list places;
    struct keel_watched watched;
    char path[];
};

/* A file that somebody watches. */
struct place {
    struct keel_list in_folder, in_watched;
    struct folder *folder;
    struct keel_watched_files *w;
    char file[]; /* its name in the folder */
};

struct keel_file_watch {
    struct keel_watch *core;
    struct keel_timer timer;
    struct keel_list folders;
    struct keel_table by_path;
    struct keel_hash_key key;
    void (*on_touched)(void *arg, struct keel_watched_files *w);
    void *arg;
};

static void touch(struct keel_file_watch *watch, struct keel_watched_files *w)
{
    w->touched = true;
    /* not put off by what goes on and on */
    if (!keel_timer_pending(&watch->timer))
        keel_timer_start(&watch->timer, KEEL_FILE_WATCH_DELAY, 0);
}

/* name NULL: all of them. */
static bool touch_named(struct keel_file_watch *watch, struct folder *folder, const char *name)
{
    bool found = false;
    keel_list_for (node, &folder->places) {
        struct place *place = KEEL_CONTAINER(node, struct place, in_folder);
        if (name && strcmp(place->file, name) != 0)
            continue;
        touch(watch, place->w);
        found = true;
    }
    return found;
}

static void on_event(void *arg, struct keel_watched *w, const char *name)
{
    struct keel_file_watch *watch = arg;
    struct folder *folder = KEEL_CONTAINER(w, struct folder, watched);
    if (!name) /* the folder was replaced: on to the new one */
        keel_watch_add(watch->core, &folder->watched, folder->path);
    /* one that nobody knows may be a link in the path of one */
    if (!name || !*name || !touch_named(watch, folder, name))
        touch_named(watch, folder, NULL);
}

static void on_lost(void *arg)
{
    struct keel_file_watch *watch = arg;
    keel_list_for (node, &watch->folders)
        touch_named(watch, KEEL_CONTAINER(node, struct folder, node), NULL);
}

static void on_timer(struct keel_timer *timer)
{
    struct keel_file_watch *watch = KEEL_CONTAINER(timer, struct keel_file_watch, timer);
    keel_list_for (node, &watch->folders) {
        struct folder *folder = KEEL_CONTAINER(node, struct folder, node);
        keel_list_for (place, &folder->places) {
            struct keel_watched_files *w = KEEL_CONTAINER(place, struct place, in_folder)->w;
            bool touched = w->touched;
            w->touched = false;
            if (touched)
                watch->on_touched(watch->arg, w);
        }
    }
}

struct keel_file_watch *
keel_file_watch_new(struct keel_loop *loop, const char *name,
                    void (*on_touched)(void *arg, struct keel_watched_files *w), void *arg)
{
    struct keel_file_watch *watch = keel_calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->on_touched = on_touched;
    watch->arg = arg;
    keel_list_init(&watch->folders);
    keel_rand_bytes(&watch->key, sizeof watch->key);
    keel_timer_init(&watch->timer, loop, "watch", on_timer);
    /* A file that was written, and one that took the place of another: not one that is just made.
     */
    const struct keel_watch_options options = {.loop = loop,
                                               .name = name,
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

static int is_folder(const void *value, const void *key, size_t key_size)
{
    const struct folder *folder = value;
    return strlen(folder->path) == key_size && memcmp(folder->path, key, key_size) == 0;
}

static uint64_t hash_of(const struct keel_file_watch *watch, const char *path, size_t n)
{
    return keel_hash(&watch->key, path, n);
}

/* path has n bytes. A new folder has no place yet. */
static int get_folder(struct keel_file_watch *watch, const char *path, size_t n,
                      struct folder **out)
{
    uint64_t hash = hash_of(watch, path, n);
    *out = keel_table_find(&watch->by_path, hash, path, n, is_folder);
    if (*out)
        return 0;
    struct folder *folder = keel_calloc(1, sizeof *folder + n + 1);
    if (!folder)
        return KEEL_ENOMEM;
    memcpy(folder->path, path, n);
    keel_list_init(&folder->places);
    int err = keel_watch_add(watch->core, &folder->watched, folder->path);
    if (!err && (err = keel_table_add(&watch->by_path, hash, folder)) != 0)
        keel_watch_remove(watch->core, &folder->watched);
    if (err) {
        keel_free(folder);
        return err;
    }
    keel_list_push_back(&watch->folders, &folder->node);
    *out = folder;
    return 0;
}

static void drop_folder(struct keel_file_watch *watch, struct folder *folder)
{
    keel_watch_remove(watch->core, &folder->watched);
    keel_table_remove(&watch->by_path, hash_of(watch, folder->path, strlen(folder->path)), folder);
    keel_list_remove(&folder->node);
    keel_free(folder);
}

static void drop_place(struct keel_file_watch *watch, struct place *place)
{
    struct folder *folder = place->folder;
    place->w->count--;
    keel_list_remove(&place->in_watched);
    keel_list_remove(&place->in_folder);
    keel_free(place);
    if (keel_list_empty(&folder->places))
        drop_folder(watch, folder);
}

static bool watches(const struct keel_watched_files *w, const struct folder *folder,
                    const char *file)
{
    if (w->count == 0)
        return false;
    keel_list_for (node, &w->places) {
        const struct place *place = KEEL_CONTAINER(node, struct place, in_watched);
        if (place->folder == folder && strcmp(place->file, file) == 0)
            return true;
    }
    return false;
}

int keel_file_watch_add(struct keel_file_watch *watch, struct keel_watched_files *w,
                        const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    size_t n = slash ? (size_t)(slash - path) : 0;
    struct folder *folder;
    int err = slash ? get_folder(watch, path, n > 0 ? n : 1, &folder)
                    : get_folder(watch, ".", 1, &folder);
    if (err || watches(w, folder, file))
        return err;
    struct place *place = keel_calloc(1, sizeof *place + strlen(file) + 1);
    if (!place) {
        if (keel_list_empty(&folder->places))
            drop_folder(watch, folder);
        return KEEL_ENOMEM;
    }
    memcpy(place->file, file, strlen(file) + 1);
    place->folder = folder;
    place->w = w;
    if (w->count++ == 0)
        keel_list_init(&w->places);
    keel_list_push_back(&folder->places, &place->in_folder);
    keel_list_push_back(&w->places, &place->in_watched);
    return 0;
}

void keel_file_watch_remove(struct keel_file_watch *watch, struct keel_watched_files *w)
{
    while (w->count > 0)
        drop_place(watch, KEEL_CONTAINER(w->places.next, struct place, in_watched));
    *w = (struct keel_watched_files){0};
}

void keel_file_watch_free(struct keel_file_watch *watch)
{
    if (!watch)
        return;
    while (!keel_list_empty(&watch->folders)) {
        struct folder *folder = KEEL_CONTAINER(watch->folders.next, struct folder, node);
        struct place *place = KEEL_CONTAINER(folder->places.next, struct place, in_folder);
        keel_file_watch_remove(watch, place->w); /* and a folder goes with its last place */
    }
    keel_watch_free(watch->core);
    keel_timer_stop(&watch->timer);
    keel_table_fini(&watch->by_path);
    keel_free(watch);
}

void keel_file_watch_again(struct keel_file_watch *watch, struct keel_watched_files *w)
{
    if (w->count > 0)
        touch(watch, w);
}
