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
    ck_assert_uint_eq(n, DHCP_LEASE_HEAD + 4 * 2 + 6 + 3 + 4 + 3);
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), 0);
    ck_assert_uint_eq(back.address, example.address);
    ck_assert_int_eq(back.state, example.state);
    ck_assert_uint_eq(back.granted, example.granted);
    ck_assert_uint_eq(back.expires, example.expires);
    ck_assert_mem_eq(back.chaddr, example.chaddr, 16);
    ck_assert(dhcp_client_equal(&back.client, &example.client));
    ck_assert(dhcp_bytes_equal(back.hostname, example.hostname));
    ck_assert(dhcp_bytes_equal(back.relay, example.relay));
    /* cut between two fields it is a lease with fewer of them */
    static const size_t whole[] = {28, 36, 41, 47};
    for (size_t cut = 0, k = 0; cut < n; cut++) {
        bool ends = k < 4 && cut == whole[k];
        k += ends;
        ck_assert_int_eq(dhcp_lease_decode(&back, record, cut), ends ? 0 : KEEL_EINVAL);
    }
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n + 1), KEEL_EINVAL);
    record[0] = 3;
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), KEEL_EINVAL);
    record[0] = 2;
    record[1] = 9;
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), KEEL_EINVAL);
}
END_TEST

/* A client without an identifier: its hardware address is kept once. */
START_TEST(test_hardware_in_identity)
{
    uint8_t record[DHCP_LEASE_MAX];
    struct dhcp_lease lease = example, back;
    lease.client.identity = (struct dhcp_bytes){(const uint8_t *)"\0\1\2\0\0\0\0\1", 8};
    lease.hostname.n = lease.relay.n = 0;
    size_t n = dhcp_lease_encode(&lease, record);
    ck_assert_uint_eq(n, DHCP_LEASE_HEAD + 2 + 8);
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), 0);
    ck_assert_uint_eq(back.hlen, 6);
    ck_assert_mem_eq(back.chaddr, example.chaddr, 16);
    ck_assert(dhcp_client_equal(&back.client, &lease.client));
    /* declined: nobody's, and yet with the hardware address of who declined it */
    lease.client.identity.n = 0;
    n = dhcp_lease_encode(&lease, record);
    ck_assert_int_eq(dhcp_lease_decode(&back, record, n), 0);
    ck_assert_uint_eq(back.hlen, 6);
    ck_assert_uint_eq(back.client.identity.n, 0);
}
END_TEST

/* Fields of a later program are passed over; what is out of order or too long is no record. */
START_TEST(test_fields)
{
    static const struct {
        const char *tail;
        size_t size;
        int err;
    } vectors[] = {
        {"\3\4host", 6, 0},
        {"\3\4host\x63\2xy", 10, 0},
        {"\x63\0", 2, 0},
        {"\3\4host\2\2ab", 10, KEEL_EINVAL},
        {"\3\4host\3\4host", 12, KEEL_EINVAL},
        {"\3\5host", 6, KEEL_EINVAL},
        {"\3", 1, KEEL_EINVAL},
        {"\0\0", 2, KEEL_EINVAL},
        {"\1\21aaaaaaaaaaaaaaaaa", 19, KEEL_EINVAL},
        {"\2\23\0\1aaaaaaaaaaaaaaaaa", 21, KEEL_EINVAL},
    };
    uint8_t record[64];
    struct dhcp_lease bare = example, back;
    bare.hlen = 0;
    bare.client.identity.n = bare.hostname.n = bare.relay.n = 0;
    size_t n = dhcp_lease_encode(&bare, record);
    ck_assert_uint_eq(n, DHCP_LEASE_HEAD);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        memcpy(record + n, vectors[i].tail, vectors[i].size);
        ck_assert_msg(dhcp_lease_decode(&back, record, n + vectors[i].size) == vectors[i].err,
                      "vector %zu", i);
        ck_assert(vectors[i].err || vectors[i].tail[0] != 3 || back.hostname.n == 4);
    }
}
END_TEST

/* What version 1 wrote is read. */
START_TEST(test_version_1)
{
    static const uint8_t record[] = {1, 1,    1,    6,    0xc0, 0,    2,    0x64, 0xc0, 0,  2,
                                     0, 24,   3,    4,    3, /* head */
                                     0, 0,    0,    0,    0x65, 0x53, 0xf1, 0,    0,    0,  0,
                                     0, 0x65, 0x53, 0xff, 0x10, /* times */
                                     2, 0,    0,    0,    0,    1,    0,    0,    0,    0,  0,
                                     0, 0,    0,    0,    0,    0,    0,    0,    0, /* hardware */
                                     1, 'i',  'd',  'h',  'o',  's',  't',  1,    1,    'x'};
    struct dhcp_lease back;
    ck_assert_int_eq(dhcp_lease_decode(&back, record, sizeof record), 0);
    ck_assert_uint_eq(back.address, example.address);
    ck_assert_uint_eq(back.granted, example.granted);
    ck_assert_uint_eq(back.expires, example.expires);
    ck_assert_uint_eq(back.hlen, 6);
    ck_assert_mem_eq(back.chaddr, example.chaddr, 16);
    ck_assert(dhcp_client_equal(&back.client, &example.client));
    ck_assert(dhcp_bytes_equal(back.hostname, example.hostname));
    ck_assert(dhcp_bytes_equal(back.relay, example.relay));
    for (size_t cut = 0; cut < sizeof record; cut++)
        ck_assert_int_eq(dhcp_lease_decode(&back, record, cut), KEEL_EINVAL);
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
    tcase_add_test(t, test_hardware_in_identity);
    tcase_add_test(t, test_fields);
    tcase_add_test(t, test_version_1);
    tcase_add_test(t, test_identity);
    tcase_add_test(t, test_client_key);
    tcase_add_test(t, test_names);
    suite_add_tcase(s, t);
    return s;
}
