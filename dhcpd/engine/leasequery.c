#include "dhcpd/engine/leasequery.h"

/* Other addresses of a client that are told of. */
#define ASSOCIATED_MAX 32

/* What was found. */
struct finding {
    enum dhcp_type type;
    uint32_t address;
    struct dhcp_lease lease;         /* ACTIVE */
    uint8_t bytes[3 * 255];          /* that the lease borrows */
    uint32_t others[ASSOCIATED_MAX]; /* leased to the same client */
    unsigned other_count;
};

static bool may_ask(const struct dhcp_config *config, uint32_t address)
{
    for (unsigned i = 0; i < config->querier_count; i++)
        if ((address & config->queriers[i].mask) == config->queriers[i].network)
            return true;
    return false;
}

/* Copies what borrows of the store. */
static uint8_t *keep(struct dhcp_bytes *value, uint8_t *to)
{
    if (value->n > 0)
        memcpy(to, value->p, value->n);
    value->p = to;
    return to + value->n;
}

static void take(struct finding *f, const struct dhcp_lease *lease)
{
    f->type = DHCP_LEASEACTIVE;
    f->address = lease->address;
    f->lease = *lease;
    keep(&f->lease.hostname, keep(&f->lease.client.identity, keep(&f->lease.relay, f->bytes)));
}

/* The active lease of an address. 0; KEEL_ENOENT: there is none; or an error of the store. */
static int find_active(const struct dhcp_exchange *x, uint32_t address, struct dhcp_lease *lease)
{
    struct dhcp_store *store = x->engine->env.store;
    int err = store->get(store, address, lease);
    if (err == KEEL_EINVAL)
        return KEEL_ENOENT;
    if (!err && (lease->state != DHCP_LEASE_ACTIVE || lease->expires <= x->now))
        return KEEL_ENOENT;
    return err;
}

static int by_address(const struct dhcp_exchange *x, uint32_t address, struct finding *f)
{
    struct dhcp_lease lease;
    f->address = address;
    f->type = dhcp_config_by_address(x->engine->env.config, address) ? DHCP_LEASEUNASSIGNED
                                                                     : DHCP_LEASEUNKNOWN;
    int err = find_active(x, address, &lease);
    if (!err)
        take(f, &lease);
    return err == KEEL_ENOENT ? 0 : err;
}

/* Notes one more lease of the client: the youngest is told, the others are named. */
static void add(struct finding *f, const struct dhcp_lease *lease)
{
    if (f->type != DHCP_LEASEACTIVE) {
        take(f, lease);
        return;
    }
    if (lease->address == f->address)
        return;
    uint32_t other = lease->address;
    if (lease->granted > f->lease.granted) {
        other = f->address;
        take(f, lease);
    }
    if (f->other_count < ASSOCIATED_MAX)
        f->others[f->other_count++] = other;
}

/* In every subnet: the table of clients goes by subnet. */
static int by_identity(const struct dhcp_exchange *x, struct dhcp_bytes identity, struct finding *f)
{
    const struct dhcp_config *config = x->engine->env.config;
    struct dhcp_store *store = x->engine->env.store;
    for (unsigned i = 0; i < config->subnet_count; i++) {
        const struct dhcp_client client = {config->subnets[i].network, config->subnets[i].length,
                                           identity};
        struct dhcp_lease lease;
        uint32_t address;
        int err = store->find(store, &client, &address);
        if (!err)
            err = find_active(x, address, &lease);
        if (err && err != KEEL_ENOENT)
            return err;
        if (!err && dhcp_bytes_equal(lease.client.identity, identity))
            add(f, &lease);
    }
    return 0;
}

/* A hardware address finds those that have no identifier, or one that is made of it, as most are:
 * the table of clients goes by identity. */
static int by_client(const struct dhcp_exchange *x, struct finding *f)
{
    const struct dhcp_message *m = x->request;
    struct dhcp_bytes id = dhcp_message_option(m, DHCP_OPTION_CLIENT_ID);
    uint8_t identity[DHCP_IDENTITY_MAX];
    struct dhcp_bytes key = {identity, (uint16_t)(m->hlen + 2)};
    f->type = DHCP_LEASEUNKNOWN;
    if (id.n > 0) {
        int n = dhcp_identity(m, identity);
        key.n = n > 0 ? (uint16_t)n : 0;
        return n > 0 ? by_identity(x, key, f) : 0;
    }
    identity[1] = m->htype;
    memcpy(identity + 2, m->chaddr, m->hlen);
    int err = 0;
    for (identity[0] = 0; !err && identity[0] <= 1; identity[0]++)
        err = by_identity(x, key, f);
    return err;
}

/* Times are what is left of them (RFC 4388, 6.4.2). */
static void add_times(struct dhcp_builder *b, const struct dhcp_lease *lease, uint64_t now)
{
    uint64_t left = lease->expires - now, whole = lease->expires - lease->granted;
    uint64_t passed = now > lease->granted ? now - lease->granted : 0;
    uint64_t renewal = whole / 2, rebinding = whole - whole / 8;
    dhcp_builder_u32(b, DHCP_OPTION_LEASE_TIME, left < UINT32_MAX ? (uint32_t)left : UINT32_MAX);
    if (renewal > passed && renewal < UINT32_MAX)
        dhcp_builder_u32(b, DHCP_OPTION_RENEWAL_TIME, (uint32_t)(renewal - passed));
    if (rebinding > passed && rebinding < UINT32_MAX)
        dhcp_builder_u32(b, DHCP_OPTION_REBINDING_TIME, (uint32_t)(rebinding - passed));
    dhcp_builder_u32(b, DHCP_OPTION_LAST_TRANSACTION,
                     passed < UINT32_MAX ? (uint32_t)passed : UINT32_MAX);
}

static size_t build(const struct dhcp_exchange *x, const struct finding *f)
{
    const struct dhcp_message *m = x->request;
    bool active = f->type == DHCP_LEASEACTIVE;
    struct dhcp_header h = {
        .op = DHCP_REPLY_OP,
        .htype = active ? f->lease.htype : m->htype,
        .hlen = active ? f->lease.hlen : m->hlen,
        .xid = m->xid,
        .flags = m->flags,
        .ciaddr = f->address,
        .giaddr = m->giaddr,
    };
    memcpy(h.chaddr, active ? f->lease.chaddr : m->chaddr, sizeof h.chaddr);
    struct dhcp_bytes relay = {NULL, 0};
    if (active)
        relay = f->lease.relay;
    struct dhcp_builder b;
    dhcp_builder_init(&b, x->reply, x->room, &h, relay.n);
    dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)f->type);
    dhcp_builder_u32(&b, DHCP_OPTION_SERVER_ID, x->input->local);
    if (active) {
        struct dhcp_bytes id = f->lease.client.identity;
        uint8_t others[4 * ASSOCIATED_MAX];
        add_times(&b, &f->lease, x->now);
        if (id.n > 1 && id.p[0] == 1) /* see lease.h */
            dhcp_builder_add(&b, DHCP_OPTION_CLIENT_ID, id.p + 1, id.n - 1u);
        for (unsigned i = 0; i < f->other_count; i++)
            keel_put_u32(others + 4 * (size_t)i, f->others[i]);
        if (f->other_count)
            dhcp_builder_add(&b, DHCP_OPTION_ASSOCIATED_IP, others, 4 * (size_t)f->other_count);
    }
    return dhcp_builder_finish(&b, relay.p, relay.n);
}

enum dhcp_outcome dhcp_leasequery(struct dhcp_exchange *x)
{
    const struct dhcp_message *m = x->request;
    const struct dhcp_config *config = x->engine->env.config;
    struct dhcp_decision *d = x->decision;
    struct finding f = {.other_count = 0};
    if (!may_ask(config, x->input->peer) || !may_ask(config, m->giaddr))
        return d->outcome = DHCP_IGNORED;
    if (!x->input->local)
        return d->outcome = DHCP_NO_SERVER_ID;
    if (m->hlen > sizeof m->chaddr)
        return d->outcome = DHCP_MALFORMED;
    if (!m->ciaddr && !m->hlen && !dhcp_message_has(m, DHCP_OPTION_CLIENT_ID))
        return d->outcome = DHCP_MALFORMED; /* it asks for nothing */
    int err = m->ciaddr ? by_address(x, m->ciaddr, &f) : by_client(x, &f);
    if (err)
        return d->outcome = DHCP_STORE_FAILED;
    bool standard = x->input->local_port == DHCP_SERVER_PORT;
    d->target = DHCP_TO_ADDRESS;
    d->address = m->giaddr;
    d->port = standard ? DHCP_SERVER_PORT : x->input->peer_port;
    d->lease = f.address;
    d->sent = f.type;
    d->size = build(x, &f);
    return d->outcome = DHCP_REPLIED;
}
