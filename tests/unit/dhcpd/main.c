#include "tests/unit/dhcpd/suites.h"

int main(void)
{
    Suite *(*const suites[])(void) = {
        option_suite,       message_suite,  relay_suite,      bitmap_suite,     lease_suite,
        pool_suite,         offer_suite,    config_suite,     expression_suite, policy_suite,
        client_index_suite, limit_suite,    reply_suite,      state_suite,      engine_suite,
        edit_suite,         filter_suite,   import_suite,     event_suite,      fqdn_suite,
        ddns_suite,         probe_suite,    leasequery_suite, admit_suite,      hook_suite,
        durable_suite,      settings_suite,
    };
    return unit_main(suites, sizeof suites / sizeof suites[0]);
}
