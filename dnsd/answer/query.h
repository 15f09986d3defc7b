/*
 * The engine: a query in, a reply out. No socket, no clock, no allocation.
 *
 * One call does it all; a batch takes the three steps instead, each over all of its queries, so
 * that the memory misses of 64 lookups overlap:
 *
 *     for each: dns_query_read       parse, find the zone, hash, fetch the slot
 *     for each: dns_query_prefetch   fetch the node
 *     for each: dns_query_answer     build, when DNS_QUERY_AHEAD before it dns_query_prefetch_set
 *                                    has fetched the first RRset
 */
#ifndef DNSD_ANSWER_QUERY_H
#define DNSD_ANSWER_QUERY_H

#include "common/base/addr.h"
#include "dnsd/wire/cookie.h"
#include "dnsd/wire/tsig.h"
#include "dnsd/zone/zones.h"

#define DNS_UDP_SIZE 1232 /* what we send and announce at most (DNS flag day 2020) */

#define DNS_QUERY_AHEAD 4 /* queries between fetching an RRset and building with it */

#define DNS_TEXT_MAX 255 /* of one character string */

struct dns_answer_context {
    const struct dns_zones *zones;
    const struct dns_tsig_keys *keys; /* NULL: none */
    uint16_t udp_size;                /* largest reply over UDP, and the size announced in OPT */
    uint64_t now;                     /* seconds since 1970; set before a batch is read */
    /* What the server says of itself, at most DNS_TEXT_MAX bytes each; empty: nothing. */
    struct keel_str identity; /* NSID (RFC 5001), id.server */
    struct keel_str version;  /* version.bind */
    uint16_t keepalive;       /* idle TCP connections, in 100 ms (RFC 7828); 0: is not told */
    struct dns_cookie_secrets cookies;
    bool need_cookie; /* over UDP: who has no good one has to come again */
};

/* What a zone transfer gets. */
enum dns_transfer {
    DNS_TRANSFER_NONE, /* it is no zone transfer */
    DNS_TRANSFER_SOA,  /* the SOA alone, as an ordinary answer */
    DNS_TRANSFER_ZONE, /* the zone, in as many messages as it takes: dnsd/transfer/axfr.h. From
                          dns_query_answer it gets SERVFAIL instead. */
};
/* The access list that refused. */
enum dns_denied {
    DNS_DENIED_NO,
    DNS_DENIED_QUERY,
    DNS_DENIED_TRANSFER,
    DNS_DENIED_NOTIFY,
    DNS_DENIED_UPDATE,
};

struct dns_query {
    const uint8_t *bytes; /* borrowed from read to answer, as is peer */
    size_t size;
    const struct keel_addr *peer;
    uint64_t now; /* the context's */
    bool tcp;
    bool encrypted; /* set behind read: nobody else sees the answer, and padding hides its size */
    bool silent;    /* no reply: not a query */
    uint16_t rcode; /* extended; NXDOMAIN and NOERROR are set while answering */
    bool unproved;  /* a cookie is needed, and the client knows none: it gets TC alone */
    bool truncated; /* the reply has TC */
    const struct dns_zone *zone; /* NULL: the rcode says it all */
    uint64_t hash;
    struct dns_message message;
    struct dns_tsig_session tsig;
    enum dns_transfer transfer;
    uint32_t serial; /* of an IXFR: what the client has */
    enum dns_denied denied;
    const struct dns_zone *notified; /* a NOTIFY says that this one has news; NULL: none does */
    const struct dns_zone *updated;  /* an UPDATE for this one, to be carried out elsewhere; from
                                        dns_query_answer it gets SERVFAIL. NULL: it is none */
    enum dns_cookie cookie;
    uint32_t subject; /* what the answer is about: struct dns_reply */
};

void dns_query_read(struct dns_query *query, const struct dns_answer_context *context,
                    const uint8_t *bytes, size_t size, const struct keel_addr *peer, bool tcp);
void dns_query_prefetch(const struct dns_query *query);
void dns_query_prefetch_set(const struct dns_query *query);
/* Returns the size of the reply, at most room (at least DNS_UDP_SIZE); 0: say nothing. Sets rcode
 * and truncated. The query's bytes and the reply must not overlap. */
size_t dns_query_answer(struct dns_query *query, const struct dns_answer_context *context,
                        uint8_t *reply, size_t room);

/* Makes of an answer that dns_query_answer has built the same with TC and nothing in it. Not for
 * signed ones. Returns its size. */
size_t dns_query_cut(struct dns_query *query, const struct dns_answer_context *context,
                     uint8_t *reply);

/* All of it. */
size_t dns_query_process(const struct dns_answer_context *context, const uint8_t *bytes,
                         size_t size, const struct keel_addr *peer, bool tcp, uint8_t *reply,
                         size_t room);

#endif
