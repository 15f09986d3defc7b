#include "suites.h"

#include "tests/support/unit.h"

int main(void)
{
    static Suite *(*const suites[])(void) = {
        err_suite,     mem_suite,   buf_suite,  str_suite,    text_suite, addr_suite, hash_suite,
        clients_suite, clock_suite, rand_suite, digest_suite, wire_suite, list_suite,
    };
    return unit_main(suites, sizeof suites / sizeof suites[0]);
}
