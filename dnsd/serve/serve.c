#include "dnsd/serve/serve.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"
#include "dnsd/serve/secret.h"
#include "dnsd/serve/settings.h"
#include "dnsd/serve/tcp.h"
#include "dnsd/serve/transfer.h"

#include <errno.h>

/* From the begin of a drain to the last update that a TCP client may send. */
#define LEAVING_AFTER (100 * KEEL_NS_PER_MS)

/* It was answered: whatever the keeper makes of it, nobody waits. */
void dns_serve_notified(struct dns_serve *serve, const struct dns_query *query)
{
    dns_requests_send(&serve->requests, NULL, DNS_MSG_NOTIFY, &query->notified->apex, query->peer,
                      query->bytes, query->size);
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

static void set_limits(struct dns_serve *serve, const struct dns_settings *settings)
{
    serve->tcp_idle_ns = settings->tcp_idle_ns;
    serve->tcp_queries = settings->tcp_queries;
    serve->most_transfers = settings->transfers;
    serve->transfer_timeout_ns = settings->transfer_timeout_ns;
    serve->context = (struct dns_answer_context){
        .zones = &settings->zones,
        .keys = &settings->keys,
        .udp_size = settings->udp_size,
        .identity = keel_str(settings->identity),
        .version = keel_str(settings->version),
        .keepalive = keepalive_of(settings->tcp_idle_ns),
    };
}

/* What takes memory or a file; dns_serve_stop undoes it, wherever it ended. */
static int start_parts(struct dns_serve *serve, struct keel_instance *instance,
                       struct keel_diag *diag)
{
    struct dns_settings *settings = instance->settings;
    int err = settings->cookies ? start_cookies(serve, instance, diag) : 0;
    if (err)
        return err;
    if (dns_quota_init(&serve->quota, &settings->quota) != 0)
        return keel_diag_memory(diag);
    if (settings->rate_limit.rate > 0) {
        serve->rrl = dns_rrl_new(&settings->rate_limit,
                                 (struct keel_hash_key){keel_rand_u64(), keel_rand_u64()});
        if (!serve->rrl)
            return keel_diag_memory(diag);
    }
    /* the zones come from the keeper, and change what answers see from one turn to the next */
    serve->versions = dns_versions_new(instance, &settings->zones);
    return serve->versions ? 0 : keel_diag_memory(diag);
}

int dns_serve_start(struct keel_instance *instance, struct keel_diag *diag)
{
    struct dns_serve *serve = keel_calloc(1, sizeof *serve);
    if (!serve)
        return keel_diag_memory(diag);
    set_limits(serve, instance->settings);
    serve->metrics = &instance->metrics;
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
    int err = start_parts(serve, instance, diag);
    if (err)
        dns_serve_stop(instance);
    return err ? err : KEEL_EAGAIN; /* ready when the keeper has brought the zones */
}

void dns_serve_on_helper(struct keel_instance *instance, unsigned helper, bool up)
{
    struct dns_serve *serve = instance->state;
    if (up) {
        dns_versions_restart(serve->versions);
        dns_requests_up(&serve->requests);
    } else {
        dns_requests_down(&serve->requests);
    }
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
