#include "dhcpd/options.h"

#include "dnsd/wire/tsig.h"

#define SECONDS(n) ((int64_t)(n)*1000000000)

const struct keel_option dhcp_ddns_rows[] = {
    {.name = "server",
     .type = KEEL_OPT_ADDR,
     .flags = KEEL_OPT_REQUIRED,
     .min = 53,
     .help = "The primary DNS server of the zones, which takes the updates."},
    {.name = "key",
     .type = KEEL_OPT_STRING,
     .help = "Name of the key that updates are signed with (TSIG, RFC 8945). Without it they are "
             "not signed."},
    {.name = "algorithm",
     .type = KEEL_OPT_CHOICE,
     .def = "hmac-sha256",
     .choices = DNS_TSIG_ALGORITHM_NAMES,
     .help = "The key's algorithm."},
    {.name = "secret",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_SECRET,
     .help = "The key's secret in base64."},
    {.name = "forward-zone",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_REQUIRED,
     .help = "The zone that all names are in. Of a name that a client gives with another domain "
             "behind it, only the first label is taken."},
    {.name = "reverse-zones",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help =
         "Zones for the names of addresses, \"2.0.192.in-addr.arpa\". Addresses in none of them "
         "get no name."},
    {.name = "ttl",
     .type = KEEL_OPT_DURATION,
     .def = "0s",
     .max = SECONDS(0x7fffffff),
     .help = "Time to live of the records; 0s: a third of the lease, ten minutes at least."},
    {.name = "client-names",
     .type = KEEL_OPT_BOOL,
     .def = "true",
     .help = "Take the name that a client gives (its FQDN option, or else its host name). A "
             "reservation's hostname goes before it."},
    {.name = "generate",
     .type = KEEL_OPT_STRING,
     .help = "A name for clients that have none: with \"dhcp\", 192.0.2.100 is called "
             "dhcp-192-0-2-100."},
    {.name = "client-updates",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "A client that wants to enter its address itself may do so; then only the name of its "
             "address is entered for it."},
    {.name = "override-no-updates",
     .type = KEEL_OPT_BOOL,
     .def = "false",
     .help = "Enter also clients that ask not to be entered."},
    {.name = "queue",
     .type = KEEL_OPT_INT,
     .def = "100000",
     .min = 1,
     .max = 100000000,
     .help = "How many updates may wait on disk while the DNS server is away. Beyond it no new "
             "names are entered until the next renewal of their leases; removals always wait."},
    {.type = KEEL_OPT_END},
};
