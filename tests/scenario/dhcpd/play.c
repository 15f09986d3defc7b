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
#include "dhcpd/engine/engine.h"
#include "dhcpd/options.h"
#include "dhcpd/serve/settings.h"
#include "tests/support/dhcp_memory_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 40
#define CLIENTS_MAX 64
#define VARIABLES_MAX 64
#define STATES_MAX 24
#define START 1700000000ull

struct client {
    char name[32], fields[512];
};
struct variable {
    char name[32];
    uint32_t value;
};

struct state {
    char name[32];
    struct keel_buf lines;
};

struct player {
    const char *file;
    int line;
    char wrong[1024]; /* what failed; empty: nothing */
    unsigned steps;
    struct keel_fake_clock clock;
    struct keel_prng prng;
    struct memory_store store;
    struct keel_conf *conf;
    struct dhcp_settings *settings;
    struct dhcp_engine *engine;
    struct client clients[CLIENTS_MAX];
    unsigned client_count;
    struct variable variables[VARIABLES_MAX];
    unsigned variable_count;
    struct state states[STATES_MAX];
    unsigned state_count;
    uint32_t xid;
    /* of the message at hand */
    struct dhcp_header header;
    struct dhcp_input input;
    uint8_t request[2048], reply[2048], relay[300];
    size_t relay_size;
    struct dhcp_decision decision;
    struct dhcp_message answer;
};

static void fail(struct player *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct player *p, const char *fmt, ...)
{
    if (p->wrong[0])
        return;
    va_list ap;
    int n = snprintf(p->wrong, sizeof p->wrong, "%s:%d: ", p->file, p->line);
    va_start(ap, fmt);
    vsnprintf(p->wrong + n, sizeof p->wrong - (size_t)n, fmt, ap);
    va_end(ap);
}

/* --- values ----------------------------------------------------------------------------------- */

static struct variable *find_variable(struct player *p, const char *name)
{
    for (unsigned i = 0; i < p->variable_count; i++)
        if (strcmp(p->variables[i].name, name) == 0)
            return &p->variables[i];
    return NULL;
}

static uint32_t address_of(struct player *p, const char *text)
{
    struct keel_prefix prefix;
    if (text[0] == '$') {
        struct variable *v = find_variable(p, text);
        if (!v)
            fail(p, "%s has no value yet", text);
        return v ? v->value : 0;
    }
    if (keel_prefix_parse(&prefix, keel_str(text), NULL) != 0 || prefix.length != 32) {
        fail(p, "\"%s\" is not an address", text);
        return 0;
    }
    return keel_get_u32(prefix.bytes);
}

/* The wire form of an option's value as it stands in a scenario; its code, or -1. */
static int encode(struct player *p, const char *name, const char *value, uint8_t *out, size_t room,
                  size_t *size)
{
    unsigned code;
    if (sscanf(name, "option[%u]", &code) == 1) {
        int n = keel_parse_hex(keel_str(value), out, room);
        *size = n > 0 ? (size_t)n : 0;
        return (int)code;
    }
    const struct dhcp_option_def *def = dhcp_option_by_name(keel_str(name));
    if (!def) {
        fail(p, "there is no option or field \"%s\"", name);
        return -1;
    }
    if (value[0] == '$') {
        keel_put_u32(out, address_of(p, value));
        *size = 4;
        return def->code;
    }
    struct keel_str values[16], rest = keel_str(value);
    unsigned count = 0, at;
    struct keel_diag diag = {""};
    if (def->list && def->type != DHCP_TYPE_RECORD)
        while (count < 16 && keel_str_split(&rest, ',', &values[count]))
            count++;
    else
        values[count++] = rest;
    int n = dhcp_option_encode(def, values, count, out, room, &at, &diag);
    if (n < 0)
        fail(p, "%s=%s: %s", name, value, diag.text);
    *size = n > 0 ? (size_t)n : 0;
    return def->code;
}

/* --- what a client sends ---------------------------------------------------------------------- */

static void add_relay(struct player *p, uint8_t code, const void *bytes, size_t n)
{
    if (p->relay_size + n + 2 > sizeof p->relay) {
        fail(p, "too much relay information");
        return;
    }
    p->relay[p->relay_size++] = code;
    p->relay[p->relay_size++] = (uint8_t)n;
    memcpy(p->relay + p->relay_size, bytes, n);
    p->relay_size += n;
}

/* A field of the header, of the way that the message came, or of the relay; false: an option. */
static bool set_field(struct player *p, const char *name, const char *value)
{
    uint8_t bytes[255], address[4];
    if (strcmp(name, "hardware") == 0) {
        int n = keel_parse_hex(keel_str(value), bytes, 16);
        p->header.hlen = n > 0 ? (uint8_t)n : 0;
        memset(p->header.chaddr, 0, 16);
        memcpy(p->header.chaddr, bytes, p->header.hlen);
    } else if (strcmp(name, "ciaddr") == 0) {
        p->header.ciaddr = p->input.peer = address_of(p, value);
    } else if (strcmp(name, "giaddr") == 0) {
        p->header.giaddr = p->input.peer = address_of(p, value);
        p->input.interface = "";
        p->input.peer_port = 67;
    } else if (strcmp(name, "broadcast") == 0) {
        p->header.flags |= DHCP_FLAG_BROADCAST;
    } else if (strcmp(name, "by-broadcast") == 0) {
        p->input.broadcast = true;
    } else if (strcmp(name, "op") == 0) {
        p->header.op = (uint8_t)atoi(value);
    } else if (strcmp(name, "interface") == 0) {
        p->input.interface = strcmp(value, "-") == 0 ? "" : value;
    } else if (strcmp(name, "peer") == 0) {
        p->input.peer = address_of(p, value);
    } else if (strcmp(name, "peer-port") == 0) {
        p->input.peer_port = (uint16_t)atoi(value);
    } else if (strcmp(name, "local") == 0) {
        p->input.local = strcmp(value, "-") == 0 ? 0 : address_of(p, value);
    } else if (strcmp(name, "local-port") == 0) {
        p->input.local_port = (uint16_t)atoi(value);
    } else if (strcmp(name, "circuit-id") == 0) {
        add_relay(p, 1, value, strlen(value));
    } else if (strcmp(name, "remote-id") == 0) {
        add_relay(p, 2, value, strlen(value));
    } else if (strcmp(name, "link-selection") == 0 || strcmp(name, "server-override") == 0) {
        keel_put_u32(address, address_of(p, value));
        add_relay(p, name[0] == 'l' ? 5 : 11, address, 4);
    } else if (strcmp(name, "relay-port") == 0) {
        add_relay(p, 19, "", 0);
    } else {
        return false;
    }
    return true;
}

/* Short names of the options that decide most. */
static const char *long_name(const char *name)
{
    static const char *const names[][2] = {
        {"requested", "requested-address"},
        {"server", "server-identifier"},
        {"wants", "parameter-request-list"},
        {"id", "client-identifier"},
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], name) == 0)
            return names[i][1];
    return name;
}

/* Fields and options of words[0..count) into a message of this type; later ones replace earlier. */
static size_t build(struct player *p, enum dhcp_type type, char **words, unsigned count)
{
    struct dhcp_builder b;
    char *options[WORDS_MAX];
    unsigned option_count = 0;
    p->relay_size = 0;
    for (unsigned i = 0; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (value)
            *value++ = '\0';
        if (!set_field(p, words[i], value ? value : ""))
            options[option_count++] = words[i];
        if (value)
            value[-1] = '=';
    }
    dhcp_builder_init(&b, p->request, 1400, &p->header, p->relay_size);
    if (type)
        dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, (uint8_t)type);
    for (unsigned i = 0; i < option_count; i++) {
        uint8_t bytes[512];
        size_t n = 0;
        char name[64];
        char *value = strchr(options[i], '=');
        snprintf(name, sizeof name, "%.*s",
                 (int)(value ? value - options[i] : (long)strlen(options[i])), options[i]);
        int code = encode(p, long_name(name), value ? value + 1 : "true", bytes, sizeof bytes, &n);
        if (code >= 0)
            dhcp_builder_add(&b, (uint8_t)code, bytes, n);
    }
    return dhcp_builder_finish(&b, p->relay, p->relay_size);
}

/* --- what comes of it ------------------------------------------------------------------------- */

static const char *target_name(const struct player *p)
{
    static const char *const names[] = {"address", "link", "hardware"};
    return names[p->decision.target];
}

static void expect_address(struct player *p, const char *name, const char *value, uint32_t got)
{
    char text[16];
    if (value[0] == '$' && !find_variable(p, value) && p->variable_count < VARIABLES_MAX) {
        struct variable *v = &p->variables[p->variable_count++];
        snprintf(v->name, sizeof v->name, "%s", value);
        v->value = got;
        if (got == 0)
            fail(p, "%s is empty", name);
        return;
    }
    if (address_of(p, value) != got)
        fail(p, "%s is %s, not %s", name, dhcp_address_text(got, text), value);
}

static void expect_text(struct player *p, const char *name, const char *value,
                        struct dhcp_bytes got)
{
    if (got.n != strlen(value) || memcmp(got.p, value, got.n) != 0)
        fail(p, "%s is \"%.*s\", not \"%s\"", name, (int)got.n, (const char *)got.p, value);
}

static void expect_option(struct player *p, const char *name, const char *value)
{
    uint8_t bytes[1024];
    char got[512];
    size_t n = 0;
    int code = encode(p, name, value ? value : "true", bytes, sizeof bytes, &n);
    if (code < 0)
        return;
    struct dhcp_bytes v = dhcp_message_option(&p->answer, (uint8_t)code);
    keel_escape(got, sizeof got, v.p, v.n);
    if (!dhcp_message_has(&p->answer, (uint8_t)code))
        fail(p, "the reply has no %s", name);
    else if (v.n != n || (n && memcmp(v.p, bytes, n) != 0))
        fail(p, "%s is \"%s\", not %s", name, got, value ? value : "there");
}

static void expect_absent(struct player *p, const char *name)
{
    unsigned code;
    if (sscanf(name, "option[%u]", &code) != 1) {
        const struct dhcp_option_def *def = dhcp_option_by_name(keel_str(name));
        if (!def) {
            fail(p, "there is no option \"%s\"", name);
            return;
        }
        code = def->code;
    }
    if (dhcp_message_has(&p->answer, (uint8_t)code))
        fail(p, "the reply has %s", name);
}

/* Where the reply goes and how it is made; false: the word is none of these. */
static bool expect_way(struct player *p, const char *word, const char *v)
{
    bool broadcast = p->answer.flags & DHCP_FLAG_BROADCAST;
    if (strcmp(word, "to") == 0) {
        if (strcmp(v, target_name(p)) != 0)
            fail(p, "goes to %s, not %s", target_name(p), v);
    } else if (strcmp(word, "port") == 0) {
        if (p->decision.port != atoi(v))
            fail(p, "goes to port %u, not %s", p->decision.port, v);
    } else if (strcmp(word, "broadcast") == 0 || strcmp(word, "unicast") == 0) {
        if (broadcast != (word[0] == 'b'))
            fail(p, "the broadcast flag is %s", broadcast ? "set" : "not set");
    } else if (strcmp(word, "size") == 0) {
        if (p->decision.size != (size_t)atoi(v))
            fail(p, "the reply has %zu octets", p->decision.size);
    } else {
        return false;
    }
    return true;
}

static void expect_field(struct player *p, char *word)
{
    const struct dhcp_message *a = &p->answer;
    const struct {
        const char *name;
        uint32_t got;
    } addresses[] = {{"yiaddr", a->yiaddr},
                     {"ciaddr", a->ciaddr},
                     {"siaddr", a->siaddr},
                     {"giaddr", a->giaddr},
                     {"address", p->decision.address}};
    char *value = strchr(word, '=');
    if (value)
        *value++ = '\0';
    for (unsigned i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        if (strcmp(word, addresses[i].name) == 0) {
            expect_address(p, word, value ? value : "", addresses[i].got);
            return;
        }
    }
    if (word[0] == '!')
        expect_absent(p, long_name(word + 1));
    else if (strcmp(word, "sname") == 0)
        expect_text(p, word, value ? value : "", a->sname);
    else if (strcmp(word, "file") == 0)
        expect_text(p, word, value ? value : "", a->file);
    else if (!expect_way(p, word, value ? value : ""))
        expect_option(p, long_name(word), value);
}

/* "ack", "offer", "nak"; "-" is none, "bootp" a reply without a type. */
static bool is_reply(const struct player *p, const char *word)
{
    if (strcmp(word, "-") == 0)
        return p->decision.sent == DHCP_NONE;
    if (strcmp(word, "bootp") == 0)
        return p->decision.sent && p->answer.type == DHCP_NONE;
    return p->decision.sent && strcmp(dhcp_type_name(p->answer.type), word) == 0;
}

static void expect(struct player *p, char **words, unsigned count)
{
    const char *outcome = dhcp_outcome_name(p->decision.outcome);
    if (count == 0) {
        fail(p, "what is expected behind the arrow?");
    } else if (!is_reply(p, words[0])) {
        fail(p, "the answer is %s (%s), not %s",
             p->decision.sent ? dhcp_type_name(p->answer.type) : "-", outcome, words[0]);
    } else if (!p->decision.sent) {
        if (count > 1 && strcmp(words[1], outcome) != 0)
            fail(p, "the outcome is %s, not %s", outcome, words[1]);
    } else {
        for (unsigned i = 1; i < count && !p->wrong[0]; i++)
            expect_field(p, words[i]);
    }
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Splits at blanks; '...' keeps them. */
static unsigned split(char *line, char **words)
{
    unsigned count = 0;
    char *out = line;
    while (*line && count < WORDS_MAX) {
        while (*line == ' ' || *line == '\t')
            line++;
        if (*line == '\0' || *line == '#')
            break;
        words[count++] = out;
        bool quoted = false;
        while (*line && (quoted || (*line != ' ' && *line != '\t'))) {
            if (*line == '\'')
                quoted = !quoted;
            else
                *out++ = *line;
            line++;
        }
        if (*line)
            line++;
        *out++ = '\0';
    }
    return count;
}

static enum dhcp_type type_of(const char *word, bool *known)
{
    *known = true;
    if (strcmp(word, "bootp") == 0)
        return DHCP_NONE;
    for (unsigned t = DHCP_DISCOVER; t < DHCP_TYPES; t++)
        if (strcmp(dhcp_type_name((enum dhcp_type)t), word) == 0)
            return (enum dhcp_type)t;
    *known = false;
    return DHCP_NONE;
}

/* "CLIENT MESSAGE FIELDS -> REPLY FIELDS". */
static void play_message(struct player *p, struct client *c, char **words, unsigned count)
{
    char fields[sizeof c->fields];
    char *all[2 * WORDS_MAX];
    bool known;
    enum dhcp_type type = type_of(words[1], &known);
    unsigned arrow = 2;
    while (arrow < count && strcmp(words[arrow], "->") != 0)
        arrow++;
    if (!known || arrow == count) {
        fail(p, "CLIENT MESSAGE ... -> REPLY ... expected");
        return;
    }
    p->header = (struct dhcp_header){.op = 1, .htype = 1, .xid = ++p->xid};
    p->input = (struct dhcp_input){.bytes = p->request,
                                   .peer_port = 68,
                                   .local = keel_get_u32((uint8_t[]){192, 0, 2, 1}),
                                   .local_port = 67,
                                   .interface = "lan0"};
    memcpy(fields, c->fields, sizeof fields);
    unsigned n = split(fields, all);
    for (unsigned i = 2; i < arrow; i++)
        all[n++] = words[i];
    p->input.size = build(p, type, all, n);
    if (p->wrong[0])
        return;
    dhcp_engine_tick(p->engine);
    dhcp_engine_process(p->engine, &p->input, p->reply, 1472, &p->decision);
    memset(&p->answer, 0, sizeof p->answer);
    int err = p->decision.sent ? dhcp_message_parse(&p->answer, p->reply, p->decision.size) : 0;
    if (err && (err != KEEL_ENOTSUP || type != DHCP_NONE))
        fail(p, "the reply cannot be parsed: %s", keel_strerror(err));
    else if (p->decision.sent && p->answer.xid != p->xid)
        fail(p, "the reply is to another message");
    else
        expect(p, words + arrow + 1, count - arrow - 1);
}

static void play_lease(struct player *p, char **words, unsigned count)
{
    struct dhcp_lease lease;
    const char *state = "none";
    char identity[256];
    if (count < 3) {
        fail(p, "lease ADDRESS STATE expected");
        return;
    }
    uint32_t address = address_of(p, words[1]);
    if (p->store.store.get(&p->store.store, address, &lease) == 0) {
        state = dhcp_lease_state_name(lease.state);
        keel_format_hex(identity, sizeof identity, lease.chaddr, lease.hlen, ':');
    }
    if (strcmp(state, words[2]) != 0)
        fail(p, "the lease of %s is %s, not %s", words[1], state, words[2]);
    else if (count > 3 && strcmp(identity, words[3]) != 0)
        fail(p, "the lease of %s is of %s, not of %s", words[1], identity, words[3]);
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
        fail(p, "the engine: %s", keel_strerror(err));
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
        fail(p, "%s", diag.text);
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
        fail(p, "%s", diag.text);
    else
        configure(p, text);
    keel_free(text);
}

static void play_wait(struct player *p, const char *time)
{
    uint64_t ns;
    if (keel_parse_duration(keel_str(time), &ns) != 0) {
        fail(p, "\"%s\" is no time", time);
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
    if (p->client_count == CLIENTS_MAX || sscanf(line, "client %31s %n", c->name, &used) != 1)
        fail(p, "client NAME FIELDS expected");
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
    char *words[WORDS_MAX];
    snprintf(copy, sizeof copy, "%s", line);
    unsigned count = split(line, words);
    if (count == 0)
        return;
    p->steps++;
    if (strcmp(words[0], "client") == 0) {
        p->steps--;
        play_client(p, copy);
    } else if (strcmp(words[0], "config-file") == 0 && count == 2) {
        configure_from(p, words[1]);
    } else if (!p->engine) {
        fail(p, "a config must stand first");
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
        play_message(p, find_client(p, words[0]), words, count);
    } else {
        fail(p, "\"%s\" is no client and no command", words[0]);
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
        fail(p, "in STATE LINE expected");
    for (unsigned i = 0; i < p->state_count; i++) {
        if (strcmp(p->states[i].name, name) != 0)
            continue;
        forget(p);
        play_lines(p, keel_buf_text(&p->states[i].lines), '\n');
        p->steps = steps; /* what leads there is not counted again and again */
        play_lines(p, line + used, '|');
        return;
    }
    fail(p, "no state \"%s\" stands before", name);
}

/* The buffer that the lines of a block go to, at its first line; NULL: it is no block. */
static struct keel_buf *begin_block(struct player *p, const char *line, struct keel_buf *config)
{
    struct state *state = &p->states[p->state_count];
    if (strcmp(line, "config") == 0) {
        keel_buf_clear(config);
        return config;
    }
    if (p->state_count == STATES_MAX || sscanf(line, "state %31s", state->name) != 1)
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
        fail(&p, "cannot be opened");
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
