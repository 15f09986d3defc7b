#include "dnsd/serve/quota.h"

#include "common/base/clock.h"

#define CLIENTS 16384
#define MEASURE (100 * KEEL_NS_PER_MS)

int dns_quota_init(struct dns_quota *quota, const struct dns_quota_options *options)
{
    *quota = (struct dns_quota){.options = *options};
    if (options->connections && keel_clients_init(&quota->connections, CLIENTS) != 0)
        return KEEL_ENOMEM;
    if (options->queries && keel_clients_init(&quota->queries, CLIENTS) != 0) {
        keel_clients_fini(&quota->connections);
        return KEEL_ENOMEM;
    }
    if (options->queries) /* a second's worth may come at once */
        quota->rate = (struct keel_rate){KEEL_NS_PER_S / options->queries, KEEL_NS_PER_S, 0};
    return 0;
}

void dns_quota_fini(struct dns_quota *quota)
{
    keel_clients_fini(&quota->connections);
    keel_clients_fini(&quota->queries);
}

bool dns_quota_load(struct dns_quota *quota, unsigned count, uint64_t now_ns)
{
    uint64_t elapsed = now_ns - quota->since_ns;
    if (!quota->options.cookies_above)
        return false;
    quota->counted += count;
    if (elapsed >= MEASURE) {
        uint64_t most = quota->options.cookies_above * (elapsed / KEEL_NS_PER_US) / 1000000;
        quota->loaded = quota->counted > most;
        quota->since_ns = now_ns;
        quota->counted = 0;
    }
    return quota->loaded;
}

bool dns_quota_query(struct dns_quota *quota, const struct dns_query *query, uint64_t now_ns)
{
    uint64_t wait_ns;
    if (!quota->options.queries || query->cookie == DNS_COOKIE_GOOD || query->tsig.key)
        return true;
    return keel_clients_take(&quota->queries, query->peer, &quota->rate, now_ns, &wait_ns);
}

enum keel_admission dns_quota_connect(struct dns_quota *quota, const struct keel_addr *peer)
{
    return quota->options.connections
               ? keel_clients_enter(&quota->connections, peer, quota->options.connections)
               : KEEL_ADMIT_UNKNOWN;
}

void dns_quota_disconnect(struct dns_quota *quota, const struct keel_addr *peer)
{
    keel_clients_leave(&quota->connections, peer);
}
