#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static struct dhcp_range range;
static struct dhcp_range ranges[2];
static struct dhcp_reservation reservations[2];
static struct dhcp_key keys[3];
static struct dhcp_subnet subnets[2];
static struct dhcp_config config;

static void setup(void)
{
    range = (struct dhcp_range){.first = IP(10, 0, 1, 1), .last = IP(10, 0, 1, 9)};
    ranges[0] = (struct dhcp_range){.first = IP(192, 0, 2, 50), .last = IP(192, 0, 2, 60)};
    ranges[1] = (struct dhcp_range){.first = IP(192, 0, 2, 10), .last = IP(192, 0, 2, 20)};
    reservations[0] = (struct dhcp_reservation){.address = IP(192, 0, 2, 3), .name = "three"};
    reservations[1] = (struct dhcp_reservation){.address = IP(192, 0, 2, 4), .name = "four"};
    keys[0] = (struct dhcp_key){DHCP_KEY_HARDWARE, BYTES("\11\0\0\0\0\0"), 0};
    keys[1] = (struct dhcp_key){DHCP_KEY_HARDWARE, BYTES("\5\0\0\0\0\0"), 1};
    keys[2] = (struct dhcp_key){DHCP_KEY_CIRCUIT_ID, BYTES("port1"), 1};
    subnets[0] = (struct dhcp_subnet){.network = IP(192, 0, 2, 0),
                                      .mask = 0xffffff00,
                                      .length = 24,
                                      .interface = "lan0",
                                      .ranges = ranges,
                                      .range_count = 2,
                                      .reservations = reservations,
                                      .reservation_count = 2,
                                      .keys = keys,
                                      .key_count = 3,
                                      .policy = {.times = {3600, 60, 7200}}};
    subnets[1] = (struct dhcp_subnet){.network = IP(10, 0, 0, 0),
                                      .mask = 0xff000000,
                                      .length = 8,
                                      .ranges = &range,
                                      .range_count = 1,
                                      .policy = {.times = {3600, 60, 7200}}};
    config = (struct dhcp_config){.subnets = subnets, .subnet_count = 2};
}
START_TEST(test_lookup)
{
    struct dhcp_config_fault fault;
    struct keel_diag diag;
    ck_assert_int_eq(dhcp_config_finish(&config, &fault, &diag), 0);
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
    const struct {
        enum dhcp_key_kind kind;
        struct dhcp_bytes value;
        const char *name;
    } keyed[] = {
        {DHCP_KEY_HARDWARE, BYTES("\11\0\0\0\0\0"), "three"},
        {DHCP_KEY_HARDWARE, BYTES("\5\0\0\0\0\0"), "four"},
        {DHCP_KEY_HARDWARE, BYTES("\6\0\0\0\0\0"), NULL},
        {DHCP_KEY_HARDWARE, BYTES("\5\0\0\0\0"), NULL},
        {DHCP_KEY_CLIENT_ID, BYTES("\5\0\0\0\0\0"), NULL},
        {DHCP_KEY_CIRCUIT_ID, BYTES("port1"), "four"},
        {DHCP_KEY_CIRCUIT_ID, BYTES(""), NULL},
    };
    for (unsigned i = 0; i < sizeof keyed / sizeof keyed[0]; i++) {
        const struct dhcp_reservation *r =
            dhcp_subnet_reservation(lan, keyed[i].kind, keyed[i].value);
        ck_assert_str_eq(r ? r->name : "", keyed[i].name ? keyed[i].name : "");
        if (r)
            ck_assert(dhcp_reservation_has_key(lan, r, keyed[i].kind, keyed[i].value));
    }
}
END_TEST

static void broken(unsigned subnet, int at_range, int reservation, const char *words)
{
    struct dhcp_config_fault fault;
    struct keel_diag diag;
    ck_assert_int_eq(dhcp_config_finish(&config, &fault, &diag), KEEL_ECONF);
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
    keys[1].value = keys[0].value;
    broken(0, -1, 1, "its hardware has another reservation here: \"three\"");
    setup();
    subnets[1].policy.times.lease = 10;
    broken(1, -1, -1, "lease-time");
    setup();
    subnets[1].network = IP(192, 0, 0, 0);
    range = (struct dhcp_range){.first = IP(192, 0, 0, 1), .last = IP(192, 0, 0, 9)};
    broken(1, -1, -1, "overlaps");
}
END_TEST

/* Subnets of one shared network are a ring; others are alone. */
START_TEST(test_shared)
{
    struct dhcp_config_fault fault;
    struct dhcp_shared shared = {.name = "lan"};
    config.shared = &shared;
    config.shared_count = 1;
    subnets[0].shared = 1;
    ck_assert_int_eq(dhcp_config_finish(&config, &fault, NULL), 0);
    const struct dhcp_subnet *ten = &config.subnets[0], *lan = &config.subnets[1];
    ck_assert_ptr_eq(lan->next, lan);
    ck_assert_ptr_eq(lan->link, &shared.policy);
    ck_assert_ptr_null(dhcp_subnet_on_link(lan, IP(10, 0, 0, 1)));
    config.subnets[0].shared = 1;
    ck_assert_int_eq(dhcp_config_finish(&config, &fault, NULL), 0);
    ck_assert_ptr_eq(lan->next, ten);
    ck_assert_ptr_eq(ten->next, lan);
    ck_assert_ptr_eq(dhcp_subnet_on_link(lan, IP(10, 0, 0, 1)), ten);
    ck_assert_ptr_eq(dhcp_subnet_on_link(ten, IP(10, 0, 0, 1)), ten);
    ck_assert_ptr_null(dhcp_subnet_on_link(ten, IP(11, 0, 0, 1)));
}
END_TEST

START_TEST(test_access)
{
    struct dhcp_config_fault fault;
    struct dhcp_class_set none = {{0}}, seven = {{1 << 7}}, high = {{0, 0, 0, 1}};
    ck_assert_int_eq(dhcp_config_finish(&config, &fault, NULL), 0);
    struct dhcp_access *a = &config.subnets[1].ranges[0].access;
    ck_assert(dhcp_access_allows(a, &none, false));
    dhcp_class_add(&a->deny, 7);
    ck_assert(!dhcp_access_allows(a, &seven, false));
    ck_assert(dhcp_access_allows(a, &high, false));
    dhcp_class_add(&a->allow, 192);
    ck_assert_int_eq(dhcp_config_finish(&config, &fault, NULL), 0);
    ck_assert(dhcp_access_allows(a, &high, false));
    ck_assert(!dhcp_access_allows(a, &none, true));
    a->allow_known = true;
    ck_assert(dhcp_access_allows(a, &none, true));
    ck_assert(!dhcp_access_allows(a, &seven, true));
    a->deny_known = true;
    ck_assert(!dhcp_access_allows(a, &high, true));
}
END_TEST

Suite *config_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_lookup);
    tcase_add_test(t, test_faults);
    tcase_add_test(t, test_shared);
    tcase_add_test(t, test_access);
    suite_add_tcase(s, t);
    return s;
}
