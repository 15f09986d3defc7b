/*
 * Images as a file holds them: one of a large zone, or a pack of many small ones.
 *
 *     header | zones | apexes, sources | ... | image | image | ...
 *     <----------- head --------------->     ^ page-aligned; each image is 64-aligned
 *
 * The first image stands at a page's start, so that it can be mapped to where it is wanted. The
 * header carries a checksum of the head, and the head one of each image: a pack can be opened and
 * its images looked at one by one.
 *
 * With each image stands what it was made of: as long as the files are as they were, it need not be
 * made again. Numbers are in the machine's order, as in images; the format says so.
 */
#ifndef DNSD_ZONE_IMAGE_FILE_H
#define DNSD_ZONE_IMAGE_FILE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "dnsd/zone/image.h"

#define DNS_IMAGE_FILE_MAGIC "keelzone" /* its first bytes */
#define DNS_IMAGE_FILE_PAGE 4096u

/* A file that a zone was read from, as it was then. */
struct dns_source {
    const char *path; /* absolute, or relative to where the daemon's configuration is read */
    uint64_t size, inode, device;
    int64_t modified_ns, changed_ns; /* mtime, ctime */
    bool settled; /* false: it was so young that it may have changed since without a trace */
};

/* An image to be put into a file; everything is borrowed. */
struct dns_image_part {
    const struct dns_image *image;
    const struct dns_source *sources;
    unsigned source_count; /* 0: from a transfer or from updates */
};

/* The head of a file of these images, in their order: appended to the empty `head`. offsets[i] is
 * where image i belongs; what is between is zeros. Returns the size of the whole file in *size.
 * KEEL_ENOMEM; KEEL_ERANGE: too many. */
int dns_image_file_build(const struct dns_image_part *parts, unsigned count, struct keel_buf *head,
                         uint64_t *offsets, uint64_t *size);

/* A file's bytes, mapped or read, 64-aligned. Borrows them. */
struct dns_image_file {
    const uint8_t *bytes;
    uint64_t size;
    unsigned count; /* zones */
};
/* One zone of it; all borrowed. */
struct dns_image_zone {
    const uint8_t *apex; /* flat, lower-cased */
    uint8_t apex_size;
    uint64_t offset; /* of the image in the file */
    uint32_t size;
    unsigned source_count;
    uint64_t sources; /* private: dns_image_file_source */
    uint64_t checksum;
};

/* Looks at the head: ours, of this format, whole, and everything in it inside. KEEL_EINVAL with
 * diag (without the file's name). The images are not looked at. */
int dns_image_file_open(struct dns_image_file *file, const void *bytes, uint64_t size,
                        struct keel_diag *diag);
/* Zone i of an open file, i below count. */
void dns_image_file_zone(const struct dns_image_file *file, unsigned i,
                         struct dns_image_zone *zone);
/* Its source k; path is NUL-terminated and borrowed. */
void dns_image_file_source(const struct dns_image_file *file, const struct dns_image_zone *zone,
                           unsigned k, struct dns_source *source);
/* Reads the whole image: its bytes are those that were written, and it is one (dns_image_check).
 * Then it can be served. Returns it, borrowed; NULL with diag. */
const struct dns_image *dns_image_file_image(const struct dns_image_file *file,
                                             const struct dns_image_zone *zone,
                                             struct keel_diag *diag);

#endif
