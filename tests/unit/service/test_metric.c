#include "common/service/metric.h"

#include "common/base/mem.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *metric_suite(void);

enum { QUERIES_UDP, QUERIES_TCP, LIVE, LATENCY, ODD };
static const struct keel_metric table[] = {
    [QUERIES_UDP] = {"t_queries_total", KEEL_COUNTER, "transport=\"udp\"", "Queries taken."},
    [QUERIES_TCP] = {"t_queries_total", KEEL_COUNTER, "transport=\"tcp\"", "Queries taken."},
    [LIVE] = {"t_live", KEEL_GAUGE, NULL, "A \"level\" \\ of\nlines."},
    [LATENCY] = {"t_latency_seconds", KEEL_HISTOGRAM, "kind=\"a\"", "Time taken."},
    [ODD] = {"t_odd", KEEL_COUNTER, NULL, "A counter named without its ending."},
    {NULL, 0, NULL, NULL},
};
static struct keel_metrics m;
static struct keel_buf out;

static void setup(void)
{
    ck_assert_int_eq(keel_metrics_new_private(table, &m), 0);
}

static void teardown(void)
{
    keel_metrics_free_private(&m);
    keel_buf_fini(&out);
}

static const char *print(bool openmetrics)
{
    keel_buf_clear(&out);
    ck_assert_int_eq(keel_metric_print(table, m.offsets, m.cells, openmetrics, &out), 0);
    return keel_buf_text(&out);
}

START_TEST(a_table_is_laid_out_in_cells)
{
    uint16_t offsets[5];
    ck_assert_uint_eq(keel_metric_rows(table), 5);
    ck_assert_uint_eq(keel_metric_rows(NULL), 0);
    ck_assert_uint_eq(keel_metric_layout(table, offsets, 5), 3 + KEEL_HISTOGRAM_BUCKETS + 2 + 1);
    static const uint16_t expected[] = {0, 1, 2, 3, 3 + KEEL_HISTOGRAM_BUCKETS + 2};
    ck_assert_mem_eq(offsets, expected, sizeof expected);
    ck_assert_uint_eq(keel_metric_layout(NULL, offsets, 5), 0);
}
END_TEST

/* The text before and after the histogram, whose buckets have tests of their own. */
static const char prometheus[] = "# HELP t_queries_total Queries taken.\n"
                                 "# TYPE t_queries_total counter\n"
                                 "t_queries_total{transport=\"udp\"} 3\n"
                                 "t_queries_total{transport=\"tcp\"} 18446744073709551615\n"
                                 "# HELP t_live A \"level\" \\\\ of\\nlines.\n"
                                 "# TYPE t_live gauge\n"
                                 "t_live -2\n"
                                 "# HELP t_latency_seconds Time taken.\n"
                                 "# TYPE t_latency_seconds histogram\n"
                                 "t_latency_seconds_bucket{kind=\"a\",le=\"1e-06\"} 0\n";
static const char openmetrics[] = "# HELP t_queries Queries taken.\n"
                                  "# TYPE t_queries counter\n"
                                  "t_queries_total{transport=\"udp\"} 3\n"
                                  "t_queries_total{transport=\"tcp\"} 18446744073709551615\n"
                                  "# HELP t_live A \\\"level\\\" \\\\ of\\nlines.\n"
                                  "# TYPE t_live gauge\n"
                                  "t_live -2\n"
                                  "# HELP t_latency_seconds Time taken.\n"
                                  "# TYPE t_latency_seconds histogram\n"
                                  "t_latency_seconds_bucket{kind=\"a\",le=\"1e-06\"} 0\n";

START_TEST(metrics_are_printed_in_both_forms)
{
    keel_metric_add(&m, QUERIES_UDP, 1);
    keel_metric_add(&m, QUERIES_UDP, 2);
    keel_metric_set(&m, QUERIES_TCP, UINT64_MAX);
    keel_metric_set(&m, LIVE, (uint64_t)-2);
    ck_assert_msg(strncmp(print(false), prometheus, sizeof prometheus - 1) == 0, "%s",
                  print(false));
    ck_assert_ptr_nonnull(strstr(print(false), "# TYPE t_odd counter\nt_odd 0\n"));
    ck_assert_msg(strncmp(print(true), openmetrics, sizeof openmetrics - 1) == 0, "%s",
                  print(true));
    ck_assert_ptr_nonnull(strstr(print(true), "# TYPE t_odd counter\nt_odd_total 0\n"));
    ck_assert_ptr_null(strstr(print(true), "# EOF"));
}
END_TEST

static const struct {
    uint64_t ns;
    const char *le;   /* the first bucket that has it */
    const char *less; /* the one before: has it not */
} observed[] = {
    {0, "1e-06", NULL},
    {1000, "1e-06", NULL},
    {1001, "2e-06", "1e-06"},
    {2000, "2e-06", "1e-06"},
    {2001, "4e-06", "2e-06"},
    {1024000, "0.001024", "0.000512"},
    {1024001, "0.002048", "0.001024"},
    {1000000000, "1.048576", "0.524288"},
    {16777216000, "16.777216", "8.388608"},
    {16777216001, "+Inf", "16.777216"},
    {UINT64_MAX, "+Inf", "16.777216"},
};

static bool has_line(const char *text, const char *le, int count)
{
    char line[128];
    snprintf(line, sizeof line, "t_latency_seconds_bucket{kind=\"a\",le=\"%s\"} %d\n", le, count);
    return strstr(text, line) != NULL;
}

START_TEST(a_value_falls_into_its_bucket)
{
    keel_metric_observe(&m, LATENCY, observed[_i].ns);
    const char *text = print(false);
    ck_assert_msg(has_line(text, observed[_i].le, 1), "%s", text);
    ck_assert(!observed[_i].less || has_line(text, observed[_i].less, 0));
    ck_assert(has_line(text, "+Inf", 1));
    ck_assert_ptr_nonnull(strstr(text, "t_latency_seconds_count{kind=\"a\"} 1\n"));
}
END_TEST

START_TEST(a_histogram_adds_up)
{
    keel_metric_observe(&m, LATENCY, 500);
    keel_metric_observe(&m, LATENCY, 1500000000);
    keel_metric_observe(&m, LATENCY, 1500000001);
    const char *text = print(false);
    ck_assert(has_line(text, "1e-06", 1));
    ck_assert(has_line(text, "1.048576", 1));
    ck_assert(has_line(text, "2.097152", 3));
    ck_assert(has_line(text, "+Inf", 3));
    ck_assert_ptr_nonnull(strstr(text, "t_latency_seconds_sum{kind=\"a\"} 3.000000501\n"
                                       "t_latency_seconds_count{kind=\"a\"} 3\n"));
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    struct keel_metrics other;
    for (uint64_t n = 1; n <= 2; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(keel_metrics_new_private(table, &other), KEEL_ENOMEM);
    }
    keel_mem_fail_at(1);
    keel_buf_fini(&out);
    ck_assert_int_eq(keel_metric_print(table, m.offsets, m.cells, false, &out), KEEL_ENOMEM);
    keel_mem_fail_at(0);
}
END_TEST

Suite *metric_suite(void)
{
    Suite *suite = suite_create("metric");
    TCase *tc = tcase_create("metric");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_table_is_laid_out_in_cells);
    tcase_add_test(tc, metrics_are_printed_in_both_forms);
    tcase_add_loop_test(tc, a_value_falls_into_its_bucket, 0, sizeof observed / sizeof *observed);
    tcase_add_test(tc, a_histogram_adds_up);
    tcase_add_test(tc, no_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
