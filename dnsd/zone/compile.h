/*
 * From records to an image: collects the records of one zone, checks that they make a zone, and
 * lays them out (dnsd/zone/image.h).
 */
#ifndef DNSD_ZONE_COMPILE_H
#define DNSD_ZONE_COMPILE_H

#include "dnsd/zone/denial_build.h"
#include "dnsd/zone/scan.h"

struct dns_compiler;

/* Returns new, empty; NULL when memory is out. The key seeds the image's hash. */
struct dns_compiler *dns_compiler_new(const struct dns_name *apex, struct keel_hash_key key);
void dns_compiler_free(struct dns_compiler *compiler);

/* Whom to tell what is odd, but no reason to refuse the zone; text as in a diag. Without it nobody
 * is told. */
void dns_compiler_on_warning(struct dns_compiler *compiler, dns_zone_warning warn, void *arg);

/* Copies a record in. KEEL_EINVAL with diag: out of the zone, or a type where it may not stand;
 * KEEL_ENOMEM. Has the form of dns_scan_io.record (arg: the compiler). */
int dns_compiler_add(void *compiler, const struct dns_scanned *record, struct keel_diag *diag);

/* Checks the whole (one SOA and an NS at the apex, nothing beside a CNAME, nothing below a DNAME,
 * one CNAME and one DNAME a name) and returns new in *image, freed with keel_free. Same records
 * count once (RFC 2181, 5.2); TTLs of a set become the lowest. Errors: diag `file:line: what`. */
int dns_compiler_finish(struct dns_compiler *compiler, struct dns_image **image,
                        struct keel_diag *diag);

#endif
