#include "tests/support/unit.h"
#include "tests/unit/runtime/suites.h"

int main(void)
{
    Suite *(*const suites[])(void) = {
        loop_suite,          timer_suite,      sock_suite,    dgram_suite,
        stream_suite,        stream_end_suite, tls_suite,     watch_suite,
        stream_file_suite,   child_suite,      offload_suite, packet_suite,
        runtime_probe_suite, file_suite,       accept_suite,  file_watch_suite,
    };
    return unit_main(suites, sizeof suites / sizeof *suites);
}
