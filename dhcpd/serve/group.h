/*
 * A group: messages that are decided one after the other, made durable with one commit, and only
 * then answered. It takes what waits in a socket, batch by batch, so that under load one wait for
 * the disk serves hundreds of clients; it is closed when the running callback of the loop ends at
 * the latest. Nobody waits for others to come.
 */
#ifndef DHCPD_SERVE_GROUP_H
#define DHCPD_SERVE_GROUP_H

#include "common/service/module.h"
#include "dhcpd/engine/engine.h"

#define DHCP_REPLY_ROOM 1472 /* what no Ethernet link cuts in pieces */
#define DHCP_GROUP_BATCHES 8
#define DHCP_GROUP_MAX (DHCP_GROUP_BATCHES * KEEL_DGRAM_BATCH)

struct dhcp_serve;

struct dhcp_group {
    struct dhcp_serve *serve;
    struct keel_task task; /* closes it */
    bool open;             /* and so is a batch of the store */
    unsigned count;
    const struct keel_endpoint *endpoint; /* of the last reply, and where that was sent */
    struct keel_dgram *dgram;
    struct dhcp_decision decisions[DHCP_GROUP_MAX];
    const struct keel_endpoint *endpoints[DHCP_GROUP_MAX];
    struct keel_datagram requests[DHCP_GROUP_MAX]; /* without their bytes */
    uint8_t replies[DHCP_GROUP_MAX][DHCP_REPLY_ROOM];
};

/* Returns new; NULL: no memory. */
struct dhcp_group *dhcp_group_new(struct dhcp_serve *serve);
/* NULL is nothing. What is open is closed. */
void dhcp_group_free(struct dhcp_group *group);
/* Room for a batch of messages, in the open group or in a new one. 0, or an error of the store:
 * nothing can be promised now. */
int dhcp_group_open(struct dhcp_group *group);
/* Takes the next place, for the answer to this message. Returns its index: its decision and its
 * reply are the caller's to fill in. */
unsigned dhcp_group_add(struct dhcp_group *group, const struct keel_endpoint *endpoint,
                        const struct keel_datagram *request);
/* Commits what is open and sends the replies; what was to be promised and is not on disk is
 * withheld. */
void dhcp_group_close(struct dhcp_group *group);

#endif
