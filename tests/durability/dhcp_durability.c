/*
 * What a client was told, the store knows: leases are given and prolonged while the process is
 * killed, the power fails and the disk refuses, at every step of a commit; then the store is opened
 * again and compared with what the clients hold.
 *
 *     dhcp_durability [TRIALS [SEED]]
 *
 * A trial is a child process: it opens the store that the trial before left, looks whether every
 * lease is there that some client was told of, serves random messages in batches as the daemon
 * does, and dies or suffers at the n-th call on the file. What clients know lives in memory that
 * outlives it.
 */
#include "dhcpd/engine/state.h"
#include "dhcpd/serve/durable.h"
#include "tests/durability/cut_disk.h"
#include "tests/support/dhcp_lab.h"

#include "common/service/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 250
#define FIRST IP(10, 1, 0, 1) /* of the laboratory's pool behind the relay */
#define ADDRESSES 200
#define CHAIN 40 /* trials with one store */
#define BATCHES 12
#define BATCH 8

/* What a client believes; whether the server knows it is the question. */
struct client {
    uint32_t offered;
    uint32_t address; /* 0: none */
    uint64_t expires;
};

/* Shared with the children. */
struct world {
    struct client clients[CLIENTS + 1]; /* by the last octet of the hardware address */
    uint64_t now;                       /* seconds since 1970 */
    uint64_t acks, kept, withheld, failed_commits, unopened;
    unsigned calls; /* on the file, in the last child */
    char fault[200];
};
static struct world *world;

static void fault(const char *what, unsigned client, uint32_t address)
{
    char text[16];
    snprintf(world->fault, sizeof world->fault, "%s: client %u address %s", what, client,
             dhcp_address_text(address, text));
    _exit(3);
}

static bool holds(unsigned c, uint64_t now)
{
    return world->clients[c].address && world->clients[c].expires > now;
}

/* --- a child ---------------------------------------------------------------------------------- */

struct server {
    struct lab lab; /* its configuration and messages; the store is the one on disk */
    struct dhcp_durable durable;
    struct keel_prng prng;
    bool one_failure; /* the disk refuses no more than once: what follows a failed commit works */
    bool doubt;       /* else memory may be behind the store from then on */
};

static int check_record(void *arg, uint32_t address, const struct dhcp_lease *lease)
{
    (void)arg;
    if (!lease)
        fault("a record cannot be read", 0, address);
    return 0;
}

/* Every lease that somebody holds is in both tables. */
static void check_promises(struct server *s)
{
    struct dhcp_store *store = &s->durable.store;
    store->each(store, check_record, NULL);
    for (unsigned c = 1; c <= CLIENTS; c++) {
        const struct client *client = &world->clients[c];
        struct dhcp_lease lease;
        uint32_t address;
        if (!holds(c, world->now))
            continue;
        if (store->get(store, client->address, &lease) != 0)
            fault("a lease is lost", c, client->address);
        if (lease.hlen != 6 || lease.chaddr[5] != c || lease.state != DHCP_LEASE_ACTIVE)
            fault("a lease has become another's", c, client->address);
        if (lease.expires < client->expires)
            fault("a lease is shorter than was told", c, client->address);
        if (store->find(store, &lease.client, &address) != 0 || address != client->address)
            fault("a client is not found", c, client->address);
        world->kept++;
    }
}

static bool open_server(struct server *s, const char *path)
{
    struct keel_diag diag;
    if (dhcp_durable_open(&s->durable, path, &diag) != 0) {
        snprintf(world->fault, sizeof world->fault, "%.190s", diag.text);
        return false;
    }
    struct dhcp_env env = {
        .config = &s->lab.config,
        .clock = &s->lab.clock.clock,
        .prng = &s->lab.prng,
        .store = &s->durable.store,
    };
    if (keel_store_read(s->durable.env) != 0)
        return false;
    check_promises(s);
    dhcp_engine_free(s->lab.engine);
    s->lab.engine = NULL;
    int err = dhcp_engine_new(&env, &s->lab.engine);
    keel_store_read_end(s->durable.env);
    return err == 0;
}

/* What client c does next. Giving up an address is true from the moment that it is said. */
static struct lab_message next_message(struct server *s, unsigned c)
{
    struct client *client = &world->clients[c];
    struct lab_message m = {
        .type = DHCP_REQUEST, .client = (uint8_t)c, .giaddr = LAB_RELAY, .server = LAB_SERVER};
    uint32_t dice = keel_prng_below(&s->prng, 16);
    if (holds(c, world->now) && dice < 3) {
        m.type = dice == 0 ? DHCP_DECLINE : DHCP_RELEASE;
        m.ciaddr = dice == 0 ? 0 : client->address;
        m.requested = dice == 0 ? client->address : 0;
        client->address = 0;
    } else if (holds(c, world->now)) {
        m.server = 0; /* renews, or starts again with what it knows */
        m.ciaddr = dice < 12 ? client->address : 0;
        m.requested = dice < 12 ? 0 : client->address;
    } else if (client->offered && dice < 12) {
        m.requested = client->offered;
    } else if (dice < 15) {
        m.type = DHCP_DISCOVER;
        m.server = 0;
    } else { /* one that it never had */
        m.server = 0;
        m.requested = FIRST + keel_prng_below(&s->prng, ADDRESSES);
    }
    return m;
}

/* The reply has left. */
static void tell(unsigned c, const struct dhcp_decision *d, const uint8_t *reply)
{
    struct client *client = &world->clients[c];
    struct dhcp_message m;
    if (dhcp_message_parse(&m, reply, d->size) != 0)
        fault("a reply cannot be read", c, d->lease);
    if (d->sent == DHCP_OFFER)
        client->offered = m.yiaddr;
    if (d->sent == DHCP_NAK)
        client->address = client->offered = 0;
    if (d->sent != DHCP_ACK)
        return;
    for (unsigned other = 1; other <= CLIENTS; other++)
        if (other != c && holds(other, world->now) && world->clients[other].address == m.yiaddr)
            fault("an address is given twice", c, m.yiaddr);
    client->address = m.yiaddr;
    client->expires = world->now + dhcp_message_u32(&m, DHCP_OPTION_LEASE_TIME);
    client->offered = 0;
    world->acks++;
}

/* A client waits for an answer before it says more: none speaks twice in a batch. */
static unsigned somebody_else(struct server *s, const unsigned *who, unsigned count)
{
    for (;;) {
        unsigned c = 1 + keel_prng_below(&s->prng, CLIENTS), i = 0;
        while (i < count && who[i] != c)
            i++;
        if (i == count)
            return c;
    }
}

/* What the pools say of each address is what its record says; one that is over may not have been
 * looked at yet. */
static void check_pools(struct server *s)
{
    struct dhcp_engine *e = s->lab.engine;
    const struct dhcp_subnet *subnet = dhcp_config_by_address(&s->lab.config, FIRST);
    if (keel_store_read(s->durable.env) != 0)
        return;
    for (uint32_t a = FIRST; a < FIRST + ADDRESSES; a++) {
        struct dhcp_lease lease;
        int err = s->durable.store.get(&s->durable.store, a, &lease);
        bool live = !err && lease.expires > dhcp_engine_now(e) &&
                    (lease.state == DHCP_LEASE_ACTIVE || lease.state == DHCP_LEASE_DECLINED);
        enum dhcp_slot_state slot = dhcp_pool_state(dhcp_engine_find_pool(e, subnet, a), a);
        if (err == KEEL_ENOENT ? slot != DHCP_SLOT_FREE
            : live             ? slot != DHCP_SLOT_BOUND
                               : slot == DHCP_SLOT_FREE)
            fault("the pool does not say what the store says", 0, a);
    }
    keel_store_read_end(s->durable.env);
}

static void serve_batch(struct server *s)
{
    static uint8_t replies[BATCH][1500];
    struct dhcp_decision decisions[BATCH];
    unsigned who[BATCH], count = 1 + keel_prng_below(&s->prng, BATCH);
    dhcp_engine_tick(s->lab.engine);
    if (dhcp_durable_begin(&s->durable) != 0) {
        world->failed_commits++;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        uint8_t bytes[1024];
        who[i] = somebody_else(s, who, i);
        struct lab_message m = next_message(s, who[i]);
        struct dhcp_input input = {
            .bytes = bytes,
            .size = lab_build(&s->lab, &m, bytes),
            .peer = LAB_RELAY,
            .peer_port = 67,
            .local = LAB_SERVER,
            .local_port = 67,
            .interface = "",
        };
        dhcp_engine_process(s->lab.engine, &input, replies[i], sizeof replies[i], &decisions[i]);
    }
    bool durable = dhcp_durable_commit(&s->durable, s->lab.engine, decisions, count, false) >= 0;
    world->failed_commits += !durable;
    s->doubt = s->doubt || (!durable && !s->one_failure);
    if (!s->doubt)
        check_pools(s);
    for (unsigned i = 0; i < count; i++) {
        if (decisions[i].sent && (durable || decisions[i].changes == 0))
            tell(who[i], &decisions[i], replies[i]);
        else if (decisions[i].sent)
            world->withheld++;
    }
}

static void run_child(const char *folder, const struct cut_plan *plan, uint64_t seed)
{
    static struct server s;
    char path[128], file[160], platter[160];
    snprintf(path, sizeof path, "%s/leases", folder);
    snprintf(file, sizeof file, "%s/data.mdb", path);
    snprintf(platter, sizeof platter, "%s/platter", folder);
    struct keel_log_options quiet = {.level = KEEL_LOG_ERROR, .fd = -1};
    if (!freopen("/dev/null", "w", stderr))
        _exit(1);
    keel_log_open(&quiet, NULL);
    keel_prng_seed(&s.prng, seed);
    s.one_failure = plan->kind != CUT_FAIL || plan->failures == 1;
    lab_init(&s.lab);
    keel_fake_clock_init(&s.lab.clock, world->now * KEEL_NS_PER_S);
    cut_disk_start(plan, file, platter, seed);
    if (!open_server(&s, path)) {
        world->unopened++;
        _exit(plan->kind == CUT_FAIL ? 0 : 4);
    }
    for (unsigned b = 0; b < BATCHES; b++) {
        serve_batch(&s);
        uint64_t step = keel_prng_below(&s.prng, 8) ? keel_prng_below(&s.prng, 20) : 2000;
        world->now += step;
        keel_fake_clock_advance(&s.lab.clock, step * KEEL_NS_PER_S);
    }
    world->calls = cut_disk_calls();
    /* no goodbye: that nothing is left to be written at an end is a part of the promise */
    _exit(0);
}

/* --- the parent ------------------------------------------------------------------------------- */

/* A new store, made whole: tests/unit/store shows what happens when that is cut off. */
static void make_store(const char *folder)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s && mkdir -p %s/leases", folder, folder);
    if (system(command) != 0)
        exit(1);
    pid_t pid = fork(); /* LMDB does not go over a fork */
    if (pid == 0) {
        static struct dhcp_durable durable;
        struct keel_diag diag;
        snprintf(command, sizeof command, "%s/leases", folder);
        int err = dhcp_durable_open(&durable, command, &diag);
        if (!err)
            dhcp_durable_close(&durable);
        _exit(err ? 1 : 0);
    }
    int status;
    snprintf(command, sizeof command, "cp %s/leases/data.mdb %s/platter", folder, folder);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || system(command) != 0) {
        perror(folder);
        exit(1);
    }
    memset(world->clients, 0, sizeof world->clients);
}

static struct cut_plan make_plan(struct keel_prng *prng, unsigned calls)
{
    static const enum cut_kind kinds[] = {CUT_KILL,  CUT_KILL, CUT_POWER, CUT_POWER,
                                          CUT_POWER, CUT_FAIL, CUT_FAIL,  CUT_NONE};
    return (struct cut_plan){
        .kind = kinds[keel_prng_below(prng, 8)],
        .at = 1 + keel_prng_below(prng, calls ? calls : 20),
        .moment = (enum cut_moment)keel_prng_below(prng, 3),
        .error = keel_prng_below(prng, 2) ? EIO : ENOSPC,
        .failures = 1 + keel_prng_below(prng, 4),
    };
}

/* 0, or 1 when a promise was broken. */
static int run_trial(const char *folder, const struct cut_plan *plan, uint64_t seed)
{
    char file[160], platter[160];
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        run_child(folder, plan, seed);
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("fork");
        exit(1);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) || WTERMSIG(status) != SIGKILL) {
        printf("# status %#x, kind %d, call %u, moment %d: %s\n", (unsigned)status, plan->kind,
               plan->at, plan->moment, world->fault);
        return 1;
    }
    if (plan->kind == CUT_POWER) {
        snprintf(file, sizeof file, "%s/leases/data.mdb", folder);
        snprintf(platter, sizeof platter, "%s/platter", folder);
        cut_disk_restore(file, platter);
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long trials = argc > 1 ? strtoul(argv[1], NULL, 10) : 1500;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : keel_rand_u64();
    char folder[] = "/tmp/keel-durability-XXXXXX", command[64];
    struct keel_prng prng;
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world == MAP_FAILED || !mkdtemp(folder)) {
        perror("durability");
        return 1;
    }
    keel_prng_seed(&prng, seed);
    world->now = LAB_START;
    unsigned long done = 0;
    int broken = 0;
    printf("# seed %llu\n", (unsigned long long)seed);
    for (; done < trials && !broken; done++) {
        if (done % CHAIN == 0)
            make_store(folder);
        struct cut_plan plan = make_plan(&prng, world->calls);
        broken = run_trial(folder, &plan, keel_prng_next(&prng));
    }
    printf("# %lu trials: %llu ACKs, %llu leases found again, %llu replies withheld, %llu commits "
           "failed, %llu stores not opened\n",
           done, (unsigned long long)world->acks, (unsigned long long)world->kept,
           (unsigned long long)world->withheld, (unsigned long long)world->failed_commits,
           (unsigned long long)world->unopened);
    printf("%sok 1 - every ACK is in the store, no address is given twice\n1..1\n",
           broken ? "not " : "");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || broken;
}
