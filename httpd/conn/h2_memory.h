/*
 * The memory of nghttp2's sessions.
 *
 * Every block of a session is in a list, so that a session during which memory ran out can be
 * dropped whole: nghttp2 1.52 may be left with a pointer to an item that it freed
 * (session_attach_stream_item after a failed push) and must not walk its own structures again.
 *
 * A request takes five small blocks and gives them back: they come from slabs of the worker. And
 * of the 16 KiB in which nghttp2 builds the frame that is to leave next, the worker has one for all
 * sessions: what is in there is sent before another session builds anything.
 */
#ifndef HTTPD_CONN_H2_MEMORY_H
#define HTTPD_CONN_H2_MEMORY_H

#include <stdbool.h>

#include "common/base/list.h"
#include "common/base/mem.h"

#define HTTP_H2_SMALL_STEP 16 /* sizes of small blocks differ by it */
#define HTTP_H2_SMALL_SIZES 32
/* The largest frame that we send, its head, and the byte for the length of a padding. */
#define HTTP_H2_FRAME_SIZE (16384 + 9 + 1)

/* What the sessions of a worker share. */
struct http_h2_pool {
    struct keel_slab small[HTTP_H2_SMALL_SIZES];
    void *frame; /* heap */
};
/* 0 or KEEL_ENOMEM; fini in any case, behind that of the sessions. */
int http_h2_pool_init(struct http_h2_pool *pool);
void http_h2_pool_fini(struct http_h2_pool *pool);

/* Of one session. */
struct http_h2_memory {
    struct http_h2_pool *pool; /* borrowed */
    struct keel_list blocks;
    bool has_frame; /* the pool's is in use as this session's */
    bool failed;    /* an allocation was refused */
};

void http_h2_memory_init(struct http_h2_memory *memory, struct http_h2_pool *pool);
/* Frees every block. */
void http_h2_memory_fini(struct http_h2_memory *memory);

/* As malloc, free, calloc and realloc, but that blocks are aligned to 8 bytes; arg is the struct
 * http_h2_memory. The first block of HTTP_H2_FRAME_SIZE is the one that all sessions share. */
void *http_h2_malloc(size_t size, void *arg);
void http_h2_free(void *p, void *arg);
void *http_h2_calloc(size_t count, size_t size, void *arg);
void *http_h2_realloc(void *p, size_t size, void *arg);

#endif
