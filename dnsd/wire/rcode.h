/*
 * Response codes by name (RFC 6895, 2.3).
 */
#ifndef DNSD_WIRE_RCODE_H
#define DNSD_WIRE_RCODE_H

#include "common/base/err.h"
#include "common/base/str.h"

#define DNS_RCODE_TEXT 16
/* "NXDOMAIN", or "RCODE77". Returns out, DNS_RCODE_TEXT bytes. */
const char *dns_rcode_format(char *out, unsigned rcode);
/* A name in any case, "RCODE77" or "77"; at most 4095. 0 or KEEL_EINVAL. */
int dns_rcode_parse(struct keel_str text, unsigned *rcode);

#endif
