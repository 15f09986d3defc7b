#include "dhcpd/engine/engine.h"

#include "dhcpd/engine/reply.h"
#include "dhcpd/engine/state.h"
#include "dhcpd/wire/relay.h"

const char *dhcp_outcome_name(enum dhcp_outcome outcome)
{
    static const char *const names[DHCP_OUTCOMES] = {
        "replied",      "done",      "malformed",    "no-subnet",    "no-address",
        "other-server", "not-known", "no-server-id", "store-failed",
    };
    return outcome < DHCP_OUTCOMES ? names[outcome] : "unknown";
}

/* One message being decided. */
struct exchange {
    struct dhcp_engine *engine;
    const struct dhcp_input *input;
    const struct dhcp_message *request;
    struct dhcp_relay relay;
    const struct dhcp_subnet *subnet;
    const struct dhcp_reservation *reservation; /* of this hardware address; NULL: none */
    uint8_t identity[DHCP_IDENTITY_MAX];
    struct dhcp_client client;
    uint64_t hash;   /* of the client, for offers */
    uint64_t now;    /* seconds since 1970 */
    uint32_t server; /* our identifier towards this client */
    uint8_t *reply;
    size_t room;
    struct dhcp_decision *decision;
};

/* What an address is to a client that asks for it. */
enum claim {
    CLAIM_MINE,  /* offered to it, leased to it, or leased to it last */
    CLAIM_FREE,  /* nobody's */
    CLAIM_TAKEN, /* another's, or resting after a DECLINE */
    CLAIM_WRONG, /* not on this link, in no pool, or not for this client */
    CLAIM_ERROR, /* the store failed */
};

static enum dhcp_outcome end(struct exchange *x, enum dhcp_outcome outcome)
{
    return x->decision->outcome = outcome;
}

static void changed(struct exchange *x, uint32_t address)
{
    struct dhcp_decision *d = x->decision;
    for (unsigned i = 0; i < d->changes; i++)
        if (d->changed[i] == address)
            return;
    KEEL_ASSERT(d->changes < DHCP_CHANGES_MAX, "a message changes few leases");
    d->changed[d->changes++] = address;
}

static bool same_identity(const struct exchange *x, const struct dhcp_lease *lease)
{
    /* the address says the subnet: its prefix may have been changed since */
    return dhcp_bytes_equal(lease->client.identity, x->client.identity);
}

/* RFC 2131, 4.1: relays first, then an address that works, then broadcast, then by hardware. */
static void direct(struct exchange *x, enum dhcp_type type, uint32_t yiaddr)
{
    const struct dhcp_message *m = x->request;
    struct dhcp_decision *d = x->decision;
    /* a port other than 67 is one for relays (or tests) that cannot have 67 themselves */
    bool standard = x->input->local_port == DHCP_SERVER_PORT;
    d->target = DHCP_TO_ADDRESS;
    d->port = standard ? DHCP_CLIENT_PORT : x->input->peer_port;
    if (m->giaddr) {
        d->address = m->giaddr;
        d->port = standard && !x->relay.source_port ? DHCP_SERVER_PORT : x->input->peer_port;
    } else if (type == DHCP_NAK) {
        d->target = DHCP_TO_LINK;
        d->address = UINT32_MAX;
    } else if (m->ciaddr) {
        d->address = m->ciaddr;
    } else if (m->flags & DHCP_FLAG_BROADCAST) {
        d->target = DHCP_TO_LINK;
        d->address = UINT32_MAX;
    } else {
        d->target = DHCP_TO_HARDWARE;
        d->address = yiaddr;
    }
}

static enum dhcp_outcome reply(struct exchange *x, const struct dhcp_reply *r)
{
    direct(x, r->type, r->address);
    x->decision->sent = r->type;
    x->decision->size = dhcp_reply_build(r, x->request, x->reply, x->room);
    return end(x, DHCP_REPLIED);
}

static enum dhcp_outcome nak(struct exchange *x, const char *why)
{
    dhcp_engine_withdraw(x->engine, x->hash);
    return reply(x, &(struct dhcp_reply){
                        .type = DHCP_NAK,
                        .server = x->server,
                        .message = why,
                    });
}

static uint32_t lease_time(const struct exchange *x)
{
    const struct dhcp_times *t = &x->subnet->times;
    if (!dhcp_message_has(x->request, DHCP_OPTION_LEASE_TIME))
        return t->lease;
    uint32_t wanted = dhcp_message_u32(x->request, DHCP_OPTION_LEASE_TIME);
    return wanted < t->min ? t->min : wanted > t->max ? t->max : wanted;
}

static enum dhcp_outcome promise(struct exchange *x, enum dhcp_type type, uint32_t address)
{
    return reply(x, &(struct dhcp_reply){
                        .type = type,
                        .server = x->server,
                        .address = address,
                        .lease_time = lease_time(x),
                        .subnet = x->subnet,
                        .reservation = x->reservation,
                    });
}

static bool is_reserved_for(const struct exchange *x, uint32_t address)
{
    return x->reservation && x->reservation->address == address;
}

/* What the record of an address makes of it, for this client. */
static enum claim claim_by_record(struct exchange *x, uint32_t address)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    int err = store->get(store, address, &lease);
    if (err == KEEL_ENOENT)
        return CLAIM_FREE;
    if (err)
        return CLAIM_ERROR;
    bool over = lease.expires <= x->now || lease.state == DHCP_LEASE_RELEASED;
    if (lease.state == DHCP_LEASE_DECLINED)
        return over ? CLAIM_FREE : CLAIM_TAKEN;
    if (same_identity(x, &lease))
        return CLAIM_MINE;
    return over ? CLAIM_FREE : CLAIM_TAKEN;
}

static enum claim claim(struct exchange *x, uint32_t address)
{
    if (!dhcp_subnet_has(x->subnet, address))
        return CLAIM_WRONG;
    bool reserved = is_reserved_for(x, address);
    struct dhcp_pool *pool = dhcp_engine_find_pool(x->engine, x->subnet, address);
    const struct dhcp_slot *slot = pool ? dhcp_pool_slot(pool, address) : NULL;
    if (!reserved && (!slot || slot->reserved))
        return CLAIM_WRONG;
    enum claim by_record = claim_by_record(x, address);
    if (by_record == CLAIM_ERROR || by_record == CLAIM_TAKEN)
        return by_record;
    if (dhcp_engine_offered(x->engine, x->hash) == address)
        return CLAIM_MINE;
    if (slot && slot->offered)
        return CLAIM_TAKEN;
    return by_record;
}

static bool is_usable(enum claim c)
{
    return c == CLAIM_MINE || c == CLAIM_FREE;
}

/* As claim(), and a client with a reservation is to have that address and no other, as long as
 * nobody sits on it. */
static enum claim claim_as_client(struct exchange *x, uint32_t address)
{
    enum claim c = claim(x, address);
    if (is_usable(c) && x->reservation && !is_reserved_for(x, address) &&
        is_usable(claim(x, x->reservation->address)))
        return CLAIM_WRONG;
    return c;
}

/* RFC 2131, 4.3.1, in its order: the client's present or last address, the one it asks for, any. A
 * reservation goes before them all. */
static int choose(struct exchange *x, uint32_t *address)
{
    struct dhcp_store *store = x->engine->env.store;
    uint32_t candidates[4];
    unsigned count = 0;
    if (x->reservation)
        candidates[count++] = x->reservation->address;
    int err = store->find(store, &x->client, &candidates[count]);
    if (err == 0)
        count++;
    else if (err != KEEL_ENOENT)
        return err;
    candidates[count++] = dhcp_engine_offered(x->engine, x->hash);
    candidates[count++] = dhcp_message_u32(x->request, DHCP_OPTION_REQUESTED_ADDRESS);
    for (unsigned i = 0; i < count; i++) {
        enum claim c = candidates[i] ? claim(x, candidates[i]) : CLAIM_WRONG;
        if (c == CLAIM_ERROR)
            return KEEL_ESYS;
        if (is_usable(c)) {
            *address = candidates[i];
            return 0;
        }
    }
    return dhcp_engine_pick(x->engine, x->subnet, &x->client, address);
}

static enum dhcp_outcome on_discover(struct exchange *x)
{
    uint32_t address;
    int err = choose(x, &address);
    if (err)
        return end(x, err == KEEL_ENOENT ? DHCP_NO_ADDRESS : DHCP_STORE_FAILED);
    dhcp_engine_offer(x->engine, x->hash, address);
    x->decision->lease = address;
    return promise(x, DHCP_OFFER, address);
}

/* Copies what borrows of the store, so that it outlives a change; to has 255 octets. */
static void keep(struct dhcp_bytes *value, uint8_t *to)
{
    if (value->n > 0)
        memcpy(to, value->p, value->n);
    value->p = to;
}

/* Whoever had the address before must not find it through the client table any more. */
static int unbind_previous(struct exchange *x, uint32_t address)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease old;
    int err = store->get(store, address, &old);
    if (err)
        return err == KEEL_ENOENT ? 0 : err;
    if (old.client.identity.n == 0 || same_identity(x, &old))
        return 0;
    uint32_t current;
    err = store->find(store, &old.client, &current);
    if (err || current != address)
        return err == KEEL_ENOENT ? 0 : err;
    /* the record is about to be overwritten: its identity has to outlive the change */
    uint8_t identity[DHCP_IDENTITY_MAX];
    keep(&old.client.identity, identity);
    return store->unbind(store, &old.client);
}

/* Puts an end to the lease of an address that the client does not use any more. */
static int release_lease(struct exchange *x, uint32_t address, enum dhcp_lease_state state,
                         uint64_t expires)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    uint8_t identity[255], hostname[255];
    int err = store->get(store, address, &lease);
    if (err && err != KEEL_ENOENT)
        return err;
    if (err)
        lease = (struct dhcp_lease){.address = address, .client = x->client, .granted = x->now};
    lease.state = state;
    lease.expires = expires;
    lease.relay.n = 0;
    if (state == DHCP_LEASE_DECLINED)
        lease.client.identity.n = lease.hostname.n = 0;
    keep(&lease.client.identity, identity);
    keep(&lease.hostname, hostname);
    changed(x, address);
    err = store->put(store, &lease);
    const struct dhcp_subnet *s = dhcp_config_by_address(x->engine->env.config, address);
    struct dhcp_pool *pool = s ? dhcp_engine_find_pool(x->engine, s, address) : NULL;
    if (err || !pool)
        return err;
    if (expires > x->now)
        dhcp_pool_bind(pool, address, expires);
    else
        dhcp_pool_expire(pool, address, x->now);
    return 0;
}

/* The client table points to `address` afterwards; another address that the client had in this
 * subnet is given back. */
static int bind_client(struct exchange *x, uint32_t address)
{
    struct dhcp_store *store = x->engine->env.store;
    uint32_t before;
    int err = store->find(store, &x->client, &before);
    if (err == 0 && before == address)
        return 0;
    if (err && err != KEEL_ENOENT)
        return err;
    if (err == 0) {
        struct dhcp_lease old;
        err = store->get(store, before, &old);
        if (err == 0 && same_identity(x, &old) && old.state == DHCP_LEASE_ACTIVE)
            err = release_lease(x, before, DHCP_LEASE_RELEASED, x->now);
        if (err && err != KEEL_ENOENT)
            return err;
    }
    return store->bind(store, &x->client, address);
}

static int grant(struct exchange *x, uint32_t address, uint32_t seconds)
{
    struct dhcp_store *store = x->engine->env.store;
    const struct dhcp_message *m = x->request;
    struct dhcp_lease lease = {
        .address = address,
        .state = DHCP_LEASE_ACTIVE,
        .granted = x->now,
        .expires = x->now + seconds,
        .htype = m->htype,
        .hlen = m->hlen,
        .client = x->client,
        .hostname = dhcp_message_option(m, DHCP_OPTION_HOST_NAME),
        .relay = dhcp_message_option(m, DHCP_OPTION_RELAY_INFO),
    };
    memcpy(lease.chaddr, m->chaddr, sizeof lease.chaddr);
    changed(x, address);
    int err = unbind_previous(x, address);
    if (!err)
        err = bind_client(x, address);
    if (!err)
        err = store->put(store, &lease);
    if (err)
        return err;
    struct dhcp_pool *pool = dhcp_engine_find_pool(x->engine, x->subnet, address);
    if (pool)
        dhcp_pool_bind(pool, address, lease.expires);
    dhcp_engine_withdraw(x->engine, x->hash);
    return 0;
}

static enum dhcp_outcome acknowledge(struct exchange *x, uint32_t address)
{
    if (grant(x, address, lease_time(x)) != 0)
        return end(x, DHCP_STORE_FAILED);
    return promise(x, DHCP_ACK, address);
}

/* SELECTING: the answer to an OFFER, ours or another server's. */
static enum dhcp_outcome on_selecting(struct exchange *x, uint32_t address)
{
    if (dhcp_message_u32(x->request, DHCP_OPTION_SERVER_ID) != x->server) {
        dhcp_engine_withdraw(x->engine, x->hash);
        return end(x, DHCP_OTHER_SERVER);
    }
    if (!address)
        return end(x, DHCP_MALFORMED); /* RFC 2131, 4.3.2: it MUST name the address */
    switch (claim_as_client(x, address)) {
    case CLAIM_MINE:
    case CLAIM_FREE: /* our offer was lost in a restart */
        return acknowledge(x, address);
    case CLAIM_TAKEN:
        return nak(x, "address in use");
    case CLAIM_WRONG:
        return nak(x, "address not available");
    case CLAIM_ERROR:
        break;
    }
    return end(x, DHCP_STORE_FAILED);
}

/* INIT-REBOOT, RENEWING and REBINDING: the client believes that it has the address. */
static enum dhcp_outcome on_verify(struct exchange *x, uint32_t address)
{
    enum claim c = claim_as_client(x, address);
    if (c == CLAIM_MINE)
        return acknowledge(x, address);
    if (c == CLAIM_ERROR)
        return end(x, DHCP_STORE_FAILED);
    if (x->engine->env.config->authoritative)
        return nak(x, c == CLAIM_WRONG   ? "wrong address for this network"
                      : c == CLAIM_TAKEN ? "address in use"
                                         : "lease not known");
    /* not the only server here: speak only about a client that we know */
    struct dhcp_store *store = x->engine->env.store;
    uint32_t known;
    int err = store->find(store, &x->client, &known);
    if (err)
        return end(x, err == KEEL_ENOENT ? DHCP_NOT_KNOWN : DHCP_STORE_FAILED);
    return nak(x, "not the address of this client");
}

/* RFC 2131, 4.3.2: which fields are there says which state the client is in. */
static enum dhcp_outcome on_request(struct exchange *x)
{
    uint32_t requested = dhcp_message_u32(x->request, DHCP_OPTION_REQUESTED_ADDRESS);
    uint32_t address = requested ? requested : x->request->ciaddr;
    x->decision->lease = address;
    if (dhcp_message_has(x->request, DHCP_OPTION_SERVER_ID))
        return on_selecting(x, requested);
    if (!address)
        return end(x, DHCP_MALFORMED);
    return on_verify(x, address);
}

static bool is_for_us(const struct exchange *x)
{
    return !dhcp_message_has(x->request, DHCP_OPTION_SERVER_ID) ||
           dhcp_message_u32(x->request, DHCP_OPTION_SERVER_ID) == x->server;
}

static enum dhcp_outcome on_release(struct exchange *x)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    uint32_t address = x->request->ciaddr;
    x->decision->lease = address;
    if (!is_for_us(x))
        return end(x, DHCP_OTHER_SERVER);
    int err = store->get(store, address, &lease);
    if (err == KEEL_ENOENT ||
        (!err && (!same_identity(x, &lease) || lease.state != DHCP_LEASE_ACTIVE)))
        return end(x, DHCP_NOT_KNOWN);
    if (!err)
        err = release_lease(x, address, DHCP_LEASE_RELEASED, x->now);
    return end(x, err ? DHCP_STORE_FAILED : DHCP_DONE);
}

/* RFC 2131, 4.3.3: somebody else uses the address; it rests. */
static enum dhcp_outcome on_decline(struct exchange *x)
{
    struct dhcp_store *store = x->engine->env.store;
    uint32_t address = dhcp_message_u32(x->request, DHCP_OPTION_REQUESTED_ADDRESS), known;
    x->decision->lease = address;
    if (!is_for_us(x))
        return end(x, DHCP_OTHER_SERVER);
    enum claim c = address ? claim(x, address) : CLAIM_WRONG;
    if (c == CLAIM_ERROR)
        return end(x, DHCP_STORE_FAILED);
    if (c != CLAIM_MINE) /* only who has an address can say that it is bad */
        return end(x, DHCP_NOT_KNOWN);
    dhcp_engine_withdraw(x->engine, x->hash);
    int err = release_lease(x, address, DHCP_LEASE_DECLINED,
                            x->now + x->engine->env.config->decline_time);
    if (!err)
        err = store->find(store, &x->client, &known);
    if (!err && known == address)
        err = store->unbind(store, &x->client);
    return end(x, err && err != KEEL_ENOENT ? DHCP_STORE_FAILED : DHCP_DONE);
}

/* RFC 2131, 4.3.5: parameters for a client that got its address elsewhere; always to ciaddr. */
static enum dhcp_outcome on_inform(struct exchange *x)
{
    if (!x->request->ciaddr)
        return end(x, DHCP_MALFORMED);
    return reply(x, &(struct dhcp_reply){
                        .type = DHCP_ACK,
                        .server = x->server,
                        .subnet = x->subnet,
                        .reservation = x->reservation,
                    });
}

/* The subnet of the client's link: what a relay says, then the interface, then (unicast to us from
 * behind a router) the client's own address. */
static const struct dhcp_subnet *locate(const struct exchange *x)
{
    const struct dhcp_config *config = x->engine->env.config;
    const struct dhcp_message *m = x->request;
    if (x->relay.link_selection)
        return dhcp_config_by_address(config, x->relay.link_selection);
    if (m->giaddr)
        return dhcp_config_by_address(config, m->giaddr);
    const struct dhcp_subnet *s =
        dhcp_config_by_interface(config, x->input->interface, x->input->local);
    if (m->ciaddr && m->type != DHCP_DISCOVER && !(s && dhcp_subnet_has(s, m->ciaddr)) &&
        x->input->peer == m->ciaddr)
        s = dhcp_config_by_address(config, m->ciaddr);
    return s;
}

/* All that is the same for every kind of message. */
static bool prepare(struct exchange *x)
{
    const struct dhcp_message *m = x->request;
    if (dhcp_relay_parse(&x->relay, dhcp_message_option(m, DHCP_OPTION_RELAY_INFO)) != 0) {
        end(x, DHCP_MALFORMED);
        return false;
    }
    int n = dhcp_identity(m, x->identity);
    if (n < 0) {
        end(x, DHCP_MALFORMED);
        return false;
    }
    x->server = x->relay.server_override ? x->relay.server_override : x->input->local;
    if (!x->server) {
        end(x, DHCP_NO_SERVER_ID);
        return false;
    }
    x->subnet = locate(x);
    if (!x->subnet) {
        end(x, DHCP_NO_SUBNET);
        return false;
    }
    x->reservation = dhcp_subnet_reservation(x->subnet, m->chaddr, m->hlen);
    x->client = (struct dhcp_client){
        .network = x->subnet->network,
        .length = x->subnet->length,
        .identity = {x->identity, (uint16_t)n},
    };
    x->hash = dhcp_engine_client_hash(x->engine, &x->client);
    return true;
}

void dhcp_engine_process(struct dhcp_engine *engine, const struct dhcp_input *input,
                         uint8_t *reply_bytes, size_t room, struct dhcp_decision *decision)
{
    struct dhcp_message *m = &engine->message;
    *decision = (struct dhcp_decision){.outcome = DHCP_MALFORMED};
    if (dhcp_message_parse(m, input->bytes, input->size) != 0)
        return;
    decision->received = m->type;
    decision->htype = m->htype;
    decision->hlen = m->hlen;
    memcpy(decision->chaddr, m->chaddr, sizeof decision->chaddr);
    if (m->op != DHCP_REQUEST_OP)
        return;
    struct exchange x = {
        .engine = engine,
        .input = input,
        .request = m,
        .now = dhcp_engine_now(engine),
        .reply = reply_bytes,
        .room = room,
        .decision = decision,
    };
    if (!prepare(&x))
        return;
    switch (m->type) {
    case DHCP_DISCOVER:
        on_discover(&x);
        break;
    case DHCP_REQUEST:
        on_request(&x);
        break;
    case DHCP_DECLINE:
        on_decline(&x);
        break;
    case DHCP_RELEASE:
        on_release(&x);
        break;
    case DHCP_INFORM:
        on_inform(&x);
        break;
    default: /* OFFER, ACK and NAK are for servers to send */
        end(&x, DHCP_MALFORMED);
        break;
    }
}
