#include "common/service/master.h"

#include "common/base/mem.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *board_suite(void);

enum { SEEN, LEVEL };
static const struct keel_metric rows[] = {
    {"t_seen_total", KEEL_COUNTER, NULL, "All."}, {"t_level", KEEL_GAUGE, NULL, "Now."}, {0}};
enum { S_GOOD, S_BAD, S_SECONDS };
static const struct keel_metric site_rows[] = {
    {"t_site_total", KEEL_COUNTER, "kind=\"good\"", "Of one."},
    {"t_site_total", KEEL_COUNTER, "kind=\"bad\"", "Of one."},
    {"t_site_seconds", KEEL_HISTOGRAM, NULL, "Time."},
    {0}};
static const struct keel_series series = {.table = site_rows, .label = "site", .max = 2};
static const struct keel_protocol protocol = {KEEL_PROTOCOL, .name = "t", .metrics = rows,
                                              .series = &series};

static struct keel_board board;

static void setup(void)
{
    ck_assert_int_eq(keel_board_init(&board, &protocol), 0);
    ck_assert_int_eq(keel_segment_new(&board.segment, board.total), 0);
    struct keel_slot *own = keel_segment_slot(&board.segment, KEEL_SLOT_MASTER);
    *own = (struct keel_slot){.role = KEEL_SLOT_OF_MASTER, .generation = 3, .slots = 4};
}

static void teardown(void)
{
    keel_board_fini(&board);
}

/* A worker in a slot, with these sites, each seen n times. */
static void work(unsigned slot, const char *const *names, unsigned count, uint64_t n)
{
    const struct keel_instance instance = {.board = &board, .slot = slot};
    struct keel_slot *head = keel_segment_slot(&board.segment, slot);
    struct keel_metrics m = {keel_segment_cells(&board.segment, slot), board.offsets};
    keel_segment_clear(&board.segment, slot);
    *head = (struct keel_slot){
        .role = KEEL_SLOT_WORKER, .generation = 3, .heartbeat_ns = 1, .accepted = 10, .live = 2};
    keel_metric_add(&m, SEEN, n);
    keel_metric_set(&m, LEVEL, 5);
    for (unsigned i = 0; i < count; i++) {
        struct keel_metrics site;
        keel_series_claim(&instance, i, names[i], &site);
        keel_metric_add(&site, S_GOOD, n);
        keel_metric_observe(&site, S_SECONDS, 3000);
    }
}

/* "a=5 b=7 ", and what is wrong with the rest. */
static const char *sums_text(uint64_t *seen, uint64_t *level)
{
    static char text[256];
    struct keel_sums sums;
    size_t at = 0;
    text[0] = '\0';
    ck_assert_int_eq(keel_board_sum(&board, &sums), 0);
    *seen = keel_metric_get(&sums.metrics, SEEN);
    *level = keel_metric_get(&sums.metrics, LEVEL);
    for (unsigned i = 0; i < sums.count; i++)
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s=%llu ", sums.series[i].name,
                             (unsigned long long)keel_metric_get(&sums.series[i].metrics, S_GOOD));
    keel_sums_fini(&sums);
    return text;
}

START_TEST(names_are_summed_wherever_they_stand)
{
    static const char *const first[] = {"a", "b", "c", "d"}, *const second[] = {"b", "a"};
    uint64_t seen, level;
    work(1, first, 4, 5);
    work(2, second, 2, 7);
    ck_assert_str_eq(sums_text(&seen, &level), "a=12 b=12 (other)=10 ");
    ck_assert_uint_eq(seen, 12);
    ck_assert_uint_eq(level, 10);
}
END_TEST

START_TEST(what_ended_is_not_lost)
{
    static const char *const first[] = {"a", "b", "c"}, *const second[] = {"x", "a"};
    uint64_t seen, level;
    work(1, first, 3, 5);
    keel_board_fold(&board, 1);
    ck_assert_str_eq(sums_text(&seen, &level), "a=5 b=5 (other)=5 ");
    ck_assert_uint_eq(level, 0);
    /* both places are taken: a third name goes to the others when its process ends */
    work(1, second, 2, 1);
    ck_assert_str_eq(sums_text(&seen, &level), "x=1 a=6 b=5 (other)=5 ");
    keel_board_fold(&board, 1);
    ck_assert_str_eq(sums_text(&seen, &level), "a=6 b=5 (other)=6 ");
    ck_assert_uint_eq(seen, 6);
    struct keel_sums sums;
    ck_assert_int_eq(keel_board_sum(&board, &sums), 0);
    ck_assert_uint_eq(sums.accepted, 20);
    ck_assert_uint_eq(sums.open, 0);
    ck_assert_uint_eq(sums.workers, 0);
    ck_assert_uint_eq(sums.generation, 3);
    keel_sums_fini(&sums);
}
END_TEST

START_TEST(series_are_printed_by_family)
{
    static const char *const names[] = {"a", "q\"\\"};
    struct keel_buf out = {0};
    struct keel_sums sums;
    work(1, names, 2, 5);
    ck_assert_int_eq(keel_board_sum(&board, &sums), 0);
    ck_assert_int_eq(keel_board_print(&board, &sums, false, &out), 0);
    const char *text = keel_buf_text(&out);
    ck_assert_ptr_nonnull(strstr(text, "# TYPE t_site_total counter\n"
                                       "t_site_total{kind=\"good\",site=\"a\"} 5\n"
                                       "t_site_total{kind=\"bad\",site=\"a\"} 0\n"
                                       "t_site_total{kind=\"good\",site=\"q\\\"\\\\\"} 5\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_site_seconds_bucket{site=\"a\",le=\"4e-06\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_site_seconds_count{site=\"a\"} 1\n"));
    keel_buf_fini(&out);
    keel_sums_fini(&sums);
}
END_TEST

/* What a master of another version saved: only what is the same here counts. */
START_TEST(counters_of_another_version)
{
    static struct keel_master master; /* no more of it than its totals */
    static const char before[] =
        "{\"t_seen_total{}\":[5],\"t_gone_total{}\":[9],\"keel_connections_total{}\":[7],"
        "\"t_level{}\":[3],\"keel_reloads_total{}\":2,\"series\":{"
        "\"a\":{\"t_site_total{kind=\\\"good\\\"}\":[4],\"t_site_seconds{}\":[1,1,9,2]},"
        "\"b\":{\"t_site_total{kind=\\\"good\\\"}\":[1,2],\"t_site_total{kind=\\\"bad\\\"}\":[8]},"
        "\"c\":[]}}";
    static const char *const useless[] = {"",
                                          "[",
                                          "[]",
                                          "7",
                                          "{\"series\":3}",
                                          "{\"t_seen_total{}\":[-5]}",
                                          "{\"t_seen_total{}\":[\"5\"]}"};
    struct keel_buf out = {0};
    memset(&master, 0, sizeof master);
    master.protocol = &protocol;
    ck_assert_int_eq(keel_totals_new(&master), 0);
    keel_totals_add(&master, before, NULL);
    for (unsigned i = 0; i < sizeof useless / sizeof *useless; i++)
        keel_totals_add(&master, useless[i], NULL);
    keel_totals_add(&master, "{\"t_seen_total{}\":[9]}", "{\"t_seen_total{}\":[6,1]}");
    keel_totals_add(&master, "{\"t_seen_total{}\":[9]}", "{\"t_seen_total{}\":[8]}");
    ck_assert_int_eq(keel_totals_print(&master, false, &out), 0);
    const char *text = keel_buf_text(&out);
    ck_assert_ptr_nonnull(strstr(text, "\nt_seen_total 15\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nt_level 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nkeel_connections_total 7\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nkeel_reloads_total 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nt_site_total{kind=\"good\",site=\"a\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nt_site_seconds_count{site=\"a\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nt_site_total{kind=\"good\",site=\"b\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nt_site_total{kind=\"bad\",site=\"b\"} 8\n"));
    ck_assert_ptr_null(strstr(text, "gone"));
    char *saved = keel_totals_save(&master); /* and on to the next one */
    keel_totals_free(&master);
    ck_assert_int_eq(keel_totals_new(&master), 0);
    keel_totals_add(&master, saved, NULL);
    keel_buf_clear(&out);
    ck_assert_int_eq(keel_totals_print(&master, false, &out), 0);
    ck_assert_ptr_nonnull(strstr(keel_buf_text(&out), "\nt_seen_total 15\n"));
    ck_assert_ptr_nonnull(strstr(keel_buf_text(&out), "{kind=\"bad\",site=\"b\"} 8\n"));
    free(saved);
    keel_buf_fini(&out);
    keel_totals_free(&master);
}
END_TEST

START_TEST(percentiles_lie_inside_of_their_bucket)
{
    struct keel_metrics m;
    ck_assert_int_eq(keel_metrics_new_private(site_rows, &m), 0);
    ck_assert(keel_metric_percentile(&m, S_SECONDS, 50) == 0);
    keel_metric_observe_many(&m, S_SECONDS, 3000, 90);
    keel_metric_observe_many(&m, S_SECONDS, 1000000, 10);
    double p50 = keel_metric_percentile(&m, S_SECONDS, 50);
    double p99 = keel_metric_percentile(&m, S_SECONDS, 99);
    ck_assert(p50 > 2000 && p50 <= 4000);
    ck_assert(p99 > 512000 && p99 <= 1024000);
    ck_assert_uint_eq(keel_metric_count(&m, S_SECONDS), 100);
    ck_assert_uint_eq(keel_metric_sum(&m, S_SECONDS), 90 * 3000 + 10 * 1000000);
    keel_metrics_free_private(&m);
}
END_TEST

START_TEST(memory_may_be_out_at_any_time)
{
    static const char *const names[] = {"a", "b", "c"};
    struct keel_board another;
    struct keel_sums sums;
    work(1, names, 3, 1);
    for (uint64_t n = 1;; n++) {
        keel_mem_fail_at(n);
        int err = keel_board_sum(&board, &sums);
        keel_mem_fail_at(0);
        if (!err)
            break;
        ck_assert_int_eq(err, KEEL_ENOMEM);
    }
    keel_sums_fini(&sums);
    for (uint64_t n = 1; n <= 2; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(keel_board_init(&another, &protocol), KEEL_ENOMEM);
        keel_mem_fail_at(0);
        keel_board_fini(&another);
    }
}
END_TEST

Suite *board_suite(void)
{
    Suite *suite = suite_create("board");
    TCase *tc = tcase_create("board");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, names_are_summed_wherever_they_stand);
    tcase_add_test(tc, what_ended_is_not_lost);
    tcase_add_test(tc, series_are_printed_by_family);
    tcase_add_test(tc, counters_of_another_version);
    tcase_add_test(tc, percentiles_lie_inside_of_their_bucket);
    tcase_add_test(tc, memory_may_be_out_at_any_time);
    suite_add_tcase(suite, tc);
    return suite;
}
