/*
 * Probes: a client that is to be offered an address which nobody had before waits, for a bounded
 * time, while the address is asked whether somebody is there; by ARP on the client's own link, by
 * ICMP echo behind a relay. Nobody else waits.
 */
#ifndef DHCPD_SERVE_PROBE_H
#define DHCPD_SERVE_PROBE_H

#include "common/service/module.h"

struct dhcp_serve;
struct dhcp_probes;

/* Returns new; NULL: no memory. wait: ns. */
struct dhcp_probes *dhcp_probes_new(struct dhcp_serve *serve, uint64_t wait);
/* NULL is nothing. Clients that wait are forgotten: they ask again. */
void dhcp_probes_free(struct dhcp_probes *probes);
/* A socket of KEEL_ENDPOINT_ARP or KEEL_ENDPOINT_ECHO; stays the caller's. */
void dhcp_probes_descriptor(struct dhcp_probes *probes, enum keel_endpoint_kind kind, int fd);
/* True when the sender of this datagram can wait for a probe. probes may be NULL. */
bool dhcp_probes_can(const struct dhcp_probes *probes, const struct keel_datagram *datagram);
/* Its sender waits for a probe of the address from now on, or still. hardware: its own, of
 * KEEL_MAC_SIZE octets, which does not count as somebody else; NULL: not Ethernet. */
void dhcp_probes_begin(struct dhcp_probes *probes, const struct keel_endpoint *endpoint,
                       const struct keel_datagram *datagram, uint32_t address,
                       const uint8_t *hardware);

#endif
