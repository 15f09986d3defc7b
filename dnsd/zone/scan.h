/*
 * The scanner of zone files (RFC 1035, 5): entries to records, with $ORIGIN, $TTL, $INCLUDE and
 * $GENERATE. Whole files come in as text from the caller's reader; nothing here opens anything.
 */
#ifndef DNSD_ZONE_SCAN_H
#define DNSD_ZONE_SCAN_H

#include "dnsd/wire/name.h"

#define DNS_TTL_MAX 0x7FFFFFFFu   /* RFC 2181, 8 */
#define DNS_INCLUDE_DEPTH 8       /* files open inside each other */
#define DNS_GENERATE_MAX 1000000u /* records of one $GENERATE */

/* One record of a zone file. Everything is borrowed for the call. */
struct dns_scanned {
    const struct dns_name *owner; /* case kept */
    uint16_t type;
    uint32_t ttl;
    const uint8_t *rdata; /* flat: names uncompressed */
    uint16_t rdata_size;
    const char *file;
    uint32_t line; /* where the entry begins */
};

struct dns_scan_io {
    /* Reads a whole file into *text (returns new, freed with keel_free). path is as written in the
     * $INCLUDE, or the first file's; from is the file that includes it, NULL for the first. On
     * success *opened is the name for messages (returns new). diag: without file and line. */
    int (*read)(void *arg, const char *path, const char *from, char **text, size_t *size,
                char **opened, struct keel_diag *diag);
    /* Takes a record; an error stops the scan. diag: without file and line. */
    int (*record)(void *arg, const struct dns_scanned *record, struct keel_diag *diag);
    void *arg;
};

/* Scans a file. origin: where relative names begin. 0, or an error with diag `file:line: what`. */
int dns_scan_file(const char *path, const struct dns_name *origin, const struct dns_scan_io *io,
                  struct keel_diag *diag);
/* The same for text in memory; `name` stands in messages. */
int dns_scan_text(struct keel_str text, const char *name, const struct dns_name *origin,
                  const struct dns_scan_io *io, struct keel_diag *diag);

#endif
