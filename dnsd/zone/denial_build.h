/*
 * Makes the tables of dnsd/zone/denial.h for an image that is complete otherwise, and looks at how
 * well the zone is signed.
 */
#ifndef DNSD_ZONE_DENIAL_BUILD_H
#define DNSD_ZONE_DENIAL_BUILD_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "dnsd/zone/denial.h"

typedef void (*dns_zone_warning)(void *arg, const char *text);

/* The 20 bytes of a hash from its label in base32hex (RFC 4648, 7), lower-cased. False: it is none.
 */
bool dns_nsec3_read_hash(const uint8_t *label, uint8_t hash[KEEL_SHA1_SIZE]);

#define DNS_NSEC3_ITERATIONS_MAX 2500 /* RFC 5155, 10.3 */

/* block: an image without its tables; they are appended. A zone with an NSEC3PARAM and its hashes
 * is denied by NSEC3, else one with an NSEC at the apex by NSEC. warn (may be NULL) hears what
 * keeps a signed zone from being validated. KEEL_ENOMEM, or KEEL_EINVAL (more iterations than
 * allowed), with diag. */
int dns_denial_build(struct keel_buf *block, dns_zone_warning warn, void *arg,
                     struct keel_diag *diag);

#endif
