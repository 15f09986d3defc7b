/*
 * Who may ask: address lists, and rates for each client.
 */
#ifndef HTTPD_REQUEST_ACCESS_H
#define HTTPD_REQUEST_ACCESS_H

#include "common/base/clients.h"

/* What a location asks of clients. */
struct http_access {
    struct keel_prefix *deny, *allow;
    unsigned deny_count, allow_count; /* allow_count 0: everybody that is not denied */
    bool any;                         /* who is not allowed may come in with a password */
    struct keel_rate rate;            /* of requests; interval 0: no limit */
};
/* IPv4-mapped IPv6 addresses count as IPv4. */
bool http_access_allows(const struct http_access *access, const struct keel_addr *peer);

#endif
