/*
 * The zones that were added at run time, as the file STATE/added-zones.conf keeps them:
 * configuration text, one piece a zone.
 *
 *     #-- example.org.
 *     zone "example.org." { file = "/srv/zones/example.org" }
 */
#ifndef DNSD_SERVE_ADDED_H
#define DNSD_SERVE_ADDED_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/hash.h"
#include "dnsd/wire/name.h"

#define DNS_ADDED_PATH 4200
/* Longest text of one zone. */
#define DNS_ADDED_TEXT 16384

/* out has DNS_ADDED_PATH bytes. state_dir NULL: where it is by default. */
int dns_added_path(char *out, const char *state_dir, struct keel_diag *diag);

struct dns_added {
    char path[DNS_ADDED_PATH];
    struct keel_hash_key key;
    struct keel_table zones; /* texts by apex */
};
/* Reads the file, if there is one. 0, or an error with diag. */
int dns_added_init(struct dns_added *added, const char *state_dir, struct keel_diag *diag);
void dns_added_fini(struct dns_added *added);

/* The text of a zone as it would stand there: `zone "NAME" { body }`. KEEL_EINVAL with diag when
 * body cannot be kept, KEEL_ENOMEM. */
int dns_added_text(struct keel_buf *out, const struct dns_name *apex, const char *body,
                   struct keel_diag *diag);
/* Changes what is in memory. KEEL_ENOMEM; remove: nothing when it is not there. */
int dns_added_put(struct dns_added *added, const struct dns_name *apex, const char *text);
void dns_added_remove(struct dns_added *added, const struct dns_name *apex);
/* The text, borrowed; NULL: it was not added. */
const char *dns_added_find(const struct dns_added *added, const struct dns_name *apex);
/* Visits all, in no order. */
void dns_added_each(const struct dns_added *added,
                    void (*visit)(void *arg, const struct dns_name *apex, const char *text),
                    void *arg);
/* Writes all to the disk: when it returns 0 that is what the next start reads. KEEL_ESYS with diag:
 * the file is as it was. */
int dns_added_save(const struct dns_added *added, struct keel_diag *diag);

#endif
