#include "dhcpd/wire/option.h"
#include "tests/unit/dhcpd/suites.h"

#include <stdio.h>

static const struct {
    const char *name, *values[3], *hex; /* hex NULL: refused */
} rows[] = {
    {"routers", {"192.0.2.1"}, "c0000201"},
    {"routers", {"192.0.2.1", "10.0.0.1"}, "c00002010a000001"},
    {"routers", {"192.0.2"}, NULL},
    {"routers", {"192.0.2.1:67"}, NULL},
    {"routers", {"::1"}, NULL},
    {"routers", {""}, NULL},
    {"subnet-mask", {"255.255.255.0", "255.0.0.0"}, NULL},
    {"domain-name", {"lan"}, "6c616e"},
    {"domain-name", {""}, NULL},
    {"interface-mtu", {"1500"}, "05dc"},
    {"interface-mtu", {"65536"}, NULL},
    {"interface-mtu", {"-1"}, NULL},
    {"interface-mtu", {"big"}, NULL},
    {"time-offset", {"-3600"}, "fffff1f0"},
    {"arp-cache-timeout", {"4294967295"}, "ffffffff"},
    {"default-ip-ttl", {"64"}, "40"},
    {"ip-forwarding", {"true"}, "01"},
    {"ip-forwarding", {"maybe"}, NULL},
    {"static-routes", {"10.0.0.0 192.0.2.9"}, "0a000000c0000209"},
    {"static-routes", {"10.0.0.0"}, NULL},
    {"static-routes", {"10.0.0.0 192.0.2.9 1.1.1.1"}, NULL},
    {"classless-static-routes",
     {"10.0.0.0/8 192.0.2.9", "0.0.0.0/0 192.0.2.1"},
     "080ac000020900c0000201"},
    {"classless-static-routes", {"192.0.2.128/25 192.0.2.9"}, "19c0000280c0000209"},
    {"classless-static-routes", {"10.0.0.1/8 192.0.2.9"}, NULL},
    {"domain-search",
     {"lan.example", "a.b."},
     "036c616e076578616d706c6500"
     "0161016200"},
    {"domain-search", {"a..b"}, NULL},
    {"domain-search", {"."}, NULL},
    {"domain-search", {"a b"}, NULL},
    {"vendor-encapsulated-options", {"01:02:ff"}, "0102ff"},
    {"vendor-encapsulated-options", {"xyz"}, NULL},
    {"sip-servers", {"192.0.2.9", "192.0.2.10"}, "01c0000209c000020a"},
    {"sip-servers",
     {"sip.example"},
     "00037369700765"
     "78616d706c6500"},
    {"sip-servers", {"sip.example", "192.0.2.9"}, NULL},
    {"6rd",
     {"14 32 2001:db8:: 192.0.2.1 192.0.2.2"},
     "0e2020010db8000000000000000000000000c0000201c0000202"},
    {"6rd", {"14 32 2001:db8::"}, NULL},
    {"6rd", {"14 32 192.0.2.1 192.0.2.1"}, NULL},
    {"slp-service-scope", {"true a b c"}, "016120622063"},
    {"slp-service-scope", {"true"}, NULL},
    {"slp-directory-agents", {"no  192.0.2.1"}, "00c0000201"},
    {"client-ndi", {"1 2 3 4"}, NULL},
    {"client-ndi", {"1 2 3"}, "010203"},
    {"sztp-redirect", {"https://a", "b"}, "000968747470733a2f2f61000162"},
    {"lost-server",
     {"a.example"},
     "01610765"
     "78616d706c6500"},
    {"dhcp4o6-source-address", {"2001:db8::1"}, "20010db8000000000000000000000001"},
    {"dhcp4o6-source-address", {"2001:db8::/32"}, NULL},
    {"rapid-commit", {"true"}, ""},
    {"rapid-commit", {"false"}, NULL},
    {"ipv6-only-preferred", {"1800"}, "00000708"},
    {"captive-portal", {"https://example/"}, "68747470733a2f2f6578616d706c652f"},
};

START_TEST(test_encode)
{
    const struct dhcp_option_def *def = dhcp_option_by_name(keel_str(rows[_i].name));
    ck_assert_ptr_nonnull(def);
    struct keel_str values[3];
    unsigned count = 0, wrong;
    while (count < 3 && rows[_i].values[count]) {
        values[count] = keel_str(rows[_i].values[count]);
        count++;
    }
    uint8_t out[255];
    struct keel_diag diag;
    int n = dhcp_option_encode(def, values, count, out, sizeof out, &wrong, &diag);
    if (!rows[_i].hex) {
        ck_assert_int_lt(n, 0);
        ck_assert(diag.text[0]);
        return;
    }
    ck_assert_int_ge(n, 0);
    char hex[511];
    keel_format_hex(hex, sizeof hex, out, (size_t)n, 0);
    ck_assert_str_eq(hex, rows[_i].hex);
}
END_TEST

START_TEST(test_encode_room)
{
    const struct dhcp_option_def *def =
        dhcp_option_by_name(KEEL_STR("vendor-encapsulated-options"));
    struct keel_str value = KEEL_STR("01:02:03");
    uint8_t out[2];
    unsigned wrong;
    ck_assert_int_eq(dhcp_option_encode(def, &value, 1, out, 2, &wrong, NULL), KEEL_ENOSPC);
    def = dhcp_option_by_name(KEEL_STR("domain-name"));
    ck_assert_int_eq(dhcp_option_encode(def, &value, 1, out, 2, &wrong, NULL), KEEL_ENOSPC);
}
END_TEST

START_TEST(test_table)
{
    unsigned count = 0;
    for (const struct dhcp_option_def *d = dhcp_option_table; d->name; d++, count++) {
        ck_assert_ptr_eq(dhcp_option_by_code(d->code), d);
        ck_assert_ptr_eq(dhcp_option_by_name(keel_str(d->name)), d);
    }
    ck_assert_uint_ge(count, 140);
    ck_assert_ptr_null(dhcp_option_by_name(KEEL_STR("no-such-option")));
    ck_assert_ptr_null(dhcp_option_by_code(224));
    ck_assert(dhcp_option_is_internal(DHCP_OPTION_LEASE_TIME));
    ck_assert(!dhcp_option_is_internal(DHCP_OPTION_ROUTERS));
}
END_TEST

/* The manual names every one of them. */
START_TEST(test_manual)
{
    static char text[65536], path[4096], name[80];
    const char *folder = getenv("KEEL_SRCDIR");
    snprintf(path, sizeof path, "%s/doc/dhcpd.8.in", folder ? folder : ".");
    FILE *f = fopen(path, "r");
    if (!f)
        return; /* run by hand from elsewhere */
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    for (const struct dhcp_option_def *d = dhcp_option_table; d->name; d++) {
        size_t n = (size_t)snprintf(name, sizeof name, "\n.Cm ");
        for (const char *p = d->name; *p; p++)
            n += (size_t)snprintf(name + n, sizeof name - n, *p == '-' ? "\\-" : "%c", *p);
        ck_assert_msg(strstr(text, name), "%s is not in the manual", d->name);
    }
}
END_TEST

START_TEST(test_types)
{
    enum dhcp_option_type type;
    ck_assert_int_eq(dhcp_option_type_parse(KEEL_STR("text"), &type, NULL), 0);
    ck_assert_int_eq(type, DHCP_TYPE_TEXT);
    ck_assert_int_eq(dhcp_option_type_parse(KEEL_STR("binary"), &type, NULL), 0);
    ck_assert_int_eq(type, DHCP_TYPE_BINARY);
    ck_assert_int_eq(dhcp_option_type_parse(KEEL_STR("string"), &type, NULL), KEEL_EINVAL);
}
END_TEST

static const struct {
    const char *fields;
    bool list;
    const char *wrong; /* NULL: good */
} records[] = {
    {"uint8 address text", false, NULL},
    {"uint8  address", true, NULL},
    {"text uint8", false, "last"},
    {"text", true, "last"},
    {"binary", false, NULL},
    {"record", false, "cannot be a field"},
    {"route", false, "cannot be a field"},
    {"words", false, "no such type"},
    {"", false, "needs fields"},
    {"uint8 uint8 uint8 uint8 uint8 uint8 uint8 uint8 uint8", false, "at most 8"},
};

START_TEST(test_fields)
{
    struct dhcp_option_def def = {.list = records[_i].list};
    struct keel_diag diag = {""};
    int err = dhcp_option_fields_parse(keel_str(records[_i].fields), &def, &diag);
    ck_assert_int_eq(err, records[_i].wrong ? KEEL_EINVAL : 0);
    if (records[_i].wrong)
        ck_assert_msg(strstr(diag.text, records[_i].wrong), "%s", diag.text);
}
END_TEST

Suite *option_suite(void)
{
    Suite *s = suite_create("dhcpd/wire/option");
    TCase *t = tcase_create("option");
    tcase_add_loop_test(t, test_encode, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(t, test_encode_room);
    tcase_add_test(t, test_table);
    tcase_add_test(t, test_manual);
    tcase_add_test(t, test_types);
    tcase_add_loop_test(t, test_fields, 0, sizeof records / sizeof records[0]);
    suite_add_tcase(s, t);
    return s;
}
