#include "dhcpd/engine/event.h"

#include "common/base/mem.h"

const char *dhcp_event_name(enum dhcp_event_type type)
{
    static const char *const names[DHCP_EVENTS] = {
        "granted", "renewed", "released", "declined", "expired", "deleted",
    };
    return type < DHCP_EVENTS ? names[type] : "unknown";
}

void dhcp_event_lease(const struct dhcp_event *event, struct dhcp_lease *lease)
{
    int err = dhcp_lease_decode(lease, event->record, event->size);
    KEEL_ASSERT(err == 0, "an event holds a record that was encoded here");
}

int dhcp_events_init(struct dhcp_events *events, unsigned capacity)
{
    *events = (struct dhcp_events){.capacity = capacity};
    events->items = keel_calloc(capacity, sizeof *events->items);
    return events->items ? 0 : KEEL_ENOMEM;
}

void dhcp_events_fini(struct dhcp_events *events)
{
    keel_free(events->items);
    *events = (struct dhcp_events){.count = 0};
}

void dhcp_events_add(struct dhcp_events *events, enum dhcp_event_type type,
                     const struct dhcp_lease *lease, const struct dhcp_fqdn *fqdn)
{
    if (!events)
        return;
    KEEL_ASSERT(dhcp_events_room(events) > 0, "whoever listens leaves room for a message's events");
    struct dhcp_event *event = &events->items[events->count++];
    event->type = type;
    event->fqdn.forward = event->fqdn.reverse = event->fqdn.asked = false;
    event->fqdn.size = 0;
    if (fqdn)
        event->fqdn = *fqdn;
    event->size = (uint16_t)dhcp_lease_encode(lease, event->record);
}
