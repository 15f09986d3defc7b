/*
 * The backlog: new clients that wait while more messages come than can be answered at once. Who has
 * an address already is served first; when too many wait, the one that waits for longest is
 * dropped: it has asked again meanwhile.
 */
#ifndef DHCPD_SERVE_BACKLOG_H
#define DHCPD_SERVE_BACKLOG_H

#include "common/service/module.h"

struct dhcp_serve;
struct dhcp_backlog;

/* Returns new; NULL: no memory. */
struct dhcp_backlog *dhcp_backlog_new(struct dhcp_serve *serve);
/* NULL is nothing. Who waits is forgotten. */
void dhcp_backlog_free(struct dhcp_backlog *backlog);
/* The message waits for a free moment of the loop. False: it is too long for that. *dropped:
 * another one made room. */
bool dhcp_backlog_add(struct dhcp_backlog *backlog, const struct keel_endpoint *endpoint,
                      const struct keel_datagram *datagram, bool *dropped);
/* A few of those who wait; after each full batch. */
void dhcp_backlog_turn(struct dhcp_backlog *backlog);

#endif
