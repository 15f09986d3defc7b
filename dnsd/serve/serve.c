#include "dnsd/serve/serve.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"
#include "dnsd/serve/keeper_commands.h"
#include "dnsd/serve/keeper.h"
#include "dnsd/serve/secret.h"
#include "dnsd/serve/settings.h"
#include "dnsd/serve/tcp.h"
#include "dnsd/serve/transfer.h"
#include "dnsd/serve/zone_counts.h"
#include "dnsd/wire/type.h"

#include <errno.h>

/* From the begin of a drain to the last update that a TCP client may send. */
#define LEAVING_AFTER (100 * KEEL_NS_PER_MS)
#define ANSWERS "dnsd_answers_total", KEEL_COUNTER
#define ANSWERS_HELP "Answers by their code"
#define TYPES "dnsd_questions_total", KEEL_COUNTER
#define TYPES_HELP "Questions by their type"
#define DENIED "dnsd_denied_total", KEEL_COUNTER
#define DENIED_HELP "Questions that were refused because of an access list"
#define TRANSFERS "dnsd_transfers_out_total", KEEL_COUNTER
#define TRANSFERS_HELP "Zones that were sent whole, as differences (IXFR), and those that broke off"
#define REFRESH "dnsd_refresh_total", KEEL_COUNTER
#define REFRESH_HELP "What primaries said when they were asked: no news; nothing of use"
#define NOTIFY "dnsd_notify_total", KEEL_COUNTER
#define NOTIFY_HELP "Servers that were told of a new serial, by what they said"
#define TSIG "dnsd_tsig_total", KEEL_COUNTER
#define TSIG_HELP "Signed messages that came, by what was said of their signature"

const struct keel_metric dns_metrics[] = {
    [DNS_METRIC_QUERIES_UDP] = {"dnsd_queries_total", KEEL_COUNTER, "transport=\"udp\"",
                                "Messages that came, by transport"},
    [DNS_METRIC_QUERIES_TCP] = {"dnsd_queries_total", KEEL_COUNTER, "transport=\"tcp\"",
                                "Messages that came, by transport"},
    [DNS_METRIC_QUERIES_TLS] = {"dnsd_queries_total", KEEL_COUNTER, "transport=\"tls\"",
                                "Messages that came, by transport"},
    [DNS_METRIC_TYPES + DNS_COUNTED_OTHER] = {TYPES, "type=\"other\"", TYPES_HELP},
#define X(name, number)                                                                            \
    [DNS_METRIC_TYPES + DNS_COUNTED_##name] = {TYPES, "type=\"" #name "\"", TYPES_HELP},
    DNS_COUNTED_TYPES(X)
#undef X
        [DNS_METRIC_NOERROR] = {ANSWERS, "rcode=\"NOERROR\"", ANSWERS_HELP},
    [DNS_METRIC_FORMERR] = {ANSWERS, "rcode=\"FORMERR\"", ANSWERS_HELP},
    [DNS_METRIC_SERVFAIL] = {ANSWERS, "rcode=\"SERVFAIL\"", ANSWERS_HELP},
    [DNS_METRIC_NXDOMAIN] = {ANSWERS, "rcode=\"NXDOMAIN\"", ANSWERS_HELP},
    [DNS_METRIC_NOTIMP] = {ANSWERS, "rcode=\"NOTIMP\"", ANSWERS_HELP},
    [DNS_METRIC_REFUSED] = {ANSWERS, "rcode=\"REFUSED\"", ANSWERS_HELP},
    [DNS_METRIC_YXDOMAIN] = {ANSWERS, "rcode=\"YXDOMAIN\"", ANSWERS_HELP},
    [DNS_METRIC_YXRRSET] = {ANSWERS, "rcode=\"YXRRSET\"", ANSWERS_HELP},
    [DNS_METRIC_NXRRSET] = {ANSWERS, "rcode=\"NXRRSET\"", ANSWERS_HELP},
    [DNS_METRIC_NOTZONE] = {ANSWERS, "rcode=\"NOTZONE\"", ANSWERS_HELP},
    [DNS_METRIC_NOTAUTH] = {ANSWERS, "rcode=\"NOTAUTH\"", ANSWERS_HELP},
    [DNS_METRIC_BADVERS] = {ANSWERS, "rcode=\"BADVERS\"", ANSWERS_HELP},
    [DNS_METRIC_BADCOOKIE] = {ANSWERS, "rcode=\"BADCOOKIE\"", ANSWERS_HELP},
    [DNS_METRIC_TRUNCATED] = {"dnsd_truncated_total", KEEL_COUNTER, NULL,
                              "Answers that did not fit and said so (TC)"},
    [DNS_METRIC_COOKIE_NEW] = {"dnsd_cookies_total", KEEL_COUNTER, "state=\"new\"",
                               "DNS cookies that came: new clients, wrong or old ones, good ones"},
    [DNS_METRIC_COOKIE_BAD] = {"dnsd_cookies_total", KEEL_COUNTER, "state=\"bad\"",
                               "DNS cookies that came: new clients, wrong or old ones, good ones"},
    [DNS_METRIC_COOKIE_GOOD] = {"dnsd_cookies_total", KEEL_COUNTER, "state=\"good\"",
                                "DNS cookies that came: new clients, wrong or old ones, good ones"},
    [DNS_METRIC_LIMITED_CUT] = {"dnsd_rate_limited_total", KEEL_COUNTER, "action=\"cut\"",
                                "Of the answers those over the rate limit: cut or dropped"},
    [DNS_METRIC_LIMITED_DROPPED] = {"dnsd_rate_limited_total", KEEL_COUNTER, "action=\"dropped\"",
                                    "Of the answers those over the rate limit: cut or dropped"},
    [DNS_METRIC_QUOTA_CONNECTIONS] = {"dnsd_quota_total", KEEL_COUNTER, "what=\"connection\"",
                                      "Of a client above its quota: connections closed, "
                                      "questions not answered"},
    [DNS_METRIC_QUOTA_QUERIES] = {"dnsd_quota_total", KEEL_COUNTER, "what=\"query\"",
                                  "Of a client above its quota: connections closed, questions "
                                  "not answered"},
    [DNS_METRIC_UNPROVED] = {"dnsd_unproved_total", KEEL_COUNTER, NULL,
                             "Under load: questions without a cookie that were sent to TCP"},
    [DNS_METRIC_IGNORED] = {"dnsd_ignored_total", KEEL_COUNTER, NULL,
                            "Messages that got no answer: too short, or answers themselves"},
    [DNS_METRIC_DENIED_QUERY] = {DENIED, "list=\"allow-query\"", DENIED_HELP},
    [DNS_METRIC_DENIED_TRANSFER] = {DENIED, "list=\"allow-transfer\"", DENIED_HELP},
    [DNS_METRIC_DENIED_NOTIFY] = {DENIED, "list=\"allow-notify\"", DENIED_HELP},
    [DNS_METRIC_DENIED_UPDATE] = {DENIED, "list=\"allow-update\"", DENIED_HELP},
    [DNS_METRIC_TRANSFERS_SENT] = {TRANSFERS, "result=\"sent\"", TRANSFERS_HELP},
    [DNS_METRIC_TRANSFERS_STEPS] = {TRANSFERS, "result=\"differences\"", TRANSFERS_HELP},
    [DNS_METRIC_TRANSFERS_BROKEN] = {TRANSFERS, "result=\"broken\"", TRANSFERS_HELP},
    [DNS_METRIC_TRANSFERS_ACTIVE] = {"dnsd_transfers_out_active", KEEL_GAUGE, NULL,
                                     "Zones that are being sent now"},
    [DNS_METRIC_TRANSFERS_TAKEN] = {"dnsd_transfers_in_total", KEEL_COUNTER, NULL,
                                    "Zones, or differences of them, taken from primaries"},
    [DNS_METRIC_REFRESH_ASKED] = {"dnsd_refresh_asked_total", KEEL_COUNTER, NULL,
                                  "Primaries asked for news, or for a zone"},
    [DNS_METRIC_REFRESH_CURRENT] = {REFRESH, "result=\"current\"", REFRESH_HELP},
    [DNS_METRIC_REFRESH_FAILED] = {REFRESH, "result=\"failed\"", REFRESH_HELP},
    [DNS_METRIC_NOTIFY_HEARD] = {"dnsd_notify_heard_total", KEEL_COUNTER, NULL,
                                 "NOTIFY messages from those who may send them"},
    [DNS_METRIC_NOTIFY_SENT] = {"dnsd_notify_sent_total", KEEL_COUNTER, NULL,
                                "NOTIFY messages sent, repetitions included"},
    [DNS_METRIC_NOTIFY_ACKNOWLEDGED] = {NOTIFY, "result=\"acknowledged\"", NOTIFY_HELP},
    [DNS_METRIC_NOTIFY_REJECTED] = {NOTIFY, "result=\"rejected\"", NOTIFY_HELP},
    [DNS_METRIC_NOTIFY_GIVEN_UP] = {NOTIFY, "result=\"no-answer\"", NOTIFY_HELP},
    [DNS_METRIC_TSIG_GOOD] = {TSIG, "result=\"NOERROR\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADKEY] = {TSIG, "result=\"BADKEY\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADSIG] = {TSIG, "result=\"BADSIG\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADTIME] = {TSIG, "result=\"BADTIME\"", TSIG_HELP},
    [DNS_METRIC_TSIG_BADTRUNC] = {TSIG, "result=\"BADTRUNC\"", TSIG_HELP},
    [DNS_METRICS] = {0},
};

static enum dns_metric metric_of(unsigned rcode)
{
    switch (rcode) {
    case DNS_NOERROR:
        return DNS_METRIC_NOERROR;
    case DNS_FORMERR:
        return DNS_METRIC_FORMERR;
    case DNS_SERVFAIL:
        return DNS_METRIC_SERVFAIL;
    case DNS_NXDOMAIN:
        return DNS_METRIC_NXDOMAIN;
    case DNS_NOTIMP:
        return DNS_METRIC_NOTIMP;
    case DNS_YXDOMAIN:
        return DNS_METRIC_YXDOMAIN;
    case DNS_YXRRSET:
        return DNS_METRIC_YXRRSET;
    case DNS_NXRRSET:
        return DNS_METRIC_NXRRSET;
    case DNS_NOTZONE:
        return DNS_METRIC_NOTZONE;
    case DNS_NOTAUTH:
        return DNS_METRIC_NOTAUTH;
    case DNS_BADVERS:
        return DNS_METRIC_BADVERS;
    case DNS_BADCOOKIE:
        return DNS_METRIC_BADCOOKIE;
    default:
        return DNS_METRIC_REFUSED;
    }
}

/* Only what is signed comes here. */
static void tally_tsig(struct dns_tally *tally, const struct dns_query *query)
{
    static const enum dns_metric metrics[] = {
        [0] = DNS_METRIC_TSIG_GOOD,
        [DNS_TSIG_BADSIG] = DNS_METRIC_TSIG_BADSIG,
        [DNS_TSIG_BADKEY] = DNS_METRIC_TSIG_BADKEY,
        [DNS_TSIG_BADTIME] = DNS_METRIC_TSIG_BADTIME,
        [DNS_TSIG_BADTRUNC] = DNS_METRIC_TSIG_BADTRUNC,
    };
    static const char said[] = "a signature was refused";
    char peer[KEEL_ADDR_TEXT];
    tally->counts[metrics[query->tsig.error]]++;
    if (query->tsig.error == 0 || keel_log_holds_back(KEEL_LOG_NOTICE, said))
        return;
    keel_addr_format(peer, sizeof peer, query->peer);
    keel_notice("tsig", said, "peer=%s error=%s", peer, dns_tsig_error_name(query->tsig.error));
}

static void tally_denied(struct dns_tally *tally, const struct dns_query *query)
{
    static const char said[] = "refused";
    static const struct {
        const char *list;
        enum dns_metric metric;
    } lists[] = {
        [DNS_DENIED_QUERY] = {"allow-query", DNS_METRIC_DENIED_QUERY},
        [DNS_DENIED_TRANSFER] = {"allow-transfer", DNS_METRIC_DENIED_TRANSFER},
        [DNS_DENIED_NOTIFY] = {"allow-notify", DNS_METRIC_DENIED_NOTIFY},
        [DNS_DENIED_UPDATE] = {"allow-update", DNS_METRIC_DENIED_UPDATE},
    };
    char peer[KEEL_ADDR_TEXT], name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    tally->counts[lists[query->denied].metric]++;
    if (keel_log_holds_back(KEEL_LOG_NOTICE, said)) /* a flood costs no text */
        return;
    keel_addr_format(peer, sizeof peer, query->peer);
    dns_name_to_text(name, query->message.qname.bytes);
    dns_type_format(type, query->message.qtype);
    keel_notice("access", said, "list=%s peer=%s name=%s type=%s signed=%s",
                lists[query->denied].list, peer, name, type, query->tsig.key ? "yes" : "no");
}

void dns_tally_query(struct dns_tally *tally, const struct dns_query *query, size_t reply_size)
{
    static const enum dns_metric cookies[] = {
        [DNS_COOKIE_NEW] = DNS_METRIC_COOKIE_NEW,
        [DNS_COOKIE_BAD] = DNS_METRIC_COOKIE_BAD,
        [DNS_COOKIE_GOOD] = DNS_METRIC_COOKIE_GOOD,
    };
    if (query->encrypted)
        tally->counts[DNS_METRIC_QUERIES_TLS]++;
    else
        tally->counts[query->tcp ? DNS_METRIC_QUERIES_TCP : DNS_METRIC_QUERIES_UDP]++;
    if (!query->silent && query->message.question_size > 0)
        tally->counts[DNS_METRIC_TYPES + dns_counted_type(query->message.qtype)]++;
    if (query->cookie != DNS_COOKIE_NONE)
        tally->counts[cookies[query->cookie]]++;
    tally->counts[reply_size == 0 ? DNS_METRIC_IGNORED : metric_of(query->rcode)]++;
    if (query->zone)
        dns_zone_count(query);
    if (query->truncated)
        tally->counts[DNS_METRIC_TRUNCATED]++;
    if (query->unproved)
        tally->counts[DNS_METRIC_UNPROVED]++;
    if (query->denied)
        tally_denied(tally, query);
    if (query->tsig.signs)
        tally_tsig(tally, query);
}

void dns_tally_add(const struct dns_tally *tally, struct keel_metrics *metrics)
{
    for (unsigned i = 0; i < DNS_METRICS; i++)
        if (tally->counts[i])
            keel_metric_add(metrics, i, tally->counts[i]);
}

static void on_notify_reply(struct dns_request *request, unsigned rcode,
                            struct keel_message *message)
{
}

/* It was answered: whatever the keeper makes of it, nobody waits. */
void dns_serve_notified(struct dns_serve *serve, const struct dns_query *query)
{
    struct dns_request request = {.on_reply = on_notify_reply};
    if (dns_requests_send(&serve->requests, &request, DNS_MSG_NOTIFY, &query->notified->apex,
                          query->peer, query->bytes, query->size) == 0)
        dns_requests_cancel(&serve->requests, &request);
}

/* In 100 ms (RFC 7828, 3.1). */
static uint16_t keepalive_of(uint64_t idle_ns)
{
    uint64_t units = idle_ns / (KEEL_NS_PER_S / 10);
    return units < UINT16_MAX ? (uint16_t)units : UINT16_MAX;
}

/* From the configuration, or from the file that all workers and generations share. */
static int start_cookies(struct dns_serve *serve, const struct keel_instance *instance,
                         struct keel_diag *diag)
{
    const struct dns_settings *settings = instance->settings;
    serve->context.cookies = settings->cookie_secrets;
    if (serve->context.cookies.count > 0)
        return 0;
    int err = dns_secret_load(instance->state_dir, serve->context.cookies.bytes[0], diag);
    serve->context.cookies.count = err ? 0 : 1;
    return err;
}

static void on_leaving(struct keel_timer *timer)
{
    struct dns_serve *serve = KEEL_CONTAINER(timer, struct dns_serve, leaving);
    keel_instance_send(serve->requests.instance, 0, DNS_MSG_LEAVING, 0, 0, NULL, 0, NULL, 0);
}

int dns_serve_start(struct keel_instance *instance, struct keel_diag *diag)
{
    const struct dns_settings *settings = instance->settings;
    struct dns_serve *serve = keel_calloc(1, sizeof *serve);
    if (!serve)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    serve->context = (struct dns_answer_context){
        .zones = &settings->zones, .keys = &settings->keys, .udp_size = settings->udp_size};
    serve->metrics = &instance->metrics;
    serve->tcp_idle_ns = settings->tcp_idle_ns;
    serve->tcp_queries = settings->tcp_queries;
    serve->most_transfers = settings->transfers;
    serve->transfer_timeout_ns = settings->transfer_timeout_ns;
    keel_list_init(&serve->connections);
    dns_watch_init(&serve->watch, instance->loop);
    if (dns_turns_init(&serve->turns, instance->loop) != 0) {
        keel_free(serve);
        return keel_diag_set(diag, KEEL_ESYS, "cannot make an event descriptor: %s",
                             strerror(errno));
    }
    instance->state = serve;
    dns_requests_init(&serve->requests, instance);
    keel_timer_init(&serve->leaving, instance->loop, "leaving", on_leaving);
    serve->context.identity = keel_str(settings->identity);
    serve->context.version = keel_str(settings->version);
    serve->context.keepalive = keepalive_of(settings->tcp_idle_ns);
    int err = settings->cookies ? start_cookies(serve, instance, diag) : 0;
    if (err == 0 && dns_quota_init(&serve->quota, &settings->quota) != 0)
        err = keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    if (err == 0 && settings->rate_limit.rate > 0) {
        serve->rrl = dns_rrl_new(&settings->rate_limit,
                                 (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
        err = serve->rrl ? 0 : keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    }
    if (err == 0) {
        /* the zones come from the keeper, and change what answers see from one turn to the next */
        serve->versions = dns_versions_new(instance, (struct dns_zones *)&settings->zones);
        err = serve->versions ? KEEL_EAGAIN
                              : keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    }
    if (err && err != KEEL_EAGAIN)
        dns_serve_stop(instance);
    return err;
}

void dns_serve_on_helper(struct keel_instance *instance, unsigned helper, bool up)
{
    struct dns_serve *serve = instance->state;
    if (up)
        dns_versions_restart(serve->versions);
    else
        dns_requests_fail(&serve->requests);
}

/* The payload: size of the apex, apex, and the text of its section with a NUL. */
static void add_zone(struct keel_instance *instance, const struct keel_message *message)
{
    struct dns_settings *settings = instance->settings;
    struct dns_zone *zone;
    struct keel_diag diag = {""};
    size_t at = message->size > 0 ? 1u + message->bytes[0] : 0;
    if (at == 0 || message->size <= at || message->bytes[message->size - 1] != '\0' ||
        dns_zones_get(&settings->zones, message->bytes + 1, at - 1))
        return; /* it was there when we started */
    const char *text = (const char *)message->bytes + at;
    if (dns_settings_add_zone(settings, "added-zones.conf", text, false, &zone, &diag) != 0)
        keel_error("zone", "cannot add a zone", "reason=%s", diag.text);
}

static void remove_zone(struct keel_instance *instance, const struct keel_message *message)
{
    struct dns_settings *settings = instance->settings;
    struct dns_zone *zone = dns_zones_get(&settings->zones, message->bytes, message->size);
    if (zone && zone->added)
        dns_settings_remove_zone(settings, zone);
}

/* The payload: u64 seconds since 1970, apex. */
static void set_expires(struct keel_instance *instance, const struct keel_message *message)
{
    struct dns_settings *settings = instance->settings;
    struct dns_zone *zone =
        message->size > 8 ? dns_zones_get(&settings->zones, message->bytes + 8, message->size - 8)
                          : NULL;
    if (zone)
        memcpy(&zone->expires, message->bytes, 8);
}

void dns_serve_on_helper_message(struct keel_instance *instance, unsigned helper,
                                 struct keel_message *message)
{
    struct dns_serve *serve = instance->state;
    switch (message->type) {
    case DNS_MSG_REPLY:
        dns_requests_message(&serve->requests, message);
        break;
    case DNS_MSG_ZONE_ADD:
        add_zone(instance, message);
        break;
    case DNS_MSG_ZONE_REMOVE:
        remove_zone(instance, message);
        break;
    case DNS_MSG_EXPIRES:
        set_expires(instance, message);
        break;
    default:
        dns_versions_message(serve->versions, helper, message);
    }
}

void dns_serve_drain(struct keel_instance *instance)
{
    struct dns_serve *serve = instance->state;
    dns_tcp_drain(instance);
    /* the next generation's keeper waits for what is under way in ours; clients that have just
     * connected may be about to ask */
    if (keel_list_empty(&serve->connections))
        on_leaving(&serve->leaving);
    else
        keel_timer_start(&serve->leaving, LEAVING_AFTER, 0);
}

/* What the keeper has still to answer, somebody waits for. */
unsigned dns_serve_busy(struct keel_instance *instance)
{
    const struct dns_serve *serve = instance->state;
    return dns_requests_waiting(&serve->requests);
}

void dns_serve_stop(struct keel_instance *instance)
{
    struct dns_serve *serve = instance->state;
    if (!serve)
        return;
    keel_timer_stop(&serve->leaving);
    dns_requests_fini(&serve->requests);
    dns_rrl_free(serve->rrl);
    dns_turns_fini(&serve->turns);
    dns_versions_free(serve->versions);
    dns_watch_fini(&serve->watch);
    dns_quota_fini(&serve->quota);
    keel_free(serve);
    instance->state = NULL;
}

static int run_trace(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    return dns_watch_trace(&((struct dns_serve *)instance->state)->watch, args, result, diag);
}

static int run_top(struct keel_instance *instance, json_t *args, json_t **result,
                   struct keel_diag *diag)
{
    return dns_watch_top(&((struct dns_serve *)instance->state)->watch, instance, args, diag);
}

const struct keel_command dns_commands[] = {
    {"zones", "[PATTERN] [FROM]",
     "The zones: state, serial, records, memory, file; 1000 of them, from number FROM on",
     KEEL_COMMAND_HELPER, dns_command_zones},
    {"zone-status", "[NAME]", "All about a zone; without a name how many there are",
     KEEL_COMMAND_HELPER, dns_command_zone_status},
    {"zone-reload", "NAME|all", "Read a zone's file again, or those of all zones",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_reload},
    {"zone-add", "NAME TEXT", "Serve one more zone; TEXT is what would stand in its section",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_add},
    {"zone-remove", "NAME", "Serve no more a zone that was added with zone-add",
     KEEL_COMMAND_HELPER, dns_command_zone_remove},
    {"zone-dump", "NAME [FILE]", "Write a zone as it is to a file: by default STATE/NAME.zone",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_dump},
    {"zone-flush", "NAME|all", "Write zones with updates back to their files",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_flush},
    {"zone-refresh", "ZONE", "Ask the primaries of a zone for news, now", KEEL_COMMAND_HELPER,
     dns_keeper_run_refresh},
    {"zone-retransfer", "ZONE", "Get the whole zone from its primaries anew", KEEL_COMMAND_HELPER,
     dns_keeper_run_retransfer},
    {"zone-counters", "[NAME]", "What a zone was asked, or those that are asked most",
     KEEL_COMMAND_ALL, dns_command_zone_counters},
    {"trace", DNS_TRACE_USAGE, "Follow questions and answers, live", KEEL_COMMAND_ALL, run_trace},
    {"top", DNS_TOP_USAGE, "Count for some seconds what is asked most",
     KEEL_COMMAND_ALL + KEEL_COMMAND_SLOW, run_top},
    {0},
};
