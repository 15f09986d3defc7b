/*
 * A directory as a page of HTML, or as JSON.
 */
#ifndef HTTPD_HANDLERS_LISTING_H
#define HTTPD_HANDLERS_LISTING_H

#include "common/base/buf.h"
#include "common/base/str.h"

/* Appends the page of the directory behind the open descriptor (which stays the caller's), whose
 * decoded path is `path`, "/" at its end. hidden: names that begin with '.' too. 0, KEEL_ENOMEM,
 * KEEL_ESYS, or KEEL_ELIMIT when it has more than HTTP_LISTING_MAX entries. */
#define HTTP_LISTING_MAX 200000
int http_listing_build(struct keel_buf *out, int directory, struct keel_str path, bool hidden);
/* The same as a JSON array of {"name", "type": "file" or "directory", "size", "modified"}, the time
 * in seconds since 1970. */
int http_listing_build_json(struct keel_buf *out, int directory, bool hidden);

/* Appends text as it stands in HTML, between tags or in quotes. */
void http_html_append(struct keel_buf *out, const char *text);

#endif
