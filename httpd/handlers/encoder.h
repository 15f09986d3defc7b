/*
 * Content codings of bodies that come piece by piece (RFC 9110, 8.4.1; RFC 1952, 7932, 8878), at
 * levels that a loop can bear: 16 KiB take some tenths of a millisecond.
 */
#ifndef HTTPD_HANDLERS_ENCODER_H
#define HTTPD_HANDLERS_ENCODER_H

#include "common/base/buf.h"
#include "httpd/request/handler.h"
#include "httpd/wire/accept.h"

struct http_encoder;
/* Returns new, or NULL when memory is out. Its window is 32 KiB (gzip) or 256 KiB. */
struct http_encoder *http_encoder_new(enum http_coding coding);
void http_encoder_free(struct http_encoder *encoder);
/* Appends what comes of the bytes to out: with FLUSH all of it so far can be decoded. 0, or
 * KEEL_ENOMEM. */
int http_encoder_put(struct http_encoder *encoder, const void *bytes, size_t n,
                     enum http_piece piece, struct keel_buf *out);

#endif
