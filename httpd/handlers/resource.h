/*
 * What a path under a site's root names in the file system, opened.
 */
#ifndef HTTPD_HANDLERS_RESOURCE_H
#define HTTPD_HANDLERS_RESOURCE_H

#include <sys/stat.h>

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
/* Resolves request->path, or what its location tries for it, under the site's root by
 * openat2(RESOLVE_BENEATH): no link and no spelling leads out. */
void http_resource_open(struct http_resource *resource, const struct http_request *request);
/* Closes what is open. */
void http_resource_close(struct http_resource *resource);

#endif
