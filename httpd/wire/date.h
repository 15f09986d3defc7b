/*
 * HTTP dates (RFC 9110, 5.6.7): one format is written, three are read.
 */
#ifndef HTTPD_WIRE_DATE_H
#define HTTPD_WIRE_DATE_H

#include "common/base/err.h"
#include "common/base/str.h"

#define HTTP_DATE_SIZE 29 /* "Sun, 06 Nov 1994 08:49:37 GMT", no NUL */

/* Seconds since 1970, years 1 to 9999; outside of them the nearest end is written. */
void http_date_format(char out[HTTP_DATE_SIZE], int64_t seconds);
/* IMF-fixdate, RFC 850 date (its two-digit year is at most 50 years after `now`), asctime date.
 * 0 or KEEL_EINVAL. */
int http_date_parse(struct keel_str text, int64_t now, int64_t *seconds);

#endif
