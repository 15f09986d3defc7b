/*
 * Files of error pages: read with the configuration, and again when they change.
 *
 * Sites that name the same file share it. A file that is no good any more, or gone, changes nothing
 * but the log: the page must be there when there is nothing else left.
 */
#ifndef HTTPD_SERVE_PAGES_H
#define HTTPD_SERVE_PAGES_H

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/runtime/file_watch.h"

#define HTTP_PAGE_MAX 65536

struct http_pages {
    struct keel_table files; /* by path */
    struct keel_hash_key key;
    struct keel_file_watch *watch; /* of the worker; NULL: nobody tells of changes */
};

/* The content of the file, which is read the first time that it is named; *body stays where it is
 * and changes with the file. The path is copied to the arena. 0; KEEL_ENOMEM; KEEL_ESYS with why it
 * cannot be read in diag: then *body is set all the same, and has p NULL until there is something
 * to read. */
int http_pages_get(struct http_pages *pages, struct keel_arena *arena, const char *path,
                   const struct keel_str **body, struct keel_diag *diag);
/* From now on changes are heard of. Where that cannot be, it is logged. */
void http_pages_watch(struct http_pages *pages, struct keel_loop *loop);
void http_pages_unwatch(struct http_pages *pages);
/* All zero is fine. */
void http_pages_fini(struct http_pages *pages);

#endif
