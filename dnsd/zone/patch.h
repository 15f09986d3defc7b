/*
 * An image and differences become the records of a new one: for a secondary that got an IXFR. What
 * is in the image comes out again, flat.
 */
#ifndef DNSD_ZONE_PATCH_H
#define DNSD_ZONE_PATCH_H

#include "common/base/hash.h"
#include "dnsd/zone/diff.h"
#include "dnsd/zone/view.h"

/* Visits every record of an image until visit returns non-zero, which is returned; names in rdata
 * are uncompressed, owners lower-cased. What visit is given is borrowed for the call. KEEL_ENOMEM;
 * KEEL_EINVAL: it is no image. */
typedef int (*dns_image_visit)(void *arg, const struct dns_diff_record *record);
int dns_image_each(const struct dns_image *image, dns_image_visit visit, void *arg);
/* The numbers of a version's SOA: serial, refresh, retry, expire, minimum. */
void dns_view_soa(const struct dns_view *view, uint32_t numbers[5]);

/* Visits every record of the zone as it is behind the steps, which follow on each other. Records
 * are the same when owner, type and rdata are (RFC 2136, 1.1.1); names in rdata whatever their
 * case. KEEL_EINVAL with diag: the first step is not from the image's serial, or something is
 * deleted that is not there (RFC 1995, 4: the whole zone is to be asked for). Touches nothing but
 * its arguments: may run in a thread. */
int dns_patch_each(const struct dns_image *image, const struct dns_diff *steps, unsigned count,
                   struct keel_hash_key key, dns_image_visit visit, void *arg,
                   struct keel_diag *diag);

#endif
