#include "tests/support/dhcp_lab.h"

#include <stdlib.h>

static struct dhcp_bytes bytes(const void *p, size_t n)
{
    return (struct dhcp_bytes){p, (uint16_t)n};
}

static void configure(struct lab *lab)
{
    static const uint8_t dns[] = {192, 0, 2, 1, 192, 0, 2, 2}, router[] = {192, 0, 2, 1},
                         router10[] = {10, 0, 0, 1};
    struct keel_arena *a = &lab->arena;
    struct dhcp_config *c = &lab->config;
    const struct dhcp_times times = {3600, 60, 7200};
    *c = (struct dhcp_config){
        .subnets = keel_arena_calloc(a, 2 * sizeof *c->subnets),
        .subnet_count = 2,
        .authoritative = true,
        .decline_time = 600,
        .offer_time = 60,
    };
    c->policy.options.items = keel_arena_calloc(a, 4 * sizeof *c->policy.options.items);
    dhcp_options_set(&c->policy.options, 6, bytes(dns, 8));
    dhcp_options_set(&c->policy.options, 15, bytes("lan.example", 11));
    struct dhcp_subnet *s = &c->subnets[0];
    *s = (struct dhcp_subnet){
        .network = IP(192, 0, 2, 0),
        .mask = 0xffffff00,
        .length = 24,
        .interface = "lan0",
        .ranges = keel_arena_calloc(a, 2 * sizeof *s->ranges),
        .range_count = 1,
        .reservations = keel_arena_calloc(a, 2 * sizeof *s->reservations),
        .reservation_count = 2,
        .keys = keel_arena_calloc(a, 2 * sizeof *s->keys),
        .key_count = 2,
        .policy = {.times = times},
    };
    s->ranges[0] = (struct dhcp_range){.first = IP(192, 0, 2, 100), .last = IP(192, 0, 2, 103)};
    s->reservations[0] = (struct dhcp_reservation){.address = IP(192, 0, 2, 103), .name = "nine"};
    s->reservations[1] = (struct dhcp_reservation){
        .address = IP(192, 0, 2, 7), .hostname = bytes("printer", 7), .name = "printer"};
    s->keys[0] = (struct dhcp_key){DHCP_KEY_HARDWARE, bytes("\2\0\0\0\0\11", 6), 0};
    s->keys[1] = (struct dhcp_key){DHCP_KEY_HARDWARE, bytes("\2\0\0\0\0\7", 6), 1};
    s->policy.options.items = keel_arena_calloc(a, 4 * sizeof *s->policy.options.items);
    dhcp_options_set(&s->policy.options, 3, bytes(router, 4));
    s = &c->subnets[1];
    *s = (struct dhcp_subnet){
        .network = IP(10, 0, 0, 0),
        .mask = 0xff000000,
        .length = 8,
        .ranges = keel_arena_calloc(a, sizeof *s->ranges),
        .range_count = 1,
        .policy = {.times = times},
    };
    s->ranges[0] = (struct dhcp_range){.first = IP(10, 1, 0, 1), .last = IP(10, 1, 0, 200)};
    s->policy.options.items = keel_arena_calloc(a, 4 * sizeof *s->policy.options.items);
    dhcp_options_set(&s->policy.options, 3, bytes(router10, 4));
}

int lab_restart(struct lab *lab)
{
    dhcp_engine_free(lab->engine);
    lab->engine = NULL;
    struct dhcp_env env = {
        .config = &lab->config,
        .clock = &lab->clock.clock,
        .prng = &lab->prng,
        .store = &lab->store.store,
        .events = lab->events.items ? &lab->events : NULL,
    };
    return dhcp_engine_new(&env, &lab->engine);
}

int lab_listen(struct lab *lab)
{
    int err = lab->events.items ? 0 : dhcp_events_init(&lab->events, 16);
    return err ? err : lab_restart(lab);
}

void lab_init(struct lab *lab)
{
    memset(lab, 0, sizeof *lab);
    keel_arena_init(&lab->arena, 0);
    keel_fake_clock_init(&lab->clock, LAB_START * KEEL_NS_PER_S);
    keel_prng_seed(&lab->prng, 1);
    memory_store_init(&lab->store);
    configure(lab);
    struct dhcp_config_fault fault;
    struct keel_diag diag;
    if (dhcp_config_finish(&lab->config, &fault, &diag) != 0 || lab_restart(lab) != 0)
        abort();
}

void lab_fini(struct lab *lab)
{
    dhcp_engine_free(lab->engine);
    dhcp_events_fini(&lab->events);
    keel_arena_fini(&lab->arena);
}

size_t lab_build(struct lab *lab, const struct lab_message *m, uint8_t *out)
{
    struct dhcp_header h = {
        .op = DHCP_REQUEST_OP,
        .htype = 1,
        .hlen = 6,
        .xid = ++lab->xid,
        .flags = m->flags,
        .ciaddr = m->ciaddr,
        .giaddr = m->giaddr,
        .chaddr = {2, 0, 0, 0, 0, m->client},
    };
    size_t relay = m->relay ? strlen(m->relay) : 0;
    struct dhcp_builder b;
    dhcp_builder_init(&b, out, 1024, &h, relay);
    dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)m->type);
    if (m->id)
        dhcp_builder_add(&b, DHCP_OPTION_CLIENT_ID, m->id, strlen(m->id));
    if (m->requested)
        dhcp_builder_u32(&b, DHCP_OPTION_REQUESTED_ADDRESS, m->requested);
    if (m->server)
        dhcp_builder_u32(&b, DHCP_OPTION_SERVER_ID, m->server);
    if (m->lease_time)
        dhcp_builder_u32(&b, DHCP_OPTION_LEASE_TIME, m->lease_time);
    if (m->hostname)
        dhcp_builder_add(&b, DHCP_OPTION_HOST_NAME, m->hostname, strlen(m->hostname));
    if (m->wants)
        dhcp_builder_add(&b, DHCP_OPTION_PARAMETER_LIST, m->wants, strlen(m->wants));
    if (m->max_size)
        dhcp_builder_add(&b, DHCP_OPTION_MAX_SIZE,
                         (uint8_t[]){(uint8_t)(m->max_size >> 8), (uint8_t)m->max_size}, 2);
    return dhcp_builder_finish(&b, m->relay, relay);
}

enum dhcp_type lab_send(struct lab *lab, const struct lab_message *m)
{
    uint8_t out[1024];
    struct dhcp_input input = {
        .bytes = out,
        .size = lab_build(lab, m, out),
        .peer = m->giaddr ? m->giaddr : m->ciaddr,
        .peer_port = m->giaddr ? 67 : 68,
        .local = LAB_SERVER,
        .local_port = 67,
        .interface = m->interface ? m->interface : m->giaddr ? "" : "lan0",
    };
    dhcp_engine_tick(lab->engine);
    lab->events.count = 0;
    dhcp_engine_process(lab->engine, &input, lab->reply, sizeof lab->reply, &lab->decision);
    memset(&lab->answer, 0, sizeof lab->answer);
    if (lab->decision.sent && dhcp_message_parse(&lab->answer, lab->reply, lab->decision.size) != 0)
        abort();
    return lab->decision.sent;
}

uint32_t lab_lease(struct lab *lab, uint8_t client)
{
    if (lab_send(lab, &(struct lab_message){.type = DHCP_DISCOVER, .client = client}) != DHCP_OFFER)
        return 0;
    struct lab_message m = {
        .type = DHCP_REQUEST,
        .client = client,
        .requested = lab->answer.yiaddr,
        .server = LAB_SERVER,
    };
    return lab_send(lab, &m) == DHCP_ACK ? lab->answer.yiaddr : 0;
}

void lab_wait(struct lab *lab, uint64_t seconds)
{
    keel_fake_clock_advance(&lab->clock, seconds * KEEL_NS_PER_S);
    for (unsigned i = 0; i < 8; i++)
        dhcp_engine_tick(lab->engine);
}

enum dhcp_lease_state lab_state(struct lab *lab, uint32_t address)
{
    struct dhcp_lease lease;
    return lab->store.store.get(&lab->store.store, address, &lease) == 0 ? lease.state : 0;
}
