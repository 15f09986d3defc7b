/*
 * The memory of one nghttp2 session: every block of it is in a list.
 *
 * So a session during which memory ran out can be dropped whole: nghttp2 1.52 may be left with a
 * pointer to an item that it freed (session_attach_stream_item after a failed push) and must not
 * walk its own structures again.
 */
#ifndef HTTPD_CONN_H2_MEMORY_H
#define HTTPD_CONN_H2_MEMORY_H

#include <stdbool.h>

#include "common/base/list.h"

struct http_h2_memory {
    struct keel_list blocks;
    bool failed; /* an allocation was refused */
};

void http_h2_memory_init(struct http_h2_memory *memory);
/* Frees every block. */
void http_h2_memory_fini(struct http_h2_memory *memory);

/* As malloc, free, calloc and realloc; arg is the struct http_h2_memory. */
void *http_h2_malloc(size_t size, void *arg);
void http_h2_free(void *p, void *arg);
void *http_h2_calloc(size_t count, size_t size, void *arg);
void *http_h2_realloc(void *p, size_t size, void *arg);

#endif
