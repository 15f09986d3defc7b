/*
 * What a path under a site's root names in the file system, opened.
 */
#ifndef HTTPD_HANDLERS_RESOURCE_H
#define HTTPD_HANDLERS_RESOURCE_H

#include <sys/stat.h>

#include "httpd/handlers/watch.h"
#include "httpd/request/request.h"

enum http_resource_kind {
    HTTP_RESOURCE_NONE, /* nothing to serve: `status` says why */
    HTTP_RESOURCE_FILE,
    HTTP_RESOURCE_LISTING,   /* a directory to be listed */
    HTTP_RESOURCE_DIRECTORY, /* a directory whose path lacks the '/' at its end: redirect */
};

/* A compressed form of a file that stands beside it. */
struct http_sibling {
    int fd; /* -1: none */
    struct stat st;
};
/* A path resolved: an open descriptor and what stat said. */
struct http_resource {
    enum http_resource_kind kind;
    unsigned status; /* of HTTP_RESOURCE_NONE: 403, 404, or 503 (do not remember it) */
    int fd;          /* FILE, LISTING: open; else -1 */
    struct stat st;
    struct keel_str name; /* the file's name, for its type: borrows from the path or the site */
    struct http_sibling siblings[HTTP_CODING_COUNT]; /* of FILE */
};
/* What is asked for: of a request, or kept for a thread. */
struct http_wanted {
    const struct http_site *site; /* whose files these are: the request's, or its location's own */
    const struct http_location *location;
    struct keel_str path; /* decoded and normalised */
    bool json;            /* a listing as JSON */
};

/* How the file system is looked at, and what came of it. */
struct http_looking {
    struct http_watch *watch; /* NULL: nothing is watched */
    struct http_subject *subject;
    /* NULL: all may be waited for; else only what the kernel has in memory is looked at */
    struct http_mounts *cached;
    bool blocks;  /* and that was not enough: the resource is not known */
    bool watched; /* the subject will hear of all that may change it */
};

/* Resolves the path, or what its location tries for it, under the site's root by
 * openat2(RESOLVE_BENEATH): no link and no spelling leads out. */
void http_resource_open(struct http_resource *resource, const struct http_wanted *wanted,
                        struct http_looking *looking);
/* Closes what is open. */
void http_resource_close(struct http_resource *resource);
/* Opens a path below an open folder; flags as of open, resolve more of openat2's. Never waits for a
 * FIFO, never becomes a tty's process. A descriptor, or -1 with errno. */
int http_open_beneath(int root, const char *path, int flags, unsigned resolve);
/* The same without waiting: of what the kernel has in memory, or of a file system that lives there
 * (of which the kernel does not remember what names it has not). EAGAIN: one has to wait. */
int http_open_cached(struct http_mounts *mounts, int root, const char *path, int flags,
                     unsigned resolve);

#endif
