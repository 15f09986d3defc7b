/*
 * Inside of a fetch: how it ends, and what the records of a transfer are. Private to fetch*.c.
 */
#ifndef DNSD_TRANSFER_FETCH_RECORDS_H
#define DNSD_TRANSFER_FETCH_RECORDS_H

#include "dnsd/transfer/fetch.h"

/* It ends with this; returned. */
static inline enum dns_fetch_outcome fetch_over(struct dns_fetch *f, enum dns_fetch_outcome outcome)
{
    f->stage = DNS_FETCH_COMPLETE;
    return f->outcome = outcome;
}

static inline enum dns_fetch_outcome fetch_no_memory(struct dns_fetch *f)
{
    keel_diag_memory(&f->diag);
    f->out_of_memory = true;
    return fetch_over(f, DNS_FETCH_FAILED);
}

/* What was done wrong; an IXFR that goes wrong is answered by an AXFR that may not. */
#define fetch_fail(f, ...)                                                                         \
    (keel_diag_set(&(f)->diag, 0, __VA_ARGS__), (f)->try_whole = (f)->incremental,                 \
     fetch_over(f, DNS_FETCH_FAILED))

static inline bool fetch_is_apex(const struct dns_fetch *f, const struct dns_name *owner)
{
    const struct dns_name *apex = &f->options.apex;
    return owner->size == apex->size && memcmp(owner->bytes, apex->bytes, apex->size) == 0;
}

/* Reads the record at *offset of the answer section and takes it, into the zone or a step. MORE, or
 * it is over. */
enum dns_fetch_outcome fetch_record(struct dns_fetch *f, const uint8_t *message, size_t size,
                                    size_t *offset);

#endif
