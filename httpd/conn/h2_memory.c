#include "httpd/conn/h2_memory.h"

#include <stdint.h>
#include <string.h>

#include "common/base/err.h"

struct block {
    struct keel_list node;
    size_t size; /* of what the caller asked for */
    uint64_t bytes[];
};

int http_h2_pool_init(struct http_h2_pool *pool)
{
    for (unsigned i = 0; i < HTTP_H2_SMALL_SIZES; i++)
        keel_slab_init(&pool->small[i], (i + 1) * HTTP_H2_SMALL_STEP, 32);
    pool->frame = keel_malloc(HTTP_H2_FRAME_SIZE);
    return pool->frame ? 0 : KEEL_ENOMEM;
}

void http_h2_pool_fini(struct http_h2_pool *pool)
{
    for (unsigned i = 0; i < HTTP_H2_SMALL_SIZES; i++)
        keel_slab_fini(&pool->small[i]);
    keel_free(pool->frame);
}

void http_h2_memory_init(struct http_h2_memory *memory, struct http_h2_pool *pool)
{
    *memory = (struct http_h2_memory){.pool = pool};
    keel_list_init(&memory->blocks);
}

/* NULL: a block of that size is on the heap. */
static struct keel_slab *slab_of(struct http_h2_memory *memory, size_t size)
{
    const size_t most = HTTP_H2_SMALL_STEP * HTTP_H2_SMALL_SIZES - sizeof(struct block);
    size_t i = (sizeof(struct block) + size - 1) / HTTP_H2_SMALL_STEP;
    return size <= most ? &memory->pool->small[i] : NULL;
}

static void block_free(struct http_h2_memory *memory, struct block *block)
{
    struct keel_slab *slab = slab_of(memory, block->size);
    keel_list_remove(&block->node);
    if (slab)
        keel_slab_free(slab, block);
    else
        keel_free(block);
}

void http_h2_memory_fini(struct http_h2_memory *memory)
{
    keel_list_for_safe (node, &memory->blocks)
        block_free(memory, KEEL_CONTAINER(node, struct block, node));
    memory->has_frame = false;
}

/* A block of which the bytes are to be cleared, or may be anything. */
static void *block_new(struct http_h2_memory *memory, size_t size, bool clear)
{
    struct keel_slab *slab = slab_of(memory, size);
    struct block *block = NULL;
    if (slab)
        block = keel_slab_alloc(slab);
    else if (size <= SIZE_MAX - sizeof *block) /* fresh pages stay untouched where they are clear */
        block = clear ? keel_calloc(1, sizeof *block + size) : keel_malloc(sizeof *block + size);
    if (!block) {
        memory->failed = true;
        return NULL;
    }
    block->size = size;
    keel_list_push_back(&memory->blocks, &block->node);
    return slab && clear ? memset(block->bytes, 0, size) : block->bytes;
}

void *http_h2_malloc(size_t size, void *arg)
{
    struct http_h2_memory *memory = arg;
    if (size != HTTP_H2_FRAME_SIZE || memory->has_frame)
        return block_new(memory, size, false);
    memory->has_frame = true;
    return memory->pool->frame;
}

void http_h2_free(void *p, void *arg)
{
    struct http_h2_memory *memory = arg;
    if (p == memory->pool->frame)
        memory->has_frame = false;
    else if (p)
        block_free(memory, KEEL_CONTAINER(p, struct block, bytes));
}

void *http_h2_calloc(size_t count, size_t size, void *arg)
{
    struct http_h2_memory *memory = arg;
    size_t all;
    if (__builtin_mul_overflow(count, size, &all))
        all = SIZE_MAX; /* refused */
    return block_new(memory, all, true);
}

void *http_h2_realloc(void *p, size_t size, void *arg)
{
    struct http_h2_memory *memory = arg;
    void *moved = http_h2_malloc(size, memory);
    if (!p || !moved)
        return moved;
    size_t old = p == memory->pool->frame ? HTTP_H2_FRAME_SIZE
                                          : KEEL_CONTAINER(p, struct block, bytes)->size;
    memcpy(moved, p, old < size ? old : size);
    http_h2_free(p, memory);
    return moved;
}
