#include "dhcpd/engine/reply.h"

#define IP_UDP_HEADERS 28
#define MESSAGE_DEFAULT (576 - IP_UDP_HEADERS) /* what every client takes: RFC 2131, 2 */
#define MESSAGE_LIMIT (1500 - IP_UDP_HEADERS)  /* what no link cuts in pieces */

/* How long the answer may be: option 57 counts the IP datagram (RFC 2132, 9.10). */
static size_t size_limit(const struct dhcp_message *request, size_t room)
{
    size_t limit = MESSAGE_DEFAULT;
    struct dhcp_bytes v = dhcp_message_option(request, DHCP_OPTION_MAX_SIZE);
    if (v.n == 2) {
        size_t wanted = keel_get_u16(v.p);
        if (wanted > MESSAGE_DEFAULT + IP_UDP_HEADERS)
            limit = wanted - IP_UDP_HEADERS;
    }
    if (limit > MESSAGE_LIMIT)
        limit = MESSAGE_LIMIT;
    return limit < room ? limit : room;
}

/* The options sent so far, so that none goes twice. */
struct sent {
    uint64_t bits[4];
};
static bool first_time(struct sent *sent, uint8_t code)
{
    uint64_t bit = 1ull << (code & 63), *word = &sent->bits[code >> 6];
    bool first = !(*word & bit);
    *word |= bit;
    return first;
}

/* One configured option, or one that follows from the subnet. */
static void add_configured(struct dhcp_builder *b, const struct dhcp_reply *reply,
                           struct sent *sent, uint8_t code)
{
    if (dhcp_option_is_internal(code) || !first_time(sent, code))
        return;
    const struct dhcp_subnet *s = reply->subnet;
    const struct dhcp_option_value *o = dhcp_options_get(&s->options, code);
    if (code == DHCP_OPTION_HOST_NAME && reply->reservation && reply->reservation->hostname.n)
        dhcp_builder_add(b, code, reply->reservation->hostname.p, reply->reservation->hostname.n);
    else if (o)
        dhcp_builder_add(b, code, o->value.p, o->value.n);
    else if (code == DHCP_OPTION_SUBNET_MASK)
        dhcp_builder_u32(b, code, s->mask);
    else if (code == DHCP_OPTION_BROADCAST && s->length < 31)
        dhcp_builder_u32(b, code, s->network | ~s->mask);
}

static void add_options(struct dhcp_builder *b, const struct dhcp_reply *reply,
                        const struct dhcp_message *request)
{
    struct sent sent = {{0}};
    /* the mask always, and before the routers (RFC 2132, 3.3) */
    add_configured(b, reply, &sent, DHCP_OPTION_SUBNET_MASK);
    struct dhcp_bytes wanted = dhcp_message_option(request, DHCP_OPTION_PARAMETER_LIST);
    for (unsigned i = 0; i < wanted.n; i++)
        add_configured(b, reply, &sent, wanted.p[i]);
    if (wanted.n > 0)
        return;
    /* a client that lists nothing gets what there is */
    if (reply->reservation)
        add_configured(b, reply, &sent, DHCP_OPTION_HOST_NAME);
    for (unsigned i = 0; i < reply->subnet->options.count; i++)
        add_configured(b, reply, &sent, reply->subnet->options.items[i].code);
}

size_t dhcp_reply_build(const struct dhcp_reply *reply, const struct dhcp_message *request,
                        uint8_t *out, size_t room)
{
    struct dhcp_header h = {
        .op = DHCP_REPLY_OP,
        .htype = request->htype,
        .hlen = request->hlen,
        .xid = request->xid,
        .flags = request->flags,
        .ciaddr = reply->type == DHCP_ACK ? request->ciaddr : 0,
        .yiaddr = reply->address,
        .giaddr = request->giaddr,
    };
    memcpy(h.chaddr, request->chaddr, sizeof h.chaddr);
    /* the client may have moved to another link: the relay has to broadcast (RFC 2131, 4.3.2) */
    if (reply->type == DHCP_NAK && request->giaddr)
        h.flags |= DHCP_FLAG_BROADCAST;
    struct dhcp_bytes relay = dhcp_message_option(request, DHCP_OPTION_RELAY_INFO);
    struct dhcp_bytes id = dhcp_message_option(request, DHCP_OPTION_CLIENT_ID);
    struct dhcp_builder b;
    dhcp_builder_init(&b, out, size_limit(request, room), &h, relay.n);
    dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)reply->type);
    dhcp_builder_u32(&b, DHCP_OPTION_SERVER_ID, reply->server);
    if (reply->lease_time) {
        dhcp_builder_u32(&b, DHCP_OPTION_LEASE_TIME, reply->lease_time);
        dhcp_builder_u32(&b, DHCP_OPTION_RENEWAL_TIME, reply->lease_time / 2);
        dhcp_builder_u32(&b, DHCP_OPTION_REBINDING_TIME, reply->lease_time - reply->lease_time / 8);
    }
    if (id.n)
        dhcp_builder_add(&b, DHCP_OPTION_CLIENT_ID, id.p, id.n); /* RFC 6842 */
    if (reply->message)
        dhcp_builder_add(&b, DHCP_OPTION_MESSAGE, reply->message, strlen(reply->message));
    if (reply->subnet)
        add_options(&b, reply, request);
    return dhcp_builder_finish(&b, relay.p, relay.n);
}
