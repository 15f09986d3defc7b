/*
 * The keeper's insides, for the files that it is made of.
 */
#ifndef DNSD_SERVE_KEEPER_PRIVATE_H
#define DNSD_SERVE_KEEPER_PRIVATE_H

#include "dnsd/serve/keeper.h"
#include "dnsd/serve/publish.h"

struct keeper_zone {
    struct dns_kept kept;
    struct dns_published published;
};

struct dns_keeper {
    struct keel_instance *instance;
    struct dns_publisher *publisher;
    struct keeper_zone **zones; /* by dns_kept.index */
    unsigned count;
};

/* Reads a zone's file; returns new in *image. KEEL_ECONF with diag `zone "NAME": FILE:LINE: what`,
 * or KEEL_ENOMEM. */
int dns_keeper_load(const struct dns_zone *zone, struct dns_image **image, struct keel_diag *diag);
/* The image at `offset` of the file is the zone from now on. */
int dns_keeper_serve(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset);

#endif
