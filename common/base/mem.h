/*
 * Memory: the heap with a failure hook for the tests, arenas for what dies together, slabs for
 * objects of one size.
 */
#ifndef KEEL_BASE_MEM_H
#define KEEL_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* As malloc, calloc, realloc, free; NULL when memory is out or the hook says so. */
void *keel_malloc(size_t size);
void *keel_calloc(size_t count, size_t size);
void *keel_realloc(void *p, size_t size);
void keel_free(void *p);
/* Returns new copies. keel_strndup adds the NUL. */
void *keel_memdup(const void *p, size_t size);
char *keel_strdup(const char *s);
char *keel_strndup(const char *s, size_t n);

/* Tests: the n-th allocation from now on (1 = the next) and all later ones until reset return
 * NULL; 0 turns it off. keel_mem_count() is the number of allocations since the last call of
 * either. Per thread. Arenas and slabs allocate through the same hook. */
void keel_mem_fail_at(uint64_t n);
uint64_t keel_mem_count(void);

/* Arena: bump allocation in chunks, freed all at once. Pointers stay valid until reset or fini. */
struct keel_arena_chunk;
struct keel_arena {
    uint8_t *next, *end;             /* free room in the current chunk */
    struct keel_arena_chunk *chunks; /* newest first */
    size_t chunk_size;               /* size of a new chunk */
};
/* No memory is taken before the first allocation. chunk_size 0 means 4096. */
void keel_arena_init(struct keel_arena *arena, size_t chunk_size);
void keel_arena_fini(struct keel_arena *arena);
/* Forgets everything but keeps one chunk, so that a reused arena allocates nothing. */
void keel_arena_reset(struct keel_arena *arena);
/* 16-byte aligned, not cleared; NULL when memory is out. */
void *keel_arena_alloc(struct keel_arena *arena, size_t size);
void *keel_arena_calloc(struct keel_arena *arena, size_t size);
void *keel_arena_memdup(struct keel_arena *arena, const void *p, size_t size);
char *keel_arena_strdup(struct keel_arena *arena, const char *s);
char *keel_arena_strndup(struct keel_arena *arena, const char *s, size_t n);
char *keel_arena_printf(struct keel_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Slab: objects of one size with a free list. Not cleared. */
struct keel_slab {
    size_t size; /* of one object, rounded up to 16 */
    unsigned per_chunk;
    void *free_list;
    void *chunks;
    size_t live; /* objects handed out */
};
void keel_slab_init(struct keel_slab *slab, size_t object_size, unsigned per_chunk);
void keel_slab_fini(struct keel_slab *slab);
void *keel_slab_alloc(struct keel_slab *slab);
void keel_slab_free(struct keel_slab *slab, void *object);

#endif
