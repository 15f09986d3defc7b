/*
 * The keeper's side of handing zones to the workers: files with images in them, which zone stands
 * where, and who has confirmed what (dnsd/serve/messages.h).
 *
 * Whatever changes within a callback leaves as one publication at its end. A worker that comes
 * later, or anew, gets everything.
 */
#ifndef DNSD_SERVE_PUBLISH_H
#define DNSD_SERVE_PUBLISH_H

#include "common/service/module.h"
#include "dnsd/zone/image.h"

/* A file with images, mapped and read-only. Counted. */
struct dns_shared {
    uint32_t number;
    unsigned refs;
    int fd;
    const uint8_t *map;
    size_t size;
    uint64_t reserve;      /* address space that a worker sets aside for it; 0: its size */
    bool deltas;           /* nothing but deltas is in it */
    struct keel_list node; /* in the publisher's list, by number */
    void *owner;           /* of the mapping and the descriptor; NULL: they are ours */
    void (*release)(void *owner);
};

/* What of a zone is served. Embedded in the keeper's record of it; all zero at first. */
struct dns_published {
    const struct dns_name *apex;
    struct dns_shared *file; /* NULL: no data */
    uint64_t offset;
    struct dns_shared *delta_file; /* NULL: no delta */
    uint64_t delta_offset;
    uint32_t delta_origin, delta_size;
    bool expired;
    struct keel_list node;  /* in the publisher's list of all */
    struct keel_list dirty; /* in the list of what leaves next */
};

struct dns_publisher;

/* Returns new; NULL when memory is out. on_confirmed is called when all workers have confirmed up
 * to `number`: first when all of them are there, then those that are. */
struct dns_publisher *dns_publisher_new(struct keel_instance *instance,
                                        void (*on_confirmed)(void *arg, uint32_t number),
                                        void *arg);
/* Called before a worker gets everything: what has to be said before. */
void dns_publisher_on_new(struct dns_publisher *publisher,
                          void (*on_new)(void *arg, unsigned worker));
/* To every worker that knows zones; KEEL_MESSAGE_MAX bytes at most. */
void dns_publisher_say(struct dns_publisher *publisher, uint32_t type, const void *bytes,
                       size_t size);
void dns_publisher_free(struct dns_publisher *publisher);

/* A memory file of `size` bytes to be filled by the caller, who writes to *bytes and then calls
 * dns_shared_seal. Returns new with one reference; NULL with errno. */
struct dns_shared *dns_shared_new(struct dns_publisher *publisher, size_t size, uint8_t **bytes);
/* No byte of it changes any more. 0 or KEEL_ESYS. */
int dns_shared_seal(struct dns_shared *file);
/* Somebody else's file and mapping, which stay open until release(owner). */
struct dns_shared *dns_shared_borrow(struct dns_publisher *publisher, int fd, const uint8_t *map,
                                     size_t size, void *owner, void (*release)(void *owner));
static inline struct dns_shared *dns_shared_hold(struct dns_shared *file)
{
    file->refs++;
    return file;
}
void dns_shared_release(struct dns_publisher *publisher, struct dns_shared *file); /* NULL: none */

/* Adds a zone that workers will be told of (once it is touched, or when they are new); and drops
 * one: nothing more is said of it. */
void dns_publisher_add(struct dns_publisher *publisher, struct dns_published *zone);
void dns_publisher_remove(struct dns_publisher *publisher, struct dns_published *zone);
/* Something of the zone has changed: it leaves when the callback ends. The files it names are held
 * by the caller as long as it names them. */
void dns_publisher_touch(struct dns_publisher *publisher, struct dns_published *zone);
/* At once. Returns the number of the publication, or of the last one when nothing has changed. */
uint32_t dns_publisher_flush(struct dns_publisher *publisher);
/* Zones can be handed out: until then nothing leaves, and nobody gets ready. */
void dns_publisher_open(struct dns_publisher *publisher);

/* As keel_helper.on_peer; and what a worker has confirmed. */
void dns_publisher_peer(struct dns_publisher *publisher, unsigned worker, bool up);
void dns_publisher_confirm(struct dns_publisher *publisher, unsigned worker, uint32_t number);
/* What all workers that are there have confirmed; and the number that comes next. */
uint32_t dns_publisher_confirmed(const struct dns_publisher *publisher);
uint32_t dns_publisher_next(const struct dns_publisher *publisher);
/* All workers of the generation are there and have confirmed everything once. */
bool dns_publisher_is_complete(const struct dns_publisher *publisher);
bool dns_publisher_has(const struct dns_publisher *publisher, unsigned worker);

#endif
