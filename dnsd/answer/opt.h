/*
 * The OPT record of an answer: what the client's options ask for (NSID, cookie, keepalive, padding)
 * and why there is no better answer (extended errors).
 */
#ifndef DNSD_ANSWER_OPT_H
#define DNSD_ANSWER_OPT_H

#include "dnsd/answer/query.h"

/* Bytes of the OPT record, padding excepted, as far as the query alone says; 0: none. */
size_t dns_opt_size(const struct dns_query *query, const struct dns_answer_context *context);
/* Writes it, with padding where there is room; tail: bytes that will follow it. */
void dns_opt_write(struct keel_writer *w, const struct dns_query *query,
                   const struct dns_answer_context *context, size_t tail);

/* What a client that asks is told of how long the zone may be served (RFC 7314, 3): as long as its
 * SOA says, or, when it comes from a primary itself, as long as is left of that. False when the
 * client does not ask, or that is not known. */
bool dns_expire_of(const struct dns_query *query, uint32_t *seconds);

#endif
