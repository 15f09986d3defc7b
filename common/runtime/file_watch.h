/*
 * Files that are watched (inotify): whoever asked hears, a moment after, that something has
 * happened in the folder of one of his files that may have changed it.
 *
 * Folders are watched, not files: an editor puts a new file in the old one's place. Several changes
 * in a row are one.
 */
#ifndef KEEL_RUNTIME_FILE_WATCH_H
#define KEEL_RUNTIME_FILE_WATCH_H

#include "common/base/list.h"
#include "common/runtime/loop.h"

#define KEEL_FILE_WATCH_DELAY (200 * KEEL_NS_PER_MS)

struct keel_file_watch;

/* Embedded by who asks; all zero: it watches nothing. */
struct keel_watched_files {
    struct keel_list places; /* of its files; valid while there are any */
    unsigned count;
    bool touched;
};

/* name: static text for messages, "zone files". on_touched may not add or remove any. Returns new,
 * or NULL: inotify or memory is out. */
struct keel_file_watch *
keel_file_watch_new(struct keel_loop *loop, const char *name,
                    void (*on_touched)(void *arg, struct keel_watched_files *w), void *arg);
/* Everything that is watched still is left all zero. */
void keel_file_watch_free(struct keel_file_watch *watch); /* NULL: nothing */
/* One more of its files, unless that is watched already. 0; KEEL_ENOMEM; KEEL_ELIMIT or KEEL_ESYS
 * (errno): the folder cannot be watched. */
int keel_file_watch_add(struct keel_file_watch *watch, struct keel_watched_files *w,
                        const char *path);
/* None of them any more. */
void keel_file_watch_remove(struct keel_file_watch *watch, struct keel_watched_files *w);
/* He hears of it once more after the delay, if he watches anything. */
void keel_file_watch_again(struct keel_file_watch *watch, struct keel_watched_files *w);

#endif
