/*
 * Plays scenarios into the DHCP engine: a configuration as a daemon reads it, a fake clock, a store
 * in memory, and clients that are one line each. No socket, no root, no waiting.
 *
 *   config                                  a configuration file, up to a line "end"; the store
 *   ...                                     stays, so that a second one is a reload
 *   end
 *   config-file conf/dhcpd.conf             one of the tree
 *   client a hardware=02:00:00:00:00:01 vendor-class-identifier=PXEClient
 *   a discover requested=192.0.2.9 -> offer yiaddr=$A lease-time=3600 !routers to=hardware
 *   a request server=192.0.2.1 requested=$A -> ack yiaddr=$A
 *   a release ciaddr=$A -> - done           no reply; the outcome may follow
 *   lease $A released
 *   wait 90s
 *   restart                                 the engine made anew from the store, as a standby does
 *   store fails | store works
 *   state NAME                              lines up to "end" that lead to a state
 *   ...
 *   end
 *   in NAME LINE                            everything forgotten, the state played, then the line;
 *                                           LINE | LINE | ... for what follows of it
 *
 * Before the arrow stand fields of the message, behind it fields of the reply. Options go by name,
 * as in a configuration (lists with commas), or as option[N]=HEX; !NAME: the reply does not have
 * it. A $NAME that is not known yet takes the value, afterwards it is the value.
 */
#include "common/base/mem.h"
#include "common/service/conf.h"
#include "dhcpd/options.h"
#include "tests/scenario/dhcpd/player.h"

#include <stdio.h>
#include <stdlib.h>

#define START 1700000000ull

static void play_lease(struct player *p, char **words, unsigned count)
{
    struct dhcp_lease lease;
    const char *state = "none";
    char identity[256];
    if (count < 3) {
        player_fail(p, "lease ADDRESS STATE expected");
        return;
    }
    uint32_t address = player_address(p, words[1]);
    if (p->store.store.get(&p->store.store, address, &lease) == 0) {
        state = dhcp_lease_state_name(lease.state);
        keel_format_hex(identity, sizeof identity, lease.chaddr, lease.hlen, ':');
    }
    if (strcmp(state, words[2]) != 0)
        player_fail(p, "the lease of %s is %s, not %s", words[1], state, words[2]);
    else if (count > 3 && strcmp(identity, words[3]) != 0)
        player_fail(p, "the lease of %s is of %s, not of %s", words[1], identity, words[3]);
}

static void restart(struct player *p)
{
    struct dhcp_env env = {.config = &p->settings->config,
                           .clock = &p->clock.clock,
                           .prng = &p->prng,
                           .store = &p->store.store};
    dhcp_engine_free(p->engine);
    p->engine = NULL;
    int err = dhcp_engine_new(&env, &p->engine);
    if (err)
        player_fail(p, "the engine: %s", keel_strerror(err));
}

/* The core's option that dhcpd reads too, and its own. */
static const struct keel_option *option_rows(void)
{
    static struct keel_option rows[64];
    unsigned n = 0;
    rows[n++] = (struct keel_option){
        .name = "listen", .type = KEEL_OPT_LISTEN, .flags = KEEL_OPT_LIST, .help = "."};
    for (const struct keel_option *r = dhcp_options_rows; r->type != KEEL_OPT_END; r++) {
        KEEL_ASSERT(n < sizeof rows / sizeof rows[0] - 1, "room for all rows");
        rows[n++] = *r;
    }
    return rows;
}

static void unload(struct player *p)
{
    dhcp_engine_free(p->engine);
    if (p->settings)
        dhcp_settings_free(p->settings);
    keel_conf_free(p->conf);
    p->engine = NULL;
    p->settings = NULL;
    p->conf = NULL;
}

static void configure(struct player *p, const char *text)
{
    const struct keel_conf_source source = {"config", text, NULL};
    struct keel_diag diag = {""};
    unload(p);
    if (keel_conf_load(option_rows(), &source, &p->conf, &diag) != 0 ||
        dhcp_settings_configure(p->conf, (void **)&p->settings, NULL, NULL, &diag) != 0)
        player_fail(p, "%s", diag.text);
    else
        restart(p);
}

static void configure_from(struct player *p, const char *file)
{
    const char *root = getenv("KEEL_SRCDIR");
    char path[4096], *text = NULL;
    struct keel_diag diag = {""};
    snprintf(path, sizeof path, "%s/%s", root ? root : ".", file);
    if (keel_conf_read_file(path, &text, &diag) != 0)
        player_fail(p, "%s", diag.text);
    else
        configure(p, text);
    keel_free(text);
}

static void play_wait(struct player *p, const char *time)
{
    uint64_t ns;
    if (keel_parse_duration(keel_str(time), &ns) != 0) {
        player_fail(p, "\"%s\" is no time", time);
        return;
    }
    keel_fake_clock_advance(&p->clock, ns);
    for (unsigned i = 0; i < 16; i++)
        dhcp_engine_tick(p->engine);
}

static void play_client(struct player *p, const char *line)
{
    struct client *c = &p->clients[p->client_count++];
    int used = 0;
    if (p->client_count == PLAY_CLIENTS || sscanf(line, "client %31s %n", c->name, &used) != 1)
        player_fail(p, "client NAME FIELDS expected");
    snprintf(c->fields, sizeof c->fields, "%s", line + used);
}

static struct client *find_client(struct player *p, const char *name)
{
    for (unsigned i = p->client_count; i-- > 0;)
        if (strcmp(p->clients[i].name, name) == 0)
            return &p->clients[i];
    return NULL;
}

static void play_line(struct player *p, char *line)
{
    char copy[1024];
    char *words[PLAY_WORDS];
    snprintf(copy, sizeof copy, "%s", line);
    unsigned count = player_split(line, words);
    if (count == 0)
        return;
    p->steps++;
    if (strcmp(words[0], "client") == 0) {
        p->steps--;
        play_client(p, copy);
    } else if (strcmp(words[0], "config-file") == 0 && count == 2) {
        configure_from(p, words[1]);
    } else if (!p->engine) {
        player_fail(p, "a config must stand first");
    } else if (strcmp(words[0], "lease") == 0) {
        play_lease(p, words, count);
    } else if (strcmp(words[0], "wait") == 0 && count == 2) {
        play_wait(p, words[1]);
    } else if (strcmp(words[0], "restart") == 0) {
        restart(p);
    } else if (strcmp(words[0], "store") == 0 && count == 2) {
        p->store.fail_in = strcmp(words[1], "fails") == 0 ? 1 : 0;
        p->store.calls = 0;
    } else if (count > 1 && find_client(p, words[0])) {
        player_message(p, find_client(p, words[0]), words, count);
    } else {
        player_fail(p, "\"%s\" is no client and no command", words[0]);
    }
}

/* As at the beginning, with the same configuration. */
static void forget(struct player *p)
{
    p->variable_count = 0;
    memory_store_init(&p->store);
    keel_fake_clock_init(&p->clock, START * KEEL_NS_PER_S);
    if (p->settings)
        restart(p);
}

/* The parts of `text` one after the other, each a line. */
static void play_lines(struct player *p, const char *text, char sep)
{
    struct keel_str rest = keel_str(text), part;
    char line[1024];
    while (!p->wrong[0] && keel_str_split(&rest, sep, &part)) {
        snprintf(line, sizeof line, "%.*s", (int)part.n, part.p);
        play_line(p, line);
    }
}

static void play_in(struct player *p, const char *line)
{
    char name[32];
    int used = 0;
    unsigned steps = p->steps;
    if (sscanf(line, "in %31s %n", name, &used) != 1)
        player_fail(p, "in STATE LINE expected");
    for (unsigned i = 0; i < p->state_count; i++) {
        if (strcmp(p->states[i].name, name) != 0)
            continue;
        forget(p);
        play_lines(p, keel_buf_text(&p->states[i].lines), '\n');
        p->steps = steps; /* what leads there is not counted again and again */
        play_lines(p, line + used, '|');
        return;
    }
    player_fail(p, "no state \"%s\" stands before", name);
}

/* The buffer that the lines of a block go to, at its first line; NULL: it is no block. */
static struct keel_buf *begin_block(struct player *p, const char *line, struct keel_buf *config)
{
    struct state *state = &p->states[p->state_count];
    if (strcmp(line, "config") == 0) {
        keel_buf_clear(config);
        return config;
    }
    if (p->state_count == PLAY_STATES || sscanf(line, "state %31s", state->name) != 1)
        return NULL;
    p->state_count++;
    keel_buf_init(&state->lines, 0);
    return &state->lines;
}

static void play(struct player *p, FILE *f)
{
    char line[1024];
    struct keel_buf config, *block = NULL;
    keel_buf_init(&config, 0);
    while (!p->wrong[0] && fgets(line, sizeof line, f)) {
        p->line++;
        line[strcspn(line, "\n")] = '\0';
        if (block && strcmp(line, "end") == 0) {
            if (block == &config)
                configure(p, keel_buf_text(&config));
            block = NULL;
        } else if (block) {
            keel_buf_printf(block, "%s\n", line);
        } else if (strncmp(line, "in ", 3) == 0) {
            play_in(p, line);
        } else if ((block = begin_block(p, line, &config)) == NULL) {
            play_line(p, line);
        }
    }
    keel_buf_fini(&config);
}

static unsigned play_file(const char *folder, const char *name, unsigned number)
{
    static struct player p;
    char path[4096];
    memset(&p, 0, sizeof p);
    p.file = name;
    keel_fake_clock_init(&p.clock, START * KEEL_NS_PER_S);
    keel_prng_seed(&p.prng, 1);
    memory_store_init(&p.store);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (f)
        play(&p, f);
    else
        player_fail(&p, "cannot be opened");
    if (f)
        fclose(f);
    unload(&p);
    for (unsigned i = 0; i < p.state_count; i++)
        keel_buf_fini(&p.states[i].lines);
    printf("%s %u - %s: %u steps\n", p.wrong[0] ? "not ok" : "ok", number, name, p.steps);
    if (p.wrong[0])
        printf("# %s\n", p.wrong);
    return p.wrong[0] ? 0 : p.steps;
}

static const char *const scenarios[] = {
    "discover.txt", "selecting.txt",    "reboot.txt",  "renewing.txt", "decline-release-inform.txt",
    "policy.txt",   "reservations.txt", "relays.txt",  "shared.txt",   "boot.txt",
    "times.txt",    "limits.txt",       "netboot.txt", "matrix.txt",
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

int main(int argc, char **argv)
{
    const char *root = getenv("KEEL_SRCDIR");
    char folder[3000];
    unsigned steps = 0, count = argc > 1 ? (unsigned)argc - 1 : SCENARIOS;
    bool good = true;
    snprintf(folder, sizeof folder, "%s/tests/scenario/dhcpd", root ? root : ".");
    printf("1..%u\n", count);
    for (unsigned i = 0; i < count; i++) {
        unsigned played =
            argc > 1 ? play_file(".", argv[i + 1], i + 1) : play_file(folder, scenarios[i], i + 1);
        good = good && played > 0;
        steps += played;
    }
    printf("# %u steps\n", steps);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
