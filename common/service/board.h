/*
 * The shared segment as figures: where in a slot which cells stand, and what all processes have
 * counted together. The master reads it for `metrics`; any worker may, to show the daemon's state.
 *
 * Slot 0 is the master's: what ended processes counted is added to its cells, and its head tells of
 * the daemon. It is written between two odd and even values of `sequence`, so that nobody counts a
 * process twice.
 *
 * Behind the cells of the protocol's table come those of its series: `max` blocks and one more, for
 * what has no place. A block begins with the name of what it counts. So a name may stand in another
 * block in every process, and sums are by name.
 */
#ifndef KEEL_SERVICE_BOARD_H
#define KEEL_SERVICE_BOARD_H

#include "common/service/module.h"
#include "common/service/segment.h"

#define KEEL_SLOT_MASTER 0

/* The core's own metrics. */
enum {
    KEEL_CORE_ACCEPTED,
    KEEL_CORE_OPEN,
    KEEL_CORE_EVICTED,
    KEEL_CORE_WORKERS,
    KEEL_CORE_GENERATION,
    KEEL_CORE_START,
    KEEL_CORE_RELOADS, /* from here on only the master knows */
    KEEL_CORE_RESPAWNS,
    KEEL_CORE_LOG_LINES,
    KEEL_CORE_LOG_SUPPRESSED,
    KEEL_CORE_LOG_LOST,
    KEEL_CORE_FILES_REFUSED,
    KEEL_CORE_COUNT
};
extern const struct keel_metric keel_core_metrics[];
/* The values of those before KEEL_CORE_RELOADS. */
void keel_core_shared(const struct keel_sums *sums, uint64_t core[KEEL_CORE_RELOADS]);

struct keel_board {
    const struct keel_protocol *protocol;
    const struct keel_series *series; /* NULL: none */
    uint16_t *offsets, *series_offsets;
    unsigned rows, cells;  /* of the protocol's table */
    unsigned block, total; /* cells of a block, of a slot */
    struct keel_segment segment;
};

/* Works out the layout; its segment is to be made or attached with board->total cells. 0 or
 * KEEL_ENOMEM; fini in any case, which ends the segment too. */
int keel_board_init(struct keel_board *board, const struct keel_protocol *protocol);
void keel_board_fini(struct keel_board *board);

/* The cells of block i in a slot. */
uint64_t *keel_board_block(const struct keel_board *board, unsigned slot, unsigned i);
/* The cells of the row tables behind the name of a block. */
static inline uint64_t *keel_block_cells(uint64_t *block)
{
    return block + KEEL_SERIES_NAME / sizeof *block;
}
/* The block of this name in the master's slot, a new one if there is none, or the last one. */
uint64_t *keel_board_find(const struct keel_board *board, const char *name);
/* Adds the counters and histograms of a slot to the master's, and gives the slot free. */
void keel_board_fold(const struct keel_board *board, unsigned slot);

/* Sums over all slots. 0 or KEEL_ENOMEM; free with keel_sums_fini. */
int keel_board_sum(const struct keel_board *board, struct keel_sums *out);
/* The sums of the protocol's table and series as text. */
int keel_board_print(const struct keel_board *board, const struct keel_sums *sums, bool openmetrics,
                     struct keel_buf *out);

#endif
