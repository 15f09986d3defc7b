/*
 * DNS cookies (RFC 7873) that all servers with the same secret agree on (RFC 9018).
 */
#ifndef DNSD_WIRE_COOKIE_H
#define DNSD_WIRE_COOKIE_H

#include "common/base/addr.h"
#include "dnsd/wire/edns.h"

#define DNS_COOKIE_SECRET 16 /* bytes */
#define DNS_COOKIE_SIZE 24   /* the client's, and ours behind it */

/* The first makes cookies, all are taken, so that a secret can be replaced while it is in use. */
#define DNS_COOKIE_SECRETS 2
struct dns_cookie_secrets {
    unsigned count;
    uint8_t bytes[DNS_COOKIE_SECRETS][DNS_COOKIE_SECRET];
};

enum dns_cookie {
    DNS_COOKIE_NONE, /* the query had none, or there is no secret */
    DNS_COOKIE_NEW,  /* the client's alone: it has none of ours yet */
    DNS_COOKIE_BAD,  /* ours is not ours, or too old */
    DNS_COOKIE_GOOD, /* the client is where it says it is */
};

/* Judges what a query has. now: seconds since 1970. */
enum dns_cookie dns_cookie_check(const struct dns_cookie_secrets *secrets,
                                 const struct dns_edns *edns, const struct keel_addr *peer,
                                 uint64_t now);
/* The whole cookie for the answer: the client's, and ours of now. There is a secret. */
void dns_cookie_make(const struct dns_cookie_secrets *secrets, const uint8_t *client,
                     const struct keel_addr *peer, uint64_t now, uint8_t out[DNS_COOKIE_SIZE]);

#endif
