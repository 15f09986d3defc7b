#include "tests/support/unit.h"
#include "tests/unit/runtime/suites.h"

int main(void)
{
    Suite *(*const suites[])(void) = {
        child_suite,
        offload_suite,
        packet_suite,
    };
    return unit_main(suites, sizeof suites / sizeof *suites);
}
