/*
 * Compression of a small body, once, for the cache.
 */
#ifndef HTTPD_HANDLERS_COMPRESS_H
#define HTTPD_HANDLERS_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "httpd/wire/accept.h"

/* Compresses thoroughly: some milliseconds for 64 KiB, which is a thread's work. Returns new bytes
 * of *size in all, shorter than the input; NULL when they would not be, or memory is out. */
uint8_t *http_compress(enum http_coding coding, const void *bytes, size_t n, size_t *size);

#endif
