/*
 * Admission: which messages are worth a decision, and which go first, from a glance at their fixed
 * part. A token bucket for each client (by its hardware address) and for each relay, in tables of a
 * fixed size, bounds what one of them costs the others. Pure: time is an argument.
 */
#ifndef DHCPD_ENGINE_ADMIT_H
#define DHCPD_ENGINE_ADMIT_H

#include "common/base/clients.h"
#include "common/base/clock.h"
#include "dhcpd/wire/message.h"

struct dhcp_admission {
    struct keel_clients clients, relays;
    struct keel_rate client, relay; /* interval_ns 0: no limit */
    struct keel_hash_key secret;
};

enum dhcp_admit {
    DHCP_ADMIT_FIRST, /* from a client that has an address, or was offered one */
    DHCP_ADMIT_LATER, /* a DISCOVER: the client is new */
    DHCP_REFUSE_CLIENT,
    DHCP_REFUSE_RELAY,
};

/* Messages a second; 0: no limit. 0 or KEEL_ENOMEM. */
int dhcp_admission_init(struct dhcp_admission *admission, uint32_t client_rate, uint32_t relay_rate,
                        struct keel_hash_key secret);
void dhcp_admission_fini(struct dhcp_admission *admission);
/* peer: host order, of the relay that sent it. now: monotonic ns. What is no DHCP message is
 * admitted first: the decision that it is none is cheap. */
enum dhcp_admit dhcp_admit(struct dhcp_admission *admission, const uint8_t *bytes, size_t size,
                           uint32_t peer, uint64_t now);

#endif
