/*
 * Sequences of messages into the engine: a dozen clients that ask, renew, release, decline, lie and
 * fall silent, in any order, with time passing, restarts and probes between them. Whatever happens,
 * an address is never promised to two clients at a time, what is promised is in the store, and who
 * follows the events knows who has what.
 *
 * An input is a list of steps of six octets: what, who, which address, how, how long before, more.
 */
#include "common/base/err.h"
#include "tests/support/dhcp_lab.h"

#define STEP 6
#define STEPS_MAX 256
#define CLIENTS 12
#define LAN IP(192, 0, 2, 100) /* four addresses; 103 is reserved for client 9 */
#define PLACES 8               /* addresses that are asked for */

/* What was promised to clients, by address. */
struct promise {
    uint32_t address;
    uint8_t client; /* 0: nobody */
    uint8_t id;     /* which of its identifiers */
    uint64_t until; /* seconds since 1970 */
};
static struct lab lab;
static struct promise promises[MEMORY_STORE_ROWS];
static unsigned promise_count;
/* What somebody knows who hears the events alone. */
static struct promise told[MEMORY_STORE_ROWS];
static unsigned told_count;
static uint32_t last_offer[CLIENTS + 1], last_lease[CLIENTS + 1], probed;

static uint64_t now(void)
{
    return lab.clock.realtime_ns / KEEL_NS_PER_S;
}

static struct promise *entry(struct promise *list, unsigned *count, uint32_t address)
{
    for (unsigned i = 0; i < *count; i++)
        if (list[i].address == address)
            return &list[i];
    KEEL_ASSERT(*count < MEMORY_STORE_ROWS, "no more addresses than the pools have");
    list[*count] = (struct promise){.address = address};
    return &list[(*count)++];
}

static void hear_events(void)
{
    for (unsigned i = 0; i < lab.events.count; i++) {
        const struct dhcp_event *event = &lab.events.items[i];
        struct dhcp_lease lease;
        dhcp_event_lease(event, &lease);
        struct promise *t = entry(told, &told_count, lease.address);
        switch (event->type) {
        case DHCP_EVENT_GRANTED:
            KEEL_ASSERT(t->client == 0, "who had it before is told first");
            t->client = lease.chaddr[5];
            break;
        case DHCP_EVENT_RENEWED:
            KEEL_ASSERT(t->client != 0, "only what was granted is renewed");
            t->client = lease.chaddr[5];
            break;
        default:
            t->client = 0;
            break;
        }
    }
    lab.events.count = 0;
}

/* What was heard is what the store says. */
static void check_events(void)
{
    for (unsigned i = 0; i < told_count; i++) {
        struct dhcp_lease lease;
        int err = lab.store.store.get(&lab.store.store, told[i].address, &lease);
        bool active = err == 0 && lease.state == DHCP_LEASE_ACTIVE;
        KEEL_ASSERT(active == (told[i].client != 0), "events and store agree on what is leased");
        KEEL_ASSERT(!active || lease.chaddr[5] == told[i].client, "and to whom");
    }
}

/* A client that takes another address on a link has left the one that it had. */
static void leave_others(uint32_t address, uint8_t client, uint8_t id)
{
    for (unsigned i = 0; i < promise_count; i++) {
        struct promise *p = &promises[i];
        if (p->address != address && p->address >> 24 == address >> 24 && p->client == client &&
            p->id == id)
            p->client = 0;
    }
}

static void check_reply(uint8_t client, uint8_t id)
{
    const struct dhcp_decision *d = &lab.decision;
    KEEL_ASSERT(dhcp_message_parse(&lab.answer, lab.reply, d->size) == 0, "replies parse");
    uint32_t address = lab.answer.yiaddr;
    if (d->sent == DHCP_NAK || address == 0)
        return;
    struct promise *p = entry(promises, &promise_count, address);
    KEEL_ASSERT(p->client == 0 || p->client == client || p->until <= now(),
                "an address is never given to two clients");
    if (d->sent == DHCP_OFFER) {
        last_offer[client] = address;
        return;
    }
    KEEL_ASSERT(lab_state(&lab, address) == DHCP_LEASE_ACTIVE, "a promise is in the store");
    last_lease[client] = address;
    leave_others(address, client, id);
    p->client = client;
    p->id = id;
    p->until = now() + dhcp_message_u32(&lab.answer, DHCP_OPTION_LEASE_TIME);
}

/* The address that a step talks about. */
static uint32_t choose(uint8_t which, uint8_t client)
{
    switch (which % (PLACES + 4)) {
    case PLACES:
        return last_offer[client];
    case PLACES + 1:
        return last_lease[client];
    case PLACES + 2:
        return IP(192, 0, 2, 7);
    case PLACES + 3:
        return last_lease[which % CLIENTS + 1];
    default:
        return which % 2 ? LAN + which % PLACES / 2 : IP(10, 1, 0, 1) + which % PLACES;
    }
}

/* The client gave it up, or said that it cannot be used. */
static void forget(uint32_t address, uint8_t client)
{
    struct promise *p = entry(promises, &promise_count, address);
    if (p->client == client)
        p->client = 0;
}

static void send(const struct lab_message *m, unsigned how)
{
    uint8_t bytes[1024];
    const struct dhcp_input input = {
        .bytes = bytes,
        .size = lab_build(&lab, m, bytes),
        .peer = m->giaddr ? m->giaddr : m->ciaddr,
        .peer_port = m->giaddr ? 67 : 68,
        .local = LAB_SERVER,
        .local_port = 67,
        .interface = m->giaddr ? "" : "lan0",
        .may_probe = how & 1,
        .silent = how & 2 ? probed : 0,
    };
    struct dhcp_decision *d = &lab.decision;
    dhcp_engine_tick(lab.engine);
    dhcp_engine_process(lab.engine, &input, lab.reply, sizeof lab.reply, d);
    if (d->outcome == DHCP_PROBING)
        probed = d->lease;
    if (d->outcome == DHCP_DONE)
        forget(d->lease, m->client);
    if (d->sent)
        check_reply(m->client, m->id ? (uint8_t)m->id[2] : 0);
    hear_events();
    if (lab.decision.sent == DHCP_NAK && m->ciaddr)
        forget(m->ciaddr, m->client); /* it starts over */
}

static void step(const uint8_t *s)
{
    static const enum dhcp_type types[] = {DHCP_DISCOVER, DHCP_REQUEST, DHCP_REQUEST, DHCP_REQUEST,
                                           DHCP_RELEASE,  DHCP_DECLINE, DHCP_INFORM};
    uint8_t what = s[0] % 12, client = s[1] % CLIENTS + 1, how = s[3];
    /* who says the same identifier is the same client: each has its own two, or none */
    const char id[] = {'i', (char)client, s[1] & 128 ? 'a' : 'b', '\0'};
    uint32_t address = choose(s[2], client);
    struct lab_message m = {
        .client = client,
        .id = s[1] & 64 ? id : NULL,
        .giaddr = how & 16 ? LAB_RELAY : 0,
        .hostname = how & 32 ? "box" : NULL,
        .lease_time = how & 64 ? s[5] * 60u : 0,
    };
    lab_wait(&lab, (uint64_t)s[4] * s[4] / 4);
    if (what < sizeof types / sizeof types[0]) {
        m.type = types[what];
        if (what == 0 || what == 1 || what == 5)
            m.requested = address; /* DISCOVER, SELECTING or INIT-REBOOT, DECLINE */
        else
            m.ciaddr = address;
        if (what == 1 || what >= 4)
            m.server = how & 128 ? IP(192, 0, 2, 2) : LAB_SERVER;
        send(&m, how);
    } else if (what == 7) {
        KEEL_ASSERT(lab_restart(&lab) == 0, "the engine can be built again");
    } else if (what == 8 && probed) {
        KEEL_ASSERT(dhcp_engine_quarantine(lab.engine, probed) == 0, "it rests");
        probed = 0;
    } else {
        KEEL_ASSERT(dhcp_engine_settle(lab.engine, true) == 0, "ends are told");
        hear_events();
    }
    check_events();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lab_init(&lab);
    lab.config.probe = size & 1;
    KEEL_ASSERT(lab_listen(&lab) == 0, "there is memory");
    promise_count = told_count = 0;
    probed = 0;
    memset(last_offer, 0, sizeof last_offer);
    memset(last_lease, 0, sizeof last_lease);
    for (unsigned i = 0; i < STEPS_MAX && size >= STEP; i++, bytes += STEP, size -= STEP)
        step(bytes);
    lab_fini(&lab);
    return 0;
}
