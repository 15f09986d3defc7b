/*
 * A zone's files from the disk to its image.
 */
#ifndef DNSD_SERVE_LOAD_H
#define DNSD_SERVE_LOAD_H

#include "dnsd/zone/denial_build.h"

/* Reads the file and all that it includes; returns new in *image (keel_free). 0, or an error with
 * diag: `FILE:LINE: what`, or why a file cannot be read. warn (may be NULL) hears what is odd. */
int dns_load_zone(const char *file, const struct dns_name *apex, dns_zone_warning warn, void *arg,
                  struct dns_image **image, struct keel_diag *diag);

#endif
