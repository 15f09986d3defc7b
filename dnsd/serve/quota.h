/*
 * How much one client may have of a worker, and what is asked of all when it has too much to do.
 * Clients whose address is proved by a cookie or a signature have no limit on questions: whoever
 * forges their address must not shut them out.
 */
#ifndef DNSD_SERVE_QUOTA_H
#define DNSD_SERVE_QUOTA_H

#include "common/base/clients.h"
#include "dnsd/answer/query.h"

struct dns_quota_options {
    uint32_t connections; /* most of one client over TCP; 0: no limit */
    uint32_t queries;     /* most of one client over UDP in a second; 0: no limit */
    uint32_t
        cookies_above; /* queries over UDP in a second; above it a cookie is asked for; 0: never */
};

struct dns_quota {
    struct dns_quota_options options;
    struct keel_clients connections, queries;
    struct keel_rate rate;
    uint64_t since_ns; /* what is counted now */
    uint32_t counted;
    bool loaded; /* the last measure was above cookies_above */
};

/* 0 or KEEL_ENOMEM. */
int dns_quota_init(struct dns_quota *quota, const struct dns_quota_options *options);
void dns_quota_fini(struct dns_quota *quota);

/* `count` more questions came over UDP at now_ns (monotonic). True: cookies are asked for. */
bool dns_quota_load(struct dns_quota *quota, unsigned count, uint64_t now_ns);
/* May the client have this one (read, over UDP) answered? */
bool dns_quota_query(struct dns_quota *quota, const struct dns_query *query, uint64_t now_ns);
/* A connection comes; KEEL_ADMIT: dns_quota_disconnect follows. */
enum keel_admission dns_quota_connect(struct dns_quota *quota, const struct keel_addr *peer);
void dns_quota_disconnect(struct dns_quota *quota, const struct keel_addr *peer);

#endif
