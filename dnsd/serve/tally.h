/*
 * Queries are counted as they are answered; those that an operator should hear of are logged.
 */
#ifndef DNSD_SERVE_TALLY_H
#define DNSD_SERVE_TALLY_H

#include "dnsd/answer/query.h"
#include "dnsd/serve/metrics.h"

/* Queries that were answered (or not) since the last dns_tally_add, kept beside the hot loop. */
struct dns_tally {
    uint32_t counts[DNS_METRICS];
};
void dns_tally_query(struct dns_tally *tally, const struct dns_query *query, size_t reply_size);
void dns_tally_add(const struct dns_tally *tally, struct keel_metrics *metrics);

#endif
