/*
 * Links: replies to clients that have no address yet, by their hardware address.
 */
#ifndef DHCPD_SERVE_LINK_H
#define DHCPD_SERVE_LINK_H

#include "common/base/addr.h"
#include "common/runtime/packet.h"

#define DHCP_LINKS 16

/* What is known of the links used last: asking the kernel costs more than a whole exchange. */
struct dhcp_links {
    int fd;    /* the master's packet socket; -1: there is none */
    bool told; /* that there is none */
    unsigned next;
    struct {
        unsigned index; /* 0: unused */
        uint64_t until; /* monotonic ns: then it is asked for again */
        bool ethernet;
        uint8_t hardware[KEEL_MAC_SIZE];
    } known[DHCP_LINKS];
};

void dhcp_links_init(struct dhcp_links *links);
/* Sends a datagram out of an interface to a hardware address. now: monotonic ns. 0; KEEL_ENOTSUP
 * when it cannot be done here (no packet socket, no Ethernet) and a broadcast has to do; or
 * KEEL_EAGAIN, KEEL_ESYS when the frame is lost. */
int dhcp_links_send(struct dhcp_links *links, unsigned interface, const uint8_t *hardware,
                    const struct keel_addr *from, const struct keel_addr *to, const uint8_t *bytes,
                    size_t size, uint64_t now);

#endif
