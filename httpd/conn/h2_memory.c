#include "httpd/conn/h2_memory.h"

#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"

struct block {
    struct keel_list node;
    max_align_t bytes[];
};

void http_h2_memory_init(struct http_h2_memory *memory)
{
    keel_list_init(&memory->blocks);
    memory->failed = false;
}

void http_h2_memory_fini(struct http_h2_memory *memory)
{
    keel_list_for_safe (node, &memory->blocks)
        keel_free(KEEL_CONTAINER(node, struct block, node));
    keel_list_init(&memory->blocks);
}

static struct block *block_of(void *p)
{
    return KEEL_CONTAINER(p, struct block, bytes);
}

static void *link_block(struct http_h2_memory *memory, struct block *block)
{
    if (!block) {
        memory->failed = true;
        return NULL;
    }
    keel_list_push_back(&memory->blocks, &block->node);
    return block->bytes;
}

void *http_h2_malloc(size_t size, void *arg)
{
    return link_block(arg, keel_malloc(sizeof(struct block) + size));
}

void http_h2_free(void *p, void *arg)
{
    if (!p)
        return;
    keel_list_remove(&block_of(p)->node);
    keel_free(block_of(p));
}

void *http_h2_calloc(size_t count, size_t size, void *arg)
{
    if (size > 0 && count > (SIZE_MAX - sizeof(struct block)) / size)
        return NULL;
    return link_block(arg, keel_calloc(1, sizeof(struct block) + count * size));
}

void *http_h2_realloc(void *p, size_t size, void *arg)
{
    struct http_h2_memory *memory = arg;
    if (!p)
        return http_h2_malloc(size, arg);
    struct block *old = block_of(p);
    keel_list_remove(&old->node);
    struct block *block = keel_realloc(old, sizeof *block + size);
    if (!block) {
        link_block(memory, old);
        memory->failed = true;
        return NULL;
    }
    return link_block(memory, block);
}
