/*
 * Files that are watched (inotify): whoever asked hears, a moment after, that something has
 * happened in the folder of his file that may have changed it.
 *
 * Folders are watched, not files: an editor puts a new file in the old one's place, and what a file
 * includes stands beside it. Several changes in a row are one.
 */
#ifndef DNSD_SERVE_FILE_WATCH_H
#define DNSD_SERVE_FILE_WATCH_H

#include "common/base/list.h"
#include "common/runtime/loop.h"

#define DNS_FILE_WATCH_DELAY (200 * KEEL_NS_PER_MS)

struct dns_file_watch;
struct dns_watched_folder;

/* Embedded by who asks; all zero: it watches nothing. */
struct dns_watched {
    struct keel_list node; /* in the folder's list */
    struct dns_watched_folder *folder;
    const char *file; /* its name in the folder; points into the path */
    bool touched;
};

/* Returns new, or NULL: inotify or memory is out. */
struct dns_file_watch *dns_file_watch_new(struct keel_loop *loop,
                                          void (*on_touched)(void *arg, struct dns_watched *w),
                                          void *arg);
void dns_file_watch_free(struct dns_file_watch *watch); /* NULL: nothing */
/* Borrows path until it is removed. 0; KEEL_ENOMEM; KEEL_ESYS: the folder cannot be watched. */
int dns_file_watch_add(struct dns_file_watch *watch, struct dns_watched *w, const char *path);
void dns_file_watch_remove(struct dns_file_watch *watch, struct dns_watched *w);
/* He hears of it once more after the delay. */
void dns_file_watch_again(struct dns_file_watch *watch, struct dns_watched *w);

#endif
