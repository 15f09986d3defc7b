/*
 * Rdata to presentation format: what dnsd/zone/rdata_text.h reads back to the same bytes.
 */
#ifndef DNSD_ZONE_RDATA_PRINT_H
#define DNSD_ZONE_RDATA_PRINT_H

#include "common/base/buf.h"
#include "dnsd/wire/name.h"

/* Appends the text of flat, checked rdata, without a line end. Names below the origin are written
 * relative to it; origin NULL: all are absolute. What has no form of its own, or does not come back
 * from it as it was, is written as RFC 3597, 5 has it. 0 or KEEL_ENOMEM. */
int dns_rdata_print(struct keel_buf *out, uint16_t type, const uint8_t *rdata, size_t size,
                    const struct dns_name *origin);
/* A name, flat, the same way: "@" is the origin. */
int dns_name_print(struct keel_buf *out, const uint8_t *flat, size_t size,
                   const struct dns_name *origin);

#endif
