#include "common/service/board.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/certificates.h"
#include "common/service/host.h"

#define TRIES 100 /* to read while the master writes */

static const char rest[] = "(other)";

const struct keel_metric keel_core_metrics[KEEL_CORE_COUNT + 1] = {
    [KEEL_CORE_ACCEPTED] = {"keel_connections_total", KEEL_COUNTER, NULL, "Connections taken."},
    [KEEL_CORE_OPEN] = {"keel_connections_open", KEEL_GAUGE, NULL, "Connections open now."},
    [KEEL_CORE_EVICTED] = {"keel_connections_evicted_total", KEEL_COUNTER, NULL,
                           "Idle connections closed to make room for new ones."},
    [KEEL_CORE_WORKERS] = {"keel_workers", KEEL_GAUGE, NULL, "Worker processes that serve."},
    [KEEL_CORE_GENERATION] = {"keel_generation", KEEL_GAUGE, NULL,
                              "Number of the generation that serves."},
    [KEEL_CORE_START] = {"keel_start_time_seconds", KEEL_GAUGE, NULL,
                         "Start of the daemon, Unix time."},
    [KEEL_CORE_RELOADS] = {"keel_reloads_total", KEEL_COUNTER, NULL, "Reloads that succeeded."},
    [KEEL_CORE_RESPAWNS] = {"keel_respawns_total", KEEL_COUNTER, NULL,
                            "Workers replaced after they died."},
    [KEEL_CORE_LOG_LINES] = {"keel_log_lines_total", KEEL_COUNTER, NULL,
                             "Log lines of the master."},
    [KEEL_CORE_LOG_SUPPRESSED] = {"keel_log_suppressed_total", KEEL_COUNTER, NULL,
                                  "Log lines of the master held back by the rate limit."},
    [KEEL_CORE_LOG_LOST] = {"keel_log_lost_total", KEEL_COUNTER, NULL,
                            "Log lines of the master that could not be written."},
    [KEEL_CORE_FILES_REFUSED] = {"keel_files_refused_total", KEEL_COUNTER, NULL,
                                 "Changes of certificates, keys and stapled responses on disk that "
                                 "were no good, so that the old ones stay."},
};

void keel_core_shared(const struct keel_sums *sums, uint64_t core[KEEL_CORE_RELOADS])
{
    core[KEEL_CORE_ACCEPTED] = sums->accepted;
    core[KEEL_CORE_EVICTED] = sums->evicted;
    core[KEEL_CORE_OPEN] = sums->open;
    core[KEEL_CORE_WORKERS] = sums->workers;
    core[KEEL_CORE_GENERATION] = sums->generation;
    core[KEEL_CORE_START] = sums->started_s;
}

int keel_board_init(struct keel_board *board, const struct keel_protocol *protocol)
{
    *board = (struct keel_board){.protocol = protocol, .segment = {.fd = -1}};
    board->rows = keel_metric_rows(protocol->metrics);
    board->offsets = keel_calloc(board->rows + 1, sizeof *board->offsets);
    if (!board->offsets)
        return KEEL_ENOMEM;
    board->cells = board->total =
        keel_metric_layout(protocol->metrics, board->offsets, board->rows);
    if (!KEEL_PROTOCOL_HAS(protocol, series) || !protocol->series)
        return 0;
    board->series = protocol->series;
    unsigned rows = keel_metric_rows(board->series->table);
    board->series_offsets = keel_calloc(rows + 1, sizeof *board->series_offsets);
    if (!board->series_offsets)
        return KEEL_ENOMEM;
    board->block = KEEL_SERIES_NAME / sizeof(uint64_t) +
                   keel_metric_layout(board->series->table, board->series_offsets, rows);
    board->total += (board->series->max + 1) * board->block;
    return 0;
}

void keel_board_fini(struct keel_board *board)
{
    if (board->segment.map)
        keel_segment_fini(&board->segment);
    keel_free(board->offsets);
    keel_free(board->series_offsets);
    board->offsets = board->series_offsets = NULL;
}

uint64_t *keel_board_block(const struct keel_board *board, unsigned slot, unsigned i)
{
    KEEL_ASSERT(board->series && i <= board->series->max, "a block outside of its slot");
    return keel_segment_cells(&board->segment, slot) + board->cells + (size_t)i * board->block;
}

/* A process of ours writes names once, but nobody trusts it to end them. */
static void name_of(uint64_t *block, char out[KEEL_SERIES_NAME])
{
    memcpy(out, block, KEEL_SERIES_NAME);
    out[KEEL_SERIES_NAME - 1] = '\0';
}

static void set_name(uint64_t *block, const char *name)
{
    char text[KEEL_SERIES_NAME] = "";
    snprintf(text, sizeof text, "%s", name);
    memcpy(block, text, sizeof text);
}

void keel_series_claim(const struct keel_instance *instance, unsigned i, const char *name,
                       struct keel_metrics *out)
{
    const struct keel_board *board = instance->board;
    unsigned max = board->series->max;
    uint64_t *block = keel_board_block(board, instance->slot, i < max ? i : max);
    set_name(block, i < max ? name : rest);
    out->cells = keel_block_cells(block);
    out->offsets = board->series_offsets;
}

uint64_t *keel_board_find(const struct keel_board *board, const char *name)
{
    char text[KEEL_SERIES_NAME];
    unsigned i = 0;
    for (; i < board->series->max; i++) {
        uint64_t *block = keel_board_block(board, KEEL_SLOT_MASTER, i);
        name_of(block, text);
        if (text[0] && strcmp(text, name) != 0)
            continue;
        if (!text[0] && strcmp(name, rest) == 0)
            break;
        set_name(block, name);
        return block;
    }
    uint64_t *block = keel_board_block(board, KEEL_SLOT_MASTER, board->series->max);
    set_name(block, rest);
    return block;
}

/* Gauges are left out when `counters`: what they measured is gone with the process. */
static void add_cells(const struct keel_metric *table, const uint16_t *offsets,
                      const uint64_t *from, uint64_t *to, bool counters)
{
    for (unsigned row = 0, rows = keel_metric_rows(table); row < rows; row++) {
        unsigned end = offsets[row] + keel_metric_cells(table[row].kind);
        for (unsigned c = offsets[row]; c < end; c++)
            if (!counters || table[row].kind != KEEL_GAUGE)
                keel_slot_set(&to[c], to[c] + keel_slot_get(&from[c]));
    }
}

static unsigned series_cells(const struct keel_board *board)
{
    return board->block - KEEL_SERIES_NAME / sizeof(uint64_t);
}

static void fold_series(const struct keel_board *board, unsigned slot)
{
    char name[KEEL_SERIES_NAME];
    for (unsigned i = 0; i <= board->series->max; i++) {
        uint64_t *block = keel_board_block(board, slot, i);
        name_of(block, name);
        if (name[0])
            add_cells(board->series->table, board->series_offsets, keel_block_cells(block),
                      keel_block_cells(keel_board_find(board, name)), true);
    }
}

/* Odd while the master's slot and another one belong together. */
static void step_sequence(struct keel_slot *master)
{
    __atomic_store_n(&master->sequence, master->sequence + 1, __ATOMIC_SEQ_CST);
}

void keel_board_fold(const struct keel_board *board, unsigned slot)
{
    struct keel_slot *master = keel_segment_slot(&board->segment, KEEL_SLOT_MASTER);
    struct keel_slot *ended = keel_segment_slot(&board->segment, slot);
    step_sequence(master);
    keel_slot_set(&master->accepted, master->accepted + keel_slot_get(&ended->accepted));
    keel_slot_set(&master->evicted, master->evicted + keel_slot_get(&ended->evicted));
    add_cells(board->protocol->metrics, board->offsets, keel_segment_cells(&board->segment, slot),
              keel_segment_cells(&board->segment, KEEL_SLOT_MASTER), true);
    if (board->series)
        fold_series(board, slot);
    keel_slot_set(&ended->role, KEEL_SLOT_FREE);
    step_sequence(master);
}

/* --- sums --- */

static struct keel_series_sum *sum_of(const struct keel_board *board, struct keel_sums *out,
                                      const char *name)
{
    for (unsigned i = 0; i < out->count; i++)
        if (strcmp(out->series[i].name, name) == 0)
            return &out->series[i];
    unsigned n = out->count + 1;
    struct keel_series_sum *items = keel_realloc(out->series, n * sizeof *items);
    if (!items)
        return NULL;
    out->series = items;
    uint64_t *cells = keel_calloc(series_cells(board) + 1, sizeof *cells);
    if (!cells)
        return NULL;
    struct keel_series_sum *sum = &items[out->count++];
    *sum = (struct keel_series_sum){.metrics = {cells, board->series_offsets}};
    memcpy(sum->name, name, strlen(name) + 1);
    return sum;
}

static int sum_series(const struct keel_board *board, unsigned slot, struct keel_sums *out)
{
    char name[KEEL_SERIES_NAME];
    for (unsigned i = 0; board->series && i <= board->series->max; i++) {
        uint64_t *block = keel_board_block(board, slot, i);
        name_of(block, name);
        if (!name[0])
            continue;
        struct keel_series_sum *sum = sum_of(board, out, name);
        if (!sum)
            return KEEL_ENOMEM;
        add_cells(board->series->table, board->series_offsets, keel_block_cells(block),
                  sum->metrics.cells, false);
    }
    return 0;
}

static int sum_slot(const struct keel_board *board, unsigned i, struct keel_sums *out)
{
    const struct keel_slot *slot = keel_segment_slot(&board->segment, i);
    uint64_t role = keel_slot_get(&slot->role);
    if (role == KEEL_SLOT_FREE)
        return 0;
    out->accepted += keel_slot_get(&slot->accepted);
    out->evicted += keel_slot_get(&slot->evicted);
    out->open += keel_slot_get(&slot->live);
    out->workers += role == KEEL_SLOT_WORKER && keel_slot_get(&slot->heartbeat_ns) > 0 &&
                    keel_slot_get(&slot->generation) == out->generation;
    add_cells(board->protocol->metrics, board->offsets, keel_segment_cells(&board->segment, i),
              out->metrics.cells, false);
    return sum_series(board, i, out);
}

static int sum_once(const struct keel_board *board, struct keel_sums *out)
{
    const struct keel_slot *master = keel_segment_slot(&board->segment, KEEL_SLOT_MASTER);
    int err = 0;
    *out = (struct keel_sums){.started_s = keel_slot_get(&master->started_s),
                              .generation = keel_slot_get(&master->generation)};
    out->metrics.offsets = board->offsets;
    out->metrics.cells = keel_calloc(board->cells + 1, sizeof *out->metrics.cells);
    if (!out->metrics.cells)
        return KEEL_ENOMEM;
    /* the living first: names come in the order of the configuration */
    uint64_t slots = keel_slot_get(&master->slots);
    for (unsigned i = 1; i < slots && i < KEEL_SLOTS && !err; i++)
        err = sum_slot(board, i, out);
    return err ? err : sum_slot(board, KEEL_SLOT_MASTER, out);
}

int keel_board_sum(const struct keel_board *board, struct keel_sums *out)
{
    const struct keel_slot *master = keel_segment_slot(&board->segment, KEEL_SLOT_MASTER);
    for (unsigned tries = 1;; tries++) {
        uint64_t before = __atomic_load_n(&master->sequence, __ATOMIC_SEQ_CST);
        int err = sum_once(board, out);
        uint64_t after = __atomic_load_n(&master->sequence, __ATOMIC_SEQ_CST);
        if (!err && (tries == TRIES || (before == after && before % 2 == 0)))
            return 0;
        keel_sums_fini(out);
        if (err)
            return err;
    }
}

int keel_board_print(const struct keel_board *board, const struct keel_sums *sums, bool openmetrics,
                     struct keel_buf *out)
{
    int err = 0;
    if (board->protocol->metrics)
        err = keel_metric_print(board->protocol->metrics, board->offsets, sums->metrics.cells,
                                openmetrics, out);
    if (!err && board->series)
        err = keel_series_print(board->series, sums, openmetrics, out);
    return err;
}

int keel_instance_sum(const struct keel_instance *instance, struct keel_sums *out)
{
    return keel_board_sum(instance->board, out);
}

int keel_instance_print(const struct keel_instance *instance, const struct keel_sums *sums,
                        struct keel_buf *out)
{
    struct keel_metric table[KEEL_CORE_RELOADS + 1] = {{0}};
    uint16_t offsets[KEEL_CORE_RELOADS];
    uint64_t core[KEEL_CORE_RELOADS];
    memcpy(table, keel_core_metrics, KEEL_CORE_RELOADS * sizeof *table);
    keel_core_shared(sums, core);
    keel_metric_layout(table, offsets, KEEL_CORE_RELOADS);
    int err = keel_metric_print(table, offsets, core, false, out);
    if (!err && instance->host)
        err = keel_certificates_print(keel_host_certificates(instance->host), keel_clock_realtime(),
                                      out);
    return err ? err : keel_board_print(instance->board, sums, false, out);
}
