#include "dhcpd/engine/fqdn.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct dns_name reverse[2];
static struct dhcp_naming rules;
static struct dhcp_message message;

static void set_name(struct dns_name *name, const char *text)
{
    ck_assert_int_eq(dns_name_from_text(name, keel_str(text), NULL), 0);
}
static void setup(void)
{
    rules = (struct dhcp_naming){.reverse = reverse, .reverse_count = 2, .client_names = true};
    set_name(&rules.forward, "lan.example.");
    set_name(&reverse[0], "192.in-addr.arpa.");
    set_name(&reverse[1], "2.0.192.in-addr.arpa.");
}

static void say(const void *fqdn, size_t n, const char *hostname)
{
    memset(&message, 0, sizeof message);
    message.values[DHCP_OPTION_FQDN] = (struct dhcp_bytes){fqdn, (uint16_t)n};
    message.present[1] = n ? 1ull << (DHCP_OPTION_FQDN - 64) : 0;
    if (hostname) {
        message.values[DHCP_OPTION_HOST_NAME] =
            (struct dhcp_bytes){(const uint8_t *)hostname, (uint16_t)strlen(hostname)};
        message.present[0] = 1ull << DHCP_OPTION_HOST_NAME;
    }
}

static const char *decide(struct dhcp_fqdn *out, const struct dhcp_reservation *reservation)
{
    static char text[DNS_NAME_TEXT];
    dhcp_fqdn_decide(&rules, &message, reservation, IP(192, 0, 2, 100), out);
    text[0] = '\0';
    if (out->size)
        dns_name_to_text(text, out->name);
    return text;
}

static const struct {
    const char *hostname, *name;
} host_names[] = {
    {"box", "box.lan.example."},
    {"BOX", "box.lan.example."},
    {"box.", "box.lan.example."},
    {"box.lan.example", "box.lan.example."},
    {"a.b.Lan.Example.", "a.b.lan.example."},
    {"box.evil.example", "box.lan.example."},
    {"box.evil", "box.lan.example."},
    {"lan.example", ""},
    {"my box!", "my-box.lan.example."},
    {"_x_", "x.lan.example."},
    {"..", ""},
    {"a..b", ""},
    {"---", ""},
    {"", ""},
};
START_TEST(test_host_names)
{
    struct dhcp_fqdn f;
    for (unsigned i = 0; i < sizeof host_names / sizeof host_names[0]; i++) {
        say(NULL, 0, host_names[i].hostname);
        ck_assert_msg(strcmp(decide(&f, NULL), host_names[i].name) == 0, "%s: %s",
                      host_names[i].hostname, decide(&f, NULL));
        ck_assert_int_eq(f.forward, f.size > 0);
        ck_assert_int_eq(f.reverse, f.size > 0);
        ck_assert(!f.asked);
    }
    /* too long for a label, or for a name */
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[64] = '\0';
    say(NULL, 0, long_name);
    ck_assert_str_eq(decide(&f, NULL), "");
    for (unsigned i = 0; i < 245; i++)
        long_name[i] = i % 50 == 49 ? '.' : 'a';
    memcpy(long_name + 245, ".lan.example", 13);
    say(NULL, 0, long_name);
    ck_assert_str_eq(decide(&f, NULL), "");
}
END_TEST

/* Option 81: what the client sends, what it is told (RFC 4702, 4). */
static const struct {
    const char *sent;
    size_t n;
    bool client_updates, override;
    bool forward, reverse;
    const char *told;
    size_t told_n;
} options[] = {
    {"\5\0\0\3box", 7, 0, 0, 1, 1, "\5\377\377\3box\3lan\7example", 19 + 1},
    {"\1\0\0box", 6, 0, 0, 1, 1, "\1\377\377box.lan.example", 18},
    {"\0\0\0box", 6, 0, 0, 1, 1, "\3\377\377box.lan.example", 18},
    {"\0\0\0box", 6, 1, 0, 0, 1, "\0\377\377box.lan.example", 18},
    {"\10\0\0box", 6, 0, 0, 0, 0, "\10\377\377box.lan.example", 18},
    {"\10\0\0box", 6, 0, 1, 1, 1, "\3\377\377box.lan.example", 18},
    {"\5\0\0\3box\3lan\7example", 20, 0, 0, 1, 1, "\5\377\377\3box\3lan\7example", 20},
    {"\1\0\0", 3, 0, 0, 0, 0, "\12\377\377", 3},       /* no name */
    {"\5\0\0\77box", 7, 0, 0, 0, 0, "\16\377\377", 3}, /* runs over the edge */
};
START_TEST(test_options)
{
    uint8_t out[DHCP_FQDN_OPTION_MAX];
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
        struct dhcp_fqdn f;
        say(options[i].sent, options[i].n, NULL);
        rules.client_updates = options[i].client_updates;
        rules.override_no_updates = options[i].override;
        decide(&f, NULL);
        ck_assert(f.asked);
        ck_assert_msg(f.forward == options[i].forward && f.reverse == options[i].reverse, "%u", i);
        size_t n = dhcp_fqdn_option(&f, out);
        ck_assert_msg(n == options[i].told_n && memcmp(out, options[i].told, n) == 0,
                      "%u: %zu octets, flags %u", i, n, out[0]);
    }
    struct dhcp_fqdn f;
    say("\1\0", 2, NULL); /* too short to be one */
    decide(&f, NULL);
    ck_assert(!f.asked);
    ck_assert_uint_eq(dhcp_fqdn_option(&f, out), 0);
}
END_TEST

START_TEST(test_sources)
{
    struct dhcp_fqdn f;
    const struct dhcp_reservation r = {.hostname = {(const uint8_t *)"printer", 7}};
    say("\1\0\0box", 6, "other");
    ck_assert_str_eq(decide(&f, &r), "printer.lan.example.");
    ck_assert_str_eq(decide(&f, NULL), "box.lan.example.");
    say("\1\0\0", 3, "other"); /* an empty one asks for a name */
    ck_assert_str_eq(decide(&f, NULL), "other.lan.example.");
    rules.client_names = false;
    ck_assert_str_eq(decide(&f, NULL), "");
    rules.generate = "dhcp";
    ck_assert_str_eq(decide(&f, NULL), "dhcp-192-0-2-100.lan.example.");
    dhcp_fqdn_decide(NULL, &message, NULL, 1, &f);
    ck_assert(f.size == 0 && !f.asked && !f.forward && !f.reverse);
}
END_TEST

START_TEST(test_reverse)
{
    struct dns_name name;
    char text[DNS_NAME_TEXT];
    dhcp_reverse_name(IP(10, 20, 30, 255), &name);
    dns_name_to_text(text, name.bytes);
    ck_assert_str_eq(text, "255.30.20.10.in-addr.arpa.");
    ck_assert_ptr_eq(dhcp_reverse_zone(&rules, IP(192, 0, 2, 1)), &reverse[1]);
    ck_assert_ptr_eq(dhcp_reverse_zone(&rules, IP(192, 0, 3, 1)), &reverse[0]);
    ck_assert_ptr_null(dhcp_reverse_zone(&rules, IP(10, 0, 3, 1)));
    struct dhcp_fqdn f;
    say(NULL, 0, "box");
    dhcp_fqdn_decide(&rules, &message, NULL, IP(10, 0, 0, 1), &f);
    ck_assert(f.forward && !f.reverse);
}
END_TEST

/* Through the engine: the answer has it, and so has the event. */
START_TEST(test_engine)
{
    static struct lab lab;
    lab_init(&lab);
    lab.config.naming = &rules;
    ck_assert_int_eq(lab_listen(&lab), 0);
    ck_assert(lab_lease(&lab, 1));
    ck_assert(!dhcp_message_has(&lab.answer, DHCP_OPTION_FQDN));
    ck_assert_uint_eq(lab.events.items[0].fqdn.size, 0);
    uint32_t printer = lab_lease(&lab, 7);
    ck_assert_uint_eq(printer, IP(192, 0, 2, 7));
    ck_assert_uint_eq(lab.events.count, 1);
    ck_assert(lab.events.items[0].fqdn.forward && lab.events.items[0].fqdn.reverse);
    ck_assert_mem_eq(lab.events.items[0].fqdn.name, "\7printer\3lan\7example", 21);
    lab_fini(&lab);
}
END_TEST

Suite *fqdn_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/fqdn");
    TCase *t = tcase_create("fqdn");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_host_names);
    tcase_add_test(t, test_options);
    tcase_add_test(t, test_sources);
    tcase_add_test(t, test_reverse);
    tcase_add_test(t, test_engine);
    suite_add_tcase(s, t);
    return s;
}
