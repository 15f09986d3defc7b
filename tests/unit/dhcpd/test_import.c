#include "dhcpd/lease/import.h"
#include "tests/unit/dhcpd/suites.h"

#include <stdio.h>

/* What was read, a line each: "2 192.0.2.7 active 02:00:00:00:00:01 - box 100 200". */
struct seen {
    struct dhcp_import import;
    char text[4096];
    unsigned stop; /* the n-th lease ends it */
    unsigned leases, faults;
};

static int on_lease(struct dhcp_import *import, unsigned line, const struct dhcp_lease *lease)
{
    struct seen *s = (struct seen *)import;
    char mac[64] = "-", id[800] = "-";
    uint32_t a = lease->address;
    if (lease->hlen)
        keel_format_hex(mac, sizeof mac, lease->chaddr, lease->hlen, ':');
    if (lease->client.identity.n)
        keel_format_hex(id, sizeof id, lease->client.identity.p, lease->client.identity.n, 0);
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "%u %u.%u.%u.%u %s %s %s %.*s %llu %llu\n", line,
             a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255,
             lease->state ? dhcp_lease_state_name(lease->state) : "forgotten", mac, id,
             (int)lease->hostname.n, (const char *)lease->hostname.p,
             (unsigned long long)lease->granted, (unsigned long long)lease->expires);
    return ++s->leases == s->stop ? 77 : 0;
}

static void on_fault(struct dhcp_import *import, unsigned line, const char *why)
{
    struct seen *s = (struct seen *)import;
    size_t n = strlen(s->text);
    s->faults++;
    snprintf(s->text + n, sizeof s->text - n, "%u ! %s\n", line, why);
}

static int import(struct seen *s, enum dhcp_import_format format, const char *text)
{
    *s = (struct seen){.import = {on_lease, on_fault}};
    return dhcp_import_read(&s->import, format, keel_str(text));
}

static void expect(enum dhcp_import_format format, const char *text, const char *wanted)
{
    struct seen s;
    ck_assert_int_eq(import(&s, format, text), 0);
    ck_assert_str_eq(s.text, wanted);
}

#define KEA                                                                                        \
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,"   \
    "user_context\n"

START_TEST(test_kea)
{
    expect(DHCP_IMPORT_KEA,
           KEA "192.0.2.7,02:00:00:00:00:01,01:02:03,100,1000,1,0,0,box,0,\n"
               "192.0.2.8,02:00:00:00:00:02,,100,1000,1,0,0,a&#x2cb,0,{\"x\":1}\n"
               "192.0.2.8,02:00:00:00:00:02,,0,1000,1,0,0,,0,\r\n"
               "192.0.2.9,,,100,1000,1,0,0,,1,\n"
               "192.0.2.10,02:00:00:00:00:03,,100,1000,1,0,0,,2,\n"
               "\n"
               "here,02:00:00:00:00:03,,100,1000,1,0,0,,0,\n"
               "192.0.2.11,xx,,100,1000,1,0,0,,0,\n"
               "192.0.2.11,,,100,1000,1,0,0,,0,\n"
               "192.0.2.11,,01,x,1000,1,0,0,,0,\n"
               "192.0.2.11,,01,1,1000,1,0,0,,9,\n",
           "2 192.0.2.7 active 02:00:00:00:00:01 01010203 box 900 1000\n"
           "3 192.0.2.8 active 02:00:00:00:00:02 0001020000000002 a,b 900 1000\n"
           "4 192.0.2.8 forgotten 02:00:00:00:00:02 0001020000000002  1000 1000\n"
           "5 192.0.2.9 declined - -  900 1000\n"
           "6 192.0.2.10 expired 02:00:00:00:00:03 0001020000000003  900 1000\n"
           "8 ! no IPv4 address\n"
           "9 ! hwaddr is no hardware address\n"
           "10 ! neither a hardware address nor a client identifier\n"
           "11 ! valid_lifetime or expire is no number\n"
           "12 ! a state that is not known\n");
    /* an older Kea, with fewer columns */
    expect(DHCP_IMPORT_KEA,
           "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname\n"
           "192.0.2.7,020000000001,,100,1000,1,0,0,\n",
           "2 192.0.2.7 active 02:00:00:00:00:01 0001020000000001  900 1000\n");
    struct seen s;
    ck_assert_int_eq(import(&s, DHCP_IMPORT_KEA, "lease 192.0.2.7 {\n"), KEEL_EINVAL);
    ck_assert_int_eq(import(&s, DHCP_IMPORT_KEA, ""), KEEL_EINVAL);
}
END_TEST

START_TEST(test_dnsmasq)
{
    expect(DHCP_IMPORT_DNSMASQ,
           "1000 02:00:00:00:00:01 192.0.2.7 box 01:02:00:00:00:00:01\n"
           "0 06-02:00:00:00:00:02 192.0.2.8 * *\n"
           "x 02:00:00:00:00:01 192.0.2.7 box *\n"
           "1000 02:00:00:00:00:01 192.0.2.7\n"
           "1000 * 192.0.2.9 * *\n"
           "duid 00:01:00:01\n"
           "1000 1 2001:db8::1 box 00:01\n",
           "1 192.0.2.7 active 02:00:00:00:00:01 0101020000000001 box 0 1000\n"
           "2 192.0.2.8 active 02:00:00:00:00:02 0006020000000002  0 4294967295\n"
           "3 ! the time is no number\n"
           "4 ! five words expected: time, hardware address, address, name, client\n"
           "5 ! neither a hardware address nor a client identifier\n");
    expect(DHCP_IMPORT_DNSMASQ, "", "");
}
END_TEST

START_TEST(test_isc)
{
    expect(DHCP_IMPORT_ISC,
           "# a comment with { in it\n"
           "authoring-byte-order little-endian;\n"
           "server-duid \"\\000\\001;}\";\n"
           "failover peer \"x\" state { my state normal at 1 2026/01/01 00:00:00; }\n"
           "lease 192.0.2.7 {\n"
           "  starts 4 2023/11/14 22:13:20;\n"
           "  ends 4 2023/11/14 23:13:20;\n"
           "  cltt 4 2023/11/14 22:13:20;\n"
           "  binding state active;\n"
           "  next binding state free;\n"
           "  hardware ethernet 02:00:00:00:00:01;\n"
           "  uid \"\\001\\002\\\"a;}\";\n"
           "  set vendor-class-identifier = \"MSFT 5.0\";\n"
           "  on expiry or release { set x = \"}\"; if (1) { log(info, \"y\"); } }\n"
           "  client-hostname \"box\";\n"
           "}\n"
           "lease 192.0.2.8 { starts epoch 100; # Thursday\n"
           " ends never; binding state active; hardware ethernet 02:00:00:00:00:02; uid 01:02; }\n"
           "lease 192.0.2.9 { starts epoch 1; ends epoch 2; binding state free; }\n"
           "lease 192.0.2.10 { ends epoch 2; binding state abandoned; }\n"
           "lease 192.0.2.11 { ends epoch 2; binding state released;\n"
           "  hardware ethernet 02:00:00:00:00:03; }\n"
           "lease here { }\n"
           "lease 192.0.2.12 { binding state strange; }\n"
           "lease 192.0.2.13 { ends soon; hardware ethernet 02:00:00:00:00:03; }\n"
           "lease 192.0.2.14 { hardware ethernet zz; }\n"
           "host y { hardware ethernet 02:00:00:00:00:04; }\n"
           "lease 192.0.2.15 { hardware ethernet 02:00:00:00:00:05; ends epoch 9; ",
           "5 192.0.2.7 active 02:00:00:00:00:01 01010222613b7d box 1700000000 1700003600\n"
           "17 192.0.2.8 active 02:00:00:00:00:02 010102  100 4294967295\n"
           "19 192.0.2.9 forgotten - -  1 2\n"
           "20 192.0.2.10 declined - -  0 2\n"
           "21 192.0.2.11 released 02:00:00:00:00:03 0001020000000003  0 2\n"
           "23 ! no IPv4 address behind \"lease\"\n"
           "24 ! a binding state that is not known\n"
           "25 ! ends is no time\n"
           "26 ! no hardware address\n"
           "28 ! the file ends inside of a lease\n");
    expect(DHCP_IMPORT_ISC, "lease 192.0.2.7 {", "1 ! the file ends inside of a lease\n");
    expect(DHCP_IMPORT_ISC, "lease", "1 ! no IPv4 address behind \"lease\"\n");
    expect(DHCP_IMPORT_ISC, "lease 192.0.2.7 { ends 4 2024/02/29 00:00:00; uid \"a\"; }",
           "1 192.0.2.7 active - 0161  0 1709164800\n");
}
END_TEST

START_TEST(test_csv)
{
    expect(DHCP_IMPORT_CSV,
           "address,state,hardware,client-id,hostname,granted,expires\n"
           "192.0.2.7,active,02:00:00:00:00:01,01:02,\"a,\\\"\"b\\x41\",100,200\n"
           "192.0.2.8,released,02:00:00:00:00:01,,,100,200\n"
           "192.0.2.9,unreadable,,,,,\n"
           "192.0.2.9,active,01,,\"open,1,2\n",
           "2 192.0.2.7 active 02:00:00:00:00:01 010102 a,\"bA 100 200\n"
           "3 192.0.2.8 released 02:00:00:00:00:01 0001020000000001  100 200\n"
           "4 ! a state that is not known\n"
           "5 ! this is no line of CSV\n");
}
END_TEST

START_TEST(test_stop)
{
    struct seen s = {.import = {on_lease, NULL}, .stop = 2};
    const char *text = "1 02:00:00:00:00:01 192.0.2.1 * *\n"
                       "1 02:00:00:00:00:02 192.0.2.2 * *\n"
                       "1 02:00:00:00:00:03 192.0.2.3 * *\n";
    ck_assert_int_eq(dhcp_import_read(&s.import, DHCP_IMPORT_DNSMASQ, keel_str(text)), 77);
    ck_assert_uint_eq(s.leases, 2);
}
END_TEST

START_TEST(test_names)
{
    enum dhcp_import_format f;
    ck_assert_int_eq(dhcp_import_format_by_name(KEEL_STR("isc"), &f), 0);
    ck_assert_int_eq(f, DHCP_IMPORT_ISC);
    ck_assert_int_eq(dhcp_import_format_by_name(KEEL_STR("windows"), &f), KEEL_EINVAL);
}
END_TEST

Suite *import_suite(void)
{
    Suite *s = suite_create("dhcpd/lease/import");
    TCase *t = tcase_create("import");
    tcase_add_test(t, test_kea);
    tcase_add_test(t, test_dnsmasq);
    tcase_add_test(t, test_isc);
    tcase_add_test(t, test_csv);
    tcase_add_test(t, test_stop);
    tcase_add_test(t, test_names);
    suite_add_tcase(s, t);
    return s;
}
