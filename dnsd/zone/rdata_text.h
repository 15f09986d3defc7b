/*
 * Rdata from presentation format to flat wire bytes: our own code for the common types, by their
 * layout; ldns for all others; RFC 3597's "\# size hex" for any.
 */
#ifndef DNSD_ZONE_RDATA_TEXT_H
#define DNSD_ZONE_RDATA_TEXT_H

#include "dnsd/wire/name.h"
#include "dnsd/zone/token.h"

/* Reads the rest of the entry as rdata of this type into out (names uncompressed, relative ones
 * below origin). Returns the bytes written, or KEEL_EINVAL and a diag that says what is wrong
 * (without file and line). */
int dns_rdata_from_text(uint16_t type, struct dns_lexer *lexer, const struct dns_name *origin,
                        uint8_t *out, size_t room, struct keel_diag *diag);

#endif
