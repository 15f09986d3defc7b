#include "common/service/segment.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t slot_size_for(unsigned cells)
{
    size_t size = sizeof(struct keel_slot) + cells * sizeof(uint64_t);
    return (size + 63) & ~(size_t)63;
}

static int segment_map(struct keel_segment *segment)
{
    void *map = mmap(NULL, segment->slot_size * KEEL_SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED,
                     segment->fd, 0);
    if (map == MAP_FAILED)
        return KEEL_ESYS;
    segment->map = map;
    return 0;
}

int keel_segment_new(struct keel_segment *segment, unsigned cells)
{
    segment->cells = cells;
    segment->slot_size = slot_size_for(cells);
    segment->map = NULL;
    segment->fd = memfd_create("keel-segment", MFD_CLOEXEC);
    if (segment->fd < 0)
        return KEEL_ESYS;
    if (ftruncate(segment->fd, (off_t)(segment->slot_size * KEEL_SLOTS)) != 0 ||
        segment_map(segment) != 0) {
        close(segment->fd);
        segment->fd = -1;
        return KEEL_ESYS;
    }
    return 0;
}

int keel_segment_attach(struct keel_segment *segment, int fd, unsigned cells)
{
    struct stat st;
    segment->cells = cells;
    segment->slot_size = slot_size_for(cells);
    segment->map = NULL;
    segment->fd = fd;
    if (fstat(fd, &st) != 0)
        return KEEL_ESYS;
    if ((size_t)st.st_size != segment->slot_size * KEEL_SLOTS)
        return KEEL_EINVAL;
    return segment_map(segment);
}

void keel_segment_fini(struct keel_segment *segment)
{
    if (segment->map)
        munmap(segment->map, segment->slot_size * KEEL_SLOTS);
    if (segment->fd >= 0)
        close(segment->fd);
    segment->map = NULL;
    segment->fd = -1;
}

struct keel_slot *keel_segment_slot(const struct keel_segment *segment, unsigned index)
{
    KEEL_ASSERT(index < KEEL_SLOTS, "a slot outside the segment");
    return (struct keel_slot *)(void *)(segment->map + index * segment->slot_size);
}

uint64_t *keel_segment_cells(const struct keel_segment *segment, unsigned index)
{
    return (uint64_t *)(void *)(keel_segment_slot(segment, index) + 1);
}

void keel_segment_clear(const struct keel_segment *segment, unsigned index)
{
    memset(keel_segment_slot(segment, index), 0, segment->slot_size);
}
