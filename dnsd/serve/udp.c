#include "dnsd/serve/udp.h"

#include "dnsd/serve/updates.h"

/* What is left of an answer by the rate limit: its size, 0 when it is dropped. */
static size_t limit(struct dns_serve *serve, struct dns_tally *tally, struct dns_query *query,
                    uint8_t *reply, size_t size, uint64_t now)
{
    switch (dns_rrl_check(serve->rrl, query, now)) {
    case DNS_RRL_CUT:
        tally->counts[DNS_METRIC_LIMITED_CUT]++;
        return dns_query_cut(query, &serve->context, reply);
    case DNS_RRL_DROP:
        tally->counts[DNS_METRIC_LIMITED_DROPPED]++;
        return 0;
    default:
        return size;
    }
}

/* Three passes over the batch, so that the memory misses of its lookups overlap (answer/query.h).
 */
void dns_udp_batch(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                   struct keel_dgram *d, struct keel_datagram *batch, unsigned count)
{
    struct dns_serve *serve = instance->state;
    struct dns_tally tally = {{0}};
    uint64_t now = keel_loop_now(instance->loop);

    serve->context.now = keel_loop_realtime(instance->loop) / KEEL_NS_PER_S;
    serve->context.need_cookie =
        serve->context.cookies.count > 0 && dns_quota_load(&serve->quota, count, now);
    for (unsigned i = 0; i < count; i++)
        /* what was cut is not what the client said: too short, so that it is ignored */
        dns_query_read(&serve->batch[i], &serve->context, batch[i].bytes,
                       batch[i].truncated ? 0 : batch[i].size, &batch[i].peer, false);
    for (unsigned i = 0; i < count; i++)
        dns_query_prefetch(&serve->batch[i]);
    for (unsigned i = 0; i < DNS_QUERY_AHEAD && i < count; i++)
        dns_query_prefetch_set(&serve->batch[i]);
    for (unsigned i = 0; i < count; i++) {
        size_t room;
        if (i + DNS_QUERY_AHEAD < count)
            dns_query_prefetch_set(&serve->batch[i + DNS_QUERY_AHEAD]);
        uint8_t *reply = keel_dgram_reserve(d, &room);
        if (!dns_quota_query(&serve->quota, &serve->batch[i], now)) {
            tally.counts[DNS_METRIC_QUERIES_UDP]++;
            tally.counts[DNS_METRIC_QUOTA_QUERIES]++;
            continue;
        }
        if (serve->batch[i].updated && dns_updates_datagram(serve, &serve->batch[i], d) == 0)
            continue;
        size_t size = dns_query_answer(&serve->batch[i], &serve->context, reply, room);
        size_t sent = serve->rrl && size > 0
                          ? limit(serve, &tally, &serve->batch[i], reply, size, now)
                          : size;
        if (sent > 0)
            keel_dgram_commit(d, &batch[i], sent);
        dns_serve_answered(serve, &tally, &serve->batch[i], size, reply, sent);
        if (serve->batch[i].notified)
            dns_serve_notified(serve, &serve->batch[i]);
    }
    dns_tally_add(&tally, serve->metrics);
}
