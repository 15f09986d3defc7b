/*
 * The journal: for each zone which image is its base, the differences since, and when it was last
 * refreshed, in two tables of the keeper's store.
 *
 *     "zones":  apex               -> the record below
 *     "steps":  apex | number 8    -> from 4 | to 4 | the difference (dns_diff_encode)   big-endian
 *
 *     steps   first ....... base_step | base_step + 1 ....... next - 1
 *             for IXFR only           | on top of the base: never dropped
 *
 * Whatever changes it stands inside of a batch of the store (keel_store_begin) that the caller
 * opens and commits: the changes of many zones are durable together or not at all. Nothing is kept
 * in memory, so that a batch that fails leaves nothing behind. An apex is lower-cased.
 */
#ifndef DNSD_SERVE_JOURNAL_H
#define DNSD_SERVE_JOURNAL_H

#include "common/store/store.h"
#include "dnsd/wire/name.h"

struct dns_journal {
    struct keel_store_table *zones, *steps; /* the store's */
};

#define DNS_JOURNAL_BASE_MAX 255    /* bytes of the name of a base */
#define DNS_JOURNAL_PRIMARY_MAX 127 /* bytes of what is said of a primary */
struct dns_journal_zone {
    uint32_t serial;      /* the newest: that of the last step, or of the base */
    uint32_t base_serial; /* of the base */
    uint64_t base_step;   /* the last step that the base has in it */
    uint64_t first, next; /* the oldest step that is kept; the number that comes next */
    uint64_t bytes;       /* of the steps that are kept */
    /* Secondaries, in seconds since 1970; 0: never. Behind expires it must not be served. */
    uint64_t refreshed, expires;
    char primary[DNS_JOURNAL_PRIMARY_MAX + 1]; /* who it was refreshed from; "" */
    char base[DNS_JOURNAL_BASE_MAX + 1];       /* the image's file, as dns_journal_base got it */
};

/* How many tables keel_store_open must have room for. */
#define DNS_JOURNAL_TABLES 2
/* 0, or an error of keel_store_table with diag. */
int dns_journal_init(struct dns_journal *journal, struct keel_store *store, struct keel_diag *diag);

/* --- inside of a batch or a read of the store --- */

/* What is known of a zone. 0; KEEL_ENOENT; KEEL_EINVAL: the record is none of ours. */
int dns_journal_find(const struct dns_journal *journal, const struct dns_name *apex,
                     struct dns_journal_zone *zone);
/* Every zone that has a record, in the order of flat names, until visit returns non-zero, which is
 * returned. KEEL_EINVAL as above. apex is borrowed for the call. */
int dns_journal_each(const struct dns_journal *journal,
                     int (*visit)(void *arg, const struct dns_name *apex,
                                  const struct dns_journal_zone *zone),
                     void *arg);
struct dns_journal_step {
    uint64_t number;
    uint32_t from, to;         /* serials */
    struct keel_bytes encoded; /* borrowed for the call */
};
/* The steps from `number` to the newest, in order, until visit returns non-zero, which is returned.
 * For recovery: from zone->base_step + 1. KEEL_EINVAL: a step is missing, or two do not fit to each
 * other. */
int dns_journal_steps(const struct dns_journal *journal, const struct dns_name *apex,
                      uint64_t number, int (*visit)(void *arg, const struct dns_journal_step *step),
                      void *arg);
/* The step that leads away from `serial`: from it on the steps lead to the newest. KEEL_ENOENT:
 * there is none (any more). */
int dns_journal_since(const struct dns_journal *journal, const struct dns_name *apex,
                      uint32_t serial, uint64_t *number);

/* --- inside of a batch; 0, KEEL_EINVAL as above, or an error of the store, and then the batch is
 * lost --- */

/* A new base, which has the steps up to `step` in it (dns_journal_zone.next - 1 when it was made).
 * `base` is the name of its file; serial is that of the base. Steps that it has in it stay for IXFR
 * as long as they fit into `limit` bytes. Makes the record of a zone that has none. */
int dns_journal_base(const struct dns_journal *journal, const struct dns_name *apex,
                     const char *base, uint32_t serial, uint64_t step, uint64_t limit);
/* One more step. KEEL_ENOENT: there is no base; KEEL_ERANGE: `from` is not the newest serial; with
 * both the batch goes on. The oldest go while all are more than `limit` bytes, but none that the
 * base has not in it. *number may be NULL: what the step is called. */
int dns_journal_append(const struct dns_journal *journal, const struct dns_name *apex,
                       uint32_t from, uint32_t to, struct keel_bytes encoded, uint64_t limit,
                       uint64_t *number);
/* The zone was found to be up to date, or was brought up to date. primary is cut at
 * DNS_JOURNAL_PRIMARY_MAX bytes. KEEL_ENOENT as above. */
int dns_journal_refreshed(const struct dns_journal *journal, const struct dns_name *apex,
                          uint64_t refreshed, uint64_t expires, const char *primary);
/* Forgets the steps: what comes next does not follow from them. The base must be replaced in the
 * same batch if any step stood on top of it. */
int dns_journal_clear(const struct dns_journal *journal, const struct dns_name *apex);
/* Forgets the zone. 0 also when there was none. */
int dns_journal_remove(const struct dns_journal *journal, const struct dns_name *apex);

#endif
