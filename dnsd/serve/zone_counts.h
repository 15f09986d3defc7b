/*
 * What each zone was asked, in one worker: the `zone-counters` command.
 */
#ifndef DNSD_SERVE_ZONE_COUNTS_H
#define DNSD_SERVE_ZONE_COUNTS_H

#include "common/service/module.h"
#include "dnsd/answer/query.h"

/* A question that was answered from a zone, or of which that was refused. */
void dns_zone_count(const struct dns_query *query);

/* zone-counters [NAME]: of one zone, or of those that are asked most, 100 at most. */
int dns_command_zone_counters(struct keel_instance *instance, json_t *args, json_t **result,
                              struct keel_diag *diag);

#endif
