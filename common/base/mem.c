#include "common/base/mem.h"

#include "common/base/err.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Free room of arenas and slabs is poisoned, so that the address sanitizer sees a use after
 * reset or after free, which its own heap would not. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEL_MEM_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define KEEL_MEM_ASAN 1
#endif
#ifdef KEEL_MEM_ASAN
#include <sanitizer/asan_interface.h>
#define mem_poison(p, n) __asan_poison_memory_region((p), (n))
#define mem_unpoison(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define mem_poison(p, n) ((void)(p), (void)(n))
#define mem_unpoison(p, n) ((void)(p), (void)(n))
#endif

enum { MEM_ALIGN = 16, ARENA_CHUNK = 4096, ARENA_KEEP = 65536, SLAB_PER_CHUNK = 64 };
enum { MEM_LARGE = 4 * 1024 * 1024, MEM_PAGE = 4096 };

/* The one state of this file, per thread: a test hook has to reach allocations that no argument
 * can reach. Off, `limit` is never exceeded: an addition and a predicted branch a call. */
static __thread struct {
    uint64_t count; /* allocations since the last fail_at or count */
    uint64_t limit; /* those after this many fail */
} mem_hook __attribute__((tls_model("initial-exec"))) = {0, UINT64_MAX};

static inline bool mem_refused(void)
{
    return __builtin_expect(++mem_hook.count > mem_hook.limit, 0);
}

void keel_mem_fail_at(uint64_t n)
{
    mem_hook.count = 0;
    mem_hook.limit = n == 0 ? UINT64_MAX : n - 1;
}

uint64_t keel_mem_count(void)
{
    uint64_t count = mem_hook.count;
    mem_hook.count = 0;
    if (mem_hook.limit != UINT64_MAX)
        mem_hook.limit = mem_hook.limit > count ? mem_hook.limit - count : 0;
    return count;
}

/* What is so large that it is mapped anyway is to have large pages: a fault for each 2 MiB in place
 * of one for each 4 KiB is a third of the time that filling it takes. */
static void *mem_large(void *p, size_t size)
{
    if (size >= MEM_LARGE && p) {
        uintptr_t first = ((uintptr_t)p + MEM_PAGE - 1) & ~(uintptr_t)(MEM_PAGE - 1);
        uintptr_t end = ((uintptr_t)p + size) & ~(uintptr_t)(MEM_PAGE - 1);
        int saved = errno;
        madvise((void *)first, end - first, MADV_HUGEPAGE);
        errno = saved;
    }
    return p;
}

void *keel_malloc(size_t size)
{
    return mem_refused() ? NULL : mem_large(malloc(size > 0 ? size : 1), size);
}

void *keel_calloc(size_t count, size_t size)
{
    void *p = mem_refused() ? NULL : calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    return p ? mem_large(p, count * size) : NULL;
}

void *keel_realloc(void *p, size_t size)
{
    /* never size 0: realloc would free p and return NULL, which reads as a failure that kept p */
    return mem_refused() ? NULL : realloc(p, size > 0 ? size : 1);
}

void keel_free(void *p)
{
    free(p);
}

void *keel_memdup(const void *p, size_t size)
{
    void *copy = keel_malloc(size);
    if (copy && size > 0)
        memcpy(copy, p, size);
    return copy;
}

char *keel_strndup(const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *copy = keel_malloc(n + 1);
    if (!copy)
        return NULL;
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *keel_strdup(const char *s)
{
    return keel_strndup(s, strlen(s));
}

/* The bytes follow the header. */
struct keel_arena_chunk {
    alignas(MEM_ALIGN) struct keel_arena_chunk *older;
    size_t size; /* of the bytes */
};

static uint8_t *chunk_bytes(struct keel_arena_chunk *chunk)
{
    return (uint8_t *)(chunk + 1);
}

static void chunk_free(struct keel_arena_chunk *chunk)
{
    mem_unpoison(chunk_bytes(chunk), chunk->size);
    keel_free(chunk);
}

void keel_arena_init(struct keel_arena *arena, size_t chunk_size)
{
    *arena = (struct keel_arena){.chunk_size = chunk_size > 0 ? chunk_size : ARENA_CHUNK};
}

void keel_arena_fini(struct keel_arena *arena)
{
    while (arena->chunks) {
        struct keel_arena_chunk *older = arena->chunks->older;
        chunk_free(arena->chunks);
        arena->chunks = older;
    }
    arena->next = arena->end = NULL;
}

void keel_arena_reset(struct keel_arena *arena)
{
    struct keel_arena_chunk *kept = arena->chunks;
    if (!kept)
        return;
    /* one that grew for a single huge request would stay for ever */
    if (kept->size > ARENA_KEEP && kept->size > arena->chunk_size) {
        keel_arena_fini(arena);
        return;
    }
    arena->chunks = kept->older;
    keel_arena_fini(arena);
    kept->older = NULL;
    arena->chunks = kept;
    arena->next = chunk_bytes(kept);
    arena->end = arena->next + kept->size;
    mem_poison(arena->next, kept->size);
}

/* The slow path of keel_arena_alloc: size is rounded up and larger than the room left. */
static void *arena_alloc_chunk(struct keel_arena *arena, size_t size)
{
    size_t bytes = size > arena->chunk_size ? size : arena->chunk_size;
    if (bytes > SIZE_MAX - sizeof(struct keel_arena_chunk))
        return NULL;
    struct keel_arena_chunk *chunk = keel_malloc(sizeof *chunk + bytes);
    if (!chunk)
        return NULL;
    chunk->size = bytes;
    uint8_t *p = chunk_bytes(chunk);
    mem_poison(p, bytes);
    mem_unpoison(p, size);
    if (arena->chunks && bytes - size < (size_t)(arena->end - arena->next)) {
        /* the current chunk has more room left than the new one will: go on with it */
        chunk->older = arena->chunks->older;
        arena->chunks->older = chunk;
        return p;
    }
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->next = p + size;
    arena->end = p + bytes;
    return p;
}

void *keel_arena_alloc(struct keel_arena *arena, size_t size)
{
    if (size > SIZE_MAX - MEM_ALIGN)
        return NULL;
    /* at least one unit, so that no two results are the same pointer */
    size = size > 0 ? (size + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1) : MEM_ALIGN;
    if (!arena->next || size > (size_t)(arena->end - arena->next))
        return arena_alloc_chunk(arena, size);
    void *p = arena->next;
    arena->next += size;
    mem_unpoison(p, size);
    return p;
}

void *keel_arena_calloc(struct keel_arena *arena, size_t size)
{
    void *p = keel_arena_alloc(arena, size);
    if (p)
        memset(p, 0, size);
    return p;
}

void *keel_arena_memdup(struct keel_arena *arena, const void *p, size_t size)
{
    void *copy = keel_arena_alloc(arena, size);
    if (copy && size > 0)
        memcpy(copy, p, size);
    return copy;
}

char *keel_arena_strndup(struct keel_arena *arena, const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *copy = keel_arena_alloc(arena, n + 1);
    if (!copy)
        return NULL;
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *keel_arena_strdup(struct keel_arena *arena, const char *s)
{
    return keel_arena_strndup(arena, s, strlen(s));
}

char *keel_arena_printf(struct keel_arena *arena, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    char *text = keel_arena_alloc(arena, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

/* A free object holds the link to the next free one in its first bytes. */
struct slab_link {
    struct slab_link *next;
};

struct slab_chunk {
    alignas(MEM_ALIGN) struct slab_chunk *older;
};

void keel_slab_init(struct keel_slab *slab, size_t object_size, unsigned per_chunk)
{
    KEEL_ASSERT(object_size <= UINT32_MAX, "a slab is for small objects");
    size_t size = (object_size + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1);
    *slab = (struct keel_slab){
        .size = size > 0 ? size : MEM_ALIGN,
        .per_chunk = per_chunk > 0 ? per_chunk : SLAB_PER_CHUNK,
    };
}

void keel_slab_fini(struct keel_slab *slab)
{
    struct slab_chunk *chunk = slab->chunks;
    while (chunk) {
        struct slab_chunk *older = chunk->older;
        mem_unpoison(chunk + 1, slab->size * slab->per_chunk);
        keel_free(chunk);
        chunk = older;
    }
    slab->chunks = slab->free_list = NULL;
    slab->live = 0;
}

static void slab_push(struct keel_slab *slab, void *object)
{
    struct slab_link *link = object;
    link->next = slab->free_list;
    slab->free_list = link;
    mem_poison(object, slab->size);
}

static bool slab_grow(struct keel_slab *slab)
{
    size_t bytes;
    if (__builtin_mul_overflow(slab->size, (size_t)slab->per_chunk, &bytes) ||
        bytes > SIZE_MAX - sizeof(struct slab_chunk))
        return false;
    struct slab_chunk *chunk = keel_malloc(sizeof *chunk + bytes);
    if (!chunk)
        return false;
    chunk->older = slab->chunks;
    slab->chunks = chunk;
    /* pushed from the last to the first, so that objects are handed out in address order */
    for (unsigned i = slab->per_chunk; i > 0; i--)
        slab_push(slab, (uint8_t *)(chunk + 1) + (i - 1) * slab->size);
    return true;
}

void *keel_slab_alloc(struct keel_slab *slab)
{
    if (!slab->free_list && !slab_grow(slab))
        return NULL;
    struct slab_link *link = slab->free_list;
    mem_unpoison(link, slab->size);
    slab->free_list = link->next;
    slab->live++;
    return link;
}

void keel_slab_free(struct keel_slab *slab, void *object)
{
    if (!object)
        return;
    KEEL_ASSERT(slab->live > 0, "more objects freed than handed out");
    slab->live--;
    slab_push(slab, object);
}
