#include "tests/support/unit.h"

Suite *store_suite(void);

int main(void)
{
    Suite *(*const suites[])(void) = {store_suite};
    return unit_main(suites, sizeof suites / sizeof *suites);
}
