/*
 * The suites of the runtime layer, one a source file.
 */
#ifndef KEEL_TESTS_UNIT_RUNTIME_SUITES_H
#define KEEL_TESTS_UNIT_RUNTIME_SUITES_H

#include <check.h>

Suite *accept_suite(void);
Suite *child_suite(void);
Suite *dgram_suite(void);
Suite *file_suite(void);
Suite *file_watch_suite(void);
Suite *loop_suite(void);
Suite *offload_suite(void);
Suite *packet_suite(void);
Suite *runtime_probe_suite(void);
Suite *sock_suite(void);
Suite *stream_end_suite(void);
Suite *stream_file_suite(void);
Suite *stream_suite(void);
Suite *timer_suite(void);
Suite *tls_suite(void);
Suite *watch_suite(void);

#endif
