/*
 * The folder of image files in the state directory: written whole or not at all, mapped read-only.
 *
 *     STATE/zones/example.org-5f0c...e2.0000000000000001.img
 *                 name of the zone - hash of it . number of the file, never used twice
 *     STATE/zones/pack.0000000000000002.img
 *     STATE/zones/x.tmp    being written; left over by a crash
 *
 * A file is never changed once it has its name. Which file is a zone's is written down elsewhere
 * (the keeper's store); files that nobody knows are swept. One process writes; any number read.
 */
#ifndef DNSD_SERVE_IMAGES_H
#define DNSD_SERVE_IMAGES_H

#include "common/base/err.h"
#include "dnsd/zone/image_file.h"

/* Zones with an image below this share packs; a pack is no larger than the second. */
#define DNS_PACK_IMAGE_MAX (64u * 1024)
#define DNS_PACK_MAX (64u * 1024 * 1024)

#define DNS_IMAGES_NAME 128 /* of a file in the folder, with its NUL */

struct dns_images;

/* Opens STATE_DIR/zones, and makes it if need be. Returns new. KEEL_ESYS with diag. */
int dns_images_open(struct dns_images **images, const char *state_dir, struct keel_diag *diag);
void dns_images_close(struct dns_images *images);

/* Writes a file with these images: a single one under its zone's name, several as a pack. When it
 * returns 0 the file is on the disk under `name`, and so is the name. Else nothing is there: diag
 * says what failed (a full disk: KEEL_ENOSPC). Blocks: call it in a thread; several may write at a
 * time. */
int dns_images_write(struct dns_images *images, const struct dns_image_part *parts, unsigned count,
                     char name[DNS_IMAGES_NAME], struct keel_diag *diag);
int dns_images_remove(struct dns_images *images, const char *name);

/* A file mapped whole and read-only. The descriptor is for handing over: it is open for reading
 * only. Counted: whoever keeps a zone's image holds the file. */
struct dns_image_map {
    struct dns_image_file file;
    int fd;
    unsigned refs; /* of one thread */
    char name[DNS_IMAGES_NAME];
};
/* Returns new with one reference. KEEL_ENOENT; KEEL_EINVAL (not ours, torn, of another format),
 * KEEL_ESYS, KEEL_ENOMEM with diag. Only the head has been read: dns_image_file_image reads and
 * checks an image. */
int dns_images_map(struct dns_images *images, const char *name, struct dns_image_map **map,
                   struct keel_diag *diag);
/* The same of any file: a path. */
int dns_image_map_path(const char *path, struct dns_image_map **map, struct keel_diag *diag);
/* The file at a path begins as one of images does. */
bool dns_image_file_is_one(const char *path);
struct dns_image_map *dns_image_map_hold(struct dns_image_map *map);
void dns_image_map_release(struct dns_image_map *map); /* may be NULL */

/* Visits the names of all whole files, in no order, until visit returns non-zero, which is
 * returned. KEEL_ESYS with diag. */
int dns_images_each(struct dns_images *images, int (*visit)(void *arg, const char *name), void *arg,
                    struct keel_diag *diag);
/* Removes every file that `keep` does not want, and what was left half-written. Only for the one
 * owner of the folder. Returns how many, or KEEL_ESYS with diag. */
int dns_images_sweep(struct dns_images *images, bool (*keep)(void *arg, const char *name),
                     void *arg, struct keel_diag *diag);

/* True when the zone was made of files and all of them are as they were then: it need not be read
 * again. `first` is the file of the configuration: it must be the first source. */
bool dns_images_fresh(const struct dns_image_file *file, const struct dns_image_zone *zone,
                      const char *first);

#endif
