#include "dhcpd/options.h"

#include "common/runtime/packet.h"
#include "dhcpd/wire/option.h"

#include <arpa/inet.h>

#define SECONDS(n) ((int64_t)(n)*1000000000)
/* Times are 32 bits of seconds on the wire; the last one means "for ever". */
#define TIME_MAX SECONDS(0x7fffffff)
#define UNSUPPORTED(key, more)                                                                     \
    {                                                                                              \
        .name = key, .type = KEEL_OPT_UNSUPPORTED, .flags = more                                   \
    }

/* Keys of `options` are the names of DHCP options: how such a value is written says its own
 * definition, here it is text. */
static const struct keel_option one_value = {
    .name = "option", .type = KEEL_OPT_STRING, .help = "The value of a DHCP option."};
static const struct keel_option many_values = {.name = "option",
                                               .type = KEEL_OPT_STRING,
                                               .flags = KEEL_OPT_LIST,
                                               .help = "The values of a DHCP option."};

static const struct keel_option *find_option(const struct keel_conf *root, const char *name)
{
    const struct dhcp_option_def *def = dhcp_option_by_name(keel_str(name));
    if (def)
        return def->list ? &many_values : &one_value;
    keel_conf_for (own, root, "option-definition")
        if (strcmp(keel_conf_title(own), name) == 0)
            return keel_conf_bool(own, "list") ? &many_values : &one_value;
    return NULL;
}

static const struct keel_option definition_rows[] = {
    {.name = "code",
     .type = KEEL_OPT_INT,
     .flags = KEEL_OPT_REQUIRED,
     .min = 1,
     .max = 254,
     .help = "Its number on the wire; 224 to 254 are for private use."},
    {.name = "type",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_REQUIRED,
     .help = "How its value is written: flag, uint8, uint16, uint32, int32, address, address-pair, "
             "route, text, name or binary."},
    {.name = "list",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "It has one or more such values."},
    {.type = KEEL_OPT_END},
};

static const struct keel_option pool_rows[] = {
    UNSUPPORTED("allow-class", KEEL_OPT_LIST),
    {.type = KEEL_OPT_END},
};

static const struct keel_option reservation_rows[] = {
    {.name = "hardware",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_REQUIRED,
     .help = "Hardware address of the client, \"02:00:00:00:00:07\"."},
    {.name = "address",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_REQUIRED,
     .help = "The address that is kept for it, inside or outside of the pools."},
    {.name = "hostname", .type = KEEL_OPT_STRING, .help = "The host name that it is told."},
    {.type = KEEL_OPT_END},
};

#define TIME_ROWS                                                                                  \
    {.name = "lease-time",                                                                         \
     .type = KEEL_OPT_DURATION,                                                                    \
     .min = SECONDS(1),                                                                            \
     .max = TIME_MAX,                                                                              \
     .help = "How long a lease lasts when the client asks for no time of its own; 12h when not "   \
             "given. A subnet's own time goes before the global one."},                            \
        {.name = "lease-time-min",                                                                 \
         .type = KEEL_OPT_DURATION,                                                                \
         .min = SECONDS(1),                                                                        \
         .max = TIME_MAX,                                                                          \
         .help = "The shortest lease that a client can ask for; when not given 5m, or lease-time " \
                 "if that is shorter."},                                                           \
    {                                                                                              \
        .name = "lease-time-max", .type = KEEL_OPT_DURATION, .min = SECONDS(1), .max = TIME_MAX,   \
        .help = "The longest lease that a client can ask for; when not given 7d, or lease-time "   \
                "if that is longer."                                                               \
    }

static const struct keel_option subnet_rows[] = {
    {.name = "interface",
     .type = KEEL_OPT_STRING,
     .help = "The link that the subnet is on, one of interfaces. Without it the subnet is on the "
             "link where the server has an address of it, or behind relays."},
    TIME_ROWS,
    {.name = "pool",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = pool_rows,
     .help = "Addresses to lease: the title is \"FIRST-LAST\"."},
    {.name = "options",
     .type = KEEL_OPT_FREE,
     .lookup = find_option,
     .help = "DHCP options for clients of this subnet; they go before the global ones."},
    {.name = "reservation",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = reservation_rows,
     .help = "An address kept for one client; the title is for people."},
    {.type = KEEL_OPT_END},
};

const struct keel_option dhcp_options_rows[] = {
    {.name = "interfaces",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Links whose clients are served directly, on port 67. One that does not exist yet is "
             "waited for. Addresses of listen are for relays."},
    TIME_ROWS,
    {.name = "authoritative",
     .type = KEEL_OPT_BOOL,
     .def = "true",
     .help = "Tell clients that ask for an address which is wrong here to start over, even those "
             "never seen before. Set it to false beside another DHCP server."},
    {.name = "offer-time",
     .type = KEEL_OPT_DURATION,
     .def = "60s",
     .min = SECONDS(1),
     .max = SECONDS(3600),
     .help = "How long an offered address is held for the client that was told of it."},
    {.name = "decline-time",
     .type = KEEL_OPT_DURATION,
     .def = "1h",
     .min = SECONDS(1),
     .max = TIME_MAX,
     .help = "How long an address rests after a client found somebody else using it."},
    {.name = "ping-check",
     .type = KEEL_OPT_DURATION,
     .def = "0s",
     .help = "How long to wait for an answer from an address before it is offered. This version "
             "does not probe: 0s."},
    {.name = "options",
     .type = KEEL_OPT_FREE,
     .lookup = find_option,
     .help = "DHCP options for all clients, by name: domain-name, routers and so on. Those that a "
             "client asks for are sent."},
    {.name = "option-definition",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = definition_rows,
     .help = "A DHCP option that has no name yet; the title is its name in options sections that "
             "follow."},
    {.name = "subnet",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = subnet_rows,
     .help = "A network with clients; the title is its prefix, \"192.0.2.0/24\"."},
    UNSUPPORTED("class", KEEL_OPT_TITLE | KEEL_OPT_MULTI),
    UNSUPPORTED("ddns", 0),
    {.type = KEEL_OPT_END},
};

static int cli_interface(const char *arg, struct keel_buf *out, struct keel_diag *diag)
{
    if (arg[0] == '\0' || strlen(arg) > 15 || strpbrk(arg, "\"\\/ \t\n"))
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not the name of an interface", arg);
    return keel_buf_printf(out, "interfaces += { \"%s\" }\n", arg);
}

struct pool_arg {
    uint32_t first, last; /* host order */
    unsigned length;      /* of the prefix found */
};

/* The prefix of one of our own interfaces that holds the whole pool. */
static int has_pool(void *arg, const struct keel_interface *interface)
{
    struct pool_arg *pool = arg;
    for (unsigned i = 0; i < interface->addr_count; i++) {
        unsigned length = interface->addrs[i].prefix_length;
        uint32_t mask = length ? UINT32_MAX << (32 - length) : 0;
        uint32_t network = ntohl(interface->addrs[i].addr.s_addr) & mask;
        if (length > 0 && (pool->first & mask) == network && (pool->last & mask) == network) {
            pool->length = length;
            return 1;
        }
    }
    return 0;
}

static int cli_pool(const char *arg, struct keel_buf *out, struct keel_diag *diag)
{
    struct keel_str rest = keel_str(arg), first;
    char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];
    struct in_addr from, to;
    if (!keel_str_split(&rest, '-', &first) || first.n >= sizeof a || rest.n >= sizeof b)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not like 192.0.2.100-192.0.2.200", arg);
    snprintf(a, sizeof a, "%.*s", (int)first.n, first.p);
    snprintf(b, sizeof b, "%.*s", (int)rest.n, rest.p);
    if (inet_pton(AF_INET, a, &from) != 1 || inet_pton(AF_INET, b, &to) != 1)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is not like 192.0.2.100-192.0.2.200", arg);
    struct pool_arg pool = {ntohl(from.s_addr), ntohl(to.s_addr), 0};
    if (pool.first > pool.last)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" ends before it begins", arg);
    if (keel_interface_each(has_pool, &pool) <= 0) {
        unsigned common =
            pool.first == pool.last ? 32 : (unsigned)__builtin_clz(pool.first ^ pool.last);
        pool.length = common < 24 ? common : 24;
    }
    if (pool.length == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\" is no single network", arg);
    struct in_addr network = {htonl(pool.first & UINT32_MAX << (32 - pool.length))};
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &network, text, sizeof text);
    return keel_buf_printf(out, "subnet \"%s/%u\" { pool \"%s-%s\" { } }\n", text, pool.length, a,
                           b);
}

const struct keel_cli_option dhcp_cli[] = {
    {"interface", "IF", "serve the clients of this link (may be given again)", cli_interface},
    {"pool", "FIRST-LAST",
     "addresses to lease; their subnet is that of the interface which has an address near them, "
     "else their /24",
     cli_pool},
    {0},
};
