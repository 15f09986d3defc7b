/*
 * What the suites of dnsd share: zones from text, queries from words, replies as text by ldns,
 * which knows nothing of our code.
 */
#ifndef KEEL_TESTS_DNSD_SUPPORT_H
#define KEEL_TESTS_DNSD_SUPPORT_H

#include "dnsd/answer/query.h"
#include "dnsd/zone/compile.h"
#include "dnsd/zone/edit.h"

#include <check.h>

/* Absolute or not, always absolute. */
struct dns_name support_name(const char *text);
/* 0 or the error of the scan or the compiler, with diag. */
int support_compile(const char *origin, const char *text, struct dns_image **image,
                    struct keel_diag *diag);
/* Fails the test when the zone is not good. Returns new. */
struct dns_image *support_image(const char *origin, const char *text);
/* Fails the test when the edit's zone is not that of the text, whose origin is z. */
void support_expect(const struct dns_edit *edit, const char *text);
/* Adds a zone. */
void support_serve(struct dns_zones *zones, const char *origin, const char *text);
void support_zones_init(struct dns_zones *zones);
/* A whole file of tests/unit/dnsd/data: returns new, fails the test when it is not there. */
char *support_data(const char *name);
/* A scan's reader for tests: no file exists. */
int support_no_files(void *arg, const char *path, const char *from, char **text, size_t *size,
                     char **opened, struct keel_diag *diag);

/* Who asks: 192.0.2.1. */
extern const struct keel_addr support_peer;
/* edns: advertised size, 0 none. Returns the size. */
size_t support_query(uint8_t *out, size_t room, const char *name, uint16_t type, uint16_t edns);
/* The whole reply, one line a record: "NOERROR qr aa\nanswer NAME TTL IN TYPE RDATA\n...". */
void support_show(char *out, size_t room, const uint8_t *reply, size_t size);

#endif
