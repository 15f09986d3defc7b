/*
 * DHCP messages as the network may send them: the parser, and the whole engine with a store in
 * memory. An input is a short conversation, each message behind four octets: how it came, how much
 * time had passed, its length. Whatever the engine answers must parse, and a promise must be in
 * the store.
 */
#include "common/base/err.h"
#include "common/service/conf.h"
#include "dhcpd/options.h"
#include "dhcpd/serve/settings.h"
#include "tests/support/dhcp_lab.h"

#define CONVERSATION_MAX 16

/* A configuration with all that decides, instead of the laboratory's own. */
static const char rich[] =
    "interfaces = { \"lan0\" }\n"
    "rapid-commit = true  bootp = all  adaptive-lease-threshold = 50\n"
    "max-leases-per-circuit = 2  max-leases-per-hardware = 2  next-server = \"192.0.2.9\"\n"
    "option-definition \"prompt\" { vendor = \"PXE\" code = 10 type = text }\n"
    "option-definition \"acs\" { enterprise = 9 code = 1 type = text }\n"
    "options { domain-name = \"a\" prompt = \"p\" acs = \"b\" ipv6-only-preferred = 9 }\n"
    "class \"pxe\" { match = \"substring(option[60], 0, 3) == 'PXE' and hardware != 00:00\"\n"
    "  boot-file = \"file\" server-name = \"name\" always-send = { \"domain-name\" } }\n"
    "class \"two\" { match = \"member('pxe') or relay.circuit-id == 'x' or option[93] == 7\"\n"
    "  lease-time = 1m options { domain-name = \"two\" } }\n"
    "shared-network \"s\" { interface = \"lan0\"\n"
    "  subnet \"192.0.2.0/24\" { pool \"192.0.2.100-192.0.2.103\" { deny-class = { \"two\" } }\n"
    "    pool \"192.0.2.110-192.0.2.111\" { allow-class = { \"pxe\", \"known\" } }\n"
    "    reservation \"a\" { hardware = { \"02:00:00:00:00:01\", \"02:00:00:00:00:02\" }\n"
    "      address = \"192.0.2.7\" hostname = \"h\" lease-time = 1d } }\n"
    "  subnet \"198.51.100.0/24\" { pool \"198.51.100.100-198.51.100.102\" { }\n"
    "    reservation \"b\" { match = \"option[12] == 'b'\" address = \"198.51.100.7\" }\n"
    "    reservation \"c\" { circuit-id = \"x\" boot-file = \"c\" } } }\n"
    "subnet \"10.0.0.0/8\" { pool \"10.1.0.1-10.1.0.200\" { } }\n";

static const struct dhcp_config *rich_config(void)
{
    static struct dhcp_settings *settings;
    const struct keel_conf_source source = {"rich", rich, NULL};
    struct keel_conf *conf;
    struct keel_option rows[96] = {
        {.name = "listen", .type = KEEL_OPT_LISTEN, .flags = KEEL_OPT_LIST, .help = "."}};
    if (settings)
        return &settings->config;
    for (unsigned n = 0; dhcp_options_rows[n].type != KEEL_OPT_END; n++)
        rows[n + 1] = dhcp_options_rows[n];
    struct keel_diag diag = {""};
    int err = keel_conf_load(rows, &source, &conf, &diag);
    if (!err)
        err = dhcp_settings_configure(conf, (void **)&settings, NULL, NULL, &diag);
    KEEL_ASSERT(err == 0, diag.text);
    keel_conf_free(conf);
    return &settings->config;
}

static void play(struct lab *lab, unsigned how, unsigned pause, const uint8_t *bytes, size_t size)
{
    struct dhcp_input input = {
        .bytes = bytes,
        .size = size,
        .peer = how & 2 ? IP(192, 0, 2, 100) : 0,
        .peer_port = 68,
        .local = how & 4 ? 0 : LAB_SERVER,
        .local_port = how & 8 ? 6767 : 67,
        .broadcast = how & 128,
        .interface = how & 1 ? "" : "lan0",
    };
    if (how & 16)
        lab->config.authoritative = !lab->config.authoritative;
    if (how & 32)
        KEEL_ASSERT(lab_restart(lab) == 0, "the engine can be built again");
    lab_wait(lab, pause * 10);
    struct dhcp_decision *d = &lab->decision;
    dhcp_engine_process(lab->engine, &input, lab->reply, sizeof lab->reply, d);
    KEEL_ASSERT((d->outcome == DHCP_REPLIED) == (d->sent != DHCP_NONE), "outcome and reply agree");
    if (d->sent) {
        int err = dhcp_message_parse(&lab->answer, lab->reply, d->size);
        bool bootp = d->received == DHCP_NONE;
        KEEL_ASSERT(err == (bootp ? KEEL_ENOTSUP : 0), "replies parse");
        KEEL_ASSERT(bootp || lab->answer.type == d->sent, "the reply is what the decision says");
    }
    if (d->sent == DHCP_ACK && lab->answer.yiaddr)
        KEEL_ASSERT(lab_state(lab, lab->answer.yiaddr) == DHCP_LEASE_ACTIVE, "a promise is stored");
    for (unsigned i = 0; i < d->changes; i++)
        dhcp_engine_resync(lab->engine, d->changed[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct lab lab;
    lab_init(&lab);
    if (size > 0 && bytes[0] & 64) {
        lab.config = *rich_config();
        KEEL_ASSERT(lab_restart(&lab) == 0, "the engine can be built");
    }
    for (unsigned i = 0; size >= 4 && i < CONVERSATION_MAX; i++) {
        unsigned how = bytes[0], pause = bytes[1];
        size_t length = (size_t)bytes[2] << 8 | bytes[3];
        bytes += 4;
        size -= 4;
        if (length > size)
            length = size;
        play(&lab, how, pause, bytes, length);
        bytes += length;
        size -= length;
    }
    lab_fini(&lab);
    return 0;
}
