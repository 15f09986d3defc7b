/*
 * dnsd at work in one process: what UDP and TCP share, metrics and control commands.
 */
#ifndef DNSD_SERVE_SERVE_H
#define DNSD_SERVE_SERVE_H

#include "common/service/module.h"
#include "dnsd/answer/rrl.h"
#include "dnsd/serve/quota.h"
#include "dnsd/serve/requests.h"
#include "dnsd/serve/types.h"
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

enum dns_metric {
    DNS_METRIC_QUERIES_UDP,
    DNS_METRIC_QUERIES_TCP,
    DNS_METRIC_QUERIES_TLS,
    DNS_METRIC_TYPES, /* + enum dns_counted_type */
    DNS_METRIC_NOERROR = DNS_METRIC_TYPES + DNS_COUNTED,
    DNS_METRIC_FORMERR,
    DNS_METRIC_SERVFAIL,
    DNS_METRIC_NXDOMAIN,
    DNS_METRIC_NOTIMP,
    DNS_METRIC_REFUSED,
    DNS_METRIC_YXDOMAIN,
    DNS_METRIC_YXRRSET,
    DNS_METRIC_NXRRSET,
    DNS_METRIC_NOTAUTH,
    DNS_METRIC_NOTZONE,
    DNS_METRIC_BADVERS,
    DNS_METRIC_BADCOOKIE,
    DNS_METRIC_TRUNCATED,
    DNS_METRIC_COOKIE_NEW,
    DNS_METRIC_COOKIE_BAD,
    DNS_METRIC_COOKIE_GOOD,
    DNS_METRIC_LIMITED_CUT,
    DNS_METRIC_LIMITED_DROPPED,
    DNS_METRIC_QUOTA_CONNECTIONS,
    DNS_METRIC_QUOTA_QUERIES,
    DNS_METRIC_UNPROVED,
    DNS_METRIC_IGNORED,
    DNS_METRIC_DENIED_QUERY,
    DNS_METRIC_DENIED_TRANSFER,
    DNS_METRIC_DENIED_NOTIFY,
    DNS_METRIC_DENIED_UPDATE,
    DNS_METRIC_TRANSFERS_SENT,
    DNS_METRIC_TRANSFERS_STEPS,
    DNS_METRIC_TRANSFERS_BROKEN,
    DNS_METRIC_TRANSFERS_ACTIVE,
    DNS_METRIC_TRANSFERS_TAKEN,
    DNS_METRIC_REFRESH_ASKED,
    DNS_METRIC_REFRESH_CURRENT,
    DNS_METRIC_REFRESH_FAILED,
    DNS_METRIC_NOTIFY_HEARD,
    DNS_METRIC_NOTIFY_SENT,
    DNS_METRIC_NOTIFY_ACKNOWLEDGED,
    DNS_METRIC_NOTIFY_REJECTED,
    DNS_METRIC_NOTIFY_GIVEN_UP,
    DNS_METRIC_TSIG_GOOD,
    DNS_METRIC_TSIG_BADKEY,
    DNS_METRIC_TSIG_BADSIG,
    DNS_METRIC_TSIG_BADTIME,
    DNS_METRIC_TSIG_BADTRUNC,
    DNS_METRICS
};
extern const struct keel_metric dns_metrics[];
extern const struct keel_command dns_commands[];

int dns_serve_start(struct keel_instance *instance, struct keel_diag *diag);
void dns_serve_drain(struct keel_instance *instance);
unsigned dns_serve_busy(struct keel_instance *instance);
void dns_serve_stop(struct keel_instance *instance);
/* See struct keel_protocol. */
void dns_serve_on_helper(struct keel_instance *instance, unsigned helper, bool up);
void dns_serve_on_helper_message(struct keel_instance *instance, unsigned helper,
                                 struct keel_message *message);

/* The keeper is told of a NOTIFY that came. */
void dns_serve_notified(struct dns_serve *serve, const struct dns_query *query);

/* Queries that were answered (or not) since the last dns_tally_add, kept beside the hot loop. */
struct dns_tally {
    uint32_t counts[DNS_METRICS];
};
void dns_tally_query(struct dns_tally *tally, const struct dns_query *query, size_t reply_size);
void dns_tally_add(const struct dns_tally *tally, struct keel_metrics *metrics);

#endif
