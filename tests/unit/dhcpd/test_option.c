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
    ck_assert_int_gt(n, 0);
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
        ck_assert(!dhcp_option_is_internal(d->code));
        ck_assert_ptr_eq(dhcp_option_by_code(d->code), d);
        ck_assert_ptr_eq(dhcp_option_by_name(keel_str(d->name)), d);
    }
    ck_assert_uint_ge(count, 40);
    ck_assert_ptr_null(dhcp_option_by_name(KEEL_STR("no-such-option")));
    ck_assert_ptr_null(dhcp_option_by_code(DHCP_OPTION_LEASE_TIME));
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

Suite *option_suite(void)
{
    Suite *s = suite_create("dhcpd/wire/option");
    TCase *t = tcase_create("option");
    tcase_add_loop_test(t, test_encode, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(t, test_encode_room);
    tcase_add_test(t, test_table);
    tcase_add_test(t, test_manual);
    tcase_add_test(t, test_types);
    suite_add_tcase(s, t);
    return s;
}
