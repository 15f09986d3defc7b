/*
 * Clients by their address: how often each may do something, and how much each has. A client is an
 * IPv4 address or the /64 of an IPv6 one.
 *
 * The tables have a fixed size and allocate nothing while they serve. When a place is fought over,
 * the client that is furthest below its limit is forgotten.
 */
#ifndef KEEL_BASE_CLIENTS_H
#define KEEL_BASE_CLIENTS_H

#include "common/base/addr.h"
#include "common/base/err.h"
#include "common/base/hash.h"

#define KEEL_CLIENTS_WAYS 4
struct keel_client {
    uint64_t key;   /* 0: free */
    uint64_t value; /* rates: when it will be at rest again, ns; counts: how many */
};
struct keel_clients {
    struct keel_client *items;
    size_t mask; /* sets of KEEL_CLIENTS_WAYS, less one */
    struct keel_hash_key key;
};
/* Room for at least `clients` of them. 0 or KEEL_ENOMEM. */
int keel_clients_init(struct keel_clients *clients, unsigned count);
void keel_clients_fini(struct keel_clients *clients);

struct keel_rate {
    uint64_t interval_ns; /* between two in the long run */
    uint64_t burst_ns;    /* how far ahead of that a client may be */
    uint32_t rule;        /* number of the limit: rules are counted apart */
};
/* May the client do it now (and then it has)? Else in *wait_ns it may. */
bool keel_clients_take(struct keel_clients *clients, const struct keel_addr *peer,
                       const struct keel_rate *rate, uint64_t now_ns, uint64_t *wait_ns);

enum keel_admission {
    KEEL_ADMIT,         /* counted: keel_clients_leave follows */
    KEEL_ADMIT_UNKNOWN, /* no place to count it */
    KEEL_REFUSE
};
/* One more (a connection) of the client, of at most `most`. Not in a table of rates. */
enum keel_admission keel_clients_enter(struct keel_clients *clients, const struct keel_addr *peer,
                                       unsigned most);
void keel_clients_leave(struct keel_clients *clients, const struct keel_addr *peer);

#endif
