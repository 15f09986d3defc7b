/*
 * Ports to engine and back: datagrams are decided, made durable in groups, and only then answered.
 */
#ifndef DHCPD_SERVE_SERVE_H
#define DHCPD_SERVE_SERVE_H

#include "common/service/module.h"
#include "dhcpd/engine/admit.h"
#include "dhcpd/engine/engine.h"
#include "dhcpd/serve/backlog.h"
#include "dhcpd/serve/durable.h"
#include "dhcpd/serve/follow.h"
#include "dhcpd/serve/group.h"
#include "dhcpd/serve/link.h"
#include "dhcpd/serve/pools.h"
#include "dhcpd/serve/probe.h"

/* A worker's state. Standbys have it too, with store and engine not there yet. */
struct dhcp_serve {
    struct keel_instance *instance;
    struct dhcp_durable durable;
    struct dhcp_engine *engine; /* NULL: standby */
    struct dhcp_follow follow;
    struct keel_prng prng;
    struct keel_timer tick;
    struct dhcp_links links;
    struct dhcp_pool_watch watch;
    struct dhcp_probes *probes; /* NULL: none */
    struct dhcp_admission admission;
    struct dhcp_backlog *backlog; /* NULL: standby, or leaving */
    struct dhcp_group *group;     /* NULL: standby */
};

/* For struct keel_protocol. */
int dhcp_serve_start(struct keel_instance *instance, struct keel_diag *diag);
int dhcp_serve_activate(struct keel_instance *instance, struct keel_diag *diag);
void dhcp_serve_drain(struct keel_instance *instance);
void dhcp_serve_helper(struct keel_instance *instance, unsigned helper, bool up);
void dhcp_serve_helper_message(struct keel_instance *instance, unsigned helper,
                               struct keel_message *message);
void dhcp_serve_stop(struct keel_instance *instance);
void dhcp_serve_batch(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                      struct keel_dgram *d, struct keel_datagram *batch, unsigned count);
void dhcp_serve_descriptor(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                           int fd);

/* For the backlog: messages that waited, of one port. */
void dhcp_serve_later(struct dhcp_serve *s, const struct keel_endpoint *endpoint,
                      struct keel_datagram *batch, unsigned count);
/* For probes. A message that waited is heard again; silent: the address where nobody is, 0:
 * somebody is there. */
void dhcp_serve_again(struct dhcp_serve *s, const struct keel_endpoint *endpoint,
                      struct keel_datagram *datagram, uint32_t silent);
/* Nobody gets this address for a while. */
void dhcp_serve_quarantine(struct dhcp_serve *s, uint32_t address);

#endif
