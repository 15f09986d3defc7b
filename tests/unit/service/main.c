#include "tests/support/unit.h"

Suite *conf_suite(void);
Suite *log_suite(void);
Suite *metric_suite(void);
Suite *module_suite(void);
Suite *sandbox_suite(void);

int main(void)
{
    Suite *(*const suites[])(void) = {conf_suite, log_suite, metric_suite, module_suite,
                                      sandbox_suite};
    return unit_main(suites, sizeof suites / sizeof suites[0]);
}
