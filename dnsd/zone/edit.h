/*
 * Changes to a zone: a version, and on top of it names with their records as they are to be. The
 * keeper has one for each zone that changes in small steps; from it come deltas and whole images.
 *
 *     edit = view + {owner -> records}      only owners that were touched
 *     dns_edit_delta: the touched owners as a delta of the base
 *     dns_edit_image: everything as a new base
 *
 * Changes between dns_edit_begin and dns_edit_commit are one step: all or nothing (RFC
 * 2136, 3.4.2).
 */
#ifndef DNSD_ZONE_EDIT_H
#define DNSD_ZONE_EDIT_H

#include "common/base/err.h"
#include "dnsd/zone/diff.h"
#include "dnsd/zone/view.h"

struct dns_edit;

/* Returns new, over an image without delta (borrowed for its life); NULL when memory is out. */
struct dns_edit *dns_edit_new(const struct dns_image *base);
void dns_edit_free(struct dns_edit *edit);

/* --- reading: the zone as it is with all changes up to now --- */

uint32_t dns_edit_serial(const struct dns_edit *edit);
/* The zone has signatures or denies what is not there: each change would have to be signed. */
bool dns_edit_is_signed(const struct dns_edit *edit);
/* Names are lower-cased, flat. Has the owner any record; any of the type? */
bool dns_edit_has_name(const struct dns_edit *edit, const uint8_t *owner, size_t size);
bool dns_edit_has_set(const struct dns_edit *edit, const uint8_t *owner, size_t size,
                      uint16_t type);
/* Visits the owner's records (type 0: of every type) until visit returns non-zero, which is
 * returned. What it is given is borrowed for the call; nothing may be changed meanwhile. */
typedef int (*dns_edit_visit)(void *arg, const struct dns_diff_record *record);
int dns_edit_each_at(const struct dns_edit *edit, const uint8_t *owner, size_t size, uint16_t type,
                     dns_edit_visit visit, void *arg);
/* Every record of the zone, the SOA first. */
int dns_edit_each(const struct dns_edit *edit, dns_edit_visit visit, void *arg);

/* --- changing, in steps --- */

void dns_edit_begin(struct dns_edit *edit);
/* Adds a record; its TTL becomes that of its RRset (RFC 2181, 5.2). One that is there already
 * changes its TTL alone. An SOA or CNAME takes the place of the old one. 0, KEEL_ENOMEM,
 * KEEL_EINVAL (not in the zone, a type that may not stand there). */
int dns_edit_add(struct dns_edit *edit, const struct dns_diff_record *record);
/* Removes: one record (rdata), an RRset (rdata NULL), everything of the owner (type 0 also). 0,
 * KEEL_ENOENT when there was nothing, KEEL_ENOMEM. */
int dns_edit_remove(struct dns_edit *edit, const struct dns_diff_record *record);
/* A step as it came over an IXFR or from the journal. KEEL_EINVAL with diag when it does not fit
 * what is there (RFC 1995, 4: then the whole zone is asked for). */
int dns_edit_apply(struct dns_edit *edit, const struct dns_diff *diff, struct keel_diag *diag);
/* What the step has changed, net, and the SOA first in both parts. KEEL_ENOMEM. */
int dns_edit_difference(const struct dns_edit *edit, struct dns_diff *diff);
/* Ends the step: it stays, or it never was. commit checks what the step has touched (one SOA, an NS
 * at the apex, nothing beside a CNAME, nothing below a DNAME): KEEL_EINVAL with diag, and the step
 * is still open. */
int dns_edit_commit(struct dns_edit *edit, struct keel_diag *diag);
void dns_edit_rollback(struct dns_edit *edit);

/* --- what is served --- */

/* The touched owners, and what follows from them (empty non-terminals, names that have come below
 * a cut or out of it, the denial), as a delta that will stand at `origin` bytes behind the start of
 * the base: page-aligned, not before its end. Returns new in *delta (NULL when nothing is
 * touched), freed with keel_free. KEEL_ENOSPC: it would be larger than `limit` bytes, or too much
 * follows from it: make a new image. KEEL_EINVAL with diag: what it would serve is no zone. */
int dns_edit_delta(const struct dns_edit *edit, uint32_t origin, size_t limit,
                   struct dns_image **delta, struct keel_diag *diag);
/* Everything, as dns_compiler_finish. Touches nothing but its arguments and may run in another
 * thread while `edit` is not changed: see dns_edit_snapshot. */
int dns_edit_image(const struct dns_edit *edit, struct keel_hash_key key, struct dns_image **image,
                   struct keel_diag *diag);
/* A copy of the touched owners that shares the base: an image can be made of it in a thread while
 * the edit goes on. Returns new, or NULL. */
struct dns_edit *dns_edit_snapshot(const struct dns_edit *edit);
/* The same zone over a new base, which was made of `made_of`, a snapshot of this edit: what has
 * been touched since then stays touched. 0 or KEEL_ENOMEM (nothing has changed). */
int dns_edit_rebase(struct dns_edit *edit, const struct dns_edit *made_of,
                    const struct dns_image *base);
/* Records and bytes that are touched, to decide when a new base is worth it. */
size_t dns_edit_weight(const struct dns_edit *edit);

/* The difference between two versions: for a file that was read again. Both have the same apex.
 * KEEL_ENOMEM; KEEL_EEXIST: the same. */
int dns_view_difference(const struct dns_view *old, const struct dns_view *new,
                        struct dns_diff *diff);

#endif
