/*
 * The path of a request target: decoded and normalised, so that no spelling of it names anything
 * above "/" and one file has one name in the cache.
 */
#ifndef HTTPD_WIRE_PATH_H
#define HTTPD_WIRE_PATH_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

/* True when normalising would change nothing: begins with '/', no "%", no "//", no segment that
 * begins with '.'. */
bool http_path_is_normal(struct keel_str raw);
/* Decodes %XX, merges slashes, resolves "." and ".." segments (RFC 3986, 5.2.4). out has room for
 * raw.n + 1 bytes; a NUL is added. Returns the length, or KEEL_EINVAL: a bad or cut escape, NUL or
 * an encoded slash, or ".." above the root. */
int http_path_normalise(struct keel_str raw, char *out);
/* True when a segment is "." or "..". */
bool http_path_has_dots(struct keel_str path);
/* True when a segment begins with '.', but for "/.well-known/" (RFC 8615). */
bool http_path_is_hidden(struct keel_str path);
/* Appends the path as a URI reference: unreserved characters and '/' stay, others become %XX. */
int http_path_encode(struct keel_buf *out, struct keel_str path);
/* Appends a value of a query: unreserved characters and '/' stay. */
int http_query_encode(struct keel_buf *out, struct keel_str value);

#endif
