/*
 * Status codes and their reason phrases (RFC 9110, 15).
 */
#ifndef HTTPD_WIRE_STATUS_H
#define HTTPD_WIRE_STATUS_H

#include "common/base/str.h"

/* "Not Found"; "Unknown" for a code that is not registered. Static storage. */
struct keel_str http_status_reason(unsigned status);

#endif
