#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/print.h"
#include "dnsd/zone/rdata_print.h"
#include "dnsd/zone/rdata_text.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"
#include "tests/support/allocfail.h"

#include <stdio.h>
#include <stdlib.h>

/* type, text to read, text that is printed (NULL: the same) with the origin example.org. */
static const struct {
    const char *type, *text, *printed;
} rows[] = {
    {"A", "192.0.2.1", NULL},
    {"AAAA", "2001:DB8:0::1", "2001:db8::1"},
    {"NS", "ns1", NULL},
    {"NS", "NS1.Example.ORG.", NULL}, /* its case would be lost */
    {"NS", "@", NULL},
    {"NS", ".", NULL},
    {"NS", "xexample.org.", NULL},
    {"CNAME", "a\\.b\\@.c\\000", NULL},
    {"MX", "10 mail.example.net.", NULL},
    {"SOA", "ns1 hostmaster 1 2h 15m 2w 300", "ns1 hostmaster 1 7200 900 1209600 300"},
    {"TXT", "plain \"two words\" \"\"", "\"plain\" \"two words\" \"\""},
    {"TXT", "\"a\\\"b\\\\c\\001\\255;()\"", NULL},
    {"SRV", "0 5 80 web", NULL},
    {"CAA", "128 iodef \"mailto:a@b.example\"", NULL},
    {"URI", "10 1 \"ftp://ftp1.example.com/public\"", NULL},
    {"SSHFP", "4 2 123456789abcdef0", NULL},
    {"SSHFP", "4 2", "4 2"},
    {"TLSA", "3 1 1 d2abde240d7cd3ee", NULL},
    {"HINFO", "PC \"\"", "\"PC\" \"\""},
    {"RP", "admin txt", NULL},
    {"L32", "10 10.1.2.0", NULL},
    {"HTTPS", "0 svc.example.net.", NULL},
    {"HTTPS", "1 . alpn=h2,h3 port=8443 no-default-alpn",
     "1 . alpn=\"h2,h3\" no-default-alpn port=\"8443\""},
    {"SVCB", "16 foo alpn=\"f\\\\\\\\oo\\\\,bar,h2\"", "16 foo alpn=\"f\\\\\\\\oo\\\\,bar,h2\""},
    {"SVCB", "1 foo mandatory=ipv4hint,key667 ipv4hint=192.0.2.1,192.0.2.2 key667=\"a b\\001\"",
     "1 foo mandatory=\"ipv4hint,key667\" ipv4hint=\"192.0.2.1,192.0.2.2\" "
     "key667=\"a b\\001\""},
    {"SVCB",
     "1 foo ipv6hint=2001:db8::1 ech=aGVsbG8=", "1 foo ech=\"aGVsbG8=\" ipv6hint=\"2001:db8::1\""},
    {"DS", "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118", NULL},
    {"DNSKEY", "256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3", NULL},
    {"RRSIG", "A 13 2 60 20361121000000 20261120000000 4711 example.org. AQPSKmyn",
     "A 13 2 60 20361121000000 20261120000000 4711 @ AQPSKmyn"},
    {"NSEC", "host A MX RRSIG NSEC TYPE1234", NULL},
    {"NSEC3", "1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG", NULL},
    {"NSEC3", "1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s", NULL},
    {"NSEC3PARAM", "1 0 0 -", NULL},
    {"NAPTR", "100 50 \"s\" \"http+I2L\" \"\" _http._tcp.example.com.", NULL},
    {"LOC", "42 21 54 N 71 06 18 W -24m 30m", ""},
    {"EUI48", "00-00-5e-00-53-2a", NULL},
    {"OPENPGPKEY", "mQCNAzIG", NULL},
    {"CERT", "1 2 3 mQCNAzIG", ""},
    {"APL", "1:192.168.32.0/21 !1:192.168.38.0/28", NULL},
    {"CSYNC", "66 3 A NS AAAA", ""},
    {"TYPE65400", "\\# 3 0a0b0c", NULL},
    {"TYPE65400", "\\# 0", NULL},
    {"A", "\\# 4 c0000201", "192.0.2.1"},
};

static int from_text(uint16_t type, const char *text, uint8_t *out)
{
    struct dns_name origin = support_name("example.org");
    struct dns_lexer lexer;
    struct dns_token token;
    struct keel_diag diag = {""};
    char line[4096];
    snprintf(line, sizeof line, "x %s", text);
    dns_lexer_init(&lexer, keel_str(line), 1);
    ck_assert_int_eq(dns_lexer_entry(&lexer), 1);
    ck_assert_int_eq(dns_lexer_next(&lexer, &token), 1);
    int n = dns_rdata_from_text(type, &lexer, &origin, out, UINT16_MAX, &diag);
    ck_assert_msg(n >= 0, "%s: %s", text, diag.text);
    return n;
}

START_TEST(rdata_comes_back)
{
    static uint8_t first[UINT16_MAX], second[UINT16_MAX];
    struct dns_name origin = support_name("example.org");
    struct keel_buf text = {0};
    uint16_t type;
    ck_assert_int_eq(dns_type_parse(keel_str(rows[_i].type), &type), 0);
    int n = from_text(type, rows[_i].text, first);
    for (int relative = 0; relative < 2; relative++) {
        keel_buf_clear(&text);
        keel_buf_puts(&text, "kept ");
        ck_assert_int_eq(dns_rdata_print(&text, type, first, (size_t)n, relative ? &origin : NULL),
                         0);
        ck_assert_int_eq(from_text(type, keel_buf_text(&text) + 5, second), n);
        ck_assert_mem_eq(first, second, (size_t)n);
    }
    const char *wanted = rows[_i].printed ? rows[_i].printed : rows[_i].text;
    if (wanted[0]) /* "": as ldns likes it */
        ck_assert_str_eq(keel_buf_text(&text) + 5, wanted);
    else
        ck_assert(!strstr(keel_buf_text(&text), "\\#"));
    keel_buf_fini(&text);
}
END_TEST

/* rdata that ends in the middle of a field, of every type that we print by its fields */
START_TEST(cut_rdata_is_shown)
{
    static uint8_t full[UINT16_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t type;
        ck_assert_int_eq(dns_type_parse(keel_str(rows[i].type), &type), 0);
        int n = from_text(type, rows[i].text, full);
        for (int cut = 0; cut < n; cut++) {
            struct keel_buf text = {0};
            uint8_t *part = malloc((size_t)cut + 1); /* of its size, for the sanitizer */
            memcpy(part, full, (size_t)cut);
            ck_assert_int_eq(dns_rdata_print(&text, type, part, (size_t)cut, NULL), 0);
            free(part);
            keel_buf_fini(&text);
        }
    }
}
END_TEST

/* rdata that no text of its type has: still the same bytes */
START_TEST(odd_rdata_comes_back)
{
    static const struct {
        uint16_t type;
        size_t size;
        const char *rdata;
    } odd[] = {
        {DNS_TYPE_NSEC, 5, "\0\0\2\x40\0"},            /* a bitmap with a zero at its end */
        {DNS_TYPE_NSEC3, 9, "\1\0\0\0\0\3abc"},        /* a hash that base32 cannot end */
        {DNS_TYPE_DS, 2, "\1\2"},                      /* too short */
        {DNS_TYPE_DNSKEY, 4, "\1\0\3\5"},              /* no key */
        {37, 3, "\0\1\2"},                             /* CERT */
        {DNS_TYPE_HTTPS, 9, "\0\1\0\0\x30\0\2\xff\""}, /* a parameter with odd bytes */
        {DNS_TYPE_CAA, 5, "\0\3abc"},                  /* no value */
        {DNS_TYPE_TXT, 1, "\0"},
    };
    static uint8_t again[UINT16_MAX];
    struct keel_buf text = {0};
    ck_assert_int_eq(
        dns_rdata_print(&text, odd[_i].type, (const uint8_t *)odd[_i].rdata, odd[_i].size, NULL),
        0);
    ck_assert_int_eq(from_text(odd[_i].type, keel_buf_text(&text), again), (int)odd[_i].size);
    ck_assert_mem_eq(again, odd[_i].rdata, odd[_i].size);
    keel_buf_fini(&text);
}
END_TEST

static int collect(void *arg, const void *bytes, size_t size)
{
    return keel_buf_append(arg, bytes, size);
}

/* The image of what was printed is the same, byte for byte. */
static void check_zone(const char *origin, const char *text)
{
    struct dns_image *image = support_image(origin, text), *again;
    struct dns_view view = {.base = image};
    for (int relative = 0; relative < 2; relative++) {
        struct keel_buf printed = {0};
        struct keel_diag diag = {""};
        ck_assert_int_eq(dns_zone_print(&view, relative, collect, &printed), 0);
        int err = support_compile(origin, keel_buf_text(&printed), &again, &diag);
        ck_assert_msg(err == 0, "%s", diag.text);
        ck_assert_uint_eq(again->size, image->size);
        ck_assert_mem_eq(again, image, image->size);
        keel_free(again);
        keel_buf_fini(&printed);
    }
    keel_free(image);
}

START_TEST(zones_come_back)
{
    static const struct {
        const char *origin, *file;
    } zones[] = {
        {"example.org", "example.org.zone"}, {"odd", "odd.zone"}, {"signed", "signed.zone"}};
    char *text = support_data(zones[_i].file);
    check_zone(zones[_i].origin, text);
    free(text);
}
END_TEST

START_TEST(odd_owners_come_back)
{
    check_zone("z", "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n\\@ A 10.0.0.1\n\\$ttl A 10.0.0.2\n"
                    "*.\\000\\.\\032 TXT x\n\\; TXT y\na\\\"b TXT z\nz.z.z NS @\n");
    check_zone(".", "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns.a A 10.0.0.1\na NS ns.a\n");
}
END_TEST

START_TEST(prints_readable_lines)
{
    struct dns_image *image =
        support_image("z", "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ 50 NS ns\nb A 10.0.0.2\n"
                           "a MX 5 b\na 40 A 10.0.0.1\n");
    struct dns_view view = {.base = image};
    struct keel_buf printed = {0};
    ck_assert_int_eq(dns_zone_print(&view, true, collect, &printed), 0);
    ck_assert_str_eq(keel_buf_text(&printed), "; z. serial 7, 5 records\n"
                                              "$ORIGIN z.\n"
                                              "@\t60\tIN\tSOA\tns h 7 2 3 4 5\n"
                                              "@\t50\tIN\tNS\tns\n"
                                              "a\t40\tIN\tA\t10.0.0.1\n"
                                              "a\t60\tIN\tMX\t5 b\n"
                                              "b\t60\tIN\tA\t10.0.0.2\n");
    keel_buf_fini(&printed);
    keel_free(image);
}
END_TEST

static int print_without_memory(void *arg)
{
    struct dns_view view = {.base = arg};
    struct keel_buf printed = {0};
    int err = dns_zone_print(&view, true, collect, &printed);
    keel_buf_fini(&printed);
    return err;
}

START_TEST(survives_no_memory)
{
    struct dns_image *image = support_image(
        "z", "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ 50 NS ns\nb HTTPS 1 . port=1\nb DS 1 1 1 aabb\n");
    allocfail_sweep(print_without_memory, image);
    keel_free(image);
}
END_TEST

Suite *print_suite(void)
{
    Suite *suite = suite_create("print");
    TCase *tests = tcase_create("print");
    tcase_add_loop_test(tests, rdata_comes_back, 0, sizeof rows / sizeof rows[0]);
    tcase_add_loop_test(tests, odd_rdata_comes_back, 0, 8);
    tcase_add_test(tests, cut_rdata_is_shown);
    tcase_add_loop_test(tests, zones_come_back, 0, 3);
    tcase_add_test(tests, odd_owners_come_back);
    tcase_add_test(tests, prints_readable_lines);
    tcase_add_test(tests, survives_no_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
