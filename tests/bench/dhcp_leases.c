/*
 * A million leases: what they cost on disk and in memory, how long a start takes, and what finding
 * an address costs when nearly all are taken. No socket.
 *
 *     dhcp_leases FOLDER [COUNT]     fills FOLDER/leases, then measures
 */
#include "dhcpd/serve/durable.h"

#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PER_COMMIT 2000
#define NETWORK 0x0a000000u

struct bench {
    struct dhcp_config config;
    struct dhcp_subnet subnet;
    struct dhcp_range range;
    struct dhcp_durable durable;
    struct dhcp_engine *engine;
    struct keel_prng prng;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* One /8 with a pool of its own. */
static void configure(struct bench *b, uint32_t first, uint32_t last)
{
    struct dhcp_config_fault fault;
    struct keel_diag diag;
    b->range = (struct dhcp_range){.first = first, .last = last};
    b->subnet = (struct dhcp_subnet){.network = NETWORK,
                                     .mask = 0xff000000,
                                     .length = 8,
                                     .ranges = &b->range,
                                     .range_count = 1,
                                     .policy = {.times = {3600, 60, 86400}}};
    b->config = (struct dhcp_config){.subnets = &b->subnet,
                                     .subnet_count = 1,
                                     .authoritative = true,
                                     .decline_time = 600,
                                     .offer_time = 60};
    if (dhcp_config_finish(&b->config, &fault, &diag) != 0)
        die(diag.text);
}

static void put_lease(struct bench *b, uint32_t address, uint64_t client, uint64_t now)
{
    uint8_t id[8] = {0, 1, 2};
    for (int i = 0; i < 5; i++)
        id[7 - i] = (uint8_t)(client >> 8 * i);
    struct dhcp_lease lease = {.address = address,
                               .state = DHCP_LEASE_ACTIVE,
                               .granted = now,
                               .expires = now + 86400,
                               .htype = 1,
                               .hlen = 6,
                               .client = {NETWORK, 8, {id, 8}}};
    memcpy(lease.chaddr, id + 2, 6);
    struct dhcp_store *s = &b->durable.store;
    if (s->put(s, &lease) != 0)
        die("store");
}

/* count different addresses of the /8 in no order: multiplication by an odd number is a permutation
 * of 24 bits. */
static uint32_t nth_address(uint64_t n)
{
    return NETWORK | (uint32_t)(n * 0x9e3779b1u & 0xffffff);
}

static void fill(struct bench *b, unsigned count)
{
    uint64_t now = keel_clock_realtime() / KEEL_NS_PER_S;
    uint32_t address;
    for (unsigned done = 0, n = 1; done < count; n++) {
        address = nth_address(n);
        if (address == NETWORK || address == (NETWORK | 0xffffff))
            continue;
        if (done % PER_COMMIT == 0 && dhcp_durable_begin(&b->durable) != 0)
            die("begin");
        put_lease(b, address, n * 0x5851f42dull, now);
        done++;
        if ((done % PER_COMMIT == 0 || done == count) && dhcp_durable_end(&b->durable) != 0)
            die("commit");
    }
}

static double resident(void)
{
    unsigned long pages = 0, shared = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*u %lu %lu", &pages, &shared) != 2)
        die("statm");
    fclose(f);
    return (double)(pages - shared) * 4096; /* without the file's own pages */
}

static void load(struct bench *b, const char *title, unsigned count)
{
    struct dhcp_env env = {.config = &b->config,
                           .clock = &keel_clock_system,
                           .prng = &b->prng,
                           .store = &b->durable.store};
    double before = resident();
    uint64_t begin = keel_clock_monotonic();
    if (keel_store_read(b->durable.env) != 0 || dhcp_engine_new(&env, &b->engine) != 0)
        die("engine");
    keel_store_read_end(b->durable.env);
    printf("%-44s %8.0f ms  %6.1f octets of memory a lease\n", title,
           (double)(keel_clock_monotonic() - begin) / 1e6, (resident() - before) / count);
}

static size_t build(uint8_t *out, enum dhcp_type type, uint64_t client, uint32_t requested)
{
    struct dhcp_header h = {.op = DHCP_REQUEST_OP,
                            .htype = 1,
                            .hlen = 6,
                            .giaddr = NETWORK | 1,
                            .xid = (uint32_t)client,
                            .chaddr = {6}};
    struct dhcp_builder b;
    for (int i = 0; i < 5; i++)
        h.chaddr[5 - i] = (uint8_t)(client >> 8 * i);
    dhcp_builder_init(&b, out, 600, &h, 0);
    dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)type);
    if (requested) {
        dhcp_builder_u32(&b, DHCP_OPTION_REQUESTED_ADDRESS, requested);
        dhcp_builder_u32(&b, DHCP_OPTION_SERVER_ID, NETWORK | 1);
    }
    return dhcp_builder_finish(&b, NULL, 0);
}

static bool play(struct bench *b, enum dhcp_type type, uint64_t client, uint32_t *address)
{
    uint8_t bytes[600], reply[1500];
    struct dhcp_decision d;
    struct dhcp_input input = {.bytes = bytes,
                               .size = build(bytes, type, client, *address),
                               .peer = NETWORK | 1,
                               .peer_port = 67,
                               .local = NETWORK | 1,
                               .local_port = 67,
                               .interface = ""};
    dhcp_engine_process(b->engine, &input, reply, sizeof reply, &d);
    *address = d.lease;
    return d.sent != DHCP_NONE && d.sent != DHCP_NAK;
}

/* New clients in a pool that has `taken` of `size`; all in one batch, so that no disk is in it. */
static void allocate(struct bench *b, unsigned size, unsigned taken, unsigned exchanges)
{
    struct dhcp_env env = {.config = &b->config,
                           .clock = &keel_clock_system,
                           .prng = &b->prng,
                           .store = &b->durable.store};
    uint64_t now = keel_clock_realtime() / KEEL_NS_PER_S;
    configure(b, NETWORK | 1, NETWORK + size);
    if (dhcp_durable_begin(&b->durable) != 0)
        die("begin");
    for (unsigned i = 0; i < taken; i++)
        put_lease(b, NETWORK + 1 + (uint32_t)((uint64_t)i * 7919 % size), i, now);
    if (dhcp_engine_new(&env, &b->engine) != 0)
        die("engine");
    uint64_t begin = keel_clock_monotonic();
    for (unsigned i = 0; i < exchanges; i++) {
        uint32_t address = 0;
        if (!play(b, DHCP_DISCOVER, 1ull << 34 | i, &address) ||
            !play(b, DHCP_REQUEST, 1ull << 34 | i, &address))
            die("no address");
    }
    printf("pool of %u, %5.1f %% taken%*s %8.2f us a four-way exchange without its commit\n", size,
           100.0 * taken / size, 15, "",
           (double)(keel_clock_monotonic() - begin) / 1e3 / exchanges);
    dhcp_durable_abort(&b->durable);
    dhcp_engine_free(b->engine);
}

int main(int argc, char **argv)
{
    static struct bench b;
    char path[4096], file[4200];
    struct keel_diag diag;
    struct stat st;
    unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000000;
    if (argc < 2)
        return 2;
    snprintf(path, sizeof path, "%s/leases", argv[1]);
    snprintf(file, sizeof file, "%s/data.mdb", path);
    keel_prng_seed(&b.prng, 1);
    configure(&b, NETWORK | 1, NETWORK | 0xfffffe);
    if (dhcp_durable_open(&b.durable, path, &diag) != 0)
        die(diag.text);
    fill(&b, count);
    dhcp_durable_close(&b.durable);
    if (stat(file, &st) != 0 || dhcp_durable_open(&b.durable, path, &diag) != 0)
        die(file);
    printf("%u leases anywhere in a /8 %*s %8.1f octets of disk a lease\n", count, 14, "",
           (double)st.st_size / count);
    load(&b, "load, a pool of the whole /8", count);
    dhcp_engine_free(b.engine);
    dhcp_durable_close(&b.durable);

    snprintf(path, sizeof path, "%s/scratch", argv[1]);
    if (dhcp_durable_open(&b.durable, path, &diag) != 0)
        die(diag.text);
    static const double fills[] = {0.1, 0.5, 0.9, 0.98, 0.99};
    for (unsigned i = 0; i < sizeof fills / sizeof fills[0]; i++)
        allocate(&b, count, (unsigned)(count * fills[i]), count / 100);
    dhcp_durable_close(&b.durable);
    return 0;
}
