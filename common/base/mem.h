/*
 * Memory: the heap with a failure hook for the tests, arenas for what dies together, slabs for
 * objects of one size.
 */
#ifndef KEEL_BASE_MEM_H
#define KEEL_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* As malloc, calloc, realloc and free; NULL when memory is out or the hook below says so. Size 0 is
 * an allocation like any other: it gives a pointer to free, and keel_realloc(p, 0) does not free p.
 */
void *keel_malloc(size_t size);
void *keel_calloc(size_t count, size_t size);
void *keel_realloc(void *p, size_t size);
void keel_free(void *p);
/* Return new copies. keel_strndup copies n bytes, whatever they are, and adds a NUL. */
void *keel_memdup(const void *p, size_t size);
char *keel_strdup(const char *s);
char *keel_strndup(const char *s, size_t n);

/* For tests: the n-th allocation from now on (1: the next one) and all after it return NULL; 0
 * turns this off. Per thread. Arenas and slabs take their chunks through the same hook. */
void keel_mem_fail_at(uint64_t n);
/* Allocations asked for, refused ones included, since the last call of this or of keel_mem_fail_at.
 */
uint64_t keel_mem_count(void);

/* Arena: memory for what dies together, taken piece by piece from chunks and freed all at once. A
 * piece is valid until reset or fini. */
struct keel_arena_chunk;
struct keel_arena {
    uint8_t *next, *end;             /* the free room of the current chunk; NULL without one */
    struct keel_arena_chunk *chunks; /* newest first */
    size_t chunk_size;               /* bytes of a new chunk; a larger piece has its own chunk */
};
/* Takes no memory yet. chunk_size is in bytes; 0 means 4096. */
void keel_arena_init(struct keel_arena *arena, size_t chunk_size);
/* Frees everything. The arena is empty then, and may be used again. */
void keel_arena_fini(struct keel_arena *arena);
/* Forgets every piece and keeps one chunk (of at most 64 KiB, or chunk_size if that is more), so
 * that an arena that is used again and again allocates once. */
void keel_arena_reset(struct keel_arena *arena);
/* A piece aligned to 16 bytes, not cleared; NULL when memory is out. Never the same pointer twice,
 * not even for size 0. */
void *keel_arena_alloc(struct keel_arena *arena, size_t size);
/* The same, cleared; and copies into the arena, as of the functions above. */
void *keel_arena_calloc(struct keel_arena *arena, size_t size);
void *keel_arena_memdup(struct keel_arena *arena, const void *p, size_t size);
char *keel_arena_strdup(struct keel_arena *arena, const char *s);
char *keel_arena_strndup(struct keel_arena *arena, const char *s, size_t n);
char *keel_arena_printf(struct keel_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Slab: objects of one size, taken from chunks and given back one by one. Chunks stay until fini.
 */
struct keel_slab {
    size_t size; /* of one object, rounded up to 16 */
    unsigned per_chunk;
    void *free_list; /* the object freed last comes first: it is the warmest */
    void *chunks;    /* newest first */
    size_t live;     /* objects handed out and not given back */
};
/* Takes no memory yet. per_chunk 0 means 64. */
void keel_slab_init(struct keel_slab *slab, size_t object_size, unsigned per_chunk);
/* Frees all chunks, and with them every object. */
void keel_slab_fini(struct keel_slab *slab);
/* An object aligned to 16 bytes, not cleared; NULL when memory is out. */
void *keel_slab_alloc(struct keel_slab *slab);
/* object may be NULL. */
void keel_slab_free(struct keel_slab *slab, void *object);

#endif
