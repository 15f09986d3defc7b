/*
 * The algorithm of RFC 1034, 4.3.2: what a zone says about a name and a type.
 */
#ifndef DNSD_ANSWER_RESOLVE_H
#define DNSD_ANSWER_RESOLVE_H

#include "dnsd/answer/reply.h"

/* Fills the sections of reply, following CNAME and DNAME inside the zone. hash: of qname in this
 * image. Returns the rcode and sets *authoritative; sets reply->truncated when a set that the
 * answer needs did not fit. */
enum dns_rcode dns_resolve(struct dns_reply *reply, const struct dns_name *qname, uint16_t qtype,
                           uint64_t hash, bool tcp, bool *authoritative);

#endif
