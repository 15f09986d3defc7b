/*
 * The suites of dnsd's parts, one a source file.
 */
#ifndef KEEL_TESTS_DNSD_SUITES_H
#define KEEL_TESTS_DNSD_SUITES_H

#include <check.h>

Suite *name_suite(void);
Suite *type_suite(void);
Suite *rdata_suite(void);
Suite *message_suite(void);
Suite *edns_suite(void);
Suite *tsig_suite(void);
Suite *token_suite(void);
Suite *generate_suite(void);
Suite *rdata_text_suite(void);
Suite *svcb_text_suite(void);
Suite *scan_suite(void);
Suite *print_suite(void);
Suite *compile_suite(void);
Suite *check_suite(void);
Suite *image_suite(void);
Suite *image_file_suite(void);
Suite *images_suite(void);
Suite *set_suite(void);
Suite *zones_suite(void);
Suite *reply_suite(void);
Suite *requests_suite(void);
Suite *resolve_suite(void);
Suite *acl_suite(void);
Suite *axfr_suite(void);
Suite *notify_suite(void);
Suite *delta_suite(void);
Suite *denial_suite(void);
Suite *cookie_suite(void);
Suite *opt_suite(void);
Suite *rrl_suite(void);
Suite *top_suite(void);
Suite *edit_suite(void);
Suite *update_suite(void);
Suite *updates_suite(void);
Suite *signed_suite(void);
Suite *query_suite(void);
Suite *tcp_suite(void);
Suite *journal_suite(void);
Suite *refresh_suite(void);
Suite *ixfr_suite(void);
Suite *fetch_suite(void);
Suite *diff_suite(void);

#endif
