/*
 * What an operator sees: metrics and control commands.
 */
#ifndef DHCPD_SERVE_STATUS_H
#define DHCPD_SERVE_STATUS_H

#include "common/service/module.h"
#include "dhcpd/engine/engine.h"

/* Rows of dhcp_metrics. Several of one name are indexed by the enum that they are labelled with. */
enum dhcp_metric {
    DHCP_METRIC_RECEIVED, /* + enum dhcp_type */
    DHCP_METRIC_SENT = DHCP_METRIC_RECEIVED +
                       DHCP_TYPES, /* + 0 offer, 1 ack, 2 nak, 3 unassigned, 4 unknown, 5 active */
    DHCP_METRIC_UNANSWERED = DHCP_METRIC_SENT + 6, /* + enum dhcp_outcome - 2 */
    DHCP_METRIC_WITHHELD = DHCP_METRIC_UNANSWERED + DHCP_OUTCOMES - DHCP_MALFORMED,
    DHCP_METRIC_SEND_ERRORS,
    DHCP_METRIC_ADDRESSES, /* + 0 bound, 1 expired, 2 free */
    DHCP_METRIC_OFFERS = DHCP_METRIC_ADDRESSES + 3,
    DHCP_METRIC_COMMIT,
    DHCP_METRIC_COMMIT_FAILURES,
    DHCP_METRIC_DDNS_DONE, /* + 0 done, 1 conflict, 2 failed */
    DHCP_METRIC_DDNS_RETRIES = DHCP_METRIC_DDNS_DONE + 3,
    DHCP_METRIC_DDNS_QUEUE,
    DHCP_METRIC_PROBES,                                      /* + 0 silent, 1 answered */
    DHCP_METRIC_HOOK_EVENTS = DHCP_METRIC_PROBES + 2,        /* + 0 sent, 1 dropped */
    DHCP_METRIC_HOOK_COMMANDS = DHCP_METRIC_HOOK_EVENTS + 2, /* + 0 done, 1 failed, 2 dropped */
    DHCP_METRIC_DROPPED = DHCP_METRIC_HOOK_COMMANDS + 3,     /* + 0 client, 1 relay, 2 backlog */
};
extern const struct keel_metric dhcp_metrics[];
extern const struct keel_command dhcp_commands[];

/* Counts a decision. */
void dhcp_status_count(struct keel_metrics *m, const struct dhcp_decision *decision);
/* Sets the gauges. */
void dhcp_status_gauges(struct keel_metrics *m, const struct dhcp_engine *engine);

#endif
