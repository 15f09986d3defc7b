/*
 * The shared segment: one memfd with a slot for each process, written only by its owner with plain
 * stores (but for the last part of its head, which is the master's) and read by all. A slot has a
 * head (heartbeat, live connections) and the cells of the metrics; board.h says which.
 */
#ifndef KEEL_SERVICE_SEGMENT_H
#define KEEL_SERVICE_SEGMENT_H

#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* 64-byte aligned, followed by the metric cells. Counters here never go back while it lives. */
struct keel_slot {
    uint64_t heartbeat_ns; /* monotonic; stamped every KEEL_HEARTBEAT */
    uint64_t accepted;     /* connections taken since the start of the process */
    uint64_t live;         /* connections open now */
    uint64_t received;     /* of those that the master passed: how many arrived */
    uint64_t evicted;      /* idle connections closed to make room */
    uint64_t worst_turn_ns;
    uint64_t reserved[2];
    /* The master's to write: */
    uint64_t role;       /* enum keel_slot_role */
    uint64_t generation; /* of the process; in the master's slot, the one that serves */
    uint64_t sequence;   /* of the master's slot: board.h */
    uint64_t started_s;  /* of the master's slot: start of the daemon, Unix time */
    uint64_t slots;      /* of the master's slot: those behind were never used */
    uint64_t more[3];
} __attribute__((aligned(64)));
enum keel_slot_role { KEEL_SLOT_FREE, KEEL_SLOT_OF_MASTER, KEEL_SLOT_WORKER, KEEL_SLOT_HELPER };

#define KEEL_HEARTBEAT (250 * KEEL_NS_PER_MS)
/* Slots of all generations that live at once; a free slot costs nothing. */
#define KEEL_SLOTS 1024

struct keel_segment {
    int fd;
    uint8_t *map;
    size_t slot_size; /* bytes, a multiple of 64 */
    unsigned cells;   /* of one slot */
};

/* Makes one (anonymous memory, KEEL_SLOTS slots). 0 or KEEL_ESYS. */
int keel_segment_new(struct keel_segment *segment, unsigned cells);
/* Maps one that another process made; takes fd. KEEL_EINVAL when its size does not fit. */
int keel_segment_attach(struct keel_segment *segment, int fd, unsigned cells);
void keel_segment_fini(struct keel_segment *segment);

struct keel_slot *keel_segment_slot(const struct keel_segment *segment, unsigned index);
uint64_t *keel_segment_cells(const struct keel_segment *segment, unsigned index);
/* Zeroes a slot before a new process gets it. */
void keel_segment_clear(const struct keel_segment *segment, unsigned index);

/* The owner's store and everybody's load. */
static inline void keel_slot_set(uint64_t *cell, uint64_t value)
{
    __atomic_store_n(cell, value, __ATOMIC_RELAXED);
}
static inline uint64_t keel_slot_get(const uint64_t *cell)
{
    return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

#endif
