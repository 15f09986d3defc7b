/*
 * The worker's side of zones (dnsd/serve/messages.h): files that the keeper has handed over, mapped
 * read-only, and which version of which zone is served from them.
 */
#ifndef DNSD_SERVE_VERSIONS_H
#define DNSD_SERVE_VERSIONS_H

#include "common/service/module.h"
#include "dnsd/zone/zones.h"

struct dns_versions;

/* Returns new, for these zones (borrowed): none of them has data yet. NULL: no memory. */
struct dns_versions *dns_versions_new(struct keel_instance *instance, struct dns_zones *zones);
void dns_versions_free(struct dns_versions *versions);

/* The keeper is there again: it tells everything anew. */
void dns_versions_restart(struct dns_versions *versions);
/* A message of the keeper. KEEL_ENOTSUP: it is about something else. */
int dns_versions_message(struct dns_versions *versions, unsigned helper,
                         struct keel_message *message);

#endif
