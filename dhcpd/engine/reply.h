/*
 * Replies: the message for a decision (RFC 2131, 4.3.1 table 3).
 */
#ifndef DHCPD_ENGINE_REPLY_H
#define DHCPD_ENGINE_REPLY_H

#include "dhcpd/engine/fqdn.h"

struct dhcp_reply {
    enum dhcp_type type;
    uint32_t server;                            /* identifier, host order */
    uint32_t address;                           /* yiaddr; 0 for NAK and the ACK to an INFORM */
    uint32_t lease_time;                        /* seconds; 0: no lease in it */
    const struct dhcp_subnet *subnet;           /* NULL for NAK */
    const struct dhcp_levels *levels;           /* what applies; NULL for NAK */
    const struct dhcp_reservation *reservation; /* NULL: none */
    const char *message;                        /* NAK: why; NULL: none */
    bool rapid;                                 /* an ACK to a DISCOVER (RFC 4039) */
    bool bootp;                   /* to a client of BOOTP: type and times mean nothing */
    const struct dhcp_fqdn *fqdn; /* option 81; NULL: none */
};

/* Builds the answer to a request into out[0..room), room >= DHCP_MESSAGE_MIN, no longer than the
 * client takes. Options that do not fit are left out, the least wanted first. Returns its size. */
size_t dhcp_reply_build(const struct dhcp_reply *reply, const struct dhcp_message *request,
                        uint8_t *out, size_t room);

#endif
