/*
 * Entity tags and lists of them (RFC 9110, 8.8.3 and 13.1).
 */
#ifndef HTTPD_WIRE_ETAG_H
#define HTTPD_WIRE_ETAG_H

#include "common/base/err.h"
#include "common/base/str.h"

/* Is `etag` (with its quotes) in the value of If-Match or If-None-Match? "*" is in every case.
 * weak: W/ is looked over; else a weak tag equals nothing. 1, 0, or KEEL_EINVAL. */
int http_etag_list_has(struct keel_str list, struct keel_str etag, bool weak);

#endif
