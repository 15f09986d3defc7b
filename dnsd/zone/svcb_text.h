/*
 * Service parameters of SVCB and HTTPS in presentation format (RFC 9460, 2.1 and appendix A).
 */
#ifndef DNSD_ZONE_SVCB_TEXT_H
#define DNSD_ZONE_SVCB_TEXT_H

#include "common/base/wire.h"
#include "common/base/buf.h"
#include "dnsd/zone/token.h"

/* Reads the rest of the entry as parameters, in any order, and writes them in order of their keys.
 * 0, or KEEL_EINVAL with diag. The result still has to pass dns_svcb_check. */
int dns_svcb_from_text(struct dns_lexer *lexer, struct keel_writer *out, struct keel_diag *diag);
/* Appends the text of checked parameters, a blank before each. 0; KEEL_EINVAL: they are malformed.
 */
int dns_svcb_to_text(struct keel_buf *out, const uint8_t *params, size_t size);

#endif
