/*
 * Who may ask: address lists, and rates and counts for each client. A client is an IPv4 address or
 * the /64 of an IPv6 one.
 *
 * The tables have a fixed size and allocate nothing while they serve. When a place is fought over,
 * the client that is furthest below its limit is forgotten.
 */
#ifndef HTTPD_REQUEST_ACCESS_H
#define HTTPD_REQUEST_ACCESS_H

#include "common/base/addr.h"
#include "common/base/hash.h"

/* What a location asks of clients. */
struct http_access {
    struct keel_prefix *deny, *allow;
    unsigned deny_count, allow_count; /* allow_count 0: everybody that is not denied */
    uint64_t interval_ns;             /* between two requests in the long run; 0: no limit */
    uint64_t burst_ns;                /* how far ahead of that a client may be */
    uint32_t rule;                    /* number of the limit: locations are counted apart */
};
/* IPv4-mapped IPv6 addresses count as IPv4. */
bool http_access_allows(const struct http_access *access, const struct keel_addr *peer);

#define HTTP_CLIENTS_WAYS 4
struct http_client {
    uint64_t key;   /* 0: free */
    uint64_t value; /* rates: when it will be at rest again, ns; connections: how many */
};
struct http_clients {
    struct http_client *items;
    size_t mask; /* sets of HTTP_CLIENTS_WAYS, less one */
    struct keel_hash_key key;
};
/* Room for at least `clients` of them. 0 or KEEL_ENOMEM. */
int http_clients_init(struct http_clients *clients, unsigned count);
void http_clients_fini(struct http_clients *clients);

/* May the client make a request now (and then it has)? Else in *wait_ns it may. */
bool http_clients_request(struct http_clients *clients, const struct keel_addr *peer,
                          const struct http_access *access, uint64_t now_ns, uint64_t *wait_ns);
enum http_admission {
    HTTP_ADMIT,         /* counted: http_clients_leave follows */
    HTTP_ADMIT_UNKNOWN, /* no place to count it */
    HTTP_REFUSE
};
/* One more connection of the client, of at most `most`. */
enum http_admission http_clients_enter(struct http_clients *clients, const struct keel_addr *peer,
                                       unsigned most);
void http_clients_leave(struct http_clients *clients, const struct keel_addr *peer);

#endif
