#include "dnsd/wire/edns.h"
#include "suites.h"

START_TEST(reads_what_it_writes)
{
    uint8_t bytes[DNS_OPT_SIZE];
    struct keel_writer w;
    struct dns_edns in = {.dnssec_ok = true, .extended_rcode = 1, .version = 0, .udp_size = 1232},
                    out = {0};
    keel_writer_init(&w, bytes, sizeof bytes);
    dns_edns_build(&w, &in);
    ck_assert(!w.bad);
    ck_assert_uint_eq(keel_writer_left(&w), 0);
    ck_assert_int_eq(
        dns_edns_parse(&out, keel_get_u16(bytes + 3), keel_get_u32(bytes + 5), NULL, 0), 0);
    ck_assert(out.present && out.dnssec_ok);
    ck_assert_uint_eq(out.udp_size, 1232);
    ck_assert_uint_eq(out.extended_rcode, 1);
    ck_assert_uint_eq(out.version, 0);
}
END_TEST

START_TEST(checks_options)
{
    struct dns_edns edns = {0};
    static const uint8_t options[] = {0, 99, 0, 2, 1, 2, 0, 3, 0, 0};
    for (size_t n = 0; n <= sizeof options; n++)
        ck_assert_int_eq(dns_edns_parse(&edns, 512, 0, options, n),
                         n == 0 || n == 6 || n == 10 ? 0 : KEEL_EINVAL);
    /* another version: its rdata is not ours to judge */
    ck_assert_int_eq(dns_edns_parse(&edns, 512, 1u << 16, options, 3), 0);
    ck_assert_uint_eq(edns.version, 1);
}
END_TEST

START_TEST(knows_the_sizes_of_options)
{
    static const struct {
        uint16_t code, least, most, also;
    } rows[] = {{DNS_OPTION_COOKIE, 16, 40, 8}, {DNS_OPTION_KEEPALIVE, 0, 0, 0}};
    uint8_t option[4 + 64] = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (uint16_t n = 0; n <= 64; n++) {
            struct dns_edns edns = {0};
            keel_put_u16(option, rows[i].code);
            keel_put_u16(option + 2, n);
            bool good = (n >= rows[i].least && n <= rows[i].most) || n == rows[i].also;
            ck_assert_int_eq(dns_edns_parse(&edns, 512, 0, option, 4u + n), good ? 0 : KEEL_EINVAL);
            if (good && rows[i].code == DNS_OPTION_COOKIE) {
                ck_assert_uint_eq(edns.cookie_size, n);
                ck_assert_ptr_eq(edns.cookie, option + 4);
            }
        }
}
END_TEST

Suite *edns_suite(void)
{
    Suite *s = suite_create("dnsd/wire/edns");
    TCase *t = tcase_create("edns");
    tcase_add_test(t, reads_what_it_writes);
    tcase_add_test(t, checks_options);
    tcase_add_test(t, knows_the_sizes_of_options);
    suite_add_tcase(s, t);
    return s;
}
