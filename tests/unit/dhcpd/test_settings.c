#include "common/service/conf.h"
#include "dhcpd/options.h"
#include "dhcpd/serve/settings.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static const char text[] =
    "interfaces = { \"lan0\", \"lan1\" }\n"
    "lease-time = 2h\n"
    "authoritative = false\n"
    "options { domain-name = \"lan.example\" domain-name-servers = { \"192.0.2.1\", \"192.0.2.2\" "
    "} }\n"
    "option-definition \"printer-queue\" { code = 224 type = text }\n"
    "subnet \"192.0.2.0/24\" {\n"
    "  interface = \"lan0\"\n"
    "  pool \"192.0.2.100-192.0.2.199\" { }\n"
    "  pool \"192.0.2.20 - 192.0.2.29\" { }\n"
    "  options { routers = { \"192.0.2.1\" } printer-queue = \"lp0\" domain-name = \"own\" }\n"
    "  reservation \"printer\" {\n"
    "    hardware = \"02:00:00:00:00:07\"\n"
    "    address  = \"192.0.2.7\"\n"
    "    hostname = \"printer\"\n"
    "  }\n"
    "}\n"
    "subnet \"10.0.0.0/8\" { lease-time = 1m pool \"10.1.0.1-10.64.255.254\" { } }\n";

/* Everything that reading takes memory for. */
static const char rich[] =
    "interfaces = { \"lan0\" }\n"
    "option-definition \"prompt\" { vendor = \"PXE\" code = 10 type = record fields = \"uint8 "
    "text\" }\n"
    "option-definition \"acs\" { enterprise = 9 code = 1 type = text }\n"
    "options { prompt = \"1 p\" acs = \"b\" domain-search = { \"a.example\" } }\n"
    "class \"pxe\" { match = \"option.client-system == 7\" boot-file = \"file\"\n"
    "  server-name = \"name\" next-server = \"192.0.2.9\" always-send = { \"host-name\" } }\n"
    "class \"two\" { match = \"member('pxe') or relay.circuit-id == 'x'\" }\n"
    "reservation \"anywhere\" { client-id = \"x\" hostname = \"y\" }\n"
    "shared-network \"floor\" {\n"
    "  interface = \"lan0\"\n"
    "  subnet \"192.0.2.0/24\" {\n"
    "    pool \"192.0.2.100-192.0.2.199\" { allow-class = { \"two\", \"known\" } lease-time = 1h "
    "}\n"
    "    reservation \"a\" { hardware = { \"02:00:00:00:00:01\", \"02:00:00:00:00:02\" }\n"
    "      client-id = \"01:02\" circuit-id = \"x\" address = \"192.0.2.7\" hostname = \"h\"\n"
    "      options { routers = { \"192.0.2.1\" } } }\n"
    "    reservation \"b\" { match = \"hardware == 02:00\" }\n"
    "  }\n"
    "  subnet \"198.51.100.0/24\" { pool \"198.51.100.100-198.51.100.102\" { } }\n"
    "}\n";

static struct keel_conf *conf;
static struct keel_diag diag;

/* The core's option that dhcpd reads too, and its own. */
static struct keel_option rows[48];

static void setup(void)
{
    unsigned n = 0;
    rows[n++] = (struct keel_option){
        .name = "listen", .type = KEEL_OPT_LISTEN, .flags = KEEL_OPT_LIST, .help = "."};
    for (const struct keel_option *r = dhcp_options_rows; r->type != KEEL_OPT_END; r++)
        rows[n++] = *r;
    ck_assert_uint_lt(n, 48);
}

static int load(const char *file, const char *overrides, struct dhcp_settings **out,
                struct keel_endpoints *endpoints)
{
    const struct keel_conf_source source = {"t.conf", file, overrides};
    int err = keel_conf_load(rows, &source, &conf, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    return dhcp_settings_configure(conf, (void **)out, endpoints, NULL, &diag);
}

static void unload(struct dhcp_settings *s, struct keel_endpoints *endpoints)
{
    if (s)
        dhcp_settings_free(s);
    keel_free(endpoints->items);
    keel_conf_free(conf);
}

START_TEST(test_whole)
{
    struct dhcp_settings *s = NULL;
    struct keel_endpoints e = {0};
    int err = load(text, "listen = { \"127.0.0.1:0\" }", &s, &e);
    ck_assert_msg(err == 0, "%s", diag.text);
    const struct dhcp_config *c = &s->config;
    ck_assert_uint_eq(c->subnet_count, 2);
    ck_assert(!c->authoritative);
    ck_assert_uint_eq(c->decline_time, 3600);
    ck_assert_uint_eq(c->offer_time, 60);
    const struct dhcp_subnet *ten = &c->subnets[0], *lan = &c->subnets[1];
    ck_assert_uint_eq(lan->network, IP(192, 0, 2, 0));
    ck_assert_uint_eq(lan->mask, 0xffffff00);
    ck_assert_str_eq(lan->interface, "lan0");
    ck_assert_uint_eq(lan->range_count, 2);
    ck_assert_uint_eq(lan->ranges[0].first, IP(192, 0, 2, 20));
    ck_assert_uint_eq(c->policy.times.lease, 7200);
    ck_assert_uint_eq(lan->policy.times.lease, 0);
    ck_assert_uint_eq(ten->policy.times.lease, 60);
    ck_assert_mem_eq(dhcp_options_get(&lan->policy.options, 224)->value.p, "lp0", 3);
    ck_assert_mem_eq(dhcp_options_get(&lan->policy.options, 15)->value.p, "own", 3);
    ck_assert_mem_eq(dhcp_options_get(&c->policy.options, 15)->value.p, "lan", 3);
    ck_assert_uint_eq(dhcp_options_get(&c->policy.options, 6)->value.n, 8);
    ck_assert_uint_eq(lan->reservations[0].address, IP(192, 0, 2, 7));
    ck_assert_uint_eq(lan->key_count, 1);
    ck_assert_uint_eq(lan->keys[0].value.n, 6);
    /* two links, the packet socket that serves both, the port for relays */
    ck_assert_uint_eq(e.count, 4);
    ck_assert_int_eq(e.items[0].kind, KEEL_ENDPOINT_UDP);
    ck_assert_str_eq(e.items[1].interface, "lan1");
    ck_assert_uint_eq(keel_addr_port(&e.items[1].addr), 67);
    ck_assert_int_eq(e.items[2].kind, KEEL_ENDPOINT_PACKET);
    ck_assert_int_eq(e.items[3].kind, KEEL_ENDPOINT_UDP);
    ck_assert_str_eq(e.items[3].interface, "");
    for (unsigned i = 0; i < 4; i++)
        ck_assert(e.items[i].packet_info == (e.items[i].kind == KEEL_ENDPOINT_UDP));
    unload(s, &e);
}
END_TEST

START_TEST(test_rich)
{
    struct dhcp_settings *s = NULL;
    struct keel_endpoints e = {0};
    int err = load(rich, NULL, &s, &e);
    ck_assert_msg(err == 0, "%s", diag.text);
    const struct dhcp_config *c = &s->config;
    const struct dhcp_subnet *lan = &c->subnets[0];
    ck_assert_uint_eq(c->class_count, 2);
    ck_assert_uint_eq(c->policy.vendor_count, 2);
    ck_assert_mem_eq(c->policy.vendors[0].value.p, "\12\2\1p", 4);
    ck_assert_uint_eq(c->policy.vendors[1].enterprise, 9);
    ck_assert_uint_eq(c->classes[0].policy.next_server, IP(192, 0, 2, 9));
    ck_assert_uint_eq(c->classes[0].policy.always[0], 1 << 12);
    ck_assert_str_eq(lan->interface, "lan0");
    ck_assert_ptr_eq(lan->next, &c->subnets[1]);
    ck_assert(lan->ranges[0].access.restricted && lan->ranges[0].access.allow_known);
    ck_assert(dhcp_class_has(&lan->ranges[0].access.allow, 1));
    ck_assert_uint_eq(lan->ranges[0].policy->times.lease, 3600);
    ck_assert_ptr_null(c->subnets[1].ranges[0].policy);
    ck_assert_uint_eq(lan->key_count, 4);
    const struct dhcp_reservation *r = dhcp_subnet_reservation(
        lan, DHCP_KEY_CLIENT_ID, (struct dhcp_bytes){(const uint8_t *)"\1\2", 2});
    ck_assert_str_eq(r->name, "a");
    ck_assert_ptr_nonnull(r->policy);
    ck_assert_uint_gt(lan->reservations[1].match.count, 0);
    ck_assert_uint_eq(lan->reservations[1].address, 0);
    unload(s, &e);
}
END_TEST

/* Each allocation fails once: an error, and nothing is left behind. */
START_TEST(test_no_memory)
{
    const struct keel_conf_source source = {"t.conf", _i ? rich : text, NULL};
    ck_assert_msg(keel_conf_load(rows, &source, &conf, &diag) == 0, "%s", diag.text);
    for (uint64_t n = 1; n < 1000; n++) {
        void *s = NULL;
        struct keel_endpoints e = {0};
        keel_mem_fail_at(n);
        int err = dhcp_settings_configure(conf, &s, &e, NULL, &diag);
        keel_mem_fail_at(0);
        keel_free(e.items);
        if (err == 0) {
            ck_assert_uint_gt(n, 3);
            dhcp_settings_free(s);
            keel_conf_free(conf);
            return;
        }
        ck_assert_int_eq(err, KEEL_ENOMEM);
    }
    ck_abort_msg("the sweep did not end");
}
END_TEST

static int apply(const char *name, const char *arg, struct keel_buf *out)
{
    for (const struct keel_cli_option *o = dhcp_cli; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o->apply(arg, out, &diag);
    ck_abort_msg("no option %s", name);
    return 0;
}

START_TEST(test_command_line)
{
    struct keel_buf out;
    struct dhcp_settings *s = NULL;
    struct keel_endpoints e = {0};
    keel_buf_init(&out, 0);
    ck_assert_int_eq(apply("interface", "lan0", &out), 0);
    ck_assert_int_eq(apply("interface", "lan1", &out), 0);
    ck_assert_int_eq(apply("pool", "203.0.113.100-203.0.113.200", &out), 0);
    ck_assert_int_eq(apply("pool", "198.18.0.1-198.19.255.254", &out), 0);
    ck_assert_int_eq(apply("pool", "127.0.0.9-127.0.0.10", &out), 0); /* an address near: lo's */
    int err = load("", keel_buf_text(&out), &s, &e);
    ck_assert_msg(err == 0, "%s", diag.text);
    ck_assert_uint_eq(s->config.subnet_count, 3);
    ck_assert_uint_eq(s->config.subnets[0].length, 8);
    ck_assert_uint_eq(s->config.subnets[1].length, 15);
    ck_assert_uint_eq(s->config.subnets[2].length, 24);
    ck_assert_uint_eq(e.count, 3);
    unload(s, &e);
    keel_buf_fini(&out);
}
END_TEST

static const char *const wrong[][2] = {
    {"interface", ""},
    {"interface", "much-too-long-a-name"},
    {"interface", "a\" }"},
    {"pool", "192.0.2.1"},
    {"pool", "192.0.2.9-192.0.2.1"},
    {"pool", "192.0.2.9-here"},
    {"pool", "::1-::2"},
    {"pool", "1.0.0.1-200.0.0.1"},
    {"pool", "192.0.2.1-1000000000000000000000000000"},
};

START_TEST(test_wrong_command_line)
{
    struct keel_buf out;
    keel_buf_init(&out, 0);
    ck_assert_int_eq(apply(wrong[_i][0], wrong[_i][1], &out), KEEL_EINVAL);
    keel_buf_fini(&out);
}
END_TEST

Suite *settings_suite(void)
{
    Suite *s = suite_create("dhcpd/serve/settings");
    TCase *t = tcase_create("settings");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_whole);
    tcase_add_test(t, test_rich);
    tcase_add_loop_test(t, test_no_memory, 0, 2);
    tcase_add_test(t, test_command_line);
    tcase_add_loop_test(t, test_wrong_command_line, 0, sizeof wrong / sizeof wrong[0]);
    suite_add_tcase(s, t);
    return s;
}
