/*
 * IXFR out (RFC 1995): the differences from a client's serial to ours as a stream of messages.
 *
 *     chain    (size 4 | dns_diff_encode) ...      big-endian; one step leads on from the other
 *     answer   SOA new | (SOA old - ... | SOA - + ...) ... | SOA new
 *
 * The chain is borrowed and read as the messages are made; one step at a time is unpacked.
 */
#ifndef DNSD_TRANSFER_IXFR_H
#define DNSD_TRANSFER_IXFR_H

#include "dnsd/transfer/axfr.h"
#include "dnsd/wire/soa.h"
#include "dnsd/zone/diff.h"

/* Appends a step to a chain. 0 or KEEL_ENOMEM. */
int dns_ixfr_put(struct keel_buf *chain, const void *encoded, size_t size);

enum dns_ixfr_stage {
    DNS_IXFR_FIRST_SOA,
    DNS_IXFR_DELETED,
    DNS_IXFR_ADDED,
    DNS_IXFR_LAST_SOA,
    DNS_IXFR_DONE
};
struct dns_ixfr {
    const uint8_t *chain; /* borrowed for as long as it lasts */
    size_t chain_size, chain_at;
    struct dns_diff step; /* the one that is being sent */
    size_t at;            /* in its records */
    enum dns_ixfr_stage stage;
    uint32_t from, to;              /* serials of the whole */
    uint8_t soa_rdata[DNS_SOA_MAX]; /* the newest */
    uint16_t soa_size;
    uint32_t soa_ttl;
    uint64_t messages, records, bytes;
    struct dns_tsig_session tsig;
    struct dns_edns edns; /* of the first message */
    uint16_t id, flags;
    uint16_t question_size;
    struct dns_name apex;
    uint8_t question[DNS_NAME_MAX + 4];
};

/* Begins the answer to an IXFR query of a client that has `serial`. udp_size: announced in the OPT
 * record. 0; KEEL_EINVAL: the chain is malformed, does not begin there or is not one; KEEL_ENOMEM.
 * With an error there is nothing to fini, and the whole zone is to be sent instead. */
int dns_ixfr_start(struct dns_ixfr *ixfr, const struct dns_query *query, uint32_t serial,
                   const uint8_t *chain, size_t chain_size, uint16_t udp_size);
/* The same in place of the whole zone, which was started (for the same query) and is still to
 * send its first message; after an error it can. */
int dns_ixfr_instead(struct dns_ixfr *ixfr, const struct dns_axfr *axfr, uint32_t serial,
                     const uint8_t *chain, size_t chain_size);
void dns_ixfr_fini(struct dns_ixfr *ixfr);
/* Builds the next message; out has UINT16_MAX bytes. 0 and its *size; KEEL_EOF: that was all;
 * KEEL_ENOTSUP: it cannot be signed; KEEL_ENOSPC: a record fits into no message beside the
 * signature; KEEL_EINVAL, KEEL_ENOMEM as above. After an error the transfer is over. */
int dns_ixfr_next(struct dns_ixfr *ixfr, uint8_t *out, size_t *size, uint64_t now);

#endif
