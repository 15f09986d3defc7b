/*
 * Folders that are watched (inotify): who embeds a keel_watched hears of what happens in a folder.
 *
 * A folder that several watch takes one watch of the system. Hearing comes before the traffic of
 * the same turn, so that who changes a file and then asks for it gets the new one.
 */
#ifndef KEEL_RUNTIME_WATCH_H
#define KEEL_RUNTIME_WATCH_H

#include "common/base/list.h"
#include "common/runtime/loop.h"

struct keel_watch; /* the watches of one loop and one purpose */
struct keel_watched_folder;

/* Embedded; all zero: it watches nothing. */
struct keel_watched {
    struct keel_list node;
    struct keel_watched_folder *folder; /* NULL: nothing is watched */
};

struct keel_watch_options {
    struct keel_loop *loop;
    const char *name; /* static text for the lag table */
    uint32_t events;  /* of inotify(7), the same for every folder: IN_CLOSE_WRITE | IN_MOVED_TO */
    unsigned max;     /* folders; 0: as many as the system allows */
    bool mounts;      /* on_lost also when something was mounted or unmounted anywhere */
    /* Something happened to `name` in the folder; "": to the folder itself; NULL: it is gone and
     * watched no more (it may be added again). Any keel_watched may be added or removed. */
    void (*on_event)(void *arg, struct keel_watched *w, const char *name);
    /* The system had more to tell than it could keep: anything may have changed. */
    void (*on_lost)(void *arg);
    void *arg;
};

/* Returns new in *out. 0; KEEL_ENOMEM; KEEL_ESYS: inotify is out (errno), which is logged. Of
 * mounts nothing is heard where /proc is not there. */
int keel_watch_new(const struct keel_watch_options *options, struct keel_watch **out);
/* Not from a callback of its own. Everything that is watched still is left all zero. */
void keel_watch_free(struct keel_watch *watch); /* NULL: nothing */
/* Watches the folder that path names now, wherever it is moved to later. 0; KEEL_ENOMEM;
 * KEEL_ELIMIT: `max` or the system's limit is reached, which is logged once; KEEL_ESYS with errno:
 * it cannot be watched. */
int keel_watch_add(struct keel_watch *watch, struct keel_watched *w, const char *path);
/* The same for an open descriptor, O_PATH will do; it stays the caller's. */
int keel_watch_add_fd(struct keel_watch *watch, struct keel_watched *w, int fd);
/* Nothing is heard after it returns. Safe when nothing is watched. */
void keel_watch_remove(struct keel_watch *watch, struct keel_watched *w);
/* How many folders the system watches for it. */
unsigned keel_watch_count(const struct keel_watch *watch);

#endif
