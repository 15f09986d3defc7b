/*
 * Media types by file name extension.
 */
#ifndef HTTPD_WIRE_MIME_H
#define HTTPD_WIRE_MIME_H

#include "common/base/str.h"

/* "text/html; charset=utf-8" for "/a/index.html"; "application/octet-stream" when the extension is
 * not known. Static storage. */
struct keel_str http_mime_type(struct keel_str path);

#endif
