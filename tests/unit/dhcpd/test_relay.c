#include "dhcpd/wire/relay.h"
#include "tests/unit/dhcpd/suites.h"

static int parse(struct dhcp_relay *r, const char *text, size_t n)
{
    return dhcp_relay_parse(r, (struct dhcp_bytes){(const uint8_t *)text, (uint16_t)n});
}
#define PARSE(r, text) parse(r, text, sizeof(text) - 1)

START_TEST(test_parse)
{
    struct dhcp_relay r;
    ck_assert_int_eq(dhcp_relay_parse(&r, (struct dhcp_bytes){NULL, 0}), 0);
    ck_assert_ptr_null(r.circuit_id.p);
    ck_assert_int_eq(PARSE(&r, "\1\3abc\2\1x\5\4\x0a\0\0\1\x0b\4\x0a\0\0\2\x13\0\x63\1y"), 0);
    ck_assert_mem_eq(r.circuit_id.p, "abc", 3);
    ck_assert_uint_eq(r.circuit_id.n, 3);
    ck_assert_uint_eq(r.remote_id.n, 1);
    ck_assert_uint_eq(r.link_selection, 0x0a000001);
    ck_assert_uint_eq(r.server_override, 0x0a000002);
    ck_assert(r.source_port);
}
END_TEST

START_TEST(test_malformed)
{
    struct dhcp_relay r;
    ck_assert_int_eq(PARSE(&r, "\1"), KEEL_EINVAL);
    ck_assert_int_eq(PARSE(&r, "\1\2a"), KEEL_EINVAL);
    ck_assert_int_eq(PARSE(&r, "\5\3\1\2\3"), KEEL_EINVAL);
    ck_assert_int_eq(PARSE(&r, "\x0b\5\1\2\3\4\5"), KEEL_EINVAL);
    ck_assert_int_eq(PARSE(&r, "\x13\1\1"), KEEL_EINVAL);
}
END_TEST

Suite *relay_suite(void)
{
    Suite *s = suite_create("dhcpd/wire/relay");
    TCase *t = tcase_create("relay");
    tcase_add_test(t, test_parse);
    tcase_add_test(t, test_malformed);
    suite_add_tcase(s, t);
    return s;
}
