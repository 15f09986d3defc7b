#include "tests/support/unit.h"

Suite *channel_suite(void);
Suite *conf_suite(void);
Suite *host_suite(void);
Suite *log_suite(void);
Suite *manifest_suite(void);
Suite *board_suite(void);
Suite *metric_suite(void);
Suite *module_suite(void);
Suite *peers_suite(void);
Suite *rows_suite(void);
Suite *sandbox_suite(void);
Suite *sockets_suite(void);

int main(void)
{
    Suite *(*const suites[])(void) = {
        channel_suite, conf_suite,   host_suite,  log_suite,  manifest_suite, board_suite,
        metric_suite,  module_suite, peers_suite, rows_suite, sandbox_suite,  sockets_suite,
    };
    return unit_main(suites, sizeof suites / sizeof suites[0]);
}
