#include "dhcpd/wire/relay.h"

int dhcp_relay_parse(struct dhcp_relay *relay, struct dhcp_bytes value)
{
    *relay = (struct dhcp_relay){.link_selection = 0};
    if (value.n == 0)
        return 0;
    struct keel_reader r;
    keel_reader_init(&r, value.p, value.n);
    while (keel_reader_left(&r) > 0) {
        uint8_t code = keel_read_u8(&r), n = keel_read_u8(&r);
        const uint8_t *p = keel_read_bytes(&r, n);
        if (!p)
            return KEEL_EINVAL;
        switch (code) {
        case DHCP_RELAY_CIRCUIT_ID:
            relay->circuit_id = (struct dhcp_bytes){p, n};
            break;
        case DHCP_RELAY_REMOTE_ID:
            relay->remote_id = (struct dhcp_bytes){p, n};
            break;
        case DHCP_RELAY_LINK_SELECTION:
        case DHCP_RELAY_SERVER_OVERRIDE:
            if (n != 4)
                return KEEL_EINVAL;
            if (code == DHCP_RELAY_LINK_SELECTION)
                relay->link_selection = keel_get_u32(p);
            else
                relay->server_override = keel_get_u32(p);
            break;
        case DHCP_RELAY_SOURCE_PORT:
            if (n != 0)
                return KEEL_EINVAL;
            relay->source_port = true;
            break;
        default:
            break;
        }
    }
    return 0;
}
