/*
 * A zone as a zone file (RFC 1035, 5): the SOA first, then all names in canonical order. What is
 * printed is read back as the same zone.
 */
#ifndef DNSD_ZONE_PRINT_H
#define DNSD_ZONE_PRINT_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "dnsd/zone/view.h"

/* Takes a piece of the text. Not 0: stop; it is returned. */
typedef int (*dns_print_write)(void *arg, const void *bytes, size_t size);

/* Prints the zone in pieces of some 64 KiB. relative: names below the apex are written relative to
 * an $ORIGIN line; else all are absolute. 0, KEEL_ENOMEM, KEEL_EINVAL (a damaged image), or what
 * write returned. */
int dns_zone_print(const struct dns_view *view, bool relative, dns_print_write write, void *arg);

#endif
