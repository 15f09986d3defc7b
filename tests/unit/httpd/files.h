/*
 * What the tests of files share: a folder made for the test, served from a cache without a daemon.
 */
#ifndef KEEL_TESTS_HTTPD_FILES_H
#define KEEL_TESTS_HTTPD_FILES_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "httpd/handlers/file.h"
#include "tests/support/unit.h"

#define SECOND UINT64_C(1000000000)
#define NOW (UINT64_C(1760000000) * SECOND)

extern struct http_site site; /* "a", with index.html, index.htm and a listing at /list/ */
extern struct http_location locations[1];
extern struct http_cache_limits limits;
extern struct http_cache cache;
extern struct http_request request;
extern struct http_response response; /* the last one */
extern uint64_t passed_ns;

/* Makes the folder, and the cache with its limits and no pool. */
void files_set_up(void);
void files_tear_down(void);
void put(const char *name, const char *bytes, size_t size);
/* One request; the response is left in `response`. Returns its status. */
unsigned ask(const char *method, const char *target, const char *fields);
unsigned get(const char *target);
bool head_has(const char *text);
bool body_is(const char *text);
/* The value of a field of the response's head. */
char *field(const char *name);

#endif
