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
#define SEND(...) lab_send(&lab, &(struct lab_message){__VA_ARGS__})
#define POOL IP(192, 0, 2, 100)

START_TEST(test_four_way)
{
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1), DHCP_OFFER);
    uint32_t offered = lab.answer.yiaddr;
    ck_assert_uint_le(offered - POOL, 2);
    ck_assert_uint_eq(lab.decision.changes, 0); /* an offer is never written */
    ck_assert_uint_eq(memory_store_count(&lab.store), 0);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .requested = offered,
                          .server = LAB_SERVER, .hostname = "box"),
                     DHCP_ACK);
    ck_assert_uint_eq(lab.answer.yiaddr, offered);
    ck_assert_uint_eq(lab.decision.changes, 1);
    struct dhcp_lease lease;
    ck_assert_int_eq(lab.store.store.get(&lab.store.store, offered, &lease), 0);
    ck_assert_uint_eq(lease.expires, LAB_START + 3600);
    ck_assert_mem_eq(lease.hostname.p, "box", 3);
    ck_assert_uint_eq(lease.chaddr[5], 1);
    /* the ACK was lost: the same again */
    ck_assert_int_eq(
        SEND(.type = DHCP_REQUEST, .client = 1, .requested = offered, .server = LAB_SERVER),
        DHCP_ACK);
}
END_TEST

START_TEST(test_offers_are_distinct_and_stable)
{
    uint32_t got[3];
    for (uint8_t c = 1; c <= 3; c++) {
        ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = c), DHCP_OFFER);
        got[c - 1] = lab.answer.yiaddr;
        ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = c), DHCP_OFFER);
        ck_assert_uint_eq(lab.answer.yiaddr, got[c - 1]);
        for (uint8_t k = 1; k < c; k++)
            ck_assert_uint_ne(got[k - 1], got[c - 1]);
    }
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 4), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NO_ADDRESS);
    /* somebody else asks for what was offered */
    ck_assert_int_eq(
        SEND(.type = DHCP_REQUEST, .client = 4, .requested = got[0], .server = LAB_SERVER),
        DHCP_NAK);
}
END_TEST

START_TEST(test_order_of_choice)
{
    /* the requested address, when it is free */
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1, .requested = POOL + 2), DHCP_OFFER);
    ck_assert_uint_eq(lab.answer.yiaddr, POOL + 2);
    ck_assert_int_eq(
        SEND(.type = DHCP_REQUEST, .client = 1, .requested = POOL + 2, .server = LAB_SERVER),
        DHCP_ACK);
    /* the lease it has goes before what it asks for */
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1, .requested = POOL + 1), DHCP_OFFER);
    ck_assert_uint_eq(lab.answer.yiaddr, POOL + 2);
    /* another's address, one outside, a reserved one: something else is offered */
    const uint32_t refused[] = {POOL + 2, IP(192, 0, 2, 50), IP(10, 1, 0, 1), POOL + 3};
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 2, .requested = refused[i]),
                         DHCP_OFFER);
        ck_assert_uint_ne(lab.answer.yiaddr, refused[i]);
    }
    /* the old address, after the lease is over */
    lab_wait(&lab, 7200);
    ck_assert_uint_eq(lab_lease(&lab, 1), POOL + 2);
}
END_TEST

START_TEST(test_oldest_expired_goes_first)
{
    uint32_t first = lab_lease(&lab, 1);
    lab_wait(&lab, 100);
    uint32_t second = lab_lease(&lab, 2);
    lab_wait(&lab, 100);
    ck_assert(lab_lease(&lab, 3));
    ck_assert_uint_eq(lab_lease(&lab, 4), 0);
    lab_wait(&lab, 3600 + 20 - 100);
    ck_assert_uint_eq(lab_lease(&lab, 4), first);
    ck_assert_uint_eq(lab_lease(&lab, 5), second);
    ck_assert_uint_eq(lab_lease(&lab, 6), 0);
    /* the first client has lost it, and is told so */
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .ciaddr = first), DHCP_NAK);
}
END_TEST

START_TEST(test_other_server)
{
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1), DHCP_OFFER);
    ck_assert_uint_eq(dhcp_engine_offers(lab.engine), 1);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .requested = lab.answer.yiaddr,
                          .server = IP(192, 0, 2, 2)),
                     DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_OTHER_SERVER);
    ck_assert_uint_eq(dhcp_engine_offers(lab.engine), 0);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .server = LAB_SERVER), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_MALFORMED);
}
END_TEST

START_TEST(test_selecting_after_restart)
{
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1), DHCP_OFFER);
    uint32_t offered = lab.answer.yiaddr;
    ck_assert_int_eq(lab_restart(&lab), 0);
    ck_assert_int_eq(
        SEND(.type = DHCP_REQUEST, .client = 1, .requested = offered, .server = LAB_SERVER),
        DHCP_ACK);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .requested = IP(192, 0, 2, 50),
                          .server = LAB_SERVER),
                     DHCP_NAK);
}
END_TEST

START_TEST(test_renewing_and_rebinding)
{
    uint32_t a = lab_lease(&lab, 1);
    lab_wait(&lab, 1800);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .ciaddr = a), DHCP_ACK);
    ck_assert_int_eq(lab.decision.target, DHCP_TO_ADDRESS);
    ck_assert_uint_eq(lab.decision.address, a);
    ck_assert_uint_eq(lab.decision.port, 68);
    ck_assert_uint_eq(lab.answer.ciaddr, a);
    struct dhcp_lease lease;
    ck_assert_int_eq(lab.store.store.get(&lab.store.store, a, &lease), 0);
    ck_assert_uint_eq(lease.expires, LAB_START + 1800 + 3600);
    /* not theirs */
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .ciaddr = a), DHCP_NAK);
    ck_assert_int_eq(lab.decision.target, DHCP_TO_LINK);
    /* neither address */
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_MALFORMED);
    /* over, but still nobody else's */
    lab_wait(&lab, 4000);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .ciaddr = a), DHCP_ACK);
}
END_TEST

START_TEST(test_init_reboot)
{
    uint32_t a = lab_lease(&lab, 1);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .requested = a), DHCP_ACK);
    ck_assert_int_eq(lab.decision.target, DHCP_TO_HARDWARE);
    ck_assert_uint_eq(lab.decision.address, a);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .requested = a ^ 1), DHCP_NAK);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .requested = IP(172, 16, 0, 9)),
                     DHCP_NAK);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .requested = POOL), DHCP_NAK);
    lab.config.authoritative = false;
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .requested = POOL), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NOT_KNOWN);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .requested = IP(172, 16, 0, 9)),
                     DHCP_NONE);
    /* a client that we know is told even so */
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 1, .requested = IP(172, 16, 0, 9)),
                     DHCP_NAK);
}
END_TEST

START_TEST(test_release)
{
    uint32_t a = lab_lease(&lab, 1);
    SEND(.type = DHCP_RELEASE, .client = 2, .ciaddr = a, .server = LAB_SERVER);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NOT_KNOWN);
    SEND(.type = DHCP_RELEASE, .client = 1, .ciaddr = a, .server = IP(9, 9, 9, 9));
    ck_assert_int_eq(lab.decision.outcome, DHCP_OTHER_SERVER);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_ACTIVE);
    ck_assert_int_eq(SEND(.type = DHCP_RELEASE, .client = 1, .ciaddr = a, .server = LAB_SERVER),
                     DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_DONE);
    ck_assert_uint_eq(lab.decision.changes, 1);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_RELEASED);
    SEND(.type = DHCP_RELEASE, .client = 1, .ciaddr = a, .server = LAB_SERVER);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NOT_KNOWN);
    /* others get it when nothing else is left */
    uint32_t others[3];
    for (uint8_t c = 0; c < 3; c++)
        ck_assert(others[c] = lab_lease(&lab, (uint8_t)(c + 2)));
    ck_assert_uint_eq(others[2], a);
}
END_TEST

START_TEST(test_decline)
{
    uint32_t a = lab_lease(&lab, 1);
    SEND(.type = DHCP_DECLINE, .client = 2, .requested = a, .server = LAB_SERVER);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NOT_KNOWN);
    ck_assert_int_eq(SEND(.type = DHCP_DECLINE, .client = 1, .requested = a, .server = LAB_SERVER),
                     DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_DONE);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_DECLINED);
    uint32_t b = lab_lease(&lab, 1);
    ck_assert(b && b != a);
    ck_assert(lab_lease(&lab, 2));
    ck_assert_uint_eq(lab_lease(&lab, 3), 0); /* it rests */
    ck_assert_int_eq(lab_restart(&lab), 0);
    ck_assert_uint_eq(lab_lease(&lab, 3), 0);
    lab_wait(&lab, 600 + 20);
    ck_assert_uint_eq(lab_lease(&lab, 3), a);
    /* an offer can be declined too */
    lab_wait(&lab, 10000);
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 8), DHCP_OFFER);
    a = lab.answer.yiaddr;
    SEND(.type = DHCP_DECLINE, .client = 8, .requested = a, .server = LAB_SERVER);
    ck_assert_int_eq(lab.decision.outcome, DHCP_DONE);
    ck_assert_int_eq(lab_state(&lab, a), DHCP_LEASE_DECLINED);
}
END_TEST

START_TEST(test_inform)
{
    ck_assert_int_eq(
        SEND(.type = DHCP_INFORM, .client = 1, .ciaddr = IP(192, 0, 2, 50), .wants = "\x06\x33"),
        DHCP_ACK);
    ck_assert_uint_eq(lab.answer.yiaddr, 0);
    ck_assert(!dhcp_message_has(&lab.answer, DHCP_OPTION_LEASE_TIME));
    ck_assert(dhcp_message_has(&lab.answer, 6));
    ck_assert_uint_eq(lab.decision.address, IP(192, 0, 2, 50));
    ck_assert_uint_eq(lab.decision.changes, 0);
    ck_assert_int_eq(SEND(.type = DHCP_INFORM, .client = 1), DHCP_NONE);
}
END_TEST

START_TEST(test_reservations)
{
    ck_assert_uint_eq(lab_lease(&lab, 7), IP(192, 0, 2, 7)); /* outside the pool */
    ck_assert_mem_eq(dhcp_message_option(&lab.answer, 12).p, "printer", 7);
    ck_assert_uint_eq(lab_lease(&lab, 9), IP(192, 0, 2, 103)); /* inside */
    lab_wait(&lab, 20000);
    /* nobody else gets it, whatever happens */
    for (uint8_t c = 1; c <= 3; c++)
        ck_assert(lab_lease(&lab, c) - POOL <= 2);
    ck_assert_uint_eq(lab_lease(&lab, 4), 0);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 4, .requested = IP(192, 0, 2, 7),
                          .server = LAB_SERVER),
                     DHCP_NAK);
    ck_assert_uint_eq(lab_lease(&lab, 9), IP(192, 0, 2, 103));
}
END_TEST

/* A client that had an address before its reservation was made is moved, and the old one is free.
 */
START_TEST(test_reservation_moves_client)
{
    lab.config.subnets[1].reservation_count = lab.config.subnets[1].key_count = 0;
    ck_assert_int_eq(lab_restart(&lab), 0);
    uint32_t before = lab_lease(&lab, 7);
    ck_assert(before && before != IP(192, 0, 2, 7));
    lab.config.subnets[1].reservation_count = lab.config.subnets[1].key_count = 2;
    ck_assert_int_eq(lab_restart(&lab), 0);
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 7, .ciaddr = before), DHCP_NAK);
    ck_assert_uint_eq(lab_lease(&lab, 7), IP(192, 0, 2, 7));
    ck_assert_uint_eq(lab.decision.changes, 2);
    ck_assert_int_eq(lab_state(&lab, before), DHCP_LEASE_RELEASED);
}
END_TEST

START_TEST(test_identity)
{
    /* one machine, two identifiers: two clients */
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1, .id = "aa"), DHCP_OFFER);
    uint32_t a = lab.answer.yiaddr;
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 1, .id = "bb"), DHCP_OFFER);
    ck_assert_uint_ne(lab.answer.yiaddr, a);
    /* one identifier, other hardware: the same client */
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 2, .id = "aa"), DHCP_OFFER);
    ck_assert_uint_eq(lab.answer.yiaddr, a);
}
END_TEST

START_TEST(test_lease_time)
{
    static const uint32_t rows[][2] = {
        {0, 3600}, {10, 60}, {60, 60}, {4000, 4000}, {0xffffffff, 7200}};
    for (unsigned i = 0; i < 5; i++) {
        SEND(.type = DHCP_DISCOVER, .client = 1, .lease_time = rows[i][0]);
        ck_assert_uint_eq(dhcp_message_u32(&lab.answer, DHCP_OPTION_LEASE_TIME), rows[i][1]);
    }
}
END_TEST

START_TEST(test_relay)
{
    ck_assert_int_eq(
        SEND(.type = DHCP_DISCOVER, .client = 1, .giaddr = LAB_RELAY, .relay = "\1\3abc"),
        DHCP_OFFER);
    ck_assert_uint_le(lab.answer.yiaddr - IP(10, 1, 0, 1), 199);
    ck_assert_uint_eq(lab.answer.giaddr, LAB_RELAY);
    ck_assert_int_eq(lab.decision.target, DHCP_TO_ADDRESS);
    ck_assert_uint_eq(lab.decision.address, LAB_RELAY);
    ck_assert_uint_eq(lab.decision.port, 67);
    ck_assert_mem_eq(dhcp_message_option(&lab.answer, DHCP_OPTION_RELAY_INFO).p, "\1\3abc", 5);
    /* RFC 3527 and RFC 5107 */
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 2, .giaddr = LAB_RELAY,
                          .relay = "\5\4\xc0\x01\x02\x01"),
                     DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_NO_SUBNET);
    ck_assert_int_eq(
        SEND(.type = DHCP_DISCOVER, .client = 2, .giaddr = LAB_RELAY, .relay = "\x0b\4\x0a\1\1\2"),
        DHCP_OFFER);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, DHCP_OPTION_SERVER_ID), IP(10, 1, 1, 2));
    ck_assert_int_eq(SEND(.type = DHCP_REQUEST, .client = 2, .giaddr = LAB_RELAY,
                          .requested = lab.answer.yiaddr, .server = IP(10, 1, 1, 2),
                          .relay = "\x0b\4\x0a\1\1\2"),
                     DHCP_ACK);
    /* malformed */
    SEND(.type = DHCP_DISCOVER, .client = 1, .giaddr = LAB_RELAY, .relay = "\1\x09x");
    ck_assert_int_eq(lab.decision.outcome, DHCP_MALFORMED);
    /* no such network */
    SEND(.type = DHCP_DISCOVER, .client = 1, .giaddr = IP(172, 16, 0, 1));
    ck_assert_int_eq(lab.decision.outcome, DHCP_NO_SUBNET);
    SEND(.type = DHCP_DISCOVER, .client = 1, .interface = "wlan9");
    ck_assert_int_eq(lab.decision.outcome, DHCP_NO_SUBNET);
}
END_TEST

/* The port a reply goes to: RFC 8357, and a listening port that is not 67. */
START_TEST(test_ports)
{
    uint8_t out[1024];
    struct lab_message m = {.type = DHCP_DISCOVER, .client = 1, .giaddr = LAB_RELAY};
    struct dhcp_input input = {.bytes = out,
                               .size = lab_build(&lab, &m, out),
                               .peer = LAB_RELAY,
                               .peer_port = 4000,
                               .local = LAB_SERVER,
                               .local_port = 6767,
                               .interface = ""};
    dhcp_engine_process(lab.engine, &input, lab.reply, sizeof lab.reply, &lab.decision);
    ck_assert_uint_eq(lab.decision.port, 4000);
    input.local_port = 67;
    dhcp_engine_process(lab.engine, &input, lab.reply, sizeof lab.reply, &lab.decision);
    ck_assert_uint_eq(lab.decision.port, 67);
    struct dhcp_header h = {.op = 1, .htype = 1, .hlen = 6, .giaddr = LAB_RELAY, .chaddr = {2}};
    struct dhcp_builder b;
    dhcp_builder_init(&b, out, sizeof out, &h, 2);
    dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, DHCP_DISCOVER);
    input.size = dhcp_builder_finish(&b, "\x13\0", 2);
    dhcp_engine_process(lab.engine, &input, lab.reply, sizeof lab.reply, &lab.decision);
    ck_assert_uint_eq(lab.decision.port, 4000);
}
END_TEST

START_TEST(test_targets)
{
    SEND(.type = DHCP_DISCOVER, .client = 1);
    ck_assert_int_eq(lab.decision.target, DHCP_TO_HARDWARE);
    ck_assert_uint_eq(lab.decision.address, lab.answer.yiaddr);
    ck_assert_uint_eq(lab.decision.chaddr[5], 1);
    SEND(.type = DHCP_DISCOVER, .client = 1, .flags = DHCP_FLAG_BROADCAST);
    ck_assert_int_eq(lab.decision.target, DHCP_TO_LINK);
    ck_assert_uint_eq(lab.decision.address, 0xffffffff);
    ck_assert_uint_eq(lab.decision.port, 68);
}
END_TEST

START_TEST(test_not_for_servers)
{
    const enum dhcp_type types[] = {DHCP_OFFER, DHCP_ACK, DHCP_NAK};
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(SEND(.type = types[i], .client = 1), DHCP_NONE);
        ck_assert_int_eq(lab.decision.outcome, DHCP_MALFORMED);
    }
}
END_TEST

/* The store fails at its n-th call, for every n and every kind of message: no promise is made. */
START_TEST(test_store_failures)
{
    static const struct lab_message script[] = {
        {.type = DHCP_DISCOVER, .client = 1},
        {.type = DHCP_REQUEST, .client = 1, .requested = POOL, .server = LAB_SERVER},
        {.type = DHCP_REQUEST, .client = 2, .ciaddr = POOL + 1},
        {.type = DHCP_REQUEST, .client = 7, .requested = IP(192, 0, 2, 7), .server = LAB_SERVER},
        {.type = DHCP_DECLINE, .client = 2, .requested = POOL + 1, .server = LAB_SERVER},
        {.type = DHCP_RELEASE, .client = 2, .ciaddr = POOL + 1, .server = LAB_SERVER},
        {.type = DHCP_REQUEST, .client = 4, .requested = POOL + 1, .server = LAB_SERVER},
    };
    const struct lab_message *m = &script[_i];
    for (unsigned n = 1; n < 40; n++) {
        lab_fini(&lab);
        lab_init(&lab);
        SEND(.type = DHCP_REQUEST, .client = 2, .requested = POOL + 1, .server = LAB_SERVER);
        if (m->client == 4)
            lab_wait(&lab, 4000); /* over: it may be taken */
        lab.store.calls = 0;
        lab.store.fail_in = n;
        lab_send(&lab, m);
        if (lab.store.calls < n) {
            ck_assert_int_ne(lab.decision.outcome, DHCP_STORE_FAILED);
            return;
        }
        ck_assert_int_eq(lab.decision.outcome, DHCP_STORE_FAILED);
        ck_assert_int_eq(lab.decision.sent, DHCP_NONE);
        ck_assert_uint_eq(lab.decision.size, 0);
    }
    ck_abort_msg("the sweep did not end");
}
END_TEST

/* No message needs memory from the heap. */
START_TEST(test_no_allocation)
{
    keel_mem_fail_at(1);
    ck_assert(lab_lease(&lab, 1));
    ck_assert_int_eq(SEND(.type = DHCP_DISCOVER, .client = 2, .giaddr = LAB_RELAY), DHCP_OFFER);
    ck_assert_int_eq(SEND(.type = DHCP_INFORM, .client = 1, .ciaddr = POOL), DHCP_ACK);
    ck_assert_uint_eq(keel_mem_count(), 0);
    keel_mem_fail_at(0);
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(dhcp_outcome_name(DHCP_REPLIED), "replied");
    ck_assert_str_eq(dhcp_outcome_name(DHCP_STORE_FAILED), "store-failed");
    ck_assert_str_eq(dhcp_outcome_name(DHCP_OUTCOMES), "unknown");
}
END_TEST

Suite *engine_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/engine");
    TCase *t = tcase_create("engine");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_four_way);
    tcase_add_test(t, test_offers_are_distinct_and_stable);
    tcase_add_test(t, test_order_of_choice);
    tcase_add_test(t, test_oldest_expired_goes_first);
    tcase_add_test(t, test_other_server);
    tcase_add_test(t, test_selecting_after_restart);
    tcase_add_test(t, test_renewing_and_rebinding);
    tcase_add_test(t, test_init_reboot);
    tcase_add_test(t, test_release);
    tcase_add_test(t, test_decline);
    tcase_add_test(t, test_inform);
    tcase_add_test(t, test_reservations);
    tcase_add_test(t, test_reservation_moves_client);
    tcase_add_test(t, test_identity);
    tcase_add_test(t, test_lease_time);
    tcase_add_test(t, test_relay);
    tcase_add_test(t, test_ports);
    tcase_add_test(t, test_targets);
    tcase_add_test(t, test_not_for_servers);
    tcase_add_loop_test(t, test_store_failures, 0, 7);
    tcase_add_test(t, test_no_allocation);
    tcase_add_test(t, test_names);
    suite_add_tcase(s, t);
    return s;
}
