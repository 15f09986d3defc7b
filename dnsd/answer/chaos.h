/*
 * What a server says about itself: TXT records of class CHAOS (RFC 4892).
 */
#ifndef DNSD_ANSWER_CHAOS_H
#define DNSD_ANSWER_CHAOS_H

#include "dnsd/answer/query.h"
#include "dnsd/answer/reply.h"

/* The text for version.bind and version.server (context->version), id.server and hostname.bind
 * (context->identity); empty: nothing is to be said. */
struct keel_str dns_chaos_text(const struct dns_message *m,
                               const struct dns_answer_context *context);
/* Appends the record as the answer; false when it does not fit: nothing is written then. */
bool dns_chaos_write(struct dns_reply *reply, struct keel_str text);

#endif
