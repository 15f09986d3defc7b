#include "dhcpd/engine/edit.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct lab lab;
static void setup(void)
{
    lab_init(&lab);
}
static void teardown(void)
{
    lab_fini(&lab);
}
#define POOL IP(192, 0, 2, 100)

/* A lease of the client with this last octet. */
static int add(uint32_t address, uint8_t client, uint32_t *other)
{
    static uint8_t identity[8] = {0, 1, 2};
    identity[7] = client;
    struct dhcp_lease lease = {
        .address = address,
        .state = DHCP_LEASE_ACTIVE,
        .granted = LAB_START,
        .expires = LAB_START + 3600,
        .htype = 1,
        .hlen = 6,
        .chaddr = {2, 0, 0, 0, 0, client},
        .client = {.identity = {identity, 8}},
    };
    return dhcp_engine_add_lease(lab.engine, &lease, other);
}

START_TEST(test_add)
{
    uint32_t other = 0, address;
    ck_assert_int_eq(add(POOL + 1, 1, &other), 0);
    ck_assert_uint_eq(lab_lease(&lab, 1), POOL + 1); /* it is the client's own */
    ck_assert_int_eq(add(POOL + 1, 1, &other), 0);   /* once more: a new time */
    ck_assert_int_eq(add(POOL + 1, 2, &other), KEEL_EEXIST);
    ck_assert_int_eq(add(POOL + 2, 1, &other), KEEL_EBUSY);
    ck_assert_uint_eq(other, POOL + 1);
    ck_assert_int_eq(add(IP(8, 8, 8, 8), 3, &other), KEEL_ENOENT);
    ck_assert_int_eq(add(IP(192, 0, 2, 50), 3, &other), 0); /* in no pool: it is kept too */
    /* nobody else gets it, and whoever had it before is not found by it */
    for (uint8_t c = 10; c < 14; c++) {
        address = lab_lease(&lab, c);
        ck_assert_uint_ne(address, POOL + 1);
    }
    lab_wait(&lab, 4000);
    ck_assert_int_eq(add(POOL, 20, &other), 0);
    struct dhcp_lease lease;
    ck_assert_int_eq(lab.store.store.get(&lab.store.store, POOL, &lease), 0);
    ck_assert_uint_eq(lease.chaddr[5], 20);
    memory_store_break(&lab.store, POOL + 2);
    ck_assert_int_eq(add(POOL + 2, 30, &other), KEEL_EINVAL);
}
END_TEST

START_TEST(test_delete)
{
    uint32_t a = lab_lease(&lab, 1);
    ck_assert_int_eq(dhcp_engine_delete_lease(lab.engine, a), 0);
    ck_assert_int_eq(lab_state(&lab, a), 0);
    ck_assert_int_eq(dhcp_engine_delete_lease(lab.engine, a), KEEL_ENOENT);
    struct lab_message renew = {.type = DHCP_REQUEST, .client = 1, .ciaddr = a};
    ck_assert_int_eq(lab_send(&lab, &renew), DHCP_NAK);
    /* what cannot be read, too; then its address is free again */
    uint32_t free_before;
    struct dhcp_pool_view v;
    dhcp_engine_pool(lab.engine, 1, &v);
    free_before = v.free;
    memory_store_break(&lab.store, v.first);
    ck_assert_int_eq(lab_restart(&lab), 0);
    dhcp_engine_pool(lab.engine, 1, &v);
    ck_assert_uint_eq(v.free, free_before - 1);
    ck_assert_int_eq(dhcp_engine_delete_lease(lab.engine, v.first), 0);
    dhcp_engine_pool(lab.engine, 1, &v);
    ck_assert_uint_eq(v.free, free_before);
}
END_TEST

START_TEST(test_events)
{
    uint32_t other;
    ck_assert_int_eq(lab_listen(&lab), 0);
    lab.events.count = 0;
    ck_assert_int_eq(add(POOL, 1, &other), 0);
    ck_assert_uint_eq(lab.events.count, 1);
    ck_assert_int_eq(lab.events.items[0].type, DHCP_EVENT_GRANTED);
    ck_assert_int_eq(dhcp_engine_delete_lease(lab.engine, POOL), 0);
    ck_assert_int_eq(lab.events.items[1].type, DHCP_EVENT_DELETED);
    struct dhcp_lease lease;
    dhcp_event_lease(&lab.events.items[1], &lease);
    ck_assert_uint_eq(lease.chaddr[5], 1);
    /* an address whose lease is over, which nobody was told of */
    struct lab_message ask = {.type = DHCP_REQUEST,
                              .client = 2,
                              .requested = POOL,
                              .server = LAB_SERVER,
                              .lease_time = 60};
    ck_assert_int_eq(lab_send(&lab, &ask), DHCP_ACK);
    keel_fake_clock_advance(&lab.clock, 60 * KEEL_NS_PER_S);
    lab.events.count = 0;
    ck_assert_int_eq(add(POOL, 3, &other), 0);
    ck_assert_uint_eq(lab.events.count, 2);
    ck_assert_int_eq(lab.events.items[0].type, DHCP_EVENT_EXPIRED);
    dhcp_event_lease(&lab.events.items[0], &lease);
    ck_assert_uint_eq(lease.chaddr[5], 2);
    ck_assert_int_eq(lab.events.items[1].type, DHCP_EVENT_GRANTED);
}
END_TEST

START_TEST(test_counters)
{
    ck_assert(lab_lease(&lab, 1));
    ck_assert(lab_lease(&lab, 2));
    ck_assert(lab_lease(&lab, 3));
    ck_assert(!lab_lease(&lab, 4));
    for (unsigned i = 0; i < dhcp_engine_pool_count(lab.engine); i++) {
        struct dhcp_pool_view v;
        dhcp_engine_pool(lab.engine, i, &v);
        const struct dhcp_counters *c = dhcp_engine_subnet_counters(lab.engine, i);
        bool lan = v.first == POOL;
        ck_assert_uint_eq(v.counters->acks, lan ? 3 : 0);
        ck_assert_uint_eq(c->acks, lan ? 3 : 0);
        ck_assert_uint_eq(c->discovers, lan ? 4 : 0);
        ck_assert_uint_eq(c->offers, lan ? 3 : 0);
        ck_assert_uint_eq(c->exhausted, lan ? 1 : 0);
    }
}
END_TEST

START_TEST(test_broken_store)
{
    uint32_t other;
    for (unsigned n = 1; n < 8; n++) {
        lab_fini(&lab);
        lab_init(&lab);
        lab.store.calls = 0;
        lab.store.fail_in = n;
        int err = add(POOL, 1, &other);
        ck_assert(err == KEEL_ESYS || lab.store.calls < n);
        lab.store.fail_in = 0;
        lab_lease(&lab, 1);
        lab.store.calls = 0;
        lab.store.fail_in = n;
        err = dhcp_engine_delete_lease(lab.engine, POOL);
        ck_assert(err == KEEL_ESYS || err == KEEL_ENOENT || lab.store.calls < n);
    }
    lab.store.fail_in = 0;
}
END_TEST

Suite *edit_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/edit");
    TCase *t = tcase_create("edit");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_add);
    tcase_add_test(t, test_delete);
    tcase_add_test(t, test_events);
    tcase_add_test(t, test_counters);
    tcase_add_test(t, test_broken_store);
    suite_add_tcase(s, t);
    return s;
}
