/*
 * The suites of dhcpd's unit tests, one a source file.
 */
#ifndef KEEL_TESTS_DHCPD_SUITES_H
#define KEEL_TESTS_DHCPD_SUITES_H

#include "tests/support/unit.h"

Suite *option_suite(void);
Suite *limit_suite(void);
Suite *message_suite(void);
Suite *relay_suite(void);
Suite *bitmap_suite(void);
Suite *lease_suite(void);
Suite *pool_suite(void);
Suite *offer_suite(void);
Suite *client_index_suite(void);
Suite *config_suite(void);
Suite *expression_suite(void);
Suite *policy_suite(void);
Suite *reply_suite(void);
Suite *state_suite(void);
Suite *engine_suite(void);
Suite *edit_suite(void);
Suite *event_suite(void);
Suite *filter_suite(void);
Suite *import_suite(void);
Suite *probe_suite(void);
Suite *leasequery_suite(void);
Suite *admit_suite(void);
Suite *hook_suite(void);
Suite *fqdn_suite(void);
Suite *ddns_suite(void);
Suite *durable_suite(void);
Suite *settings_suite(void);

#endif
