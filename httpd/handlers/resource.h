/*
 * What a path under a site's root names in the file system, opened; and the ready-made answer
 * about it, which the cache keeps.
 */
#ifndef HTTPD_HANDLERS_RESOURCE_H
#define HTTPD_HANDLERS_RESOURCE_H

#include <sys/stat.h>

#include "common/base/list.h"
#include "httpd/request/request.h"

#define HTTP_BODY_IN_MEMORY 65536 /* larger files keep a descriptor instead */

enum http_resource_kind {
    HTTP_RESOURCE_NONE, /* nothing to serve: `status` says why */
    HTTP_RESOURCE_FILE,
    HTTP_RESOURCE_LISTING,   /* a directory to be listed */
    HTTP_RESOURCE_DIRECTORY, /* a directory whose path lacks the '/' at its end: redirect */
};

/* A path resolved: an open descriptor and what stat said. */
struct http_resource {
    enum http_resource_kind kind;
    unsigned status; /* of HTTP_RESOURCE_NONE: 403, 404, or 503 (do not remember it) */
    int fd;          /* FILE, LISTING: open; else -1 */
    struct stat st;
    struct keel_str name; /* the file's name, for its type: borrows from the path or the site */
};
/* Resolves request->path under its site's root by openat2(RESOLVE_BENEATH): no link and no spelling
 * leads out. The caller closes fd. */
void http_resource_open(struct http_resource *resource, const struct http_request *request);

/* The answers about one path, ready to be sent: one allocation holds the key and all texts. */
struct http_entry {
    struct keel_list lru;
    struct keel_str path; /* with `site` and `listing` its key */
    uint64_t hash;
    uint32_t site;
    bool autoindex;
    uint8_t kind;        /* enum http_resource_kind */
    uint16_t status;     /* 200, or the resource's */
    uint32_t refs;       /* the cache's, and responses under way */
    uint64_t checked_ns; /* when the file system was last asked */
    dev_t dev;           /* identity of what it was made from */
    ino_t ino;
    struct timespec mtime, ctime;
    uint64_t size;        /* of the body */
    int fd;               /* FILE that is too large for memory; else -1 */
    struct keel_str head; /* of 200, without the empty line; its body follows that in memory */
    struct keel_str head304;
    struct keel_str etag, type; /* etag empty: none */
    char *date, *date304;       /* where the Date values stand */
    int64_t date_second;        /* which time they tell */
    size_t memory;              /* bytes in all */
};
/* Makes the entry of a resource (returns new, refs 1, or NULL: no memory or the file cannot be
 * read). Takes resource->fd. */
struct http_entry *http_entry_new(struct http_resource *resource,
                                  const struct http_request *request);
/* Counted references, one thread. */
void http_entry_hold(void *entry);
void http_entry_release(void *entry);
/* True when the resource is still what the entry was made from. */
bool http_entry_is_current(const struct http_entry *entry, const struct http_resource *resource);
/* Brings the Date fields to the clock's second. */
static inline void http_entry_set_date(struct http_entry *entry, const struct http_clock *clock)
{
    if (entry->date_second == clock->second || !entry->date)
        return;
    entry->date_second = clock->second;
    memcpy(entry->date, clock->date, HTTP_DATE_SIZE);
    if (entry->date304)
        memcpy(entry->date304, clock->date, HTTP_DATE_SIZE);
}

#endif
