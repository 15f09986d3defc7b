/*
 * Files that are watched (inotify): whoever asked hears, a moment after, that something has
 * happened in the folder of one of his files that may have changed it.
 *
 * Folders are watched, not files: an editor puts a new file in the old one's place. Several changes
 * in a row are one.
 */
#ifndef DNSD_SERVE_FILE_WATCH_H
#define DNSD_SERVE_FILE_WATCH_H

#include "common/base/list.h"
#include "common/runtime/loop.h"

#define DNS_FILE_WATCH_DELAY (200 * KEEL_NS_PER_MS)

struct dns_file_watch;

/* Embedded by who asks; all zero: it watches nothing. */
struct dns_watched {
    struct keel_list places; /* of its files; valid while there are any */
    unsigned count;
    bool touched;
};

/* Returns new, or NULL: inotify or memory is out. */
struct dns_file_watch *dns_file_watch_new(struct keel_loop *loop,
                                          void (*on_touched)(void *arg, struct dns_watched *w),
                                          void *arg);
/* Everything that is watched still is left all zero. */
void dns_file_watch_free(struct dns_file_watch *watch); /* NULL: nothing */
/* One more of its files, unless that is watched already. 0; KEEL_ENOMEM; KEEL_ELIMIT or KEEL_ESYS
 * (errno): the folder cannot be watched. */
int dns_file_watch_add(struct dns_file_watch *watch, struct dns_watched *w, const char *path);
/* None of them any more. */
void dns_file_watch_remove(struct dns_file_watch *watch, struct dns_watched *w);
/* He hears of it once more after the delay, if he watches anything. */
void dns_file_watch_again(struct dns_file_watch *watch, struct dns_watched *w);

#endif
