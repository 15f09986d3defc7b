/*
 * Inside of dns_edit_delta (dnsd/zone/edit.h): the chain of a delta that denies what is not there.
 */
#ifndef DNSD_ZONE_DELTA_H
#define DNSD_ZONE_DELTA_H

#include "dnsd/zone/layout.h"

/* Appends the chain of the block's names, and says in its header how it denies. KEEL_ENOSPC: the
 * zone is denied in another way than the base, which no delta can say; KEEL_ENOMEM. */
int dns_delta_denial(struct dns_layout *layout, const struct dns_image *base);

#endif
