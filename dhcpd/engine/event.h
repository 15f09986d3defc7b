/*
 * What happened to leases: the short list that decisions leave behind for those who follow them
 * (names in the DNS, hooks, modules). An event is true only once its batch is committed.
 *
 *   (no lease) ──granted──▶ active ──renewed──▶ active ──released, declined, expired, deleted──▶
 */
#ifndef DHCPD_ENGINE_EVENT_H
#define DHCPD_ENGINE_EVENT_H

#include "dhcpd/engine/fqdn.h"
#include "dhcpd/lease/lease.h"

enum dhcp_event_type {
    DHCP_EVENT_GRANTED,  /* an address to a client that did not have it */
    DHCP_EVENT_RENEWED,  /* the same again, with a new end */
    DHCP_EVENT_RELEASED, /* given back, or exchanged for another */
    DHCP_EVENT_DECLINED, /* somebody else was found using it */
    DHCP_EVENT_EXPIRED,  /* its time passed; told once, some seconds later */
    DHCP_EVENT_DELETED,  /* an operator removed it */
    DHCP_EVENTS
};
/* "granted"; static. */
const char *dhcp_event_name(enum dhcp_event_type type);

struct dhcp_event {
    enum dhcp_event_type type;
    struct dhcp_fqdn fqdn; /* granted and renewed: the name that it is to have */
    uint16_t size;         /* of the record */
    uint8_t record[DHCP_LEASE_MAX];
};
/* The lease as it is after the event, with the client that had it. Borrows the event. */
void dhcp_event_lease(const struct dhcp_event *event, struct dhcp_lease *lease);

/* The events of a batch, oldest first. Whoever listens makes it and empties it. */
struct dhcp_events {
    struct dhcp_event *items;
    unsigned count, capacity;
};
/* A message makes no more than this: an old holder's end, the client's other addresses (as many as
 * a decision can change beside its own), its grant. */
#define DHCP_EVENTS_PER_MESSAGE 5

/* 0 or KEEL_ENOMEM. */
int dhcp_events_init(struct dhcp_events *events, unsigned capacity);
void dhcp_events_fini(struct dhcp_events *events);
static inline unsigned dhcp_events_room(const struct dhcp_events *events)
{
    return events->capacity - events->count;
}
/* Copies. There is room. Nothing happens when events is NULL: nobody listens. fqdn may be NULL. */
void dhcp_events_add(struct dhcp_events *events, enum dhcp_event_type type,
                     const struct dhcp_lease *lease, const struct dhcp_fqdn *fqdn);

#endif
