/*
 * Response rate limiting: who is made to flood somebody with our answers gets few of them.
 *
 * Answers over UDP are counted by what they are (the name that answered, or the zone when nothing
 * did, and the code) and by the prefix of the address they go to, which may be forged. What is over
 * the rate is dropped, or cut to a TC that lets a real client come again over TCP. The table has a
 * fixed size; what was used longest ago makes room.
 */
#ifndef DNSD_ANSWER_RRL_H
#define DNSD_ANSWER_RRL_H

#include "dnsd/answer/query.h"

struct dns_rrl_options {
    uint32_t rate;   /* answers of one kind to one prefix in a second */
    uint32_t slip;   /* of those over the rate every slip-th is cut instead of dropped; 0: none */
    uint32_t window; /* seconds until a debt is forgotten */
    uint8_t ipv4_prefix, ipv6_prefix; /* bits that stand for one network */
    struct keel_prefix *exempt;       /* who is not limited; borrowed */
    unsigned exempt_count;
};

enum dns_rrl_verdict { DNS_RRL_SEND, DNS_RRL_CUT, DNS_RRL_DROP };

struct dns_rrl;
/* Returns new; NULL: no memory. Borrows the options. The key is secret. */
struct dns_rrl *dns_rrl_new(const struct dns_rrl_options *options, struct keel_hash_key key);
void dns_rrl_free(struct dns_rrl *rrl);

/* Counts an answer that dns_query_answer has made. now_ns: monotonic. TCP, signed requests, good
 * cookies and exempt prefixes are never limited. */
enum dns_rrl_verdict dns_rrl_check(struct dns_rrl *rrl, const struct dns_query *query,
                                   uint64_t now_ns);

#endif
