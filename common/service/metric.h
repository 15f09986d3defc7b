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
/* The same n times. */
void keel_metric_observe_many(struct keel_metrics *m, unsigned index, uint64_t ns, uint64_t n);
/* The sum in ns and the count of a histogram's cells; and the value in ns below which so many
 * hundredths of them are, estimated within a bucket. 0 where nothing was observed. */
uint64_t keel_metric_sum(const struct keel_metrics *m, unsigned index);
uint64_t keel_metric_count(const struct keel_metrics *m, unsigned index);
double keel_metric_percentile(const struct keel_metrics *m, unsigned index, double percent);
static inline uint64_t keel_metric_get(const struct keel_metrics *m, unsigned index)
{
    return __atomic_load_n(&m->cells[m->offsets[index]], __ATOMIC_RELAXED);
}

/* Layout of one table: how many cells, where each row begins. offsets has room for as many as the
 * table has rows; returns the number of cells. */
unsigned keel_metric_layout(const struct keel_metric *table, uint16_t *offsets, unsigned max_rows);
unsigned keel_metric_rows(const struct keel_metric *table);
unsigned keel_metric_cells(enum keel_metric_kind kind); /* of one row */
/* A label's value, as the format wants it between quotes. */
void keel_metric_put_label(struct keel_buf *out, const char *text);
/* Sums one row's cells (bucket by bucket) over slots and prints it. `sum` has the cells of the
 * whole table, already added up. openmetrics: OpenMetrics text ("# EOF" is the caller's). */
int keel_metric_print(const struct keel_metric *table, const uint16_t *offsets, const uint64_t *sum,
                      bool openmetrics, struct keel_buf *out);
/* Figures of what only the configuration knows, the sites of a web server: the rows of a table for
 * each of up to `max` names, and once more for all others together, which are called "(other)". */
struct keel_series {
    const struct keel_metric *table;
    const char *label; /* "site" */
    unsigned max;
};
#define KEEL_SERIES_NAME 64 /* with its NUL; longer names are cut */
struct keel_series_sum {
    char name[KEEL_SERIES_NAME];
    struct keel_metrics metrics;
};
/* What all processes have counted together, those that ended included. */
struct keel_sums {
    uint64_t started_s; /* start of the daemon, Unix time */
    uint64_t generation, workers;
    uint64_t accepted, evicted, open; /* connections */
    struct keel_metrics metrics;      /* of the protocol's table */
    struct keel_series_sum *series;
    unsigned count;
};
void keel_sums_fini(struct keel_sums *sums);
int keel_series_print(const struct keel_series *series, const struct keel_sums *sums,
                      bool openmetrics, struct keel_buf *out);
/* Private view for tests and tools; free with keel_metrics_free_private. 0 or KEEL_ENOMEM. */
int keel_metrics_new_private(const struct keel_metric *table, struct keel_metrics *out);
void keel_metrics_free_private(struct keel_metrics *m);

#endif
