#include "dhcpd/lease/lease.h"

#define RECORD_VERSION 1

const char *dhcp_lease_state_name(enum dhcp_lease_state state)
{
    switch (state) {
    case DHCP_LEASE_ACTIVE:
        return "active";
    case DHCP_LEASE_RELEASED:
        return "released";
    case DHCP_LEASE_DECLINED:
        return "declined";
    case DHCP_LEASE_EXPIRED:
        return "expired";
    }
    return "unknown";
}

int dhcp_identity(const struct dhcp_message *m, uint8_t *out)
{
    struct dhcp_bytes id = dhcp_message_option(m, DHCP_OPTION_CLIENT_ID);
    if (id.n > 0) {
        /* one octet of the key says which kind it is, so that the kinds never collide */
        if (id.n > DHCP_IDENTITY_MAX - 1)
            return KEEL_EINVAL;
        out[0] = 1;
        memcpy(out + 1, id.p, id.n);
        return id.n + 1;
    }
    if (m->hlen == 0)
        return KEEL_EINVAL;
    out[0] = 0;
    out[1] = m->htype;
    memcpy(out + 2, m->chaddr, m->hlen);
    return m->hlen + 2;
}

bool dhcp_client_equal(const struct dhcp_client *a, const struct dhcp_client *b)
{
    return a->network == b->network && a->length == b->length &&
           dhcp_bytes_equal(a->identity, b->identity);
}

size_t dhcp_lease_encode(const struct dhcp_lease *lease, uint8_t *out)
{
    struct keel_writer w;
    keel_writer_init(&w, out, DHCP_LEASE_MAX);
    keel_write_u8(&w, RECORD_VERSION);
    keel_write_u8(&w, (uint8_t)lease->state);
    keel_write_u8(&w, lease->htype);
    keel_write_u8(&w, lease->hlen);
    keel_write_u32(&w, lease->address);
    keel_write_u32(&w, lease->client.network);
    keel_write_u8(&w, lease->client.length);
    keel_write_u8(&w, (uint8_t)lease->client.identity.n);
    keel_write_u8(&w, (uint8_t)lease->hostname.n);
    keel_write_u8(&w, (uint8_t)lease->relay.n);
    keel_write_u64(&w, lease->granted);
    keel_write_u64(&w, lease->expires);
    keel_write_bytes(&w, lease->chaddr, 16);
    keel_write_u32(&w, 0);
    keel_write_bytes(&w, lease->client.identity.p, (uint8_t)lease->client.identity.n);
    keel_write_bytes(&w, lease->hostname.p, (uint8_t)lease->hostname.n);
    keel_write_bytes(&w, lease->relay.p, (uint8_t)lease->relay.n);
    KEEL_ASSERT(!w.bad, "a lease record fits its largest size");
    return keel_writer_offset(&w);
}

int dhcp_lease_decode(struct dhcp_lease *lease, const void *record, size_t size)
{
    struct keel_reader r;
    keel_reader_init(&r, record, size);
    uint8_t version = keel_read_u8(&r);
    uint8_t state = keel_read_u8(&r);
    lease->state = (enum dhcp_lease_state)state;
    lease->htype = keel_read_u8(&r);
    lease->hlen = keel_read_u8(&r);
    lease->address = keel_read_u32(&r);
    lease->client.network = keel_read_u32(&r);
    lease->client.length = keel_read_u8(&r);
    lease->client.identity.n = keel_read_u8(&r);
    lease->hostname.n = keel_read_u8(&r);
    lease->relay.n = keel_read_u8(&r);
    lease->granted = keel_read_u64(&r);
    lease->expires = keel_read_u64(&r);
    const uint8_t *chaddr = keel_read_bytes(&r, 16);
    keel_read_u32(&r);
    lease->client.identity.p = keel_read_bytes(&r, lease->client.identity.n);
    lease->hostname.p = keel_read_bytes(&r, lease->hostname.n);
    lease->relay.p = keel_read_bytes(&r, lease->relay.n);
    if (r.bad || keel_reader_left(&r) > 0 || version != RECORD_VERSION || lease->hlen > 16 ||
        lease->client.length > 32 || state < DHCP_LEASE_ACTIVE || state > DHCP_LEASE_EXPIRED)
        return KEEL_EINVAL;
    memcpy(lease->chaddr, chaddr, 16);
    return 0;
}

size_t dhcp_client_key(const struct dhcp_client *client, uint8_t *out)
{
    KEEL_ASSERT(client->identity.n <= DHCP_IDENTITY_MAX, "an identity fits its largest size");
    keel_put_u32(out, client->network);
    out[4] = client->length;
    memcpy(out + 5, client->identity.p, client->identity.n);
    return 5u + client->identity.n;
}
