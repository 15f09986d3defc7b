/*
 * An RRset of an image back to records: the names in its rdata are written out again. Trusts no
 * byte but the set's extent, so that it serves to check one too.
 */
#ifndef DNSD_ZONE_SET_READ_H
#define DNSD_ZONE_SET_READ_H

#include "dnsd/zone/image.h"

struct dns_set_reader {
    const struct dns_set *set;
    const uint8_t *owner; /* flat */
    unsigned owner_size, apex_size;
    uint32_t at;     /* of the next record in the bytes */
    unsigned record; /* its number */
    unsigned fix;    /* the first one behind it */
    uint8_t rdata[UINT16_MAX];
};

/* Begins to read a set whose bytes, fixes and links are all inside of its total. Borrows
 * everything; the owner is a name that ends with the apex, which has apex_size bytes. */
void dns_set_read(struct dns_set_reader *reader, const struct dns_set *set, const uint8_t *owner,
                  unsigned owner_size, unsigned apex_size);
/* The next record's rdata, flat and borrowed until the next call: 1; 0 at the end; KEEL_EINVAL when
 * the bytes are not what a set is made of. */
int dns_set_read_next(struct dns_set_reader *reader, const uint8_t **rdata, uint16_t *size);

#endif
