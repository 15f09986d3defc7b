#include "dhcpd/lease/lease.h"
#include "tests/unit/dhcpd/suites.h"

static const struct dhcp_lease example = {
    .address = 0xc0000264,
    .state = DHCP_LEASE_ACTIVE,
    .granted = 1700000000,
    .expires = 1700003600,
    .htype = 1,
    .hlen = 6,
    .chaddr = {2, 0, 0, 0, 0, 1},
    .client = {0xc0000200, 24, {(const uint8_t *)"\1id", 3}},
    .hostname = {(const uint8_t *)"host", 4},
    .relay = {(const uint8_t *)"\1\1x", 3},
};

START_TEST(test_round_trip)
{
    uint8_t record[DHCP_LEASE_MAX];
    struct dhcp_lease back;
    size_t n = dhcp_lease_encode(&example, record);
    ck_assert_uint_eq(n, DHCP_LEASE_HEAD + 3 + 4 + 3);
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), 0);
    ck_assert_uint_eq(back.address, example.address);
    ck_assert_int_eq(back.state, example.state);
    ck_assert_uint_eq(back.granted, example.granted);
    ck_assert_uint_eq(back.expires, example.expires);
    ck_assert_mem_eq(back.chaddr, example.chaddr, 16);
    ck_assert(dhcp_client_equal(&back.client, &example.client));
    ck_assert(dhcp_bytes_equal(back.hostname, example.hostname));
    ck_assert(dhcp_bytes_equal(back.relay, example.relay));
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(dhcp_lease_decode(&back, record, cut), KEEL_EINVAL);
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n + 1), KEEL_EINVAL);
    record[0] = 2;
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), KEEL_EINVAL);
    record[0] = 1;
    record[1] = 9;
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), KEEL_EINVAL);
}
END_TEST

START_TEST(test_identity)
{
    struct dhcp_message m = {.hlen = 6, .htype = 1, .chaddr = {2, 0, 0, 0, 0, 1}};
    uint8_t id[DHCP_IDENTITY_MAX], long_id[255] = {0};
    ck_assert_int_eq(dhcp_identity(&m, id), 8);
    ck_assert_mem_eq(id, "\0\1\2\0\0\0\0\1", 8);
    m.hlen = 0;
    ck_assert_int_eq(dhcp_identity(&m, id), KEEL_EINVAL);
    m.present[0] |= 1ull << DHCP_OPTION_CLIENT_ID;
    m.values[DHCP_OPTION_CLIENT_ID] = (struct dhcp_bytes){(const uint8_t *)"\1ab", 3};
    ck_assert_int_eq(dhcp_identity(&m, id), 4);
    ck_assert_mem_eq(id, "\1\1ab", 4);
    m.values[DHCP_OPTION_CLIENT_ID] = (struct dhcp_bytes){long_id, 254};
    ck_assert_int_eq(dhcp_identity(&m, id), 255);
    m.values[DHCP_OPTION_CLIENT_ID] = (struct dhcp_bytes){long_id, 255};
    ck_assert_int_eq(dhcp_identity(&m, id), KEEL_EINVAL);
}
END_TEST

START_TEST(test_client_key)
{
    uint8_t key[DHCP_CLIENT_KEY_MAX];
    ck_assert_uint_eq(dhcp_client_key(&example.client, key), 8);
    ck_assert_mem_eq(key, "\xc0\0\2\0\x18\1id", 8);
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(dhcp_lease_state_name(DHCP_LEASE_ACTIVE), "active");
    ck_assert_str_eq(dhcp_lease_state_name(DHCP_LEASE_RELEASED), "released");
    ck_assert_str_eq(dhcp_lease_state_name(DHCP_LEASE_DECLINED), "declined");
    ck_assert_str_eq(dhcp_lease_state_name(DHCP_LEASE_EXPIRED), "expired");
}
END_TEST

Suite *lease_suite(void)
{
    Suite *s = suite_create("dhcpd/lease/lease");
    TCase *t = tcase_create("lease");
    tcase_add_test(t, test_round_trip);
    tcase_add_test(t, test_identity);
    tcase_add_test(t, test_client_key);
    tcase_add_test(t, test_names);
    suite_add_tcase(s, t);
    return s;
}
