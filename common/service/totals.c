#include "common/service/master.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/certificates.h"

#include <jansson.h>
#include <string.h>

struct keel_totals {
    uint64_t *core; /* the core's own counters: of ended workers, and of the masters before */
};

static struct keel_slot *own_slot(struct keel_master *master)
{
    return keel_segment_slot(&master->board.segment, KEEL_SLOT_MASTER);
}

int keel_totals_new(struct keel_master *master)
{
    struct keel_totals *t = keel_calloc(1, sizeof *t);
    if (!t)
        return KEEL_ENOMEM;
    master->totals = t;
    t->core = keel_calloc(KEEL_CORE_COUNT, sizeof *t->core);
    if (!t->core || keel_board_init(&master->board, master->protocol) != 0)
        return KEEL_ENOMEM;
    int err = keel_segment_new(&master->board.segment, master->board.total);
    if (err)
        return err;
    master->slot_used[KEEL_SLOT_MASTER] = 1;
    keel_slot_set(&own_slot(master)->role, KEEL_SLOT_OF_MASTER);
    keel_totals_publish(master);
    return 0;
}

void keel_totals_free(struct keel_master *master)
{
    struct keel_totals *t = master->totals;
    if (!t)
        return;
    keel_board_fini(&master->board);
    keel_free(t->core);
    keel_free(t);
    master->totals = NULL;
}

void keel_totals_publish(struct keel_master *master)
{
    struct keel_slot *own = own_slot(master);
    keel_slot_set(&own->started_s, master->started_realtime_ns / KEEL_NS_PER_S);
    keel_slot_set(&own->generation, master->serving ? master->serving->number : 0);
}

int keel_slot_take(struct keel_master *master, unsigned *slot)
{
    for (unsigned i = 0; i < KEEL_SLOTS; i++) {
        if (master->slot_used[i])
            continue;
        master->slot_used[i] = 1;
        keel_segment_clear(&master->board.segment, i);
        *slot = i;
        return 0;
    }
    return KEEL_ELIMIT;
}

void keel_totals_enter(struct keel_process *p)
{
    struct keel_master *master = p->generation->master;
    struct keel_slot *slot = keel_segment_slot(&master->board.segment, p->slot);
    struct keel_slot *own = own_slot(master);
    keel_slot_set(&slot->generation, p->generation->number);
    if (own->slots <= p->slot)
        keel_slot_set(&own->slots, p->slot + 1);
    keel_slot_set(&slot->role, p->helper ? KEEL_SLOT_HELPER : KEEL_SLOT_WORKER);
}

void keel_totals_fold(struct keel_master *master, struct keel_process *p)
{
    keel_board_fold(&master->board, p->slot);
    master->slot_used[p->slot] = 0;
}

/* Adds up the ended and the living. 0 or KEEL_ENOMEM; keel_sums_fini. */
static int sum_up(struct keel_master *master, uint64_t core[KEEL_CORE_COUNT],
                  struct keel_sums *sums)
{
    int err = keel_board_sum(&master->board, sums);
    if (err)
        return err;
    memcpy(core, master->totals->core, KEEL_CORE_COUNT * sizeof *core);
    keel_core_shared(sums, core);
    core[KEEL_CORE_RELOADS] = master->reloads;
    core[KEEL_CORE_RESPAWNS] = master->respawns;
    core[KEEL_CORE_FILES_REFUSED] = master->files_refused;
    uint64_t lines, suppressed, lost;
    keel_log_counts(&lines, &suppressed, &lost);
    core[KEEL_CORE_LOG_LINES] += lines;
    core[KEEL_CORE_LOG_SUPPRESSED] += suppressed;
    core[KEEL_CORE_LOG_LOST] += lost;
    return 0;
}

int keel_totals_print(struct keel_master *master, bool openmetrics, struct keel_buf *out)
{
    uint64_t core[KEEL_CORE_COUNT];
    uint16_t offsets[KEEL_CORE_COUNT];
    struct keel_sums sums;
    int err = sum_up(master, core, &sums);
    if (err)
        return err;
    keel_metric_layout(keel_core_metrics, offsets, KEEL_CORE_COUNT);
    err = keel_metric_print(keel_core_metrics, offsets, core, openmetrics, out);
    if (!err && master->serving)
        err = keel_certificates_print(master->serving->access.certificates, keel_clock_realtime(),
                                      out);
    if (!err)
        err = keel_board_print(&master->board, &sums, openmetrics, out);
    if (!err && openmetrics)
        err = keel_buf_puts(out, "# EOF\n");
    keel_sums_fini(&sums);
    return err;
}

/* --- over an upgrade --- */

#define SERIES "series" /* beside the rows, which all have a brace in their key */

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

/* All rows of a table under their keys. Returns new. */
static json_t *save_table(const struct keel_metric *table, const struct keel_metrics *metrics)
{
    json_t *root = json_object();
    for (unsigned row = 0, rows = keel_metric_rows(table); row < rows; row++) {
        unsigned first = metrics->offsets[row];
        save_row(root, &table[row], metrics->cells, first,
                 first + keel_metric_cells(table[row].kind));
    }
    return root;
}

char *keel_totals_save(struct keel_master *master)
{
    const struct keel_board *board = &master->board;
    uint64_t core[KEEL_CORE_COUNT];
    struct keel_sums sums;
    if (sum_up(master, core, &sums) != 0)
        return NULL;
    json_t *root = save_table(master->protocol->metrics, &sums.metrics), *series = json_object();
    for (unsigned row = 0; row < KEEL_CORE_COUNT; row++)
        save_row(root, &keel_core_metrics[row], core, row, row + 1);
    for (unsigned i = 0; i < sums.count; i++)
        json_object_set_new(series, sums.series[i].name,
                            save_table(board->series->table, &sums.series[i].metrics));
    json_object_set_new(root, SERIES, series);
    keel_sums_fini(&sums);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* What a row has; NULL: nothing, or so many cells that it was another kind of row there. */
static const json_t *cells_of(const json_t *root, const char *key, unsigned count)
{
    const json_t *list = json_object_get(root, key);
    return json_array_size(list) == count ? list : NULL;
}

/* Adds what a row has in `plus`, less what `minus` has there. */
static void add_row(const struct keel_metric *m, uint64_t *cells, unsigned count,
                    const json_t *plus, const json_t *minus)
{
    char key[512];
    if (m->kind == KEEL_GAUGE)
        return;
    row_key(key, sizeof key, m);
    plus = cells_of(plus, key, count);
    minus = cells_of(minus, key, count);
    for (unsigned i = 0; i < count; i++) {
        json_int_t a = json_integer_value(json_array_get(plus, i));
        json_int_t b = json_integer_value(json_array_get(minus, i));
        if (a > b)
            cells[i] += (uint64_t)(a - b);
    }
}

static void add_table(const struct keel_metric *table, const uint16_t *offsets, uint64_t *cells,
                      const json_t *plus, const json_t *minus)
{
    for (unsigned row = 0, rows = keel_metric_rows(table); row < rows; row++)
        add_row(&table[row], &cells[offsets[row]], keel_metric_cells(table[row].kind), plus, minus);
}

void keel_totals_add(struct keel_master *master, const char *text, const char *minus)
{
    const struct keel_board *board = &master->board;
    struct keel_slot *own = own_slot(master);
    json_t *a = json_loads(text, 0, NULL), *series = json_object_get(a, SERIES), *of_one;
    json_t *b = minus ? json_loads(minus, 0, NULL) : NULL;
    const char *name;
    for (unsigned row = 0; row < KEEL_CORE_COUNT; row++) {
        uint64_t *cell = row == KEEL_CORE_RELOADS         ? &master->reloads
                         : row == KEEL_CORE_RESPAWNS      ? &master->respawns
                         : row == KEEL_CORE_FILES_REFUSED ? &master->files_refused
                         : row == KEEL_CORE_ACCEPTED      ? &own->accepted
                         : row == KEEL_CORE_EVICTED       ? &own->evicted
                                                          : &master->totals->core[row];
        add_row(&keel_core_metrics[row], cell, 1, a, b);
    }
    add_table(master->protocol->metrics, board->offsets,
              keel_segment_cells(&board->segment, KEEL_SLOT_MASTER), a, b);
    json_object_foreach(series, name, of_one)
    {
        if (board->series)
            add_table(board->series->table, board->series_offsets,
                      keel_block_cells(keel_board_find(board, name)), of_one,
                      json_object_get(json_object_get(b, SERIES), name));
    }
    json_decref(a);
    json_decref(b);
}
