/*
 * What cached answers depend on in the file system, and who tells them when it changes (inotify).
 *
 * Names hang on the folders in which they were looked up, folders on the names that they have in
 * theirs, up to a site's root, which is a folder without one:
 *
 *     root ── "css" ──> folder "css/" ── "a.css" ── interest ── subject (an entry of the cache)
 *       └──── "link" (to css/a.css) ──── interest ──────┘
 *
 * Something happens to a name: all who are interested in it, and in anything below it, have
 * changed. A name that is not there is watched like any other, so "there is no such file" is an
 * answer as good as a file.
 */
#ifndef HTTPD_HANDLERS_WATCH_H
#define HTTPD_HANDLERS_WATCH_H

#include "common/runtime/watch.h"
#include "httpd/handlers/mount.h"
#include "httpd/request/route.h"

struct http_watch;

enum http_subject_state {
    HTTP_UNWATCHED, /* nobody would tell: it has to be looked at again after a while */
    HTTP_WATCHED,   /* it is what it was */
    HTTP_CHANGED,   /* something it depends on has changed */
};
/* Embedded in what depends on names. */
struct http_subject {
    struct keel_list interests; /* http_interest */
    uint8_t state;              /* enum http_subject_state */
};

/* Watches at most `folders`. Borrows the table of mounts, and forgets it when mounts change.
 * Returns new; NULL: memory or inotify is out. */
struct http_watch *http_watch_new(struct keel_loop *loop, unsigned folders,
                                  struct http_mounts *mounts);
/* After all subjects were forgotten. */
void http_watch_free(struct http_watch *watch); /* NULL: nothing */

void http_subject_init(struct http_subject *subject);
/* `to` becomes what `from` was, which is empty then. */
void http_subject_move(struct http_subject *from, struct http_subject *to);
/* It depends on nothing any more; UNWATCHED. watch NULL: nothing. */
void http_watch_forget(struct http_watch *watch, struct http_subject *subject);

enum http_look {
    HTTP_LOOK,       /* the path as it is, if no part of it is a link */
    HTTP_LOOK_LINKS, /* and where links in it lead */
    HTTP_LOOK_LIST,  /* all that stands in the folder */
};
/* Before `path`, relative to the site's root, is opened: from now on the subject depends on it.
 * Blocks on nothing: what the kernel has not in memory is not looked at. False: a change might
 * escape us. */
bool http_watch_look(struct http_watch *watch, struct http_subject *subject,
                     const struct http_site *site, const char *path, enum http_look how);

struct http_watch_figures {
    unsigned folders;
    uint64_t changes; /* subjects that were told */
    uint64_t memory;  /* bytes */
};
void http_watch_figures(const struct http_watch *watch, struct http_watch_figures *figures);

#endif
