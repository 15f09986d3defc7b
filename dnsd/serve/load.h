/*
 * A zone's files from the disk to its image.
 */
#ifndef DNSD_SERVE_LOAD_H
#define DNSD_SERVE_LOAD_H

#include "dnsd/zone/denial_build.h"
#include "dnsd/zone/image_file.h"

#include <sys/stat.h>

/* The files that a zone was read from, in the order they were opened; a file that was included
 * twice stands there once. All zero: none. */
struct dns_sources {
    struct dns_source *items; /* paths are on the heap */
    unsigned count;
};
void dns_sources_fini(struct dns_sources *sources);
/* The file as stat saw it; path and settled are left alone. */
void dns_source_set(struct dns_source *source, const struct stat *st);
/* The file at its path is, by all that stat tells, the one that it was then. */
bool dns_source_is(const struct dns_source *source);

/* Reads the file and all that it includes; returns new in *image (keel_free). 0, or an error with
 * diag: `FILE:LINE: what`, or why a file cannot be read. warn (may be NULL) hears what is odd.
 * sources (may be NULL) is filled on success. Uses nothing but its arguments: it may run in a
 * thread, in which warn is called too. */
int dns_load_zone(const char *file, const struct dns_name *apex, dns_zone_warning warn, void *arg,
                  struct dns_image **image, struct dns_sources *sources, struct keel_diag *diag);

#endif
