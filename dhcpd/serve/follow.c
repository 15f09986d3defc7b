#include "dhcpd/serve/follow.h"

#include "common/service/log.h"

/* Kept for the messages of a batch. What is beyond it is for expired leases, and for the batches of
 * a group before: few messages make more than one event. */
#define KEPT (KEEL_DGRAM_BATCH * DHCP_EVENTS_PER_MESSAGE)
#define CAPACITY (KEPT + 512)

int dhcp_follow_open(struct dhcp_follow *follow, struct keel_instance *instance,
                     struct keel_store *env, const struct dhcp_settings *settings,
                     struct keel_diag *diag)
{
    follow->hooks.instance = instance;
    follow->hooks.events = settings->hook_events;
    if (!settings->ddns && !settings->hook_events)
        return 0;
    if (dhcp_events_init(&follow->events, CAPACITY) != 0)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    return !settings->ddns
               ? 0
               : dhcp_updater_new(instance, env, settings->ddns, &follow->updater, diag);
}

void dhcp_follow_close(struct dhcp_follow *follow)
{
    dhcp_updater_free(follow->updater);
    follow->updater = NULL;
    dhcp_events_fini(&follow->events);
}

bool dhcp_follow_room(const struct dhcp_follow *follow)
{
    return !follow->events.items || dhcp_events_room(&follow->events) >= KEPT;
}

void dhcp_follow_settle(struct dhcp_follow *follow, struct dhcp_engine *engine, bool all)
{
    if (!follow->events.items || !(all || dhcp_engine_unsettled(engine)))
        return;
    follow->events.capacity -= KEPT;
    dhcp_engine_settle(engine, all); /* an error is the commit's too */
    follow->events.capacity += KEPT;
    dhcp_follow_write(follow);
}

void dhcp_follow_write(struct dhcp_follow *follow)
{
    for (; follow->written < follow->events.count; follow->written++) {
        const struct dhcp_event *event = &follow->events.items[follow->written];
        if (follow->updater && dhcp_updater_follow(follow->updater, event) == KEEL_ENOTSUP)
            keel_error("ddns", "libcrypto has no SHA-256: no names", "event=%s",
                       dhcp_event_name(event->type));
    }
}

void dhcp_follow_done(struct dhcp_follow *follow)
{
    if (follow->events.count == 0)
        return;
    for (unsigned i = 0; i < follow->events.count; i++)
        dhcp_hooks_tell(&follow->hooks, &follow->events.items[i]);
    follow->events.count = follow->written = 0;
    if (follow->updater)
        dhcp_updater_run(follow->updater);
}

void dhcp_follow_lost(struct dhcp_follow *follow, struct dhcp_engine *engine,
                      struct keel_store *env)
{
    unsigned count = follow->events.count;
    follow->events.count = follow->written = 0;
    if (count == 0 || keel_store_read(env) != 0)
        return;
    for (unsigned i = 0; i < count; i++) {
        struct dhcp_lease lease;
        dhcp_event_lease(&follow->events.items[i], &lease);
        dhcp_engine_resync(engine, lease.address);
    }
    keel_store_read_end(env);
}
