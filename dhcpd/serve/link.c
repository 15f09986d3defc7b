#include "dhcpd/serve/link.h"

#include "common/base/clock.h"
#include "common/service/log.h"

#include <net/if_arp.h>
#include <string.h>

#define LINK_VALID (5 * KEEL_NS_PER_S)

void dhcp_links_init(struct dhcp_links *links)
{
    *links = (struct dhcp_links){.fd = -1};
}

/* Index into known; -1 when the kernel does not know the interface. */
static int look_up(struct dhcp_links *links, unsigned interface, uint64_t now)
{
    unsigned at = DHCP_LINKS;
    for (unsigned i = 0; i < DHCP_LINKS; i++) {
        if (links->known[i].index == interface && links->known[i].until > now)
            return (int)i;
        if (links->known[i].index == interface)
            at = i;
    }
    struct keel_interface found;
    if (keel_interface_by_index(interface, &found) != 0)
        return -1;
    if (at == DHCP_LINKS)
        at = links->next++ % DHCP_LINKS;
    links->known[at].index = interface;
    links->known[at].until = now + LINK_VALID;
    links->known[at].ethernet = found.hardware_type == ARPHRD_ETHER;
    memcpy(links->known[at].hardware, found.hardware, KEEL_MAC_SIZE);
    return (int)at;
}

int dhcp_links_send(struct dhcp_links *links, unsigned interface, const uint8_t *hardware,
                    const struct keel_addr *from, const struct keel_addr *to, const uint8_t *bytes,
                    size_t size, uint64_t now)
{
    if (links->fd < 0) {
        if (!links->told)
            keel_notice("serve",
                        "no packet socket, clients without an address are answered by "
                        "broadcast",
                        "interface=%u", interface);
        links->told = true;
        return KEEL_ENOTSUP;
    }
    int at = interface ? look_up(links, interface, now) : -1;
    if (at < 0 || !links->known[at].ethernet)
        return KEEL_ENOTSUP;
    struct keel_udp_frame frame = {.from = *from, .to = *to, .payload = bytes, .size = size};
    memcpy(frame.source, links->known[at].hardware, KEEL_MAC_SIZE);
    memcpy(frame.destination, hardware, KEEL_MAC_SIZE);
    return keel_packet_send_udp(links->fd, interface, &frame);
}
