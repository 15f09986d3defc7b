#include "dhcpd/engine/reply.h"

#define IP_UDP_HEADERS 28
#define MESSAGE_DEFAULT (576 - IP_UDP_HEADERS) /* what every client takes: RFC 2131, 2 */
#define MESSAGE_BOOTP 300                      /* RFC 1542, 2.1 */
#define MESSAGE_LIMIT (1500 - IP_UDP_HEADERS)  /* what no link cuts in pieces */

/* How long the answer may be: option 57 counts the IP datagram (RFC 2132, 9.10). */
static size_t size_limit(const struct dhcp_message *request, size_t room)
{
    size_t limit = request->type == DHCP_NONE ? MESSAGE_BOOTP : MESSAGE_DEFAULT;
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

/* What is being put together. */
struct answer {
    struct dhcp_builder b;
    const struct dhcp_reply *reply;
    const struct dhcp_message *request;
    struct dhcp_bytes vendor_class; /* of the client */
    struct sent sent;
};

/* Option 125: what the levels have for enterprises, each from the first level that has some
 * (RFC 3925, 4). The client's own numbers are not asked for: few clients send them. */
static void add_vendor_options(struct answer *a)
{
    const struct dhcp_levels *levels = a->reply->levels;
    uint8_t value[1024];
    struct keel_writer w;
    keel_writer_init(&w, value, sizeof value);
    for (unsigned i = 0; i < levels->count; i++) {
        const struct dhcp_policy *p = levels->list[i];
        for (unsigned k = 0; k < p->vendor_count; k++) {
            const struct dhcp_vendor_value *v = &p->vendors[k];
            bool said = false;
            for (const uint8_t *q = value; q < w.next; q += 5 + q[4])
                said = said || keel_get_u32(q) == v->enterprise;
            if (v->class.n > 0 || said || keel_writer_left(&w) < 5u + v->value.n)
                continue;
            keel_write_u32(&w, v->enterprise);
            keel_write_u8(&w, (uint8_t)v->value.n);
            keel_write_bytes(&w, v->value.p, v->value.n);
        }
    }
    if (keel_writer_offset(&w) > 0)
        dhcp_builder_add(&a->b, DHCP_OPTION_VENDOR_OPTIONS, value, keel_writer_offset(&w));
}

/* What follows from the subnet or from fields of the header, where no level says the option. */
static void add_derived(struct answer *a, uint8_t code)
{
    const struct dhcp_reply *reply = a->reply;
    const struct dhcp_subnet *s = reply->subnet;
    struct dhcp_bytes v = {NULL, 0};
    switch (code) {
    case DHCP_OPTION_SUBNET_MASK:
        dhcp_builder_u32(&a->b, code, s->mask);
        break;
    case DHCP_OPTION_BROADCAST:
        if (s->length < 31)
            dhcp_builder_u32(&a->b, code, s->network | ~s->mask);
        break;
    case DHCP_OPTION_TFTP_SERVER:
        v = dhcp_levels_server_name(reply->levels);
        break;
    case DHCP_OPTION_BOOT_FILE:
        v = dhcp_levels_boot_file(reply->levels);
        break;
    case DHCP_OPTION_VENDOR_OPTIONS:
        add_vendor_options(a);
        break;
    default:
        break;
    }
    if (v.n)
        dhcp_builder_add(&a->b, code, v.p, v.n);
}

/* One option, once, if there is something to say. */
static void add_configured(struct answer *a, uint8_t code)
{
    if (dhcp_option_is_internal(code) || !first_time(&a->sent, code))
        return;
    const struct dhcp_reservation *r = a->reply->reservation;
    struct dhcp_bytes v = code == DHCP_OPTION_VENDOR
                              ? dhcp_levels_vendor(a->reply->levels, a->vendor_class)
                              : dhcp_levels_option(a->reply->levels, code);
    if (code == DHCP_OPTION_HOST_NAME && r && r->hostname.n)
        v = r->hostname;
    if (v.p)
        dhcp_builder_add(&a->b, code, v.p, v.n);
    else
        add_derived(a, code);
}

/* What a level wants sent whether it is asked for or not. */
static void add_always(struct answer *a)
{
    for (unsigned i = 0; i < a->reply->levels->count; i++) {
        const struct dhcp_policy *p = a->reply->levels->list[i];
        for (unsigned word = 0; word < 4; word++)
            for (uint64_t bits = p->always[word]; bits; bits &= bits - 1)
                add_configured(a, (uint8_t)(word * 64 + (unsigned)__builtin_ctzll(bits)));
    }
}

/* All that there is, the least specific first, for a client that lists nothing. */
static void add_all(struct answer *a)
{
    const struct dhcp_levels *levels = a->reply->levels;
    if (a->reply->reservation)
        add_configured(a, DHCP_OPTION_HOST_NAME);
    /* only who asks for it may be told to do without IPv4 (RFC 8925, 3.3) */
    first_time(&a->sent, DHCP_OPTION_IPV6_ONLY);
    for (unsigned i = levels->count; i-- > 0;) {
        const struct dhcp_policy *p = levels->list[i];
        for (unsigned k = 0; k < p->options.count; k++)
            add_configured(a, p->options.items[k].code);
        for (unsigned k = 0; k < p->vendor_count; k++)
            add_configured(a,
                           p->vendors[k].class.n ? DHCP_OPTION_VENDOR : DHCP_OPTION_VENDOR_OPTIONS);
    }
}

static void add_options(struct answer *a)
{
    /* the mask always, and before the routers (RFC 2132, 3.3) */
    add_configured(a, DHCP_OPTION_SUBNET_MASK);
    struct dhcp_bytes wanted = dhcp_message_option(a->request, DHCP_OPTION_PARAMETER_LIST);
    for (unsigned i = 0; i < wanted.n; i++)
        add_configured(a, wanted.p[i]);
    add_always(a);
    if (dhcp_levels_boot_file(a->reply->levels).n >= DHCP_FILE_SIZE)
        add_configured(a, DHCP_OPTION_BOOT_FILE); /* the field is too short for it */
    if (wanted.n == 0)
        add_all(a);
}

/* The fields of the header that say where to start from. One that does not fit goes out as an
 * option. */
static void set_boot(struct answer *a, struct dhcp_header *h)
{
    struct dhcp_bytes name = dhcp_levels_server_name(a->reply->levels),
                      file = dhcp_levels_boot_file(a->reply->levels);
    h->siaddr = dhcp_levels_next_server(a->reply->levels);
    if (name.n < DHCP_SNAME_SIZE)
        h->sname = name;
    if (file.n < DHCP_FILE_SIZE)
        h->file = file;
}

/* What makes it DHCP. */
static void add_protocol(struct answer *a)
{
    const struct dhcp_reply *reply = a->reply;
    struct dhcp_builder *b = &a->b;
    uint32_t time = reply->lease_time;
    struct dhcp_bytes id = dhcp_message_option(a->request, DHCP_OPTION_CLIENT_ID),
                      selection = dhcp_message_option(a->request, DHCP_OPTION_SUBNET_SELECTION);
    dhcp_builder_u8(b, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)reply->type);
    dhcp_builder_u32(b, DHCP_OPTION_SERVER_ID, reply->server);
    if (time) {
        dhcp_builder_u32(b, DHCP_OPTION_LEASE_TIME, time);
        uint32_t renewal, rebinding;
        dhcp_levels_renewal(reply->levels, time, &renewal, &rebinding);
        dhcp_builder_u32(b, DHCP_OPTION_RENEWAL_TIME, renewal);
        dhcp_builder_u32(b, DHCP_OPTION_REBINDING_TIME, rebinding);
    }
    if (reply->rapid)
        dhcp_builder_add(b, DHCP_OPTION_RAPID_COMMIT, NULL, 0);
    if (id.n)
        dhcp_builder_add(b, DHCP_OPTION_CLIENT_ID, id.p, id.n); /* RFC 6842 */
    if (selection.n && reply->levels)                           /* it was obeyed: RFC 3011, 3 */
        dhcp_builder_add(b, DHCP_OPTION_SUBNET_SELECTION, selection.p, selection.n);
}

size_t dhcp_reply_build(const struct dhcp_reply *reply, const struct dhcp_message *request,
                        uint8_t *out, size_t room)
{
    struct answer a = {
        .reply = reply,
        .request = request,
        .vendor_class = dhcp_message_option(request, DHCP_OPTION_VENDOR_CLASS),
    };
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
    if (reply->levels)
        set_boot(&a, &h);
    /* the client may have moved to another link: the relay has to broadcast (RFC 2131, 4.3.2) */
    if (reply->type == DHCP_NAK && request->giaddr)
        h.flags |= DHCP_FLAG_BROADCAST;
    struct dhcp_bytes relay = dhcp_message_option(request, DHCP_OPTION_RELAY_INFO);
    struct dhcp_builder *b = &a.b;
    dhcp_builder_init(b, out, size_limit(request, room), &h, relay.n);
    if (!reply->bootp)
        add_protocol(&a);
    if (reply->message)
        dhcp_builder_add(b, DHCP_OPTION_MESSAGE, reply->message, strlen(reply->message));
    if (reply->fqdn && reply->fqdn->asked && first_time(&a.sent, DHCP_OPTION_FQDN)) {
        uint8_t value[DHCP_FQDN_OPTION_MAX];
        dhcp_builder_add(b, DHCP_OPTION_FQDN, value, dhcp_fqdn_option(reply->fqdn, value));
    }
    if (reply->levels)
        add_options(&a);
    return dhcp_builder_finish(b, relay.p, relay.n);
}
