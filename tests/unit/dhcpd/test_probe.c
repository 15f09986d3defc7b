#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

#define POOL IP(192, 0, 2, 100)

static struct lab lab;
static void setup(void)
{
    lab_init(&lab);
    lab.config.probe = true;
}
static void teardown(void)
{
    lab_fini(&lab);
}

/* A DISCOVER that can wait, and perhaps has waited. */
static enum dhcp_outcome discover(uint8_t client, bool may_probe, uint32_t silent)
{
    uint8_t out[1024];
    const struct lab_message m = {.type = DHCP_DISCOVER, .client = client};
    const struct dhcp_input input = {
        .bytes = out,
        .size = lab_build(&lab, &m, out),
        .peer_port = 68,
        .local = LAB_SERVER,
        .local_port = 67,
        .interface = "lan0",
        .may_probe = may_probe,
        .silent = silent,
    };
    dhcp_engine_process(lab.engine, &input, lab.reply, sizeof lab.reply, &lab.decision);
    if (lab.decision.sent)
        ck_assert_int_eq(dhcp_message_parse(&lab.answer, lab.reply, lab.decision.size), 0);
    return lab.decision.outcome;
}

START_TEST(test_silent)
{
    ck_assert_int_eq(discover(1, true, 0), DHCP_PROBING);
    ck_assert_int_eq(lab.decision.sent, DHCP_NONE);
    ck_assert_uint_eq(lab.decision.changes, 0);
    uint32_t a = lab.decision.lease;
    /* the client asks again, and nobody else gets the address */
    ck_assert_int_eq(discover(1, true, 0), DHCP_PROBING);
    ck_assert_uint_eq(lab.decision.lease, a);
    ck_assert_int_eq(discover(2, true, 0), DHCP_PROBING);
    ck_assert_uint_ne(lab.decision.lease, a);
    ck_assert_int_eq(discover(1, true, a), DHCP_REPLIED);
    ck_assert_uint_eq(lab.answer.yiaddr, a);
    /* it is not asked twice for the same offer */
    ck_assert_int_eq(discover(1, true, 0), DHCP_REPLIED);
    ck_assert_int_eq(discover(1, true, 0), DHCP_REPLIED);
    ck_assert_uint_eq(lab.answer.yiaddr, a);
}
END_TEST

START_TEST(test_answered)
{
    ck_assert_int_eq(discover(1, true, 0), DHCP_PROBING);
    uint32_t a = lab.decision.lease;
    ck_assert_int_eq(dhcp_engine_quarantine(lab.engine, a), 0);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_DECLINED);
    ck_assert_int_eq(discover(1, true, 0), DHCP_PROBING);
    ck_assert_uint_ne(lab.decision.lease, a);
    /* the whole pool is in use by others */
    for (uint32_t address = POOL; address < POOL + 3; address++)
        ck_assert_int_eq(dhcp_engine_quarantine(lab.engine, address), 0);
    ck_assert_int_eq(discover(1, true, 0), DHCP_NO_ADDRESS);
    /* it rested: it is asked again before it is offered */
    lab_wait(&lab, 700);
    ck_assert_int_eq(discover(1, true, 0), DHCP_PROBING);
    ck_assert_int_eq(discover(1, true, lab.decision.lease), DHCP_REPLIED);
}
END_TEST

START_TEST(test_not_probed)
{
    /* what somebody had, a reservation, a client that cannot wait, probing turned off */
    uint32_t a = lab_lease(&lab, 1);
    ck_assert_uint_ne(a, 0);
    ck_assert_int_eq(discover(1, true, 0), DHCP_REPLIED);
    ck_assert_int_eq(discover(7, true, 0), DHCP_REPLIED);
    ck_assert_int_eq(discover(2, false, 0), DHCP_REPLIED);
    lab.config.probe = false;
    ck_assert_int_eq(discover(3, true, 0), DHCP_REPLIED);
    /* a lease is not taken from its client */
    ck_assert_int_eq(dhcp_engine_quarantine(lab.engine, a), 0);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_ACTIVE);
    ck_assert_int_eq(dhcp_engine_quarantine(lab.engine, IP(192, 0, 2, 7)), 0);
    ck_assert_int_eq(lab_state(&lab, IP(192, 0, 2, 7)), 0);
    lab.store.fail_in = lab.store.calls + 1;
    ck_assert_int_eq(dhcp_engine_quarantine(lab.engine, POOL), KEEL_ESYS);
}
END_TEST

Suite *probe_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/probe");
    TCase *t = tcase_create("probe");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_silent);
    tcase_add_test(t, test_answered);
    tcase_add_test(t, test_not_probed);
    suite_add_tcase(s, t);
    return s;
}
