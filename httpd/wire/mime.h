/*
 * Media types by file name extension: ours, and tables that are read.
 */
#ifndef HTTPD_WIRE_MIME_H
#define HTTPD_WIRE_MIME_H

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define HTTP_EXTENSION_MAX 31 /* bytes */

struct http_type {
    char extension[HTTP_EXTENSION_MAX + 1]; /* in lower case */
    const char *type;                       /* NUL-terminated; of text with a charset */
};
/* Sorted by extension, by http_types_sort. */
struct http_types {
    struct http_type *items;
    unsigned count;
    const struct http_types *base; /* asked for what is not in it; NULL: ours */
};

/* "text/html; charset=utf-8" for "/a/index.html": out of the tables, else ours, else
 * "application/octet-stream". types may be NULL. Borrowed from the table, or static. */
struct keel_str http_types_find(const struct http_types *types, struct keel_str path);
/* Our own. */
struct keel_str http_mime_type(struct keel_str path);

/* Makes an item. type: "text/x-log", maybe with parameters. 0; KEEL_EINVAL: the extension is none,
 * or the type; KEEL_ENOMEM. */
int http_type_set(struct http_type *item, struct keel_arena *arena, struct keel_str extension,
                  struct keel_str type);
/* Adds what a file like /etc/mime.types says: a type and its extensions a line, "#" for comments.
 * Lines that make no sense are left out. Returns new memory of the arena. 0 or KEEL_ENOMEM. */
int http_types_parse(struct http_types *types, struct keel_arena *arena, struct keel_str text);
/* Of two items for an extension the first stays. */
void http_types_sort(struct http_types *types);

#endif
