/*
 * Metrics: counters, gauges and histograms in shared-memory slots, one slot per process, written
 * by its owner alone with plain stores; readers sum over the slots. A dead worker's counters are
 * folded into the total, so that a counter never goes back.
 *
 * A protocol lists its metrics in one table; the index into the table is the handle:
 *     enum { M_QUERIES, M_ANSWERS };
 *     keel_metric_add(metrics, M_QUERIES, 1);
 */
#ifndef KEEL_SERVICE_METRIC_H
#define KEEL_SERVICE_METRIC_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum keel_metric_kind { KEEL_COUNTER = 1, KEEL_GAUGE, KEEL_HISTOGRAM };

struct keel_metric {
    const char *name; /* "dnsd_queries_total"; NULL ends the table */
    enum keel_metric_kind kind;
    const char *labels; /* "transport=\"udp\"" or NULL; rows of one name stand together */
    const char *help;
};
/* Histograms have fixed buckets: upper bounds 1 us * 2^k, k = 0..KEEL_HISTOGRAM_BUCKETS-2, and
 * +Inf; values are given in ns and shown in seconds. */
#define KEEL_HISTOGRAM_BUCKETS 26

/* A process's view of its slot. cells points into shared memory (or to private memory in tests). */
struct keel_metrics {
    uint64_t *cells;         /* all cells of this protocol in this slot */
    const uint16_t *offsets; /* index in the table -> first cell */
};
static inline void keel_metric_add(struct keel_metrics *m, unsigned index, uint64_t n)
{
    uint64_t *cell = &m->cells[m->offsets[index]];
    __atomic_store_n(cell, *cell + n, __ATOMIC_RELAXED);
}
static inline void keel_metric_set(struct keel_metrics *m, unsigned index, uint64_t value)
{
    __atomic_store_n(&m->cells[m->offsets[index]], value, __ATOMIC_RELAXED);
}
void keel_metric_observe(struct keel_metrics *m, unsigned index, uint64_t ns);

/* Layout of one table: how many cells, where each row begins. offsets has room for as many as the
 * table has rows; returns the number of cells. */
unsigned keel_metric_layout(const struct keel_metric *table, uint16_t *offsets, unsigned max_rows);
unsigned keel_metric_rows(const struct keel_metric *table);
/* Sums one row's cells (bucket by bucket) over slots and prints it. `sum` has the cells of the
 * whole table, already added up. openmetrics: OpenMetrics text ("# EOF" is the caller's). */
int keel_metric_print(const struct keel_metric *table, const uint16_t *offsets, const uint64_t *sum,
                      bool openmetrics, struct keel_buf *out);
/* Private view for tests and tools; free with keel_metrics_free_private. 0 or KEEL_ENOMEM. */
int keel_metrics_new_private(const struct keel_metric *table, struct keel_metrics *out);
void keel_metrics_free_private(struct keel_metrics *m);

#endif
