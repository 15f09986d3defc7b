#include "common/service/master.h"

#include "common/base/mem.h"

#include <jansson.h>
#include <string.h>

struct keel_totals {
    unsigned rows, cells;
    uint16_t *offsets; /* of the protocol's table */
    uint64_t *folded;  /* cells of ended workers, counters and histograms */
    uint64_t *sum;     /* room for adding up */
    uint64_t *core;    /* the core's own counters: of ended workers, and of the masters before */
};

/* The core's own metrics. */
enum {
    CORE_ACCEPTED,
    CORE_OPEN,
    CORE_EVICTED,
    CORE_WORKERS,
    CORE_GENERATION,
    CORE_RELOADS,
    CORE_RESPAWNS,
    CORE_LOG_LINES,
    CORE_LOG_SUPPRESSED,
    CORE_LOG_LOST,
    CORE_START,
    CORE_COUNT
};
static const struct keel_metric core_metrics[CORE_COUNT + 1] = {
    [CORE_ACCEPTED] = {"keel_connections_total", KEEL_COUNTER, NULL, "Connections taken."},
    [CORE_OPEN] = {"keel_connections_open", KEEL_GAUGE, NULL, "Connections open now."},
    [CORE_EVICTED] = {"keel_connections_evicted_total", KEEL_COUNTER, NULL,
                      "Idle connections closed to make room for new ones."},
    [CORE_WORKERS] = {"keel_workers", KEEL_GAUGE, NULL, "Worker processes that serve."},
    [CORE_GENERATION] = {"keel_generation", KEEL_GAUGE, NULL,
                         "Number of the generation that serves."},
    [CORE_RELOADS] = {"keel_reloads_total", KEEL_COUNTER, NULL, "Reloads that succeeded."},
    [CORE_RESPAWNS] = {"keel_respawns_total", KEEL_COUNTER, NULL,
                       "Workers replaced after they died."},
    [CORE_LOG_LINES] = {"keel_log_lines_total", KEEL_COUNTER, NULL, "Log lines of the master."},
    [CORE_LOG_SUPPRESSED] = {"keel_log_suppressed_total", KEEL_COUNTER, NULL,
                             "Log lines of the master held back by the rate limit."},
    [CORE_LOG_LOST] = {"keel_log_lost_total", KEEL_COUNTER, NULL,
                       "Log lines of the master that could not be written."},
    [CORE_START] = {"keel_start_time_seconds", KEEL_GAUGE, NULL, "Start of the daemon, Unix time."},
};

int keel_totals_new(struct keel_master *master)
{
    struct keel_totals *t = keel_calloc(1, sizeof *t);
    if (!t)
        return KEEL_ENOMEM;
    master->totals = t;
    t->rows = keel_metric_rows(master->protocol->metrics);
    t->offsets = keel_calloc(t->rows + 1, sizeof *t->offsets);
    if (!t->offsets)
        return KEEL_ENOMEM;
    t->cells = keel_metric_layout(master->protocol->metrics, t->offsets, t->rows);
    t->folded = keel_calloc(t->cells + 1, sizeof *t->folded);
    t->sum = keel_calloc(t->cells + 1, sizeof *t->sum);
    t->core = keel_calloc(CORE_COUNT, sizeof *t->core);
    if (!t->folded || !t->sum || !t->core)
        return KEEL_ENOMEM;
    return keel_segment_new(&master->segment, t->cells);
}

void keel_totals_free(struct keel_master *master)
{
    struct keel_totals *t = master->totals;
    if (!t)
        return;
    if (master->segment.map)
        keel_segment_fini(&master->segment);
    keel_free(t->offsets);
    keel_free(t->folded);
    keel_free(t->sum);
    keel_free(t->core);
    keel_free(t);
    master->totals = NULL;
}

int keel_slot_take(struct keel_master *master, unsigned *slot)
{
    for (unsigned i = 0; i < KEEL_SLOTS; i++) {
        if (master->slot_used[i])
            continue;
        master->slot_used[i] = 1;
        keel_segment_clear(&master->segment, i);
        *slot = i;
        return 0;
    }
    return KEEL_ELIMIT;
}

/* One behind the last cell of a row. */
static unsigned row_end(const struct keel_totals *t, unsigned row)
{
    return row + 1 < t->rows ? t->offsets[row + 1] : t->cells;
}

void keel_totals_fold(struct keel_master *master, struct keel_process *p)
{
    struct keel_totals *t = master->totals;
    const struct keel_slot *slot = keel_segment_slot(&master->segment, p->slot);
    const uint64_t *cells = keel_segment_cells(&master->segment, p->slot);
    t->core[CORE_ACCEPTED] += keel_slot_get(&slot->accepted);
    t->core[CORE_EVICTED] += keel_slot_get(&slot->evicted);
    for (unsigned row = 0; row < t->rows; row++) {
        if (master->protocol->metrics[row].kind == KEEL_GAUGE)
            continue; /* what it measured is gone with the worker */
        for (unsigned c = t->offsets[row]; c < row_end(t, row); c++)
            t->folded[c] += keel_slot_get(&cells[c]);
    }
    master->slot_used[p->slot] = 0;
}

/* Adds up the ended and the living. */
static void sum_up(struct keel_master *master, uint64_t core[CORE_COUNT])
{
    struct keel_totals *t = master->totals;
    memcpy(t->sum, t->folded, t->cells * sizeof *t->sum);
    memcpy(core, t->core, CORE_COUNT * sizeof *core);
    keel_list_for (node, &master->generations) {
        const struct keel_generation *g = KEEL_CONTAINER(node, struct keel_generation, node);
        for (unsigned i = 0; i < g->total; i++) {
            const struct keel_process *p = &g->processes[i];
            if (p->pid <= 0)
                continue;
            const struct keel_slot *slot = keel_segment_slot(&master->segment, p->slot);
            const uint64_t *cells = keel_segment_cells(&master->segment, p->slot);
            core[CORE_ACCEPTED] += keel_slot_get(&slot->accepted);
            core[CORE_EVICTED] += keel_slot_get(&slot->evicted);
            core[CORE_OPEN] += keel_slot_get(&slot->live);
            core[CORE_WORKERS] += p->state == KEEL_PROCESS_SERVING && !p->helper;
            for (unsigned c = 0; c < t->cells; c++)
                t->sum[c] += keel_slot_get(&cells[c]);
        }
    }
    core[CORE_GENERATION] = master->serving ? master->serving->number : 0;
    core[CORE_RELOADS] = master->reloads;
    core[CORE_RESPAWNS] = master->respawns;
    uint64_t lines, suppressed, lost;
    keel_log_counts(&lines, &suppressed, &lost);
    core[CORE_LOG_LINES] += lines;
    core[CORE_LOG_SUPPRESSED] += suppressed;
    core[CORE_LOG_LOST] += lost;
    core[CORE_START] = master->started_realtime_ns / KEEL_NS_PER_S;
}

int keel_totals_print(struct keel_master *master, bool openmetrics, struct keel_buf *out)
{
    uint64_t core[CORE_COUNT];
    uint16_t offsets[CORE_COUNT];
    sum_up(master, core);
    keel_metric_layout(core_metrics, offsets, CORE_COUNT);
    int err = keel_metric_print(core_metrics, offsets, core, openmetrics, out);
    if (!err && master->protocol->metrics)
        err = keel_metric_print(master->protocol->metrics, master->totals->offsets,
                                master->totals->sum, openmetrics, out);
    if (!err && openmetrics)
        err = keel_buf_puts(out, "# EOF\n");
    return err;
}

/* --- over an upgrade --- */

static void row_key(char *out, size_t size, const struct keel_metric *m)
{
    snprintf(out, size, "%s{%s}", m->name, m->labels ? m->labels : "");
}

/* Puts cells first .. end - 1 of a counter or histogram under the row's key. */
static void save_row(json_t *root, const struct keel_metric *m, const uint64_t *cells,
                     unsigned first, unsigned end)
{
    char key[512];
    if (m->kind == KEEL_GAUGE)
        return;
    json_t *list = json_array();
    for (unsigned c = first; c < end; c++)
        json_array_append_new(list, json_integer((json_int_t)cells[c]));
    row_key(key, sizeof key, m);
    json_object_set_new(root, key, list);
}

char *keel_totals_save(struct keel_master *master)
{
    struct keel_totals *t = master->totals;
    uint64_t core[CORE_COUNT];
    json_t *root = json_object();
    sum_up(master, core);
    for (unsigned row = 0; row < CORE_COUNT; row++)
        save_row(root, &core_metrics[row], core, row, row + 1);
    for (unsigned row = 0; row < t->rows; row++)
        save_row(root, &master->protocol->metrics[row], t->sum, t->offsets[row], row_end(t, row));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* Adds what a row has in `plus`, less what `minus` has there. */
static void add_row(const struct keel_metric *m, uint64_t *cells, unsigned count,
                    const json_t *plus, const json_t *minus)
{
    char key[512];
    if (m->kind == KEEL_GAUGE)
        return;
    row_key(key, sizeof key, m);
    for (unsigned i = 0; i < count; i++) {
        json_int_t a = json_integer_value(json_array_get(json_object_get(plus, key), i));
        json_int_t b = json_integer_value(json_array_get(json_object_get(minus, key), i));
        if (a > b)
            cells[i] += (uint64_t)(a - b);
    }
}

void keel_totals_add(struct keel_master *master, const char *text, const char *minus)
{
    struct keel_totals *t = master->totals;
    json_t *a = json_loads(text, 0, NULL);
    json_t *b = minus ? json_loads(minus, 0, NULL) : NULL;
    for (unsigned row = 0; row < CORE_COUNT; row++) {
        uint64_t *cell = row == CORE_RELOADS    ? &master->reloads
                         : row == CORE_RESPAWNS ? &master->respawns
                                                : &t->core[row];
        add_row(&core_metrics[row], cell, 1, a, b);
    }
    for (unsigned row = 0; row < t->rows; row++)
        add_row(&master->protocol->metrics[row], &t->folded[t->offsets[row]],
                row_end(t, row) - t->offsets[row], a, b);
    json_decref(a);
    json_decref(b);
}
