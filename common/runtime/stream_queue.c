/*
 * The output queue of a stream, and the pool that makes it free of charge on the hot path: a queue
 * is taken at the first write of a callback and given back when everything left at its end.
 */
#include "common/runtime/stream_private.h"

#include "common/base/err.h"
#include "common/base/mem.h"

#include <string.h>

/* Most kept in the pool: 1 MiB of chunks. */
#define POOL_MAX 64

struct keel_stream_pool {
    struct keel_stream_queue *queues;
    struct keel_chunk *chunks;
    unsigned queue_count, chunk_count;
};

struct keel_stream_pool *keel_stream_pool_new(void)
{
    return keel_calloc(1, sizeof(struct keel_stream_pool));
}

static void free_queue_memory(struct keel_stream_queue *q)
{
    if (q->pieces != q->inline_pieces)
        keel_free(q->pieces);
    keel_free(q);
}

void keel_stream_pool_free(struct keel_stream_pool *pool)
{
    while (pool->queues) {
        struct keel_stream_queue *q = pool->queues;
        pool->queues = q->next;
        free_queue_memory(q);
    }
    while (pool->chunks) {
        struct keel_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        keel_free(chunk);
    }
    keel_free(pool);
}

static struct keel_chunk *chunk_new(struct keel_stream_pool *pool, size_t size)
{
    const size_t standard = KEEL_CHUNK_SIZE - sizeof(struct keel_chunk);
    struct keel_chunk *chunk = pool->chunks;
    if (chunk && size <= standard) {
        pool->chunks = chunk->next;
        pool->chunk_count--;
    } else {
        size_t capacity = size > standard ? size : standard;
        chunk = keel_malloc(sizeof *chunk + capacity);
        if (!chunk)
            return NULL;
        chunk->capacity = (uint32_t)capacity;
    }
    chunk->next = NULL;
    chunk->used = 0;
    chunk->live = 0;
    return chunk;
}

static void chunk_free(struct keel_stream_pool *pool, struct keel_chunk *chunk)
{
    if (chunk->capacity != KEEL_CHUNK_SIZE - sizeof *chunk || pool->chunk_count >= POOL_MAX) {
        keel_free(chunk);
        return;
    }
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->chunk_count++;
}

struct keel_stream_queue *keel_queue_new(struct keel_stream_pool *pool)
{
    struct keel_stream_queue *q = pool->queues;
    if (q) {
        pool->queues = q->next;
        pool->queue_count--;
    } else {
        q = keel_malloc(sizeof *q);
        if (!q)
            return NULL;
        q->pieces = q->inline_pieces;
        q->capacity = KEEL_QUEUE_INLINE;
    }
    q->next = NULL;
    q->first = q->end = 0;
    q->tail = NULL;
    q->slice = NULL;
    q->size = 0;
    q->files = 0;
    return q;
}

void keel_queue_free(struct keel_stream_pool *pool, struct keel_stream_queue *q)
{
    /* A release function may still try to write: until nothing is left. */
    while (q->first < q->end)
        keel_queue_consume(pool, q, q->pieces[q->first].size);
    if (q->tail)
        chunk_free(pool, q->tail);
    if (pool->queue_count >= POOL_MAX) {
        free_queue_memory(q);
        return;
    }
    q->next = pool->queues;
    pool->queues = q;
    pool->queue_count++;
}

/* Room for one more piece at the end; NULL: no memory. */
static struct keel_piece *add_piece(struct keel_stream_queue *q)
{
    if (q->end == q->capacity && q->first > 0) {
        memmove(q->pieces, q->pieces + q->first, (q->end - q->first) * sizeof *q->pieces);
        q->end -= q->first;
        q->first = 0;
    }
    if (q->end == q->capacity) {
        bool was_inline = q->pieces == q->inline_pieces;
        struct keel_piece *grown =
            keel_realloc(was_inline ? NULL : q->pieces, 2 * (size_t)q->capacity * sizeof *grown);
        if (!grown)
            return NULL;
        if (was_inline)
            memcpy(grown, q->inline_pieces, sizeof q->inline_pieces);
        q->pieces = grown;
        q->capacity *= 2;
    }
    struct keel_piece *piece = &q->pieces[q->end++];
    memset(piece, 0, sizeof *piece);
    piece->file = -1;
    return piece;
}

/* Appends to the tail chunk, which has room; extends the last piece when that lies right before. */
static int copy_part(struct keel_stream_queue *q, const uint8_t *bytes, size_t size)
{
    struct keel_chunk *chunk = q->tail;
    uint8_t *to = chunk->data + chunk->used;
    struct keel_piece *last = q->first < q->end ? &q->pieces[q->end - 1] : NULL;
    if (!last || last->chunk != chunk || last->bytes + last->size != to) {
        last = add_piece(q);
        if (!last)
            return KEEL_ENOMEM;
        last->bytes = to;
        last->chunk = chunk;
    }
    memcpy(to, bytes, size);
    last->size += size;
    chunk->used += (uint32_t)size;
    chunk->live += (uint32_t)size;
    q->size += size;
    return 0;
}

int keel_queue_copy(struct keel_stream_pool *pool, struct keel_stream_queue *q, const void *bytes,
                    size_t size)
{
    const uint8_t *from = bytes;
    while (size > 0) {
        if (!q->tail || q->tail->used == q->tail->capacity) {
            /* The full one is given back with the last of its pieces. */
            size_t most = 1u << 30;
            struct keel_chunk *chunk = chunk_new(pool, size < most ? size : most);
            if (!chunk)
                return KEEL_ENOMEM;
            q->tail = chunk;
        }
        size_t room = q->tail->capacity - q->tail->used;
        size_t n = size < room ? size : room;
        int err = copy_part(q, from, n);
        if (err)
            return err;
        from += n;
        size -= n;
    }
    return 0;
}

int keel_queue_borrow(struct keel_stream_queue *q, const void *bytes, size_t size,
                      void (*release)(void *arg), void *arg)
{
    struct keel_piece *piece = add_piece(q);
    if (!piece)
        return KEEL_ENOMEM;
    piece->bytes = bytes;
    piece->size = size;
    piece->release = release;
    piece->arg = arg;
    q->size += size;
    return 0;
}

int keel_queue_file(struct keel_stream_queue *q, int file, uint64_t offset, uint64_t size,
                    void (*release)(void *arg), void *arg)
{
    int err = keel_queue_borrow(q, NULL, size, release, arg);
    if (err)
        return err;
    q->pieces[q->end - 1].file = file;
    q->pieces[q->end - 1].offset = offset;
    return 0;
}

unsigned keel_queue_iovec(const struct keel_stream_queue *q, struct iovec *iov, unsigned max,
                          size_t most, size_t *bytes)
{
    unsigned n = 0;
    *bytes = 0;
    for (uint32_t i = q->first; i < q->end && n < max && *bytes < most && q->pieces[i].bytes; i++) {
        size_t size = q->pieces[i].size, room = most - *bytes;
        iov[n].iov_base = (void *)(uintptr_t)q->pieces[i].bytes;
        iov[n].iov_len = size < room ? size : room;
        *bytes += iov[n].iov_len;
        n++;
    }
    return n;
}

struct keel_piece *keel_queue_front_file(const struct keel_stream_queue *q)
{
    if (q->first == q->end || q->pieces[q->first].bytes)
        return NULL;
    return &q->pieces[q->first];
}

void keel_queue_consume(struct keel_stream_pool *pool, struct keel_stream_queue *q, size_t n)
{
    while (n > 0 && q->first < q->end) {
        struct keel_piece *piece = &q->pieces[q->first];
        size_t part = n < piece->size ? n : (size_t)piece->size;
        struct keel_chunk *chunk = piece->chunk;
        n -= part;
        q->size -= part;
        piece->size -= part;
        if (piece->bytes)
            piece->bytes += part;
        else
            piece->offset += part;
        if (chunk) {
            chunk->live -= (uint32_t)part;
            if (chunk->live == 0 && chunk == q->tail)
                chunk->used = 0;
            else if (chunk->live == 0)
                chunk_free(pool, chunk);
        }
        if (piece->size > 0)
            break;
        /* The release function may append, and so move the pieces: it comes last. */
        void (*release)(void *arg) = piece->release;
        void *arg = piece->arg;
        if (!piece->bytes && q->slice)
            keel_slice_drop(q);
        q->first++;
        if (q->first == q->end)
            q->first = q->end = 0;
        if (release)
            release(arg);
    }
}

void keel_queue_settle(struct keel_stream_pool *pool, struct keel_stream_queue *q)
{
    struct keel_chunk *tail = q->tail;
    if (!tail || tail->live >= tail->capacity / 4)
        return;
    if (tail->live == 0) {
        q->tail = NULL;
        chunk_free(pool, tail);
        return;
    }
    struct keel_chunk *exact = keel_malloc(sizeof *exact + tail->live);
    if (!exact)
        return; /* it only wastes memory */
    exact->next = NULL;
    exact->capacity = exact->live = tail->live;
    exact->used = 0;
    for (uint32_t i = q->first; i < q->end; i++) {
        struct keel_piece *piece = &q->pieces[i];
        if (piece->chunk != tail)
            continue;
        memcpy(exact->data + exact->used, piece->bytes, piece->size);
        piece->bytes = exact->data + exact->used;
        piece->chunk = exact;
        exact->used += (uint32_t)piece->size;
    }
    q->tail = exact;
    chunk_free(pool, tail);
}
