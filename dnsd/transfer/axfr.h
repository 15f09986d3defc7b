/*
 * Zone transfers out (RFC 5936, RFC 1995): who gets what, and a zone as a stream of messages.
 *
 * The stream reads a version, which never changes, so that what is sent is one version of the zone
 * however long it takes. Nothing is kept but a position: the caller asks for the next message when
 * there is room for it.
 */
#ifndef DNSD_TRANSFER_AXFR_H
#define DNSD_TRANSFER_AXFR_H

#include "dnsd/answer/query.h"
#include "dnsd/answer/reply.h"

/* For a query of type AXFR or IXFR: sets query->rcode, and when that is DNS_NOERROR zone and
 * transfer. An IXFR over UDP, and one of a client that has our serial (or a later one), is answered
 * with our SOA alone (RFC 1995, 2 and 4); any other IXFR with the whole zone. */
void dns_axfr_judge(struct dns_query *query, const struct dns_answer_context *context);

/* True when a is b or comes after it (RFC 1982, 3.2). */
static inline bool dns_serial_reached(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

/* Messages are this long, so that every name in them can be pointed to; a set of records that is
 * longer makes them longer, up to 65535 bytes. */
#define DNS_AXFR_MESSAGE DNS_POINTER_MAX

enum dns_axfr_stage { DNS_AXFR_FIRST_SOA, DNS_AXFR_BODY, DNS_AXFR_LAST_SOA, DNS_AXFR_DONE };
struct dns_axfr {
    struct dns_view view; /* borrowed for as long as it lasts */
    enum dns_axfr_stage stage;
    struct dns_view_walk walk;
    const struct dns_node *node;  /* whose sets are being sent */
    const struct dns_set *set;    /* the next one */
    struct dns_set_cursor cursor; /* in it, when it did not fit into a message */
    bool divided;                 /* the cursor stands inside of it */
    uint64_t messages, records, bytes;
    struct dns_tsig_session tsig;
    struct dns_edns edns; /* of the first message */
    uint16_t id, flags;
    uint16_t question_size;
    uint8_t question[DNS_NAME_MAX + 4];
};

/* Begins the answer to a query with DNS_TRANSFER_ZONE. udp_size: announced in the OPT record. */
void dns_axfr_start(struct dns_axfr *axfr, const struct dns_query *query, uint16_t udp_size);
/* Builds the next message; out has UINT16_MAX bytes. 0 and its *size; KEEL_EOF: that was all;
 * KEEL_ENOTSUP: it cannot be signed; KEEL_ENOSPC: a record fits into no message beside the
 * signature. After an error the transfer is over. now: seconds since 1970. */
int dns_axfr_next(struct dns_axfr *axfr, uint8_t *out, size_t *size, uint64_t now);

#endif
