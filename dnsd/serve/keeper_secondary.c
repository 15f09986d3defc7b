#include "dnsd/serve/keeper_commands.h"
#include "dnsd/serve/keeper_private.h"
#include "dnsd/serve/messages.h"
#include "dnsd/serve/secondary.h"
#include "dnsd/wire/message.h"

struct dns_shared *dns_keeper_hold_base(struct dns_kept *kept)
{
    struct dns_shared *base = KEEL_CONTAINER(kept, struct keeper_zone, kept)->base;
    return base ? dns_shared_hold(base) : NULL;
}

void dns_keeper_release_base(struct dns_keeper *keeper, struct dns_shared *base)
{
    dns_shared_release(keeper->publisher, base);
}

#define EXPIRES_MAX (8 + DNS_NAME_MAX)

/* The payload of a DNS_MSG_EXPIRES; out has EXPIRES_MAX bytes. Returns its size. */
static size_t expires_message(const struct dns_zone *zone, uint8_t *out)
{
    memcpy(out, &zone->expires, 8);
    memcpy(out + 8, zone->apex.bytes, zone->apex.size);
    return 8u + zone->apex.size;
}

void dns_keeper_tell_expires(struct dns_kept *kept, uint64_t expires)
{
    struct dns_zone *zone = (struct dns_zone *)kept->zone; /* the settings' own */
    uint8_t bytes[EXPIRES_MAX];
    zone->expires = expires;
    size_t size = expires_message(zone, bytes);
    dns_publisher_say(kept->keeper->publisher, DNS_MSG_EXPIRES, bytes, size);
}

void dns_keeper_greet_secondaries(struct dns_keeper *keeper, unsigned worker)
{
    uint8_t bytes[EXPIRES_MAX];
    for (unsigned i = 0; i < keeper->count; i++) {
        const struct dns_zone *zone = keeper->zones[i] ? keeper->zones[i]->kept.zone : NULL;
        if (zone && zone->expires > 0)
            keel_instance_send(keeper->instance, worker, DNS_MSG_EXPIRES, 0, 0, bytes,
                               expires_message(zone, bytes), NULL, 0);
    }
}

int dns_keeper_add_secondary(struct keeper_zone *zone)
{
    struct dns_keeper *keeper = zone->kept.keeper;
    struct dns_secondary_state state = {0};
    struct dns_journal_zone known;
    if (keeper->store && keel_store_read(keeper->store) == 0) {
        if (dns_journal_find(&keeper->journal, &zone->kept.apex, &known) == 0)
            state = (struct dns_secondary_state){known.refreshed, known.expires};
        keel_store_read_end(keeper->store);
    }
    if (state.expires > 0)
        dns_keeper_tell_expires(&zone->kept, state.expires);
    return dns_secondaries_add(zone->kept.keeper->secondaries, &zone->kept, &state);
}

int dns_keeper_begin_secondaries(struct dns_keeper *keeper)
{
    int err = 0;
    for (unsigned i = 0; i < keeper->count && !err; i++)
        if (keeper->zones[i])
            err = dns_keeper_add_secondary(keeper->zones[i]);
    return err ? err : dns_secondaries_begin(keeper->secondaries);
}

void dns_keeper_hear_notify(struct dns_kept *kept, const struct dns_keeper_request *request,
                            const uint8_t *bytes, size_t size)
{
    struct dns_keeper *keeper = kept->keeper;
    dns_secondaries_notified(keeper->secondaries, kept, &request->peer, bytes, size);
    dns_keeper_reply(keeper, request, DNS_NOERROR, NULL, 0, NULL, 0);
}

static int refresh(struct keel_instance *instance, json_t *args, bool transfer,
                   struct keel_diag *diag)
{
    struct dns_keeper *keeper = instance->state;
    const struct keeper_zone *zone = dns_command_zone(instance, args, diag);
    return zone ? dns_secondaries_refresh(keeper->secondaries, &zone->kept, transfer, diag)
                : KEEL_ENOENT;
}

int dns_command_zone_refresh(struct keel_instance *instance, json_t *args, json_t **result,
                             struct keel_diag *diag)
{
    return refresh(instance, args, false, diag);
}

int dns_command_zone_retransfer(struct keel_instance *instance, json_t *args, json_t **result,
                                struct keel_diag *diag)
{
    return refresh(instance, args, true, diag);
}
