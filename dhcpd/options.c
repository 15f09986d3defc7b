#include "dhcpd/options.h"

#include "common/runtime/packet.h"
#include "dhcpd/wire/option.h"

#include <arpa/inet.h>

#define SECONDS(n) ((int64_t)(n)*1000000000)
/* Times are 32 bits of seconds on the wire; the last one means "for ever". */
#define TIME_MAX SECONDS(0x7fffffff)

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
     .help = "How its value is written: flag, uint8, uint16, uint32, int8, int16, int32, address, "
             "ipv6-address, address-pair, route, text, text8 and text16 (with their length before "
             "them in one octet or two), name, sip-server, binary, empty or record."},
    {.name = "fields",
     .type = KEEL_OPT_STRING,
     .help = "The types of a record's fields, \"uint8 address text\". Its value is written with "
             "blanks between."},
    {.name = "list",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "It has one or more such values; a record's last field has."},
    {.name = "vendor",
     .type = KEEL_OPT_STRING,
     .help = "It is a part of option 43 for clients whose vendor class begins with this text, and "
             "code counts there."},
    {.name = "enterprise",
     .type = KEEL_OPT_INT,
     .min = 1,
     .max = UINT32_MAX,
     .help = "It is a part of option 125 under this enterprise number, and code counts there."},
    {.type = KEEL_OPT_END},
};

/* What every level can say of its clients. */
#define POLICY_ROWS                                                                                \
    {.name = "lease-time",                                                                         \
     .type = KEEL_OPT_DURATION,                                                                    \
     .min = SECONDS(1),                                                                            \
     .max = TIME_MAX,                                                                              \
     .help = "How long a lease lasts when the client asks for no time of its own; 12h when no "    \
             "level says it."},                                                                    \
        {.name = "lease-time-min",                                                                 \
         .type = KEEL_OPT_DURATION,                                                                \
         .min = SECONDS(1),                                                                        \
         .max = TIME_MAX,                                                                          \
         .help = "The shortest lease that a client can ask for; when no level says it 5m, or "     \
                 "lease-time if that is shorter."},                                                \
        {.name = "lease-time-max",                                                                 \
         .type = KEEL_OPT_DURATION,                                                                \
         .min = SECONDS(1),                                                                        \
         .max = TIME_MAX,                                                                          \
         .help = "The longest lease that a client can ask for; when no level says it 7d, or "      \
                 "lease-time if that is longer."},                                                 \
        {.name = "renewal-time",                                                                   \
         .type = KEEL_OPT_DURATION,                                                                \
         .min = SECONDS(1),                                                                        \
         .max = TIME_MAX,                                                                          \
         .help = "When a client begins to renew its lease; half of the lease when no level says "  \
                 "it, or when it is not before rebinding-time."},                                  \
        {.name = "rebinding-time",                                                                 \
         .type = KEEL_OPT_DURATION,                                                                \
         .min = SECONDS(1),                                                                        \
         .max = TIME_MAX,                                                                          \
         .help =                                                                                   \
             "When it begins to ask any server; seven eighths of the lease when no level says "    \
             "it, or when it is longer than the lease."},                                          \
        {.name = "next-server",                                                                    \
         .type = KEEL_OPT_STRING,                                                                  \
         .help = "Address of the server that a client loads its boot file from."},                 \
        {.name = "server-name",                                                                    \
         .type = KEEL_OPT_STRING,                                                                  \
         .help = "Name of that server, in the field sname, and as option 66 when asked for."},     \
        {.name = "boot-file",                                                                      \
         .type = KEEL_OPT_STRING,                                                                  \
         .help = "What to load: a path for TFTP or a URL, in the field file, and as option 67 "    \
                 "when asked for or too long for the field."},                                     \
        {.name = "options",                                                                        \
         .type = KEEL_OPT_FREE,                                                                    \
         .lookup = find_option,                                                                    \
         .help = "DHCP options by name: domain-name, routers and so on. Those that a client asks " \
                 "for are sent."},                                                                 \
    {                                                                                              \
        .name = "always-send", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST,                    \
        .help = "Names of options that are sent also to clients that do not ask for them."         \
    }

/* Who gets addresses here: of a pool, and of a subnet. */
#define ACCESS_ROWS                                                                                \
    {.name = "allow-class",                                                                        \
     .type = KEEL_OPT_STRING,                                                                      \
     .flags = KEEL_OPT_LIST,                                                                       \
     .help = "Only clients of one of these classes get addresses here; known and unknown are "     \
             "those with and without a reservation."},                                             \
    {                                                                                              \
        .name = "deny-class", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST,                     \
        .help = "Clients of these classes get none, whatever allow-class says."                    \
    }

static const struct keel_option pool_rows[] = {
    ACCESS_ROWS,
    POLICY_ROWS,
    {.type = KEEL_OPT_END},
};

static const struct keel_option class_rows[] = {
    {.name = "match",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_REQUIRED,
     .help = "An expression: the client is in the class when it holds. See EXPRESSIONS."},
    {.name = "ignore",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "Clients of this class are not answered at all."},
    POLICY_ROWS,
    {.type = KEEL_OPT_END},
};

static const struct keel_option reservation_rows[] = {
    {.name = "hardware",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Hardware address of the client, \"02:00:00:00:00:07\"; several for one that may come "
             "with any of them."},
    {.name = "client-id",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Its client identifier (option 61): octets like \"01:02:00:0a\", or else the text "
             "itself."},
    {.name = "circuit-id",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "The circuit that a relay says it is at, written likewise: for whatever is plugged in "
             "there."},
    {.name = "match",
     .type = KEEL_OPT_STRING,
     .help = "Instead of these, an expression; see EXPRESSIONS."},
    {.name = "address",
     .type = KEEL_OPT_STRING,
     .help = "The address that is kept for it, inside or outside of the pools. Without one the "
             "client gets an address like any other, and what else stands here."},
    {.name = "hostname", .type = KEEL_OPT_STRING, .help = "The host name that it is told."},
    POLICY_ROWS,
    {.type = KEEL_OPT_END},
};

static const struct keel_option subnet_rows[] = {
    {.name = "interface",
     .type = KEEL_OPT_STRING,
     .help = "The link that the subnet is on, one of interfaces. Without it the subnet is on the "
             "link where the server has an address of it, or behind relays."},
    ACCESS_ROWS,
    POLICY_ROWS,
    {.name = "pool",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = pool_rows,
     .help = "Addresses to lease: the title is \"FIRST-LAST\"."},
    {.name = "reservation",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = reservation_rows,
     .help = "An address kept for one client; the title is for people."},
    {.type = KEEL_OPT_END},
};

static const struct keel_option shared_rows[] = {
    {.name = "interface",
     .type = KEEL_OPT_STRING,
     .help = "The link that these subnets are on, as in a subnet."},
    POLICY_ROWS,
    {.name = "subnet",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = subnet_rows,
     .help = "One of the subnets of the link."},
    {.type = KEEL_OPT_END},
};

const struct keel_option dhcp_options_rows[] = {
    {.name = "interfaces",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help = "Links whose clients are served directly, on port 67. One that does not exist yet is "
             "waited for. Addresses of listen are for relays."},
    {.name = "option-definition",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = definition_rows,
     .help = "A DHCP option that has no name yet; the title is its name in options sections that "
             "follow."},
    POLICY_ROWS,
    {.name = "authoritative",
     .type = KEEL_OPT_BOOL,
     .def = "true",
     .help = "Tell clients that ask for an address which is wrong here to start over, even those "
             "never seen before. Set it to false beside another DHCP server."},
    {.name = "rapid-commit",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "Give a client that asks for it its address with two messages instead of four. Only "
             "where no other DHCP server is on the link."},
    {.name = "bootp",
     .type = KEEL_OPT_CHOICE,
     .choices = "off|reserved|all",
     .def = "off",
     .help = "Answer clients of BOOTP: those with a reservation, or all. They keep their address "
             "for ever."},
    {.name = "adaptive-lease-threshold",
     .type = KEEL_OPT_INT,
     .def = "0",
     .max = 100,
     .help = "When so many percent of a pool are leased, its leases last lease-time-min, so that "
             "addresses that nobody uses come back soon. 0: never."},
    {.name = "max-leases-per-circuit",
     .type = KEEL_OPT_INT,
     .def = "0",
     .max = 1000000,
     .help = "So many leases at most at one circuit of a relay (its circuit-id, with its "
             "remote-id). A client more is not answered. 0: no limit."},
    {.name = "max-leases-per-hardware",
     .type = KEEL_OPT_INT,
     .def = "0",
     .max = 1000000,
     .help = "So many leases at most for one hardware address, whatever client identifiers it "
             "comes with. 0: no limit."},
    {.name = "pool-warning",
     .type = KEEL_OPT_INT,
     .flags = KEEL_OPT_LIST,
     .min = 1,
     .max = 100,
     .help = "At so many percent in use a pool is said to get full, in the log, once for each of "
             "these; 90 when not given."},
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
    {.name = "client-rate",
     .type = KEEL_OPT_INT,
     .def = "1000",
     .max = 1000000,
     .help = "Messages a second that one hardware address may send in the long run; more are "
             "dropped. 0: no limit."},
    {.name = "relay-rate",
     .type = KEEL_OPT_INT,
     .def = "0",
     .max = 10000000,
     .help = "The same for all that comes from one relay. 0: no limit."},
    {.name = "leasequery",
     .type = KEEL_OPT_PREFIX,
     .flags = KEEL_OPT_LIST,
     .help = "Relays and access routers that may ask who has a lease (RFC 4388), by address or "
             "prefix. Nobody when it is not given."},
    {.name = "ping-check",
     .type = KEEL_OPT_DURATION,
     .def = "0s",
     .max = SECONDS(10),
     .help = "How long to wait for an answer from an address that nobody had before it is offered: "
             "by ARP to clients on a link, by ICMP echo behind relays. 0s: not at all."},
    {.name = "class",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = class_rows,
     .help = "A kind of clients, and what it is told; of two that match, what the first one says "
             "counts. The title is its name for allow-class and member()."},
    {.name = "reservation",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = reservation_rows,
     .help = "What is kept for one client wherever it is: host name, options, known; no address, "
             "which belongs to a subnet."},
    {.name = "shared-network",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = shared_rows,
     .help = "Several subnets on one link: a client there gets an address of any of them. The "
             "title is for people."},
    {.name = "subnet",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
     .sub = subnet_rows,
     .help = "A network with clients; the title is its prefix, \"192.0.2.0/24\"."},
    {.name = "hook",
     .type = KEEL_OPT_SECTION,
     .flags = KEEL_OPT_MULTI,
     .sub = dhcp_hook_rows,
     .help = "A command or a module that is told of lease events."},
    {.name = "ddns",
     .type = KEEL_OPT_SECTION,
     .sub = dhcp_ddns_rows,
     .help =
         "Names of clients are entered in the DNS, and removed when their leases end (RFC 2136, "
         "4702, 4703)."},
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

/* main takes it before anything else; here it is for --help. */
static int cli_import(const char *arg, struct keel_buf *out, struct keel_diag *diag)
{
    (void)out;
    return keel_diag_set(diag, KEEL_EINVAL, "%s: only together with -c, --state-dir and --check",
                         arg);
}

const struct keel_cli_option dhcp_cli[] = {
    {"import-leases", "FORMAT:FILE",
     "import leases of kea, isc or dnsmasq, or csv, and end; with --check only say what would come",
     cli_import},
    {"interface", "IF", "serve the clients of this link (may be given again)", cli_interface},
    {"pool", "FIRST-LAST",
     "addresses to lease; their subnet is that of the interface which has an address near them, "
     "else their /24",
     cli_pool},
    {0},
};
