/*
 * A zone from its primary: what to ask, and what to make of what comes. Bytes in, bytes out.
 *
 *     SOA? ---- no news ------------------------------------------> CURRENT
 *       |  news
 *     IXFR ---- one SOA, ours or older ----------------------------> CURRENT
 *       |  \--- SOA, (SOA - ..., SOA + ...) ..., SOA -------------> STEPS
 *       |   \-- SOA, records ..., SOA ----------------------------> ZONE
 *       |  refused
 *     AXFR ---- SOA, records ..., SOA ----------------------------> ZONE
 *
 * RFC 5936 and RFC 1995; signatures over many messages by RFC 8945, 5.3.1. Nothing that came is
 * used before its end was there and was signed, if it was to be.
 */
#ifndef DNSD_TRANSFER_FETCH_H
#define DNSD_TRANSFER_FETCH_H

#include "common/base/rand.h"
#include "dnsd/wire/soa.h"
#include "dnsd/wire/tsig.h"
#include "dnsd/zone/compile.h"
#include "dnsd/zone/diff.h"

struct dns_fetch_options {
    struct dns_name apex;           /* lower-cased */
    const struct dns_tsig_key *key; /* NULL: nothing is signed. Borrowed. */
    bool udp;                       /* one message each way: only_soa */
    bool ask_soa;                   /* first whether there is news at all */
    bool only_soa;                  /* and no more than that */
    bool incremental;               /* IXFR, with AXFR when that is refused */
    bool have;                      /* there is a version: */
    uint32_t serial;                /* its serial */
    struct keel_hash_key hash;      /* for the image */
    uint64_t limit;                 /* most bytes that may come */
    uint64_t seed;                  /* of the message IDs */
};

enum dns_fetch_outcome {
    DNS_FETCH_MORE,    /* go on: there may be something in `out` */
    DNS_FETCH_CURRENT, /* there is no news: soa.serial is ours, or older */
    DNS_FETCH_NEWER,   /* there is, and only that was asked */
    DNS_FETCH_ZONE,    /* the whole zone is in `compiler` */
    DNS_FETCH_STEPS,   /* the differences are in `steps` */
    DNS_FETCH_FAILED,  /* `diag` says why */
};

enum dns_fetch_stage {
    DNS_FETCH_ASKED_SOA,
    DNS_FETCH_FIRST,   /* before the first record of a transfer */
    DNS_FETCH_SECOND,  /* of an IXFR: tells which of both it is */
    DNS_FETCH_RECORDS, /* of a whole zone */
    DNS_FETCH_DELETED, /* of a step */
    DNS_FETCH_ADDED,
    DNS_FETCH_COMPLETE,
};

struct dns_fetch {
    struct dns_fetch_options options;
    struct keel_buf out; /* to be sent now; the caller consumes it */
    enum dns_fetch_stage stage;
    enum dns_fetch_outcome outcome;
    bool incremental;   /* an IXFR is under way */
    bool try_whole;     /* FAILED: an AXFR may do better */
    bool out_of_memory; /* FAILED: it was not the primary's fault */
    bool truncated;     /* FAILED: over TCP it will go */
    struct keel_diag diag;
    struct dns_soa soa; /* of the primary's version, once it is known */
    uint8_t soa_rdata[DNS_SOA_MAX];
    uint16_t soa_size;
    uint32_t soa_ttl;
    bool expire_known;
    uint32_t expire; /* seconds, as the primary said (RFC 7314) */
    struct dns_compiler *compiler;
    struct dns_diff *steps;
    unsigned step_count, step_room;
    unsigned skipped; /* records that are not of the zone */
    uint64_t messages, records, bytes;
    /* private: */
    struct keel_prng prng;
    uint16_t id;
    uint64_t request_messages; /* since the last request */
    struct dns_tsig_session tsig;
    struct keel_buf unsigned_; /* since the last signed message */
    unsigned unsigned_count;
};

/* Makes the first request. 0, or KEEL_ENOMEM, and then it is over: only fini. now: seconds since
 * 1970, here and below. */
int dns_fetch_start(struct dns_fetch *fetch, const struct dns_fetch_options *options, uint64_t now);
void dns_fetch_fini(struct dns_fetch *fetch);
/* Takes what came over a stream: whole messages of it, and says in *used how many bytes they were;
 * nothing once it is over. */
enum dns_fetch_outcome dns_fetch_data(struct dns_fetch *fetch, const uint8_t *bytes, size_t size,
                                      size_t *used, uint64_t now);
/* Takes one message. Over UDP: MORE, too, when it is no answer to what was asked. */
enum dns_fetch_outcome dns_fetch_message(struct dns_fetch *fetch, const uint8_t *message,
                                         size_t size, uint64_t now);
/* Nothing more comes: the outcome is FAILED, and why. Does nothing once it is over. */
void dns_fetch_abort(struct dns_fetch *fetch, const char *why);
/* Hand over what came, to be freed by the caller: the compiler; the steps, each with dns_diff_fini,
 * and with keel_free all of them. */
struct dns_compiler *dns_fetch_take(struct dns_fetch *fetch);
struct dns_diff *dns_fetch_take_steps(struct dns_fetch *fetch, unsigned *count);

#endif
