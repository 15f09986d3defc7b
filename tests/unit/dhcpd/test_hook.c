#include "dhcpd/serve/hook.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct dhcp_event make(const char *hostname, const char *fqdn)
{
    static struct dhcp_events events;
    const struct dhcp_lease lease = {
        .address = IP(192, 0, 2, 100),
        .state = DHCP_LEASE_ACTIVE,
        .granted = 1000,
        .expires = 4600,
        .htype = 1,
        .hlen = 6,
        .chaddr = {2, 0, 0, 0, 0, 1},
        .client = {IP(192, 0, 2, 0), 24, {(const uint8_t *)"\1\377abc", 5}},
        .hostname = {(const uint8_t *)hostname, (uint16_t)strlen(hostname)},
        .relay = {(const uint8_t *)"\1\4eth0\2\2\0\1", 10},
    };
    struct dhcp_fqdn name = {.forward = true};
    struct dns_name n;
    if (fqdn[0] && dns_name_from_text(&n, keel_str(fqdn), NULL) == 0) {
        name.size = n.size;
        memcpy(name.name, n.bytes, n.size);
    }
    dhcp_events_fini(&events);
    ck_assert_int_eq(dhcp_events_init(&events, 1), 0);
    dhcp_events_add(&events, DHCP_EVENT_GRANTED, &lease, &name);
    struct dhcp_event event = events.items[0];
    dhcp_events_fini(&events);
    return event;
}

START_TEST(test_environment)
{
    static const char *const expected[] = {
        NULL, /* PATH */
        "KEEL_EVENT=granted",
        "KEEL_ADDRESS=192.0.2.100",
        "KEEL_SUBNET=192.0.2.0/24",
        "KEEL_HARDWARE_TYPE=1",
        "KEEL_HARDWARE=02:00:00:00:00:01",
        "KEEL_CLIENT_ID=ff:61:62:63",
        "KEEL_HOSTNAME=my?box??rm?-rf??.x",
        "KEEL_FQDN=box.lan.example",
        "KEEL_GRANTED=1000",
        "KEEL_EXPIRES=4600",
        "KEEL_CIRCUIT_ID=65:74:68:30",
        "KEEL_REMOTE_ID=00:01",
    };
    const char *lines[DHCP_HOOK_LINES];
    char text[DHCP_HOOK_TEXT];
    struct dhcp_event event = make("my box;$rm -rf \n.x", "box.lan.example");
    dhcp_hook_environment(&event, lines, text, sizeof text);
    unsigned count = 0;
    while (lines[count])
        count++;
    ck_assert_uint_eq(count, sizeof expected / sizeof expected[0]);
    for (unsigned i = 1; i < count; i++)
        ck_assert_str_eq(lines[i], expected[i]);
}
END_TEST

/* The largest of everything fits. */
START_TEST(test_largest)
{
    const char *lines[DHCP_HOOK_LINES];
    char text[DHCP_HOOK_TEXT], hostname[256];
    struct dhcp_event event;
    uint8_t id[255], relay[255], record[DHCP_HOOK_SIZE];
    memset(hostname, 'x', 255);
    memset(id, 0xff, sizeof id);
    memset(relay, 0xff, sizeof relay);
    id[0] = 1;
    relay[0] = 1;
    relay[1] = 253;
    const struct dhcp_lease lease = {
        .address = UINT32_MAX,
        .state = DHCP_LEASE_ACTIVE,
        .granted = UINT64_MAX,
        .expires = UINT64_MAX,
        .hlen = 16,
        .client = {UINT32_MAX, 32, {id, 255}},
        .hostname = {(uint8_t *)hostname, 255},
        .relay = {relay, 255},
    };
    struct dhcp_fqdn name = {.forward = true, .size = 255};
    for (unsigned i = 0; i < 254; i++)
        name.name[i] = i % 2 == 0 ? 1 : 0xff;
    struct dhcp_events events;
    ck_assert_int_eq(dhcp_events_init(&events, 1), 0);
    dhcp_events_add(&events, DHCP_EVENT_GRANTED, &lease, &name);
    dhcp_hook_environment(&events.items[0], lines, text, sizeof text);
    size_t n = dhcp_hook_encode(&events.items[0], record);
    ck_assert_uint_le(n, sizeof record);
    ck_assert_int_eq(dhcp_hook_decode(&event, DHCP_EVENT_GRANTED, record, n), 0);
    ck_assert_mem_eq(event.record, events.items[0].record, event.size);
    dhcp_events_fini(&events);
}
END_TEST

START_TEST(test_message)
{
    struct dhcp_event event = make("box", "box.lan.example"), back;
    uint8_t bytes[DHCP_HOOK_SIZE];
    size_t n = dhcp_hook_encode(&event, bytes);
    ck_assert_int_eq(dhcp_hook_decode(&back, DHCP_EVENT_EXPIRED, bytes, n), 0);
    ck_assert_int_eq(back.type, DHCP_EVENT_EXPIRED);
    ck_assert_uint_eq(back.size, event.size);
    ck_assert_mem_eq(back.fqdn.name, event.fqdn.name, event.fqdn.size);
    for (size_t cut = 0; cut < 1u + event.fqdn.size + 28; cut++) /* the fixed part */
        ck_assert_int_eq(dhcp_hook_decode(&back, 0, bytes, cut), KEEL_EINVAL);
    ck_assert_int_eq(dhcp_hook_decode(&back, DHCP_EVENTS, bytes, n), KEEL_EINVAL);
    event.fqdn.forward = false; /* not entered: not told */
    n = dhcp_hook_encode(&event, bytes);
    ck_assert_int_eq(dhcp_hook_decode(&back, 0, bytes, n), 0);
    ck_assert_uint_eq(back.fqdn.size, 0);
}
END_TEST

Suite *hook_suite(void)
{
    Suite *s = suite_create("dhcpd/serve/hook");
    TCase *t = tcase_create("hook");
    tcase_add_test(t, test_environment);
    tcase_add_test(t, test_largest);
    tcase_add_test(t, test_message);
    suite_add_tcase(s, t);
    return s;
}
