#include "tests/scenario/dhcpd/player.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void player_fail(struct player *p, const char *fmt, ...)
{
    if (p->wrong[0])
        return;
    va_list ap;
    int n = snprintf(p->wrong, sizeof p->wrong, "%s:%d: ", p->file, p->line);
    va_start(ap, fmt);
    vsnprintf(p->wrong + n, sizeof p->wrong - (size_t)n, fmt, ap);
    va_end(ap);
}

/* Splits at blanks; '...' keeps them. */
unsigned player_split(char *line, char **words)
{
    unsigned count = 0;
    char *out = line;
    while (*line && count < PLAY_WORDS) {
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

/* --- values ----------------------------------------------------------------------------------- */

static struct variable *find_variable(struct player *p, const char *name)
{
    for (unsigned i = 0; i < p->variable_count; i++)
        if (strcmp(p->variables[i].name, name) == 0)
            return &p->variables[i];
    return NULL;
}

uint32_t player_address(struct player *p, const char *text)
{
    struct keel_prefix prefix;
    if (text[0] == '$') {
        struct variable *v = find_variable(p, text);
        if (!v)
            player_fail(p, "%s has no value yet", text);
        return v ? v->value : 0;
    }
    if (keel_prefix_parse(&prefix, keel_str(text), NULL) != 0 || prefix.length != 32) {
        player_fail(p, "\"%s\" is not an address", text);
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
        player_fail(p, "there is no option or field \"%s\"", name);
        return -1;
    }
    if (value[0] == '$') {
        keel_put_u32(out, player_address(p, value));
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
        player_fail(p, "%s=%s: %s", name, value, diag.text);
    *size = n > 0 ? (size_t)n : 0;
    return def->code;
}

/* --- what a client sends ---------------------------------------------------------------------- */

static void add_relay(struct player *p, uint8_t code, const void *bytes, size_t n)
{
    if (p->relay_size + n + 2 > sizeof p->relay) {
        player_fail(p, "too much relay information");
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
        p->header.ciaddr = p->input.peer = player_address(p, value);
    } else if (strcmp(name, "giaddr") == 0) {
        p->header.giaddr = p->input.peer = player_address(p, value);
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
        p->input.peer = player_address(p, value);
    } else if (strcmp(name, "peer-port") == 0) {
        p->input.peer_port = (uint16_t)atoi(value);
    } else if (strcmp(name, "local") == 0) {
        p->input.local = strcmp(value, "-") == 0 ? 0 : player_address(p, value);
    } else if (strcmp(name, "local-port") == 0) {
        p->input.local_port = (uint16_t)atoi(value);
    } else if (strcmp(name, "circuit-id") == 0) {
        add_relay(p, 1, value, strlen(value));
    } else if (strcmp(name, "remote-id") == 0) {
        add_relay(p, 2, value, strlen(value));
    } else if (strcmp(name, "link-selection") == 0 || strcmp(name, "server-override") == 0) {
        keel_put_u32(address, player_address(p, value));
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
    char *options[PLAY_WORDS];
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
    if (value[0] == '$' && !find_variable(p, value) && p->variable_count < PLAY_VARIABLES) {
        struct variable *v = &p->variables[p->variable_count++];
        snprintf(v->name, sizeof v->name, "%s", value);
        v->value = got;
        if (got == 0)
            player_fail(p, "%s is empty", name);
        return;
    }
    if (player_address(p, value) != got)
        player_fail(p, "%s is %s, not %s", name, dhcp_address_text(got, text), value);
}

static void expect_text(struct player *p, const char *name, const char *value,
                        struct dhcp_bytes got)
{
    if (got.n != strlen(value) || memcmp(got.p, value, got.n) != 0)
        player_fail(p, "%s is \"%.*s\", not \"%s\"", name, (int)got.n, (const char *)got.p, value);
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
        player_fail(p, "the reply has no %s", name);
    else if (v.n != n || (n && memcmp(v.p, bytes, n) != 0))
        player_fail(p, "%s is \"%s\", not %s", name, got, value ? value : "there");
}

static void expect_absent(struct player *p, const char *name)
{
    unsigned code;
    if (sscanf(name, "option[%u]", &code) != 1) {
        const struct dhcp_option_def *def = dhcp_option_by_name(keel_str(name));
        if (!def) {
            player_fail(p, "there is no option \"%s\"", name);
            return;
        }
        code = def->code;
    }
    if (dhcp_message_has(&p->answer, (uint8_t)code))
        player_fail(p, "the reply has %s", name);
}

/* Where the reply goes and how it is made; false: the word is none of these. */
static bool expect_way(struct player *p, const char *word, const char *v)
{
    bool broadcast = p->answer.flags & DHCP_FLAG_BROADCAST;
    if (strcmp(word, "to") == 0) {
        if (strcmp(v, target_name(p)) != 0)
            player_fail(p, "goes to %s, not %s", target_name(p), v);
    } else if (strcmp(word, "port") == 0) {
        if (p->decision.port != atoi(v))
            player_fail(p, "goes to port %u, not %s", p->decision.port, v);
    } else if (strcmp(word, "broadcast") == 0 || strcmp(word, "unicast") == 0) {
        if (broadcast != (word[0] == 'b'))
            player_fail(p, "the broadcast flag is %s", broadcast ? "set" : "not set");
    } else if (strcmp(word, "size") == 0) {
        if (p->decision.size != (size_t)atoi(v))
            player_fail(p, "the reply has %zu octets", p->decision.size);
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
        player_fail(p, "what is expected behind the arrow?");
    } else if (!is_reply(p, words[0])) {
        player_fail(p, "the answer is %s (%s), not %s",
                    p->decision.sent ? dhcp_type_name(p->answer.type) : "-", outcome, words[0]);
    } else if (!p->decision.sent) {
        if (count > 1 && strcmp(words[1], outcome) != 0)
            player_fail(p, "the outcome is %s, not %s", outcome, words[1]);
    } else {
        for (unsigned i = 1; i < count && !p->wrong[0]; i++)
            expect_field(p, words[i]);
    }
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

void player_message(struct player *p, struct client *c, char **words, unsigned count)
{
    char fields[sizeof c->fields];
    char *all[2 * PLAY_WORDS];
    bool known;
    enum dhcp_type type = type_of(words[1], &known);
    unsigned arrow = 2;
    while (arrow < count && strcmp(words[arrow], "->") != 0)
        arrow++;
    if (!known || arrow == count) {
        player_fail(p, "CLIENT MESSAGE ... -> REPLY ... expected");
        return;
    }
    p->header = (struct dhcp_header){.op = 1, .htype = 1, .xid = ++p->xid};
    p->input = (struct dhcp_input){.bytes = p->request,
                                   .peer_port = 68,
                                   .local = keel_get_u32((uint8_t[]){192, 0, 2, 1}),
                                   .local_port = 67,
                                   .interface = "lan0"};
    memcpy(fields, c->fields, sizeof fields);
    unsigned n = player_split(fields, all);
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
        player_fail(p, "the reply cannot be parsed: %s", keel_strerror(err));
    else if (p->decision.sent && p->answer.xid != p->xid)
        player_fail(p, "the reply is to another message");
    else
        expect(p, words + arrow + 1, count - arrow - 1);
}
