/*
 * Dynamic update (RFC 2136): a message that changes a zone. Prerequisites are looked at, then the
 * changes are made in an edit of the zone, all or none. Who may do it was decided before; making
 * it durable, and telling the world, comes after.
 */
#ifndef DNSD_TRANSFER_UPDATE_H
#define DNSD_TRANSFER_UPDATE_H

#include "dnsd/wire/message.h"
#include "dnsd/zone/edit.h"

/* Does the message, an UPDATE that dns_message_parse_query has read. Returns the rcode.
 *
 * NOERROR with *changed: a step of the edit is open, with the changes and a new serial number in
 * it; the caller commits it or rolls it back. Else no step is open, and nothing has changed.
 *
 * FORMERR, NOTZONE, YXDOMAIN, YXRRSET, NXDOMAIN, NXRRSET: as RFC 2136, 3 says. REFUSED: what would
 * come of it is no zone, or the zone is signed and nobody here could sign the change; diag says
 * it. SERVFAIL: memory is out. */
enum dns_rcode dns_update_process(struct dns_edit *edit, const struct dns_name *apex,
                                  const uint8_t *bytes, size_t size, bool *changed,
                                  struct keel_diag *diag);

#endif
