/*
 * What the files of the stream share: the output queue, and the TLS side. Not installed.
 */
#ifndef KEEL_RUNTIME_STREAM_PRIVATE_H
#define KEEL_RUNTIME_STREAM_PRIVATE_H

#include "common/runtime/loop_private.h"
#include "common/runtime/stream.h"

/* Memory for copied output; full ones of KEEL_CHUNK_SIZE are kept in the loop's pool. */
#define KEEL_CHUNK_SIZE 16384
struct keel_chunk {
    struct keel_chunk *next; /* in the pool */
    uint32_t capacity;
    uint32_t used; /* appended so far */
    uint32_t live; /* of these, not sent yet */
    uint8_t data[];
};

/* A run of output: copied (chunk), borrowed, or a range of a file (bytes NULL). */
struct keel_piece {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t offset; /* file */
    int file;
    struct keel_chunk *chunk;
    void (*release)(void *arg);
    void *arg;
};

#define KEEL_QUEUE_INLINE 8
struct keel_stream_queue {
    struct keel_stream_queue *next; /* in the pool */
    struct keel_piece *pieces;      /* inline_pieces, or heap when it had to grow */
    uint32_t first, end, capacity;
    struct keel_chunk *tail; /* where copies are appended; NULL: none */
    uint64_t size;           /* bytes of all pieces */
    struct keel_piece inline_pieces[KEEL_QUEUE_INLINE];
};

/* A queue of the pool: nothing is allocated while the pool has one. NULL: no memory. */
struct keel_stream_queue *keel_queue_new(struct keel_stream_pool *pool);
/* Releases what is left, then gives the memory back. */
void keel_queue_free(struct keel_stream_pool *pool, struct keel_stream_queue *q);
/* 0 or KEEL_ENOMEM; then nothing (copy: maybe a part) is queued and release was not called. */
int keel_queue_copy(struct keel_stream_pool *pool, struct keel_stream_queue *q, const void *bytes,
                    size_t size);
int keel_queue_borrow(struct keel_stream_queue *q, const void *bytes, size_t size,
                      void (*release)(void *arg), void *arg);
int keel_queue_file(struct keel_stream_queue *q, int file, uint64_t offset, uint64_t size,
                    void (*release)(void *arg), void *arg);
/* The memory at the front, up to the first file range; returns the number of entries. */
unsigned keel_queue_iovec(const struct keel_stream_queue *q, struct iovec *iov, unsigned max,
                          size_t *bytes);
/* The file range at the front; NULL when memory is. */
struct keel_piece *keel_queue_front_file(const struct keel_stream_queue *q);
/* n bytes of the front left. Calls release functions, which may append to the queue. */
void keel_queue_consume(struct keel_stream_pool *pool, struct keel_stream_queue *q, size_t n);
/* The queue will wait for its peer: gives back memory that it does not need for that. */
void keel_queue_settle(struct keel_stream_pool *pool, struct keel_stream_queue *q);

#endif
