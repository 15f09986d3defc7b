#include "common/service/metric.h"

#include "common/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A histogram's cells: one a bucket (not cumulative), then the sum in ns, then the count. The
 * buckets alone say the count too, but a reader who sums while the owner writes wants the count
 * to be one load. */
enum { HISTOGRAM_SUM = KEEL_HISTOGRAM_BUCKETS, HISTOGRAM_COUNT, HISTOGRAM_CELLS };

unsigned keel_metric_cells(enum keel_metric_kind kind)
{
    return kind == KEEL_HISTOGRAM ? HISTOGRAM_CELLS : 1;
}

/* The first bucket whose bound, 1 us * 2^k, is not below ns; the last one has no bound. */
static unsigned bucket_of(uint64_t ns)
{
    uint64_t us = ns / 1000 + (ns % 1000 != 0);
    if (us <= 1)
        return 0;
    unsigned k = 64 - (unsigned)__builtin_clzll(us - 1);
    return k < KEEL_HISTOGRAM_BUCKETS ? k : KEEL_HISTOGRAM_BUCKETS - 1;
}

static void bump(uint64_t *cell, uint64_t n)
{
    __atomic_store_n(cell, *cell + n, __ATOMIC_RELAXED);
}

void keel_metric_observe_many(struct keel_metrics *m, unsigned index, uint64_t ns, uint64_t n)
{
    uint64_t *cells = &m->cells[m->offsets[index]];
    bump(&cells[bucket_of(ns)], n);
    bump(&cells[HISTOGRAM_SUM], ns * n);
    bump(&cells[HISTOGRAM_COUNT], n);
}

void keel_metric_observe(struct keel_metrics *m, unsigned index, uint64_t ns)
{
    keel_metric_observe_many(m, index, ns, 1);
}

uint64_t keel_metric_sum(const struct keel_metrics *m, unsigned index)
{
    return m->cells[m->offsets[index] + HISTOGRAM_SUM];
}

uint64_t keel_metric_count(const struct keel_metrics *m, unsigned index)
{
    return m->cells[m->offsets[index] + HISTOGRAM_COUNT];
}

double keel_metric_percentile(const struct keel_metrics *m, unsigned index, double percent)
{
    const uint64_t *cells = &m->cells[m->offsets[index]];
    uint64_t count = 0, below = 0;
    for (unsigned k = 0; k < KEEL_HISTOGRAM_BUCKETS; k++)
        count += cells[k];
    for (unsigned k = 0; k < KEEL_HISTOGRAM_BUCKETS; k++) {
        double wanted = (double)count * percent / 100 - (double)below;
        below += cells[k];
        if (cells[k] == 0 || wanted > (double)cells[k])
            continue;
        double low = k > 0 ? 1000.0 * (double)(1ull << (k - 1)) : 0;
        double high = k < KEEL_HISTOGRAM_BUCKETS - 1 ? 1000.0 * (double)(1ull << k) : low;
        return low + (high - low) * wanted / (double)cells[k];
    }
    return 0;
}

unsigned keel_metric_rows(const struct keel_metric *table)
{
    unsigned rows = 0;
    while (table && table[rows].name)
        rows++;
    return rows;
}

unsigned keel_metric_layout(const struct keel_metric *table, uint16_t *offsets, unsigned max_rows)
{
    unsigned cells = 0, rows = keel_metric_rows(table);
    KEEL_ASSERT(rows <= max_rows, "more metrics than there is room for");
    for (unsigned i = 0; i < rows; i++) {
        KEEL_ASSERT(cells <= UINT16_MAX, "a metric table is too large");
        offsets[i] = (uint16_t)cells;
        cells += keel_metric_cells(table[i].kind);
    }
    return cells;
}

/* --- text ------------------------------------------------------------------------------------ */

static void put_escaped(struct keel_buf *out, const char *text, bool quote)
{
    for (; *text; text++) {
        if (*text == '\n')
            keel_buf_puts(out, "\\n");
        else if (*text == '\\' || (quote && *text == '"'))
            keel_buf_printf(out, "\\%c", *text);
        else
            keel_buf_append(out, text, 1);
    }
}

void keel_metric_put_label(struct keel_buf *out, const char *text)
{
    put_escaped(out, text, true);
}

/* name{labels,extra}; either part may be missing. */
static void put_name(struct keel_buf *out, const char *name, int size, const char *suffix,
                     const char *labels, const char *extra)
{
    bool first = labels && *labels, second = extra && *extra;
    keel_buf_printf(out, "%.*s%s", size, name, suffix);
    if (first || second)
        keel_buf_printf(out, "{%s%s%s}", first ? labels : "", first && second ? "," : "",
                        second ? extra : "");
    keel_buf_puts(out, " ");
}

static void put_seconds(struct keel_buf *out, uint64_t ns)
{
    keel_buf_printf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

static void put_histogram(struct keel_buf *out, const struct keel_metric *row, int size,
                          const uint64_t *cells)
{
    uint64_t below = 0;
    for (unsigned k = 0; k < KEEL_HISTOGRAM_BUCKETS; k++) {
        char le[40];
        if (k == KEEL_HISTOGRAM_BUCKETS - 1)
            snprintf(le, sizeof le, "le=\"+Inf\"");
        else
            snprintf(le, sizeof le, "le=\"%.10g\"", 1e-6 * (double)(1ull << k));
        below += cells[k];
        put_name(out, row->name, size, "_bucket", row->labels, le);
        keel_buf_printf(out, "%" PRIu64 "\n", below);
    }
    put_name(out, row->name, size, "_sum", row->labels, NULL);
    put_seconds(out, cells[HISTOGRAM_SUM]);
    /* not the count's cell: it must equal the +Inf bucket even when the owner wrote in between */
    put_name(out, row->name, size, "_count", row->labels, NULL);
    keel_buf_printf(out, "%" PRIu64 "\n", below);
}

static void put_row(struct keel_buf *out, const struct keel_metric *row, int family,
                    const uint64_t *cells, bool openmetrics)
{
    switch (row->kind) {
    case KEEL_COUNTER:
        if (openmetrics)
            put_name(out, row->name, family, "_total", row->labels, NULL);
        else
            put_name(out, row->name, (int)strlen(row->name), "", row->labels, NULL);
        keel_buf_printf(out, "%" PRIu64 "\n", cells[0]);
        break;
    case KEEL_GAUGE:
        /* signed: the slots' parts of a level may cancel each other out */
        put_name(out, row->name, family, "", row->labels, NULL);
        keel_buf_printf(out, "%" PRId64 "\n", (int64_t)cells[0]);
        break;
    case KEEL_HISTOGRAM:
        put_histogram(out, row, family, cells);
        break;
    }
}

/* Length of the metric family's name: OpenMetrics calls a counter's family by the name without
 * "_total", which only its samples carry. */
static int family_size(const struct keel_metric *row, bool openmetrics)
{
    size_t size = strlen(row->name);
    if (openmetrics && row->kind == KEEL_COUNTER && size > 6 &&
        strcmp(row->name + size - 6, "_total") == 0)
        size -= 6;
    return (int)size;
}

static void put_head(struct keel_buf *out, const struct keel_metric *row, int family,
                     bool openmetrics)
{
    static const char *const kinds[] = {
        [KEEL_COUNTER] = "counter", [KEEL_GAUGE] = "gauge", [KEEL_HISTOGRAM] = "histogram"};
    keel_buf_printf(out, "# HELP %.*s ", family, row->name);
    put_escaped(out, row->help ? row->help : "", openmetrics);
    keel_buf_printf(out, "\n# TYPE %.*s %s\n", family, row->name, kinds[row->kind]);
}

int keel_metric_print(const struct keel_metric *table, const uint16_t *offsets, const uint64_t *sum,
                      bool openmetrics, struct keel_buf *out)
{
    unsigned rows = keel_metric_rows(table);
    for (unsigned i = 0; i < rows; i++) {
        const struct keel_metric *row = &table[i];
        if (i == 0 || strcmp(row->name, table[i - 1].name) != 0)
            put_head(out, row, family_size(row, openmetrics), openmetrics);
        put_row(out, row, family_size(row, openmetrics), sum + offsets[i], openmetrics);
    }
    return out->failed;
}

/* `label="name",` behind the row's own labels. */
static void put_series_row(struct keel_buf *out, const struct keel_metric *row,
                           const struct keel_series *series, const struct keel_series_sum *sum,
                           bool openmetrics)
{
    struct keel_buf labels = {0};
    struct keel_metric labelled = *row;
    if (row->labels && *row->labels)
        keel_buf_printf(&labels, "%s,", row->labels);
    keel_buf_printf(&labels, "%s=\"", series->label);
    put_escaped(&labels, sum->name, true);
    keel_buf_puts(&labels, "\"");
    labelled.labels = keel_buf_text(&labels);
    if (labelled.labels)
        put_row(out, &labelled, family_size(row, openmetrics),
                sum->metrics.cells + sum->metrics.offsets[row - series->table], openmetrics);
    else
        out->failed = KEEL_ENOMEM;
    keel_buf_fini(&labels);
}

int keel_series_print(const struct keel_series *series, const struct keel_sums *sums,
                      bool openmetrics, struct keel_buf *out)
{
    const struct keel_metric *table = series->table;
    unsigned rows = keel_metric_rows(table);
    for (unsigned i = 0, end; i < rows && sums->count > 0; i = end) {
        for (end = i + 1; end < rows && strcmp(table[end].name, table[i].name) == 0;)
            end++;
        put_head(out, &table[i], family_size(&table[i], openmetrics), openmetrics);
        for (unsigned s = 0; s < sums->count; s++)
            for (unsigned row = i; row < end; row++)
                put_series_row(out, &table[row], series, &sums->series[s], openmetrics);
    }
    return out->failed;
}

void keel_sums_fini(struct keel_sums *sums)
{
    for (unsigned i = 0; i < sums->count; i++)
        keel_free(sums->series[i].metrics.cells);
    keel_free(sums->series);
    keel_free(sums->metrics.cells);
    *sums = (struct keel_sums){.count = 0};
}

/* --- a private slot -------------------------------------------------------------------------- */

int keel_metrics_new_private(const struct keel_metric *table, struct keel_metrics *out)
{
    unsigned rows = keel_metric_rows(table);
    uint16_t *offsets = keel_calloc(rows + 1, sizeof *offsets);
    if (!offsets)
        return KEEL_ENOMEM;
    unsigned cells = keel_metric_layout(table, offsets, rows);
    out->cells = keel_calloc(cells + 1, sizeof *out->cells);
    out->offsets = offsets;
    if (!out->cells) {
        keel_free(offsets);
        out->offsets = NULL;
        return KEEL_ENOMEM;
    }
    return 0;
}

void keel_metrics_free_private(struct keel_metrics *m)
{
    keel_free(m->cells);
    keel_free((void *)m->offsets);
    m->cells = NULL;
    m->offsets = NULL;
}
