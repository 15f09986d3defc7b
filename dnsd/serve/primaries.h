/*
 * The primaries of our secondary zones, as the configuration names them.
 */
#ifndef DNSD_SERVE_PRIMARIES_H
#define DNSD_SERVE_PRIMARIES_H

#include "common/base/addr.h"
#include "common/runtime/tls.h"
#include "common/service/conf.h"
#include "dnsd/zone/zones.h"

struct dns_primary {
    const struct dns_zone *zone;
    struct keel_addr addr;
    const struct dns_tsig_key *key; /* NULL: nothing is signed */
    struct keel_tls_context *tls;   /* NULL: in the clear */
    char *name;                     /* of the certificate; NULL: whatever it says */
};
struct dns_primaries {
    struct dns_primary *items; /* those of one zone one behind another */
    unsigned count;
};

void dns_primaries_fini(struct dns_primaries *primaries);
/* Reads the options `primary` and `allow-notify` of a zone's section: adds its primaries, and fills
 * zone->allow_notify and what it has of primaries. Borrows zone and keys. KEEL_ECONF with diag,
 * KEEL_ENOMEM. */
int dns_primaries_read(struct dns_primaries *primaries, struct dns_zone *zone,
                       const struct keel_conf *section, const struct dns_tsig_keys *keys,
                       struct keel_diag *diag);
/* The first of the zone->primaries that it has; NULL: none. */
const struct dns_primary *dns_primaries_of(const struct dns_primaries *primaries,
                                           const struct dns_zone *zone);

#endif
