/*
 * Is a block of bytes an image that can be served? For what comes from a disk: bytes that pass make
 * no reader of an image leave it, or promise what is not there.
 */
#ifndef DNSD_ZONE_IMAGE_CHECK_H
#define DNSD_ZONE_IMAGE_CHECK_H

#include "common/base/err.h"
#include "dnsd/zone/image.h"

/* Every node, slot, RRset and table. bytes are 8-aligned; the check reads no others. KEEL_EINVAL
 * with diag (what is wrong), KEEL_ENOMEM. */
int dns_image_check(const void *bytes, size_t size, struct keel_diag *diag);

#endif
