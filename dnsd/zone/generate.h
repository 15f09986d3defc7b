/*
 * $GENERATE: a template of a record, written out for every number of a range (BIND's extension,
 * as BIND documents it).
 */
#ifndef DNSD_ZONE_GENERATE_H
#define DNSD_ZONE_GENERATE_H

#include "common/base/buf.h"
#include "dnsd/zone/token.h"

struct dns_range {
    uint32_t start, stop, step;
};
/* "1-10" or "1-10/2"; 0 or KEEL_EINVAL (also when stop is before start or step is 0). */
int dns_range_parse(struct keel_str text, struct dns_range *range);
/* Appends the template for one number: "$" becomes it, "\$" and "$$" a "$", and
 * "${offset,width,base}" (base d o x X n N) the number plus offset in that form.
 * 0, KEEL_EINVAL (a bad ${...}), or how out failed. */
int dns_generate_expand(struct keel_buf *out, struct keel_str template, uint32_t number);

#endif
