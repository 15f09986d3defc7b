/*
 * The tree of folders and names behind watch.h: watch.c keeps it and tells of changes, watch_look.c
 * makes it grow along a path.
 */
#ifndef HTTPD_HANDLERS_WATCH_PRIVATE_H
#define HTTPD_HANDLERS_WATCH_PRIVATE_H

#include "common/base/hash.h"
#include "httpd/handlers/watch.h"

struct http_name;

/* A folder under a site's root; no part of its path is a link. */
struct http_folder {
    struct keel_watched watched; /* a root may be deaf; others are watched or not here */
    struct http_name *name;      /* NULL: a site's root */
    struct keel_list names;      /* http_name, of those in it that somebody depends on */
    struct keel_list lists;      /* http_interest in all names, those yet to come included */
};

/* A name in a folder, which something may have or not. */
struct http_name {
    struct keel_list node; /* in the folder's names */
    struct http_folder *folder;
    struct http_folder *below; /* what it is, when it is a folder that we watch */
    struct keel_list interests;
    uint64_t hash;
    uint8_t size;
    char text[];
};

struct http_interest {
    struct keel_list node; /* of the name, or of the folder's lists */
    struct keel_list mine; /* of the subject */
    struct http_subject *subject;
    struct http_name *name; /* NULL: a list of the folder */
    struct http_folder *folder;
};

struct http_watch {
    struct keel_watch *core;
    struct http_mounts *mounts;
    struct keel_hash_key key;
    struct keel_table names;
    struct http_folder **roots; /* by site */
    unsigned root_count;
    uint64_t changes, memory;
};

/* watch.c */
/* The name in the folder, new if it has to be. NULL: no memory, or no file can have this name. */
struct http_name *http_watch_name(struct http_watch *watch, struct http_folder *folder,
                                  struct keel_str text);
/* Watches the folder behind an open descriptor. Returns new; NULL: that cannot be. */
struct http_folder *http_watch_folder(struct http_watch *watch, int fd);
/* From now on the subject depends on the name, or (NULL) on all that stand in the folder. False: no
 * memory. */
bool http_watch_depend(struct http_watch *watch, struct http_subject *subject,
                       struct http_folder *folder, struct http_name *name);
/* What nobody depends on goes: the name, if it is not NULL, and the folder; the root stays. */
void http_watch_settle(struct http_watch *watch, struct http_folder *folder,
                       struct http_name *name);

#endif
