#include "dnsd/wire/type.h"
#include "dnsd/zone/rdata_text.h"
#include "suites.h"
#include "support.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

static int from_text(const char *type, const char *text, uint8_t *out, struct keel_diag *diag)
{
    struct dns_name origin = support_name("example.org");
    struct dns_lexer lexer;
    uint16_t number;
    char line[4096];

    ck_assert_int_eq(dns_type_parse(keel_str(type), &number), 0);
    snprintf(line, sizeof line, "x %s", text); /* an owner, so that empty rdata is an entry too */
    dns_lexer_init(&lexer, keel_str(line), 1);
    struct dns_token token;
    ck_assert_int_eq(dns_lexer_entry(&lexer), 1);
    ck_assert_int_eq(dns_lexer_next(&lexer, &token), 1);
    return dns_rdata_from_text(number, &lexer, &origin, out, UINT16_MAX, diag);
}

/* ours and ldns agree about these */
static const struct {
    const char *type, *text;
} same[] = {
    {"A", "192.0.2.1"},
    {"AAAA", "2001:db8::1"},
    {"AAAA", "::ffff:192.0.2.1"},
    {"NS", "ns1"},
    {"NS", "NS1.Example.NET."},
    {"CNAME", "a\\.b.c"},
    {"PTR", "host.example.net."},
    {"DNAME", "new.example.net."},
    {"MX", "10 mail"},
    {"SOA", "ns1 hostmaster 2026112001 7200 900 1209600 300"},
    {"TXT", "\"v=spf1 mx -all\" \"second string\""},
    {"TXT", "plain words \"\""},
    {"TXT", "\"a\\\"b\\\\c\\001\\255\""},
    {"SRV", "0 5 80 web"},
    {"CAA", "0 issue \"ca.example.net\""},
    {"CAA", "128 iodef \"mailto:a@b.example\""},
    {"SSHFP", "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789"},
    {"HINFO", "\"PC\" \"Keel\""},
    {"RP", "admin txt"},
    {"AFSDB", "1 afs"},
    {"TLSA", "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971"},
    {"HTTPS", "1 . alpn=h2 ipv4hint=192.0.2.80"},
    {"HTTPS", "0 svc.example.net."},
    {"SVCB", "16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1"},
    {"SVCB", "1 foo.example.com. port=53 key667=hello"},
    {"SVCB", "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1"},
    {"URI", "10 1 \"ftp://ftp1.example.com/public\""},
    /* by way of ldns: the glue around it is what is tested */
    {"DS", "60485 5 1 ( 2BB183AF5F22588179A53B0A 98631FAD1A292118 )"},
    {"DNSKEY", "256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8no "
               "kfzj31GajIQKY+5CptLr3buXA10hWqTkF7H6RfoRqXQeogmMHfpftf6z Mv1LyBUgia7za6ZEzOJB"
               "OztyvhjL742iU/TpPSEDhm2SNKLijfUppn1U aNvv4w=="},
    {"NSEC", "host.example.com. ( A MX RRSIG NSEC TYPE1234 )"},
    {"NAPTR", "100 50 \"s\" \"http+I2L+I2C+I2R\" \"\" _http._tcp.example.com."},
    {"LOC", "42 21 54 N 71 06 18 W -24m 30m"},
    {"EUI48", "00-00-5e-00-53-2a"},
    {"OPENPGPKEY", "mQCNAzIG"},
};

START_TEST(agrees_with_ldns)
{
    uint8_t ours[UINT16_MAX], *wire = NULL;
    struct keel_diag diag = {""};
    size_t size;
    char line[4096];
    ldns_rr *rr = NULL;
    ldns_rdf *origin = ldns_dname_new_frm_str("example.org.");

    int n = from_text(same[_i].type, same[_i].text, ours, &diag);
    ck_assert_msg(n >= 0, "%s", diag.text);
    snprintf(line, sizeof line, "x. 0 IN %s %s", same[_i].type, same[_i].text);
    ldns_status status = ldns_rr_new_frm_str(&rr, line, 0, origin, NULL);
    ck_assert_msg(status == LDNS_STATUS_OK, "%s", ldns_get_errorstr_by_id(status));
    ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &size);
    ck_assert_uint_eq(size - 13, (size_t)n);
    ck_assert_mem_eq(ours, wire + 13, (size_t)n);
    free(wire);
    ldns_rr_free(rr);
    ldns_rdf_deep_free(origin);
}
END_TEST

/* known good bytes where ldns has another opinion or none */
static const struct {
    const char *type, *text, *bytes;
    size_t size;
} exact[] = {
    {"SOA", ". . ( 1 2h\n 15m 2w ; comment\n 5m )",
     "\0\0\0\0\0\1\0\0\x1c\x20\0\0\3\x84\0\x12\x75\0\0\0\1\x2c", 22},
    {"TYPE65400", "\\# 4 0A000001", "\12\0\0\1", 4},
    {"TYPE65400", "\\# 0", "", 0},
    {"TYPE65400", "\\# 4 0A 0000 01", "\12\0\0\1", 4},
    {"A", "\\# 4 c0000201", "\300\0\2\1", 4},
    {"SVCB", "1 . alpn=\"f\\\\\\\\oo\\\\,bar,h2\"", /* RFC 9460, D.2, figure 10 */
     "\0\1\0\0\1\0\014\10f\\oo,bar\2h2", 19},
};

START_TEST(writes_exact_bytes)
{
    uint8_t ours[UINT16_MAX];
    struct keel_diag diag = {""};
    int n = from_text(exact[_i].type, exact[_i].text, ours, &diag);
    ck_assert_msg(n >= 0, "%s", diag.text);
    ck_assert_int_eq(n, (int)exact[_i].size);
    ck_assert_mem_eq(ours, exact[_i].bytes, exact[_i].size);
}
END_TEST

static const struct {
    const char *type, *text, *what;
} bad[] = {
    {"A", "192.0.2.256", "\"192.0.2.256\" is not an IPv4 address"},
    {"A", "", "the record ends too early"},
    {"A", "192.0.2.1 192.0.2.2", "\"192.0.2.2\" is more than the record takes"},
    {"AAAA", "2001:db8::g", "\"2001:db8::g\" is not an IPv6 address"},
    {"NS", "a..b", "\"a..b\" is not a domain name"},
    {"NS", "\"a\"", "is not a domain name"},
    {"MX", "65536 mail", "\"65536\" is not a number from 0 to 65535"},
    {"MX", "mail", "\"mail\" is not a number from 0 to 65535"},
    {"MX", "10", "the record ends too early"},
    {"SOA", "a b 1 2 3 4", "the record ends too early"},
    {"SOA", "a b 1 2x 3 4 5", "\"2x\" is not a time"},
    {"TXT", "", "the record ends too early"},
    {"TXT", "\"\\300\"", "has a bad escape"},
    {"CAA", "0 \"\" x", "the rdata is malformed"},
    {"CAA", "0 is-sue x", "the rdata is malformed"},
    {"SSHFP", "1 1 abc", "an odd number of hexadecimal digits"},
    {"SSHFP", "1 1 xy", "\"xy\" is not hexadecimal"},
    {"TYPE65400", "192.0.2.1", "TYPE65400 is known only as \\# size bytes"},
    {"TYPE65400", "\\# 3 0A000001", "\\# says 3 bytes, there are 4"},
    {"TYPE65400", "\\# 70000 00", "\"70000\" is not a size from 0 to 65535"},
    {"A", "\\# 3 c00002", "the rdata is malformed"},
    {"DS", "60485 5 1 zz", "could not parse"},
    {"DS", "", "yntax"},
};

START_TEST(says_what_is_wrong)
{
    uint8_t ours[UINT16_MAX];
    struct keel_diag diag = {""};
    int n = from_text(bad[_i].type, bad[_i].text, ours, &diag);
    ck_assert_int_lt(n, 0);
    ck_assert_msg(strstr(diag.text, bad[_i].what) != NULL, "%s %s: %s", bad[_i].type, bad[_i].text,
                  diag.text);
}
END_TEST

Suite *rdata_text_suite(void)
{
    Suite *s = suite_create("dnsd/zone/rdata_text");
    TCase *t = tcase_create("rdata_text");
    tcase_add_loop_test(t, agrees_with_ldns, 0, sizeof same / sizeof same[0]);
    tcase_add_loop_test(t, writes_exact_bytes, 0, sizeof exact / sizeof exact[0]);
    tcase_add_loop_test(t, says_what_is_wrong, 0, sizeof bad / sizeof bad[0]);
    suite_add_tcase(s, t);
    return s;
}
