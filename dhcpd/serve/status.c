#include "dhcpd/serve/status.h"

#include "common/base/str.h"
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
    SENT("offer"),
    SENT("ack"),
    SENT("nak"),
    UNANSWERED("malformed"),
    UNANSWERED("no-subnet"),
    UNANSWERED("no-address"),
    UNANSWERED("other-server"),
    UNANSWERED("not-known"),
    UNANSWERED("no-server-id"),
    UNANSWERED("store-failed"),
    UNANSWERED("limited"),
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

static int run_pools(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    int err = need_active(s, diag);
    if (err)
        return err;
    json_t *list = json_array();
    for (unsigned i = 0; i < dhcp_engine_pool_count(s->engine); i++) {
        struct dhcp_pool_view v;
        char subnet[24], first[16], last[16], range[40];
        dhcp_engine_pool(s->engine, i, &v);
        snprintf(subnet, sizeof subnet, "%s/%u", dhcp_address_text(v.subnet->network, first),
                 v.subnet->length);
        snprintf(range, sizeof range, "%s-%s", dhcp_address_text(v.first, first),
                 dhcp_address_text(v.last, last));
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "subnet", subnet,
                                              "pool", range, "size", (json_int_t)v.size, "bound",
                                              (json_int_t)v.bound, "expired", (json_int_t)v.expired,
                                              "free", (json_int_t)v.free));
    }
    *result = list;
    return list ? 0 : keel_diag_set(diag, KEEL_ENOMEM, "no memory");
}

#define LEASES_DEFAULT 256
#define LEASES_MAX 4096 /* a control command must not hold up the service */

struct lease_list {
    json_t *list;
    size_t max;
    uint64_t now;
};

/* Untrusted bytes as text that is safe to show; NULL as JSON null when there are none. */
static json_t *text_of(struct dhcp_bytes value)
{
    char text[1024];
    if (value.n == 0)
        return json_null();
    keel_escape(text, sizeof text, value.p, value.n);
    return json_string(text);
}

static json_t *hex_of(const uint8_t *bytes, size_t n)
{
    char text[3 * 256];
    keel_format_hex(text, sizeof text, bytes, n, ':');
    return json_string(text);
}

static int add_lease(void *arg, uint32_t number, const struct dhcp_lease *lease)
{
    struct lease_list *l = arg;
    char address[16];
    if (json_array_size(l->list) >= l->max)
        return 1;
    if (!lease) {
        json_array_append_new(l->list,
                              json_pack("{s:s, s:s}", "address", dhcp_address_text(number, address),
                                        "state", "unreadable"));
        return 0;
    }
    bool over = lease->state == DHCP_LEASE_ACTIVE && lease->expires <= l->now;
    struct dhcp_bytes id = lease->client.identity;
    json_array_append_new(
        l->list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:I}", "address",
                           dhcp_address_text(lease->address, address), "state",
                           over ? "expired" : dhcp_lease_state_name(lease->state), "hardware",
                           hex_of(lease->chaddr, lease->hlen), "client-id",
                           id.n > 1 && id.p[0] == 1 ? hex_of(id.p + 1, id.n - 1u) : json_null(),
                           "hostname", text_of(lease->hostname), "granted",
                           (json_int_t)lease->granted, "expires", (json_int_t)lease->expires));
    return 0;
}

/* The arguments: where to begin, and how many. */
static int read_window(json_t *args, uint32_t *from, size_t *max, struct keel_diag *diag)
{
    const char *first = json_string_value(json_array_get(args, 0));
    const char *count = json_string_value(json_array_get(args, 1));
    struct in_addr a = {0};
    uint64_t n = LEASES_DEFAULT;
    if (first && inet_pton(AF_INET, first, &a) != 1)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not an IPv4 address", first);
    if (count && (keel_parse_u64(keel_str(count), LEASES_MAX, &n) != 0 || n == 0))
        return keel_diag_set(diag, KEEL_EINVAL, "a count of 1 to %u expected", LEASES_MAX);
    *from = ntohl(a.s_addr);
    *max = (size_t)n;
    return 0;
}

static int run_leases(struct keel_instance *instance, json_t *args, json_t **result,
                      struct keel_diag *diag)
{
    struct dhcp_serve *s = instance->state;
    struct lease_list l = {.now = keel_loop_realtime(instance->loop) / KEEL_NS_PER_S};
    uint32_t from = 0;
    int err = need_active(s, diag);
    if (!err)
        err = read_window(args, &from, &l.max, diag);
    if (err)
        return err;
    l.list = json_array();
    if (!l.list || keel_store_read(s->durable.env) != 0) {
        json_decref(l.list);
        return keel_diag_set(diag, KEEL_ESYS, "the lease store cannot be read");
    }
    err = dhcp_durable_each(&s->durable, from, add_lease, &l);
    keel_store_read_end(s->durable.env);
    if (err < 0) {
        json_decref(l.list);
        return keel_diag_set(diag, err, "the lease store cannot be read: %s", keel_strerror(err));
    }
    *result = l.list;
    return 0;
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
    {"leases", "[FROM [COUNT]]", "Leases in the order of their addresses, from an address on",
     KEEL_COMMAND_ONE, run_leases},
    {"pools", "", "How full the pools are", KEEL_COMMAND_ONE, run_pools},
    {0},
};
