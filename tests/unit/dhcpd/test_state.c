#include "dhcpd/engine/state.h"
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
static struct dhcp_pool_view view_of_lan(void)
{
    struct dhcp_pool_view v = {.size = 0};
    for (unsigned i = 0; i < dhcp_engine_pool_count(lab.engine); i++) {
        dhcp_engine_pool(lab.engine, i, &v);
        if (v.first == IP(192, 0, 2, 100))
            break;
    }
    return v;
}

START_TEST(test_views)
{
    struct dhcp_pool_view v = view_of_lan();
    ck_assert_uint_eq(dhcp_engine_pool_count(lab.engine), 2);
    ck_assert_uint_eq(v.size, 4);
    ck_assert_uint_eq(v.last, IP(192, 0, 2, 103));
    ck_assert_uint_eq(v.free, 3); /* one is reserved */
    ck_assert_uint_eq(v.subnet->network, IP(192, 0, 2, 0));
    ck_assert(lab_lease(&lab, 1));
    v = view_of_lan();
    ck_assert_uint_eq(v.bound, 1);
    ck_assert_uint_eq(v.free, 2);
    ck_assert_uint_eq(dhcp_engine_offers(lab.engine), 0);
}
END_TEST

/* All of it is built again from the store. */
START_TEST(test_restart)
{
    uint32_t a = lab_lease(&lab, 1), b = lab_lease(&lab, 2);
    ck_assert(a && b && a != b);
    lab_wait(&lab, 1800);
    struct lab_message release = {
        .type = DHCP_RELEASE, .client = 2, .ciaddr = b, .server = LAB_SERVER};
    lab_send(&lab, &release);
    ck_assert_int_eq(lab.decision.outcome, DHCP_DONE);
    ck_assert_int_eq(lab_restart(&lab), 0);
    struct dhcp_pool_view v = view_of_lan();
    ck_assert_uint_eq(v.bound, 1);
    ck_assert_uint_eq(v.expired, 1);
    ck_assert_uint_eq(v.free, 1);
    ck_assert_uint_eq(lab_lease(&lab, 1), a);
    ck_assert_uint_eq(lab_lease(&lab, 2), b);
    lab_wait(&lab, 3600);
    ck_assert_int_eq(lab_restart(&lab), 0);
    ck_assert_uint_eq(view_of_lan().expired, 2);
}
END_TEST

/* Records that no pool wants any more stay, and disturb nothing. */
START_TEST(test_orphans)
{
    struct dhcp_lease lease = {.address = IP(192, 0, 2, 200), .state = DHCP_LEASE_ACTIVE};
    ck_assert_int_eq(lab.store.store.put(&lab.store.store, &lease), 0);
    lease.address = IP(8, 8, 8, 8);
    ck_assert_int_eq(lab.store.store.put(&lab.store.store, &lease), 0);
    ck_assert_int_eq(lab_restart(&lab), 0);
    ck_assert_uint_eq(dhcp_engine_loaded(lab.engine)->outside, 2);
    ck_assert_uint_eq(dhcp_engine_loaded(lab.engine)->leases, 0);
}
END_TEST

/* What cannot be read may be somebody's lease: nobody is offered its address, neither as a free one
 * nor because it asks for it, and a client that the record was of gets another. */
START_TEST(test_unreadable)
{
    uint32_t mine = lab_lease(&lab, 1);
    for (uint32_t a = IP(192, 0, 2, 100); a <= IP(192, 0, 2, 101); a++)
        memory_store_break(&lab.store, a);
    uint32_t broken = mine <= IP(192, 0, 2, 101) ? mine : IP(192, 0, 2, 100);
    ck_assert_int_eq(lab_restart(&lab), 0);
    ck_assert_uint_eq(dhcp_engine_loaded(lab.engine)->unreadable, 2);
    ck_assert_uint_eq(view_of_lan().free, mine == IP(192, 0, 2, 102) ? 0 : 1);
    ck_assert_uint_eq(lab_lease(&lab, 1), IP(192, 0, 2, 102));
    struct lab_message m = {.type = DHCP_DISCOVER, .client = 2, .requested = broken};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NO_ADDRESS);
    m = (struct lab_message){
        .type = DHCP_REQUEST, .client = 2, .requested = broken, .server = LAB_SERVER};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NAK);
    lab_wait(&lab, 100000);
    ck_assert_uint_eq(view_of_lan().bound, 2);
}
END_TEST

/* Many leases end at once, and the reaper has seen few of them: a client that needs an address of
 * them gets one. Offers on those that stand first in the queue are no obstacle. */
START_TEST(test_backlog)
{
    struct lab_message m = {.type = DHCP_DISCOVER, .giaddr = LAB_RELAY};
    uint32_t got[200];
    for (unsigned i = 0; i < 200; i++) {
        m.client = (uint8_t)(i + 1);
        ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
        got[i] = lab.answer.yiaddr;
        struct lab_message request = {.type = DHCP_REQUEST,
                                      .client = m.client,
                                      .giaddr = LAB_RELAY,
                                      .requested = got[i],
                                      .server = LAB_SERVER};
        ck_assert_int_eq(lab_send(&lab, &request), DHCP_ACK);
    }
    m.client = 201;
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NONE);
    keel_fake_clock_advance(&lab.clock, 5000 * KEEL_NS_PER_S);
    for (unsigned i = 0; i < 200; i++) {
        char id[] = {(char)(i + 1), 'x', 0};
        m.id = id;
        ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
        ck_assert_uint_eq(lab.answer.yiaddr, got[i]); /* the oldest first */
    }
}
END_TEST

/* A batch was lost, and the store could not be read to see what of it: the pool calls an address
 * over that its client still has. It is offered once, and not again. */
START_TEST(test_pool_out_of_step)
{
    uint32_t a = lab_lease(&lab, 1);
    ck_assert(lab_lease(&lab, 2));
    ck_assert(lab_lease(&lab, 3));
    struct memory_store before = lab.store;
    struct lab_message m = {.type = DHCP_RELEASE, .client = 1, .ciaddr = a, .server = LAB_SERVER};
    lab_send(&lab, &m);
    ck_assert_int_eq(lab.decision.outcome, DHCP_DONE);
    lab.store = before;
    m = (struct lab_message){.type = DHCP_DISCOVER, .client = 4};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    ck_assert_uint_eq(lab.answer.yiaddr, a);
    m = (struct lab_message){
        .type = DHCP_REQUEST, .client = 4, .requested = a, .server = LAB_SERVER};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NAK);
    m = (struct lab_message){.type = DHCP_DISCOVER, .client = 4};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NO_ADDRESS);
    ck_assert_uint_eq(view_of_lan().bound, 3);
}
END_TEST

/* A lease that ended in a batch that was lost counts against the limit again. */
START_TEST(test_limit_after_lost_batch)
{
    lab.config.per_hardware = 1;
    ck_assert_int_eq(lab_restart(&lab), 0);
    uint32_t a = lab_lease(&lab, 1);
    struct lab_message second = {.type = DHCP_DISCOVER, .client = 1, .id = "another"};
    ck_assert_int_eq(lab_send(&lab, &second), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_LIMITED);
    struct memory_store before = lab.store;
    struct lab_message m = {.type = DHCP_RELEASE, .client = 1, .ciaddr = a, .server = LAB_SERVER};
    lab_send(&lab, &m);
    ck_assert_int_eq(lab_send(&lab, &second), DHCP_OFFER);
    lab.store = before;
    dhcp_engine_resync(lab.engine, a);
    ck_assert_int_eq(lab_send(&lab, &second), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_LIMITED);
}
END_TEST

START_TEST(test_offers_lapse)
{
    struct lab_message m = {.type = DHCP_DISCOVER};
    for (m.client = 1; m.client <= 3; m.client++)
        ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NO_ADDRESS);
    ck_assert_uint_eq(dhcp_engine_offers(lab.engine), 3);
    lab_wait(&lab, 61);
    ck_assert_uint_eq(dhcp_engine_offers(lab.engine), 0);
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
}
END_TEST

/* A batch that was not committed is taken back. */
START_TEST(test_resync)
{
    struct memory_store before = lab.store;
    uint32_t a = lab_lease(&lab, 1);
    ck_assert_uint_eq(lab.decision.changes, 1);
    ck_assert_uint_eq(lab.decision.changed[0], a);
    lab.store = before;
    dhcp_engine_resync(lab.engine, a);
    ck_assert_uint_eq(view_of_lan().bound, 0);
    ck_assert_uint_eq(view_of_lan().free, 3);
    /* a renewal that was not committed leaves the old promise */
    ck_assert_uint_eq(lab_lease(&lab, 1), a);
    before = lab.store;
    lab_wait(&lab, 1000);
    struct lab_message renew = {.type = DHCP_REQUEST, .client = 1, .ciaddr = a};
    ck_assert_int_eq(lab_send(&lab, &renew), DHCP_ACK);
    lab.store = before;
    dhcp_engine_resync(lab.engine, a);
    lab_wait(&lab, 2700);
    ck_assert_uint_eq(view_of_lan().expired, 1);
}
END_TEST

START_TEST(test_no_memory)
{
    lab_lease(&lab, 1);
    keel_mem_fail_at(0);
    ck_assert_int_eq(lab_restart(&lab), 0);
    uint64_t count = keel_mem_count();
    ck_assert_uint_gt(count, 4);
    for (uint64_t n = 1; n <= count; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(lab_restart(&lab), KEEL_ENOMEM);
    }
    keel_mem_fail_at(0);
    lab.store.fail_in = 1;
    ck_assert_int_eq(lab_restart(&lab), KEEL_ESYS);
    lab.store.fail_in = 0;
    ck_assert_int_eq(lab_restart(&lab), 0);
}
END_TEST

Suite *state_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/state");
    TCase *t = tcase_create("state");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_views);
    tcase_add_test(t, test_restart);
    tcase_add_test(t, test_orphans);
    tcase_add_test(t, test_unreadable);
    tcase_add_test(t, test_backlog);
    tcase_add_test(t, test_pool_out_of_step);
    tcase_add_test(t, test_limit_after_lost_batch);
    tcase_add_test(t, test_offers_lapse);
    tcase_add_test(t, test_resync);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
