#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct keel_arena arena;
static struct dhcp_range range;
static struct dhcp_range ranges[2];
static struct dhcp_reservation reservations[2];
static struct dhcp_subnet subnets[2];
static struct dhcp_config config;

static void setup(void)
{
    keel_arena_init(&arena, 0);
    range = (struct dhcp_range){IP(10, 0, 1, 1), IP(10, 0, 1, 9)};
    ranges[0] = (struct dhcp_range){IP(192, 0, 2, 50), IP(192, 0, 2, 60)};
    ranges[1] = (struct dhcp_range){IP(192, 0, 2, 10), IP(192, 0, 2, 20)};
    reservations[0] =
        (struct dhcp_reservation){.hlen = 6, .chaddr = {9}, .address = IP(192, 0, 2, 3)};
    reservations[1] =
        (struct dhcp_reservation){.hlen = 6, .chaddr = {5}, .address = IP(192, 0, 2, 4)};
    subnets[0] = (struct dhcp_subnet){.network = IP(192, 0, 2, 0),
                                      .mask = 0xffffff00,
                                      .length = 24,
                                      .interface = "lan0",
                                      .ranges = ranges,
                                      .range_count = 2,
                                      .reservations = reservations,
                                      .reservation_count = 2,
                                      .times = {3600, 60, 7200}};
    subnets[1] = (struct dhcp_subnet){.network = IP(10, 0, 0, 0),
                                      .mask = 0xff000000,
                                      .length = 8,
                                      .ranges = &range,
                                      .range_count = 1,
                                      .times = {3600, 60, 7200}};
    config = (struct dhcp_config){.subnets = subnets, .subnet_count = 2};
}
static void teardown(void)
{
    keel_arena_fini(&arena);
}

START_TEST(test_lookup)
{
    struct dhcp_config_fault fault;
    struct keel_diag diag;
    ck_assert_int_eq(dhcp_config_finish(&config, &arena, &fault, &diag), 0);
    ck_assert_uint_eq(config.subnets[0].network, IP(10, 0, 0, 0));
    const struct dhcp_subnet *ten = &config.subnets[0], *lan = &config.subnets[1];
    ck_assert_ptr_eq(dhcp_config_by_address(&config, IP(10, 255, 255, 255)), ten);
    ck_assert_ptr_eq(dhcp_config_by_address(&config, IP(192, 0, 2, 0)), lan);
    ck_assert_ptr_null(dhcp_config_by_address(&config, IP(192, 0, 3, 0)));
    ck_assert_ptr_null(dhcp_config_by_address(&config, IP(9, 255, 255, 255)));
    ck_assert_ptr_eq(dhcp_config_by_interface(&config, "lan0", 0), lan);
    ck_assert_ptr_eq(dhcp_config_by_interface(&config, "lan1", IP(10, 0, 0, 1)), ten);
    ck_assert_ptr_null(dhcp_config_by_interface(&config, "lan1", IP(192, 0, 2, 1)));
    ck_assert_ptr_null(dhcp_config_by_interface(&config, "", 0));
    ck_assert_uint_eq(lan->ranges[0].first, IP(192, 0, 2, 10));
    ck_assert_uint_eq(dhcp_subnet_reservation(lan, (const uint8_t[6]){9}, 6)->address,
                      IP(192, 0, 2, 3));
    ck_assert_uint_eq(dhcp_subnet_reservation(lan, (const uint8_t[6]){5}, 6)->address,
                      IP(192, 0, 2, 4));
    ck_assert_ptr_null(dhcp_subnet_reservation(lan, (const uint8_t[6]){6}, 6));
    ck_assert_ptr_null(dhcp_subnet_reservation(lan, (const uint8_t[6]){5}, 5));
}
END_TEST

static void broken(unsigned subnet, int at_range, int reservation, const char *words)
{
    struct dhcp_config_fault fault;
    struct keel_diag diag;
    ck_assert_int_eq(dhcp_config_finish(&config, &arena, &fault, &diag), KEEL_ECONF);
    ck_assert_uint_eq(fault.subnet, subnet);
    ck_assert_int_eq(fault.range, at_range);
    ck_assert_int_eq(fault.reservation, reservation);
    ck_assert_msg(strstr(diag.text, words), "%s", diag.text);
}

START_TEST(test_faults)
{
    setup();
    ranges[1].last = IP(192, 0, 3, 1);
    broken(0, 1, -1, "192.0.3.1 is not in the subnet");
    setup();
    ranges[1].last = IP(192, 0, 2, 9);
    broken(0, 1, -1, "ends before");
    setup();
    ranges[1].last = IP(192, 0, 2, 50);
    broken(0, 1, -1, "overlaps");
    setup();
    ranges[0].last = IP(192, 0, 2, 255);
    broken(0, 0, -1, "no host");
    setup();
    range.last = IP(10, 255, 255, 254);
    range.first = IP(10, 0, 0, 1);
    subnets[1].length = 7; /* wide enough for more than a pool may have */
    subnets[1].mask = 0xfe000000;
    range.last = IP(11, 255, 255, 254);
    broken(1, 0, -1, "at most");
    setup();
    reservations[1].address = IP(192, 0, 3, 4);
    broken(0, -1, 1, "not in the subnet");
    setup();
    reservations[1].address = reservations[0].address;
    broken(0, -1, 1, "reserved twice");
    setup();
    reservations[1].chaddr[0] = 9;
    broken(0, -1, 1, "another reservation");
    setup();
    subnets[1].times.lease = 10;
    broken(1, -1, -1, "lease-time");
    setup();
    subnets[1].network = IP(192, 0, 0, 0);
    range = (struct dhcp_range){IP(192, 0, 0, 1), IP(192, 0, 0, 9)};
    broken(1, -1, -1, "overlaps");
}
END_TEST

START_TEST(test_options_merge)
{
    struct dhcp_option_value global[2], own[2];
    struct dhcp_config_fault fault;
    config.options.items = global;
    subnets[0].options.items = own;
    dhcp_options_set(&config.options, 15, (struct dhcp_bytes){(const uint8_t *)"global", 6});
    dhcp_options_set(&config.options, 6, (struct dhcp_bytes){(const uint8_t *)"dns.", 4});
    dhcp_options_set(&subnets[0].options, 15, (struct dhcp_bytes){(const uint8_t *)"own", 3});
    ck_assert_int_eq(dhcp_config_finish(&config, &arena, &fault, NULL), 0);
    const struct dhcp_options *lan = &config.subnets[1].options, *ten = &config.subnets[0].options;
    ck_assert_uint_eq(lan->count, 2);
    ck_assert_uint_eq(dhcp_options_get(lan, 15)->value.n, 3);
    ck_assert_uint_eq(dhcp_options_get(ten, 15)->value.n, 6);
    ck_assert_ptr_nonnull(dhcp_options_get(ten, 6));
    ck_assert_ptr_null(dhcp_options_get(ten, 3));
}
END_TEST

START_TEST(test_options_no_memory)
{
    struct dhcp_option_value global[1];
    struct dhcp_config_fault fault;
    config.options.items = global;
    dhcp_options_set(&config.options, 15, (struct dhcp_bytes){(const uint8_t *)"global", 6});
    keel_mem_fail_at(1);
    ck_assert_int_eq(dhcp_config_finish(&config, &arena, &fault, NULL), KEEL_ENOMEM);
    keel_mem_fail_at(0);
}
END_TEST

Suite *config_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_lookup);
    tcase_add_test(t, test_faults);
    tcase_add_test(t, test_options_merge);
    tcase_add_test(t, test_options_no_memory);
    suite_add_tcase(s, t);
    return s;
}
