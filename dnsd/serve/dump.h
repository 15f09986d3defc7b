/*
 * A zone written to a zone file, in place of what stands there.
 */
#ifndef DNSD_SERVE_DUMP_H
#define DNSD_SERVE_DUMP_H

#include "common/base/err.h"
#include "dnsd/zone/view.h"

/* What is printed has this behind its name until it is whole; one that a crash left there is
 * written over the next time. */
#define DNS_DUMP_TEMPORARY ".dnsd-new"

/* Prints the zone beside `path` and puts it in its place when all of it is on the disk: whatever
 * happens, there is the old file or the new one. Keeps the mode, and where it may the owner, of an
 * old file. Blocks; the view stays as it is meanwhile: it may run in a thread. KEEL_EBUSY (somebody
 * writes this very file just now), KEEL_ESYS, KEEL_ENOSPC or KEEL_ENOMEM with diag. */
int dns_dump_zone(const struct dns_view *view, const char *path, struct keel_diag *diag);

#endif
