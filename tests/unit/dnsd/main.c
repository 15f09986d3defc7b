#include "suites.h"

#include "tests/support/unit.h"

int main(void)
{
    static Suite *(*const suites[])(void) = {
        /* one a line, so that two who add one do not meet */
        /* clang-format off */
        name_suite,
        type_suite,
        rdata_suite,
        message_suite,
        edns_suite,
        tsig_suite,
        token_suite,
        generate_suite,
        rdata_text_suite,
        svcb_text_suite,
        scan_suite,
        print_suite,
        edit_suite,
        update_suite, updates_suite,
        compile_suite,
        check_suite,
        image_suite,
        image_file_suite,
        images_suite,
        set_suite,
        zones_suite,
        reply_suite,
        requests_suite,
        resolve_suite,
        query_suite,
        delta_suite,
        denial_suite,
        signed_suite,
        cookie_suite,
        opt_suite,
        rrl_suite,
        acl_suite,
        axfr_suite,
        notify_suite,
        tcp_suite,
        journal_suite,
        diff_suite,
        fetch_suite,
        ixfr_suite,
        refresh_suite,
        top_suite,
        /* clang-format on */
    };
    return unit_main(suites, sizeof suites / sizeof suites[0]);
}
