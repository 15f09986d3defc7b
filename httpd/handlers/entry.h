/*
 * The ready-made answers about one path, which the cache keeps: one allocation for each
 * representation holds the key and all texts.
 */
#ifndef HTTPD_HANDLERS_ENTRY_H
#define HTTPD_HANDLERS_ENTRY_H

#include "common/base/list.h"
#include "httpd/handlers/resource.h"

#define HTTP_BODY_IN_MEMORY 65536 /* larger files keep a descriptor instead */

struct http_entry {
    struct keel_list lru;
    struct http_subject subject; /* which it becomes in the cache */
    struct keel_str path;        /* with `site`, `autoindex` and `json` its key */
    uint64_t hash;
    uint32_t site;
    bool autoindex, json;
    bool cached;         /* it is in the table */
    bool negotiated;     /* it may be sent compressed */
    bool unsettled;      /* what it was made from may have changed since and look the same */
    uint8_t tried;       /* 1 << coding: it was compressed, or will be in a moment */
    uint8_t kind;        /* enum http_resource_kind */
    uint16_t status;     /* 200, or the resource's */
    uint32_t refs;       /* the cache's, and responses under way */
    uint32_t open_files; /* descriptors, those of `encoded` included */
    uint64_t checked_ns; /* when the file system was last asked */
    dev_t dev;           /* identity of what it was made from */
    ino_t ino;
    struct timespec mtime, ctime;
    int64_t modified;     /* seconds since 1970, as it is told: not in the future */
    uint64_t size;        /* of the body */
    uint64_t file_size;   /* of what it was made from */
    int fd;               /* FILE that is too large for memory; else -1 */
    struct keel_str head; /* of 200, without the empty line; its body follows that in memory */
    struct keel_str head304;
    struct keel_str etag, type; /* etag empty: none */
    struct keel_str extra;      /* the last lines of head, which every answer about it has */
    char *date, *date304;       /* where the Date values stand */
    int64_t date_second;        /* which time they tell */
    size_t memory;              /* bytes in all, those of `encoded` included */
    struct http_entry *encoded[HTTP_CODING_COUNT]; /* compressed representations it owns */
};

/* Makes the entry of a resource (returns new, refs 1, or NULL: no memory or the file cannot be
 * read). Takes the resource's descriptors. With *blocks (which may be NULL) nothing is waited for:
 * it is set, and NULL returned, when a disk would have to be. */
struct http_entry *http_entry_new(struct http_resource *resource, const struct http_wanted *wanted,
                                  bool *blocks);
/* Adds a compressed form of the body of a FILE in memory. 0 or KEEL_ENOMEM. */
int http_entry_add_encoded(struct http_entry *entry, enum http_coding coding, const void *bytes,
                           size_t n);
/* The body of an entry that has it in memory. */
static inline struct keel_str http_entry_body(const struct http_entry *entry)
{
    return (struct keel_str){entry->head.p + entry->head.n + 2, (size_t)entry->size};
}
/* Counted references, one thread. */
void http_entry_hold(void *entry);
void http_entry_release(void *entry);
/* True when the resource is still what the entry was made from. */
bool http_entry_is_current(const struct http_entry *entry, const struct http_resource *resource);
/* True when it was what the entry was made from a moment ago: of a listing that its names are. */
bool http_entry_was_current(const struct http_entry *entry, const struct http_resource *resource);
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
