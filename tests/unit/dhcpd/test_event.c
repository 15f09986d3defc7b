#include "dhcpd/engine/edit.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct lab lab;
static void setup(void)
{
    lab_init(&lab);
    ck_assert_int_eq(lab_listen(&lab), 0);
}
static void teardown(void)
{
    lab_fini(&lab);
}
#define SEND(...) lab_send(&lab, &(struct lab_message){__VA_ARGS__})
#define POOL IP(192, 0, 2, 100)

/* Event i is of this type and address, and names this client. */
static void expect(unsigned i, enum dhcp_event_type type, uint32_t address, uint8_t client)
{
    struct dhcp_lease lease;
    ck_assert_uint_lt(i, lab.events.count);
    ck_assert_str_eq(dhcp_event_name(lab.events.items[i].type), dhcp_event_name(type));
    dhcp_event_lease(&lab.events.items[i], &lease);
    ck_assert_uint_eq(lease.address, address);
    ck_assert_uint_eq(lease.client.identity.n, 8);
    ck_assert_uint_eq(lease.client.identity.p[7], client);
}

static void settle(unsigned expected)
{
    lab.events.count = 0;
    ck_assert_int_eq(dhcp_engine_settle(lab.engine, true), 0);
    ck_assert_uint_eq(lab.events.count, expected);
}

START_TEST(test_life)
{
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1), DHCP_OFFER);
    ck_assert_uint_eq(lab.events.count, 0);
    uint32_t a = lab_lease(&lab, 1);
    ck_assert_uint_eq(lab.events.count, 1);
    expect(0, DHCP_EVENT_GRANTED, a, 1);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .ciaddr = a, .hostname = "box"),
                     DHCP_ACK);
    ck_assert_uint_eq(lab.events.count, 1);
    expect(0, DHCP_EVENT_RENEWED, a, 1);
    struct dhcp_lease lease;
    dhcp_event_lease(&lab.events.items[0], &lease);
    ck_assert_uint_eq(lease.expires, LAB_START + 3600);
    ck_assert_mem_eq(lease.hostname.p, "box", 3);
    SEND(.type = DHCP_RELEASE, .client = 1, .ciaddr = a, .server = LAB_SERVER);
    ck_assert_uint_eq(lab.events.count, 1);
    expect(0, DHCP_EVENT_RELEASED, a, 1);
    /* the same address again is a new grant; what is refused is no event */
    ck_assert_uint_eq(lab_lease(&lab, 1), a);
    expect(0, DHCP_EVENT_GRANTED, a, 1);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .ciaddr = a), DHCP_NAK);
    ck_assert_uint_eq(lab.events.count, 0);
    SEND(.type = DHCP_DECLINE, .client = 1, .requested = a, .server = LAB_SERVER);
    ck_assert_uint_eq(lab.events.count, 1);
    expect(0, DHCP_EVENT_DECLINED, a, 1);
}
END_TEST

START_TEST(test_expiry_is_told_once)
{
    uint32_t a = lab_lease(&lab, 1), b = lab_lease(&lab, 2), c = lab_lease(&lab, 7);
    ck_assert_uint_eq(c, IP(192, 0, 2, 7)); /* outside of the pool: only a sweep finds it */
    lab_wait(&lab, 3000);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .ciaddr = b), DHCP_ACK);
    lab_wait(&lab, 620);
    ck_assert(dhcp_engine_unsettled(lab.engine));
    settle(2);
    expect(0, DHCP_EVENT_EXPIRED, a, 1);
    expect(1, DHCP_EVENT_EXPIRED, c, 7);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_EXPIRED);
    ck_assert(!dhcp_engine_unsettled(lab.engine));
    settle(0);
    settle(0);
    /* not again after a restart; what ended meanwhile is told then */
    ck_assert_int_eq(lab_restart(&lab), 0);
    keel_fake_clock_advance(&lab.clock, 3600 * KEEL_NS_PER_S);
    ck_assert_int_eq(lab_restart(&lab), 0);
    lab_wait(&lab, 20);
    settle(1);
    expect(0, DHCP_EVENT_EXPIRED, b, 2);
    /* its own address again */
    ck_assert_uint_eq(lab_lease(&lab, 1), a);
    expect(0, DHCP_EVENT_GRANTED, a, 1);
}
END_TEST

/* Between the end and the reaper's round, the address may go to another, or back. */
START_TEST(test_taken_over)
{
    uint32_t a = lab_lease(&lab, 1);
    uint32_t b = lab_lease(&lab, 2);
    keel_fake_clock_advance(&lab.clock, 3600 * KEEL_NS_PER_S);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 3, .requested = a, .server = LAB_SERVER),
                     DHCP_ACK);
    ck_assert_uint_eq(lab.events.count, 2);
    expect(0, DHCP_EVENT_EXPIRED, a, 1);
    expect(1, DHCP_EVENT_GRANTED, a, 3);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .ciaddr = b), DHCP_ACK);
    ck_assert_uint_eq(lab.events.count, 1);
    expect(0, DHCP_EVENT_RENEWED, b, 2);
    lab_wait(&lab, 40);
    settle(0);
}
END_TEST

START_TEST(test_exchange)
{
    uint32_t a = lab_lease(&lab, 1);
    uint32_t other = a == POOL ? POOL + 1 : POOL;
    ck_assert_int_eq(
        SEND(.type = DHCP_REQUEST, .client = 1, .requested = other, .server = LAB_SERVER),
        DHCP_ACK);
    ck_assert_uint_eq(lab.events.count, 2);
    expect(0, DHCP_EVENT_RELEASED, a, 1);
    expect(1, DHCP_EVENT_GRANTED, other, 1);
}
END_TEST

/* A batch that is lost: the end is told with the next one. */
START_TEST(test_resync)
{
    uint32_t a = lab_lease(&lab, 1);
    struct memory_store before = lab.store;
    lab_wait(&lab, 3620);
    settle(1);
    lab.store = before;
    dhcp_engine_resync(lab.engine, a);
    lab_wait(&lab, 20);
    settle(1);
    expect(0, DHCP_EVENT_EXPIRED, a, 1);
    /* and when the store fails on the way */
    lab.store = before;
    dhcp_engine_resync(lab.engine, a);
    lab_wait(&lab, 20);
    lab.store.fail_in = lab.store.calls + 1;
    lab.events.count = 0;
    ck_assert_int_eq(dhcp_engine_settle(lab.engine, true), KEEL_ESYS);
    ck_assert_uint_eq(lab.events.count, 0);
    lab.store.fail_in = 0;
    settle(1);
    expect(0, DHCP_EVENT_EXPIRED, a, 1);
}
END_TEST

/* A reservation that was taken out of the configuration while its lease went on, and a lease that
 * was given by hand where no pool is; a lost batch in between. */
START_TEST(test_outside_of_everything)
{
    uint32_t c = lab_lease(&lab, 7), other;
    ck_assert_uint_eq(c, IP(192, 0, 2, 7));
    ((struct dhcp_subnet *)dhcp_config_by_address(&lab.config, c))->reservation_count = 0;
    ck_assert_int_eq(lab_restart(&lab), 0);
    const uint8_t identity[8] = {0, 1, 2, 0, 0, 0, 0, 8};
    struct dhcp_lease lease = {.address = c + 1,
                               .state = DHCP_LEASE_ACTIVE,
                               .expires = LAB_START + 7000,
                               .client = {.identity = {identity, sizeof identity}}};
    lab.events.count = 0;
    ck_assert_int_eq(dhcp_engine_add_lease(lab.engine, &lease, &other), 0);
    struct memory_store before = lab.store;
    settle(0);
    lab_wait(&lab, 3620);
    settle(1);
    expect(0, DHCP_EVENT_EXPIRED, c, 7);
    lab.store = before;
    dhcp_engine_resync(lab.engine, c);
    settle(1);
    expect(0, DHCP_EVENT_EXPIRED, c, 7);
    settle(0);
    lab_wait(&lab, 3620);
    settle(1);
    expect(0, DHCP_EVENT_EXPIRED, c + 1, 8);
    settle(0);
}
END_TEST

/* Who declines an address that it was only offered is not the one who had it before. */
START_TEST(test_declined_by_another)
{
    uint32_t a = lab_lease(&lab, 1);
    keel_fake_clock_advance(&lab.clock, 3600 * KEEL_NS_PER_S);
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 2, .requested = a), DHCP_OFFER);
    ck_assert_uint_eq(lab.answer.yiaddr, a);
    SEND(.type = DHCP_DECLINE, .client = 2, .requested = a, .server = LAB_SERVER);
    ck_assert_uint_eq(lab.events.count, 2);
    expect(0, DHCP_EVENT_EXPIRED, a, 1);
    expect(1, DHCP_EVENT_DECLINED, a, 2);
}
END_TEST

START_TEST(test_nobody_listens)
{
    dhcp_events_fini(&lab.events);
    ck_assert_int_eq(lab_restart(&lab), 0);
    uint32_t a = lab_lease(&lab, 1);
    lab_wait(&lab, 3620);
    ck_assert(!dhcp_engine_unsettled(lab.engine));
    ck_assert_int_eq(dhcp_engine_settle(lab.engine, true), 0);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_ACTIVE); /* nothing is written for nobody */
    ck_assert_str_eq(dhcp_event_name(DHCP_EVENTS), "unknown");
}
END_TEST

Suite *event_suite(void)
{
    Suite *s = suite_create("dhcpd/event");
    TCase *tc = tcase_create("event");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_life);
    tcase_add_test(tc, test_expiry_is_told_once);
    tcase_add_test(tc, test_taken_over);
    tcase_add_test(tc, test_exchange);
    tcase_add_test(tc, test_resync);
    tcase_add_test(tc, test_outside_of_everything);
    tcase_add_test(tc, test_declined_by_another);
    tcase_add_test(tc, test_nobody_listens);
    suite_add_tcase(s, tc);
    return s;
}
