/*
 * dnsd at work in a worker: what UDP and TCP share, and what the keeper tells.
 */
#ifndef DNSD_SERVE_SERVE_H
#define DNSD_SERVE_SERVE_H

#include "common/service/module.h"
#include "dnsd/answer/rrl.h"
#include "dnsd/serve/quota.h"
#include "dnsd/serve/requests.h"
#include "dnsd/serve/tally.h"
#include "dnsd/serve/versions.h"
#include "dnsd/serve/watch.h"

/* Zone transfers that wait for the loop to go round (dnsd/serve/transfer.h). */
struct dns_turns {
    struct keel_io io;
    int fd; /* always ready */
    struct keel_list waiting;
};

/* keel_instance.state */
struct dns_serve {
    struct dns_answer_context context;
    struct keel_metrics *metrics; /* the instance's */
    uint64_t tcp_idle_ns;
    uint64_t tcp_queries;         /* most of a connection; 0: no limit */
    struct dns_rrl *rrl;          /* NULL: no limit */
    struct keel_list connections; /* TCP */
    uint32_t transfers, most_transfers;
    uint64_t transfer_timeout_ns;
    struct dns_turns turns;
    struct dns_versions *versions;
    struct dns_watch watch;
    struct dns_quota quota;
    struct dns_requests requests; /* to the keeper */
    struct keel_timer leaving;    /* until we have no more of them */
    struct dns_query batch[KEEL_DGRAM_BATCH];
    uint8_t reply[2 + UINT16_MAX]; /* over TCP, with its length */
};

int dns_serve_start(struct keel_instance *instance, struct keel_diag *diag);
void dns_serve_drain(struct keel_instance *instance);
unsigned dns_serve_busy(struct keel_instance *instance);
void dns_serve_stop(struct keel_instance *instance);
/* See struct keel_protocol. */
void dns_serve_on_helper(struct keel_instance *instance, unsigned helper, bool up);
void dns_serve_on_helper_message(struct keel_instance *instance, unsigned helper,
                                 struct keel_message *message);

/* Counts and, where somebody looks, shows a query that has been answered with `size` bytes (0: not
 * at all), of which `sent` leave as one message. */
static inline void dns_serve_answered(struct dns_serve *serve, struct dns_tally *tally,
                                      const struct dns_query *query, size_t size,
                                      const uint8_t *reply, size_t sent)
{
    dns_tally_query(tally, query, size);
    if (dns_watch_on(&serve->watch))
        dns_watch_query(&serve->watch, query,
                        query->encrypted ? "tls"
                        : query->tcp     ? "tcp"
                                         : "udp",
                        reply, sent);
}
/* The keeper is told of a NOTIFY that came. */
void dns_serve_notified(struct dns_serve *serve, const struct dns_query *query);

#endif
