/*
 * The suites of the base layer, one a source file.
 */
#ifndef KEEL_TESTS_BASE_SUITES_H
#define KEEL_TESTS_BASE_SUITES_H

#include <check.h>

Suite *addr_suite(void);
Suite *buf_suite(void);
Suite *clients_suite(void);
Suite *clock_suite(void);
Suite *digest_suite(void);
Suite *err_suite(void);
Suite *hash_suite(void);
Suite *list_suite(void);
Suite *mem_suite(void);
Suite *rand_suite(void);
Suite *str_suite(void);
Suite *text_suite(void);
Suite *wire_suite(void);

#endif
