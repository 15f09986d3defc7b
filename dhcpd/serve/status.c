#include "dhcpd/serve/status.h"

#include "common/base/str.h"
#include "dhcpd/serve/leases.h"
#include "dhcpd/serve/pools.h"
#include "dhcpd/serve/serve.h"

#include <arpa/inet.h>

#define RECEIVED(type)                                                                             \
    {                                                                                              \
        "dhcpd_messages_received_total", KEEL_COUNTER, "type=\"" type "\"",                        \
            "Messages received by type; none is BOOTP, and what could not be read."                \
    }
#define SENT(type)                                                                                 \
    {                                                                                              \
        "dhcpd_messages_sent_total", KEEL_COUNTER, "type=\"" type "\"", "Replies by type."         \
    }
#define UNANSWERED(reason)                                                                         \
    {                                                                                              \
        "dhcpd_messages_unanswered_total", KEEL_COUNTER, "reason=\"" reason "\"",                  \
            "Messages without a reply that might have had one, by reason."                         \
    }
#define ADDRESSES(state)                                                                           \
    {                                                                                              \
        "dhcpd_pool_addresses", KEEL_GAUGE, "state=\"" state "\"",                                 \
            "Addresses of all pools: bound (leased, or resting after a DECLINE), expired (kept "   \
            "for their last owner), free."                                                         \
    }

#define UPDATES(result)                                                                            \
    {                                                                                              \
        "dhcpd_ddns_updates_total", KEEL_COUNTER, "result=\"" result "\"",                         \
            "Names entered in or removed from the DNS; conflict: the name is somebody else's."     \
    }

/* In the order of enum dhcp_metric. */
const struct keel_metric dhcp_metrics[] = {
    RECEIVED("none"),
    RECEIVED("discover"),
    RECEIVED("offer"),
    RECEIVED("request"),
    RECEIVED("decline"),
    RECEIVED("ack"),
    RECEIVED("nak"),
    RECEIVED("release"),
    RECEIVED("inform"),
    RECEIVED("forcerenew"),
    RECEIVED("leasequery"),
    RECEIVED("leaseunassigned"),
    RECEIVED("leaseunknown"),
    RECEIVED("leaseactive"),
    SENT("offer"),
    SENT("ack"),
    SENT("nak"),
    SENT("leaseunassigned"),
    SENT("leaseunknown"),
    SENT("leaseactive"),
    UNANSWERED("malformed"),
    UNANSWERED("no-subnet"),
    UNANSWERED("no-address"),
    UNANSWERED("other-server"),
    UNANSWERED("not-known"),
    UNANSWERED("no-server-id"),
    UNANSWERED("store-failed"),
    UNANSWERED("limited"),
    UNANSWERED("ignored"),
    {"dhcpd_replies_withheld_total", KEEL_COUNTER, NULL,
     "Replies not sent because what they promise could not be written."},
    {"dhcpd_send_errors_total", KEEL_COUNTER, NULL,
     "Frames to clients without an address that the kernel did not take."},
    ADDRESSES("bound"),
    ADDRESSES("expired"),
    ADDRESSES("free"),
    {"dhcpd_offers", KEEL_GAUGE, NULL, "Addresses held for clients that were offered them."},
    {"dhcpd_commit_seconds", KEEL_HISTOGRAM, NULL, "Time of one synchronous commit of a batch."},
    {"dhcpd_commit_failures_total", KEEL_COUNTER, NULL, "Batches that could not be written."},
    UPDATES("done"),
    UPDATES("conflict"),
    UPDATES("failed"),
    {"dhcpd_ddns_retries_total", KEEL_COUNTER, NULL,
     "Times that the DNS server did not answer, or did not want to."},
    {"dhcpd_ddns_queue", KEEL_GAUGE, NULL, "DNS updates that wait."},
    {"dhcpd_probes_total", KEEL_COUNTER, "result=\"silent\"",
     "Addresses probed before they were offered; answered: somebody else uses them."},
    {"dhcpd_probes_total", KEEL_COUNTER, "result=\"answered\"",
     "Addresses probed before they were offered; answered: somebody else uses them."},
    {"dhcpd_hook_events_total", KEEL_COUNTER, "result=\"sent\"",
     "Lease events for hooks, sent to the helper process or dropped."},
    {"dhcpd_hook_events_total", KEEL_COUNTER, "result=\"dropped\"",
     "Lease events for hooks, sent to the helper process or dropped."},
    {"dhcpd_hook_commands_total", KEEL_COUNTER, "result=\"done\"",
     "Hooks told of events: commands that ended well or not, events dropped because too many "
     "waited."},
    {"dhcpd_hook_commands_total", KEEL_COUNTER, "result=\"failed\"",
     "Hooks told of events: commands that ended well or not, events dropped because too many "
     "waited."},
    {"dhcpd_hook_commands_total", KEEL_COUNTER, "result=\"dropped\"",
     "Hooks told of events: commands that ended well or not, events dropped because too many "
     "waited."},
    {"dhcpd_messages_dropped_total", KEEL_COUNTER, "reason=\"client-rate\"",
     "Messages dropped unread: too many of one client, of one relay, or of new clients that "
     "waited."},
    {"dhcpd_messages_dropped_total", KEEL_COUNTER, "reason=\"relay-rate\"",
     "Messages dropped unread: too many of one client, of one relay, or of new clients that "
     "waited."},
    {"dhcpd_messages_dropped_total", KEEL_COUNTER, "reason=\"backlog\"",
     "Messages dropped unread: too many of one client, of one relay, or of new clients that "
     "waited."},
    {0},
};

void dhcp_status_count(struct keel_metrics *m, const struct dhcp_decision *decision)
{
    keel_metric_add(m, DHCP_METRIC_RECEIVED + decision->received, 1);
    if (decision->outcome >= DHCP_MALFORMED)
        keel_metric_add(m, DHCP_METRIC_UNANSWERED + decision->outcome - DHCP_MALFORMED, 1);
}

void dhcp_status_gauges(struct keel_metrics *m, const struct dhcp_engine *engine)
{
    uint64_t bound = 0, expired = 0, unused = 0;
    for (unsigned i = 0; i < dhcp_engine_pool_count(engine); i++) {
        struct dhcp_pool_view v;
        dhcp_engine_pool(engine, i, &v);
        bound += v.bound;
        expired += v.expired;
        unused += v.free;
    }
    keel_metric_set(m, DHCP_METRIC_ADDRESSES, bound);
    keel_metric_set(m, DHCP_METRIC_ADDRESSES + 1, expired);
    keel_metric_set(m, DHCP_METRIC_ADDRESSES + 2, unused);
    keel_metric_set(m, DHCP_METRIC_OFFERS, dhcp_engine_offers(engine));
}

/* --- control commands ------------------------------------------------------------------------- */

static int need_active(const struct dhcp_serve *s, struct keel_diag *diag)
{
    return s->engine ? 0 : keel_diag_set(diag, KEEL_EAGAIN, "this worker is a standby");
}

static int run_ddns(struct keel_instance *instance, json_t *args, json_t **result,
                    struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    (void)args;
    int err = need_active(s, diag);
    if (!err && !s->follow.updater)
        err = keel_diag_set(diag, KEEL_ENOENT, "no ddns section in the configuration");
    return err ? err : dhcp_updater_status(s->follow.updater, result, diag);
}

const struct keel_command dhcp_commands[] = {
    {"ddns", "", "Updates of the DNS that wait, and how they go", KEEL_COMMAND_ONE, run_ddns},
    {"hooks", "", "Commands and modules that follow the leases: waiting, done, failed, dropped",
     KEEL_COMMAND_HELPER + DHCP_HELPER_HOOKS, dhcp_hook_status},
    {"leases", "[FROM [COUNT]] [FILTER=VALUE ...] [format=csv]",
     "Leases in the order of their addresses: subnet, address, state, hardware, client, hostname, "
     "expires-before",
     KEEL_COMMAND_ONE, dhcp_leases_list},
    {"lease-add", "ADDRESS [hardware=MAC] [client=HEX] [hostname=NAME] [time=12h]",
     "Give an address to a client by hand", KEEL_COMMAND_ONE, dhcp_leases_add},
    {"lease-delete", "ADDRESS", "Forget who has an address", KEEL_COMMAND_ONE, dhcp_leases_delete},
    {"lease-to-reservation", "ADDRESS", "Configuration text that keeps the address for its client",
     KEEL_COMMAND_ONE, dhcp_leases_reservation},
    {"pools", "", "How full the pools are, and what was asked of them", KEEL_COMMAND_ONE,
     dhcp_pools_list},
    {"subnets", "", "The same by subnet", KEEL_COMMAND_ONE, dhcp_pools_subnets},
    {0},
};
