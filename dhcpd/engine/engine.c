#include "dhcpd/engine/engine.h"

#include "dhcpd/engine/leasequery.h"
#include "dhcpd/engine/quota.h"
#include "dhcpd/engine/reply.h"

const char *dhcp_outcome_name(enum dhcp_outcome outcome)
{
    static const char *const names[DHCP_OUTCOMES] = {
        "replied",      "done",      "probing",      "malformed",    "no-subnet", "no-address",
        "other-server", "not-known", "no-server-id", "store-failed", "limited",   "ignored",
    };
    return outcome < DHCP_OUTCOMES ? names[outcome] : "unknown";
}

static enum dhcp_outcome end(struct dhcp_exchange *x, enum dhcp_outcome outcome)
{
    return x->decision->outcome = outcome;
}

/* RFC 2131, 4.1: relays first, then an address that works, then broadcast, then by hardware. */
static void direct(struct dhcp_exchange *x, enum dhcp_type type, uint32_t yiaddr)
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

static enum dhcp_outcome reply(struct dhcp_exchange *x, const struct dhcp_reply *r)
{
    direct(x, r->type, r->address);
    x->decision->sent = r->type;
    x->decision->size = dhcp_reply_build(r, x->request, x->reply, x->room);
    return end(x, DHCP_REPLIED);
}

static enum dhcp_outcome nak(struct dhcp_exchange *x, const char *why)
{
    dhcp_engine_withdraw(x->engine, x->hash);
    return reply(x, &(struct dhcp_reply){
                        .type = DHCP_NAK,
                        .server = x->server,
                        .message = why,
                    });
}

/* How long, for the levels that were collected. */
static uint32_t lease_time(const struct dhcp_exchange *x)
{
    struct dhcp_times t = dhcp_levels_times(x->levels);
    if (x->request->type == DHCP_NONE)
        return UINT32_MAX; /* BOOTP knows no leases */
    if (x->scarce)
        return t.min; /* so that what is not used comes back soon */
    if (!dhcp_message_has(x->request, DHCP_OPTION_LEASE_TIME))
        return t.lease;
    uint32_t wanted = dhcp_message_u32(x->request, DHCP_OPTION_LEASE_TIME);
    return wanted < t.min ? t.min : wanted > t.max ? t.max : wanted;
}

/* An OFFER or ACK, for the levels that were collected. */
static enum dhcp_outcome promise(struct dhcp_exchange *x, enum dhcp_type type, uint32_t address)
{
    return reply(x, &(struct dhcp_reply){
                        .type = type,
                        .server = x->server,
                        .address = address,
                        .lease_time = lease_time(x),
                        .subnet = x->subnet,
                        .levels = x->levels,
                        .reservation = x->reservation,
                        .rapid = type == DHCP_ACK && x->request->type == DHCP_DISCOVER,
                        .bootp = x->request->type == DHCP_NONE,
                        .fqdn = &x->fqdn,
                    });
}

static enum dhcp_outcome acknowledge(struct dhcp_exchange *x, uint32_t address)
{
    if (dhcp_quota_exceeded(x))
        return x->request->type == DHCP_REQUEST ? nak(x, "too many leases here")
                                                : end(x, DHCP_LIMITED);
    dhcp_exchange_levels(x, address);
    if (dhcp_lease_grant(x, address, lease_time(x)) != 0)
        return end(x, DHCP_STORE_FAILED);
    return promise(x, DHCP_ACK, address);
}

static enum dhcp_outcome on_discover(struct dhcp_exchange *x)
{
    uint32_t address;
    if (dhcp_quota_exceeded(x))
        return end(x, DHCP_LIMITED);
    int err = dhcp_choose(x, &address);
    if (err)
        return end(x, err == KEEL_ENOENT ? DHCP_NO_ADDRESS : DHCP_STORE_FAILED);
    x->decision->lease = address;
    bool probed = dhcp_was_probed(x, address);
    if (dhcp_needs_probe(x, address)) {
        dhcp_engine_offer(x->engine, x->hash, address, false); /* nobody else gets it meanwhile */
        return end(x, DHCP_PROBING);
    }
    if (x->engine->env.config->rapid_commit &&
        dhcp_message_has(x->request, DHCP_OPTION_RAPID_COMMIT))
        return acknowledge(x, address);
    dhcp_engine_offer(x->engine, x->hash, address, probed);
    dhcp_exchange_levels(x, address);
    return promise(x, DHCP_OFFER, address);
}

/* SELECTING: the answer to an OFFER, ours or another server's. */
static enum dhcp_outcome on_selecting(struct dhcp_exchange *x, uint32_t address)
{
    if (dhcp_message_u32(x->request, DHCP_OPTION_SERVER_ID) != x->server) {
        dhcp_engine_withdraw(x->engine, x->hash);
        return end(x, DHCP_OTHER_SERVER);
    }
    if (!address)
        return end(x, DHCP_MALFORMED); /* RFC 2131, 4.3.2: it MUST name the address */
    switch (dhcp_claim_as_client(x, address)) {
    case DHCP_CLAIM_MINE:
    case DHCP_CLAIM_FREE: /* our offer was lost in a restart */
        return acknowledge(x, address);
    case DHCP_CLAIM_TAKEN:
        return nak(x, "address in use");
    case DHCP_CLAIM_WRONG:
        return nak(x, "address not available");
    case DHCP_CLAIM_ERROR:
        break;
    }
    return end(x, DHCP_STORE_FAILED);
}

/* 1 when the client has or had an address on its link, 0 when not, or an error of the store. */
static int is_known_here(struct dhcp_exchange *x)
{
    struct dhcp_store *store = x->engine->env.store;
    const struct dhcp_subnet *s = x->link;
    uint32_t address;
    do {
        dhcp_enter(x, s);
        int err = store->find(store, &x->client, &address);
        if (err != KEEL_ENOENT)
            return err ? err : 1;
        s = s->next;
    } while (s != x->link);
    return 0;
}

/* INIT-REBOOT, RENEWING and REBINDING: the client believes that it has the address. */
static enum dhcp_outcome on_verify(struct dhcp_exchange *x, uint32_t address)
{
    enum dhcp_claim c = dhcp_claim_as_client(x, address);
    /* a reservation is a record of the client, too */
    bool reserved = x->reservation && x->reservation->address == address;
    if (c == DHCP_CLAIM_MINE || (c == DHCP_CLAIM_FREE && reserved))
        return acknowledge(x, address);
    if (c == DHCP_CLAIM_ERROR)
        return end(x, DHCP_STORE_FAILED);
    if (x->engine->env.config->authoritative)
        return nak(x, c == DHCP_CLAIM_WRONG   ? "wrong address for this network"
                      : c == DHCP_CLAIM_TAKEN ? "address in use"
                                              : "lease not known");
    /* not the only server here: speak only about a client that we know */
    int known = is_known_here(x);
    if (known <= 0)
        return end(x, known == 0 ? DHCP_NOT_KNOWN : DHCP_STORE_FAILED);
    return nak(x, "not the address of this client");
}

/* RFC 2131, 4.3.2: which fields are there says which state the client is in. */
static enum dhcp_outcome on_request(struct dhcp_exchange *x)
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

static bool is_for_us(const struct dhcp_exchange *x)
{
    return !dhcp_message_has(x->request, DHCP_OPTION_SERVER_ID) ||
           dhcp_message_u32(x->request, DHCP_OPTION_SERVER_ID) == x->server;
}

static enum dhcp_outcome on_release(struct dhcp_exchange *x)
{
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    uint32_t address = x->request->ciaddr;
    x->decision->lease = address;
    if (!is_for_us(x))
        return end(x, DHCP_OTHER_SERVER);
    int err = store->get(store, address, &lease);
    if (err == KEEL_ENOENT ||
        (!err && (!dhcp_same_identity(x, &lease) || lease.state != DHCP_LEASE_ACTIVE)))
        return end(x, DHCP_NOT_KNOWN);
    if (!err)
        err = dhcp_lease_end(x, address, DHCP_LEASE_RELEASED, x->now);
    return end(x, err ? DHCP_STORE_FAILED : DHCP_DONE);
}

/* RFC 2131, 4.3.3: somebody else uses the address; it rests. */
static enum dhcp_outcome on_decline(struct dhcp_exchange *x)
{
    uint32_t address = dhcp_message_u32(x->request, DHCP_OPTION_REQUESTED_ADDRESS);
    x->decision->lease = address;
    if (!is_for_us(x))
        return end(x, DHCP_OTHER_SERVER);
    enum dhcp_claim c = address ? dhcp_claim(x, address) : DHCP_CLAIM_WRONG;
    if (c == DHCP_CLAIM_ERROR)
        return end(x, DHCP_STORE_FAILED);
    if (c != DHCP_CLAIM_MINE) /* only who has an address can say that it is bad */
        return end(x, DHCP_NOT_KNOWN);
    dhcp_engine_withdraw(x->engine, x->hash);
    dhcp_enter(x, dhcp_subnet_on_link(x->link, address));
    int err = dhcp_lease_end(x, address, DHCP_LEASE_DECLINED,
                             x->now + x->engine->env.config->decline_time);
    return end(x, err ? DHCP_STORE_FAILED : DHCP_DONE);
}

/* RFC 2131, 4.3.5: parameters for a client that got its address elsewhere; always to ciaddr. */
static enum dhcp_outcome on_inform(struct dhcp_exchange *x)
{
    if (!x->request->ciaddr)
        return end(x, DHCP_MALFORMED);
    dhcp_exchange_levels(x, x->request->ciaddr);
    return reply(x, &(struct dhcp_reply){
                        .type = DHCP_ACK,
                        .server = x->server,
                        .subnet = x->subnet,
                        .levels = x->levels,
                        .reservation = x->reservation,
                    });
}

/* RFC 951: one question, one answer, and the address is the client's for good. */
static enum dhcp_outcome on_bootp(struct dhcp_exchange *x)
{
    uint32_t address;
    bool reserved = x->reservation && x->reservation->address;
    if (!reserved && x->engine->env.config->bootp != DHCP_BOOTP_ALL)
        return end(x, DHCP_NOT_KNOWN);
    int err = dhcp_choose(x, &address);
    if (err)
        return end(x, err == KEEL_ENOENT ? DHCP_NO_ADDRESS : DHCP_STORE_FAILED);
    x->decision->lease = address;
    return acknowledge(x, address);
}

/* The subnet of the client's link: what a relay or the client says, then the interface, then
 * (unicast to us from behind a router) the client's own address. */
static const struct dhcp_subnet *locate(const struct dhcp_exchange *x)
{
    const struct dhcp_config *config = x->engine->env.config;
    const struct dhcp_message *m = x->request;
    if (x->relay.link_selection)
        return dhcp_config_by_address(config, x->relay.link_selection);
    if (dhcp_message_has(m, DHCP_OPTION_SUBNET_SELECTION)) /* RFC 3011, 4 */
        return dhcp_config_by_address(config, dhcp_message_u32(m, DHCP_OPTION_SUBNET_SELECTION));
    if (m->giaddr)
        return dhcp_config_by_address(config, m->giaddr);
    const struct dhcp_subnet *s =
        dhcp_config_by_interface(config, x->input->interface, x->input->local);
    if (m->ciaddr && m->type != DHCP_DISCOVER && !(s && dhcp_subnet_on_link(s, m->ciaddr)) &&
        x->input->peer == m->ciaddr && !x->input->broadcast)
        s = dhcp_config_by_address(config, m->ciaddr);
    return s;
}

/* The reservation of a subnet with one of the client's keys; NULL: none. */
static const struct dhcp_reservation *look_up(const struct dhcp_exchange *x,
                                              const struct dhcp_subnet *s, enum dhcp_key_kind kind)
{
    const struct dhcp_message *m = x->request;
    switch (kind) {
    case DHCP_KEY_CLIENT_ID:
        return dhcp_subnet_reservation(s, kind, dhcp_message_option(m, DHCP_OPTION_CLIENT_ID));
    case DHCP_KEY_HARDWARE:
        return dhcp_subnet_reservation(s, kind, (struct dhcp_bytes){m->chaddr, m->hlen});
    case DHCP_KEY_CIRCUIT_ID:
        return dhcp_subnet_reservation(s, kind, x->relay.circuit_id);
    case DHCP_KEY_MATCH:
        break;
    }
    return dhcp_subnet_match(s, &x->facts);
}

/* One reservation for the client: by its strongest key in any subnet of the link, or else one that
 * holds anywhere. */
static void find_reservation(struct dhcp_exchange *x)
{
    for (enum dhcp_key_kind kind = DHCP_KEY_CLIENT_ID; kind <= DHCP_KEY_MATCH; kind++) {
        const struct dhcp_subnet *s = x->link;
        do {
            x->reserved = s;
            x->reservation = look_up(x, s, kind);
            if (x->reservation)
                return;
            s = s->next;
        } while (s != x->link);
    }
    x->reserved = &x->engine->env.config->anywhere;
    for (enum dhcp_key_kind kind = DHCP_KEY_CLIENT_ID; kind <= DHCP_KEY_MATCH; kind++)
        if (!x->reservation)
            x->reservation = look_up(x, x->reserved, kind);
}

/* A client renews its lease without the relay (RFC 2131, 4.4.5): where it is connected is then what
 * the relay said when it was asked last. */
static void recall_relay(struct dhcp_exchange *x)
{
    const struct dhcp_message *m = x->request;
    struct dhcp_store *store = x->engine->env.store;
    struct dhcp_lease lease;
    struct dhcp_relay relay;
    if (x->facts.relay.n || m->giaddr || !m->ciaddr || store->get(store, m->ciaddr, &lease) != 0 ||
        lease.state != DHCP_LEASE_ACTIVE || !dhcp_same_identity(x, &lease) ||
        lease.relay.n > sizeof x->relayed)
        return;
    if (lease.relay.n > 0)
        memcpy(x->relayed, lease.relay.p, lease.relay.n);
    x->facts.relay = (struct dhcp_bytes){x->relayed, lease.relay.n};
    if (dhcp_relay_parse(&relay, x->facts.relay) != 0)
        return;
    x->relay.circuit_id = relay.circuit_id;
    x->relay.remote_id = relay.remote_id;
}

/* Whether a class that the client is in wants it to be left alone. */
static bool is_ignored(const struct dhcp_exchange *x)
{
    const struct dhcp_config *config = x->engine->env.config;
    for (unsigned i = 0; i < config->class_count; i++)
        if (config->classes[i].ignore && dhcp_class_has(&x->facts.classes, i))
            return true;
    return false;
}

/* Who the client is on its link: known by the same on all its subnets, for offers. */
static void identify(struct dhcp_exchange *x, unsigned size)
{
    const struct dhcp_subnet *first = x->link;
    for (const struct dhcp_subnet *s = x->link->next; s != x->link; s = s->next)
        if (s < first)
            first = s;
    x->client.identity = (struct dhcp_bytes){x->identity, (uint16_t)size};
    dhcp_enter(x, first);
    x->hash = dhcp_engine_client_hash(x->engine, &x->client);
    dhcp_enter(x, x->link);
}

/* All that is the same for every kind of message. */
static bool prepare(struct dhcp_exchange *x)
{
    const struct dhcp_message *m = x->request;
    int n = dhcp_identity(m, x->identity);
    if (n < 0 || dhcp_relay_parse(&x->relay, dhcp_message_option(m, DHCP_OPTION_RELAY_INFO)) != 0) {
        end(x, DHCP_MALFORMED);
        return false;
    }
    x->server = x->relay.server_override ? x->relay.server_override : x->input->local;
    if (!x->server) {
        end(x, DHCP_NO_SERVER_ID);
        return false;
    }
    x->link = locate(x);
    if (!x->link) {
        end(x, DHCP_NO_SUBNET);
        return false;
    }
    identify(x, (unsigned)n);
    x->facts = (struct dhcp_facts){.message = m,
                                   .relay = dhcp_message_option(m, DHCP_OPTION_RELAY_INFO),
                                   .interface = x->input->interface};
    recall_relay(x);
    dhcp_config_classify(x->engine->env.config, &x->facts);
    if (is_ignored(x)) {
        end(x, DHCP_IGNORED);
        return false;
    }
    find_reservation(x);
    return true;
}

void dhcp_engine_process(struct dhcp_engine *engine, const struct dhcp_input *input,
                         uint8_t *reply_bytes, size_t room, struct dhcp_decision *decision)
{
    struct dhcp_message *m = &engine->message;
    *decision = (struct dhcp_decision){.outcome = DHCP_MALFORMED};
    int err = dhcp_message_parse(m, input->bytes, input->size);
    if (err == KEEL_ENOTSUP && engine->env.config->bootp != DHCP_BOOTP_OFF)
        err = 0;
    if (err)
        return;
    decision->received = m->type;
    decision->htype = m->htype;
    decision->hlen = m->hlen;
    memcpy(decision->chaddr, m->chaddr, sizeof decision->chaddr);
    if (m->op != DHCP_REQUEST_OP)
        return;
    struct dhcp_exchange x = {
        .engine = engine,
        .input = input,
        .request = m,
        .levels = &engine->levels,
        .now = dhcp_engine_now(engine),
        .reply = reply_bytes,
        .room = room,
        .decision = decision,
    };
    if (m->type == DHCP_LEASEQUERY) {
        dhcp_leasequery(&x);
        return;
    }
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
    case DHCP_NONE:
        on_bootp(&x);
        break;
    default: /* OFFER, ACK and NAK are for servers to send */
        end(&x, DHCP_MALFORMED);
        break;
    }
    dhcp_engine_count(engine, x.subnet, decision);
}
