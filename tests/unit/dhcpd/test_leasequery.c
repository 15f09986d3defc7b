#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct lab lab;
static const struct dhcp_querier queriers[] = {{LAB_RELAY, UINT32_MAX}};

static void setup(void)
{
    lab_init(&lab);
    lab.config.queriers = queriers;
    lab.config.querier_count = 1;
}
static void teardown(void)
{
    lab_fini(&lab);
}

/* A query from a relay: by address, or by hardware address (client), or by identifier. */
static enum dhcp_type ask_from(uint32_t peer, uint32_t address, uint8_t client, const char *id)
{
    uint8_t out[512];
    struct dhcp_header h = {
        .op = DHCP_REQUEST_OP,
        .htype = client ? 1 : 0,
        .hlen = client ? 6 : 0,
        .xid = 7,
        .ciaddr = address,
        .giaddr = LAB_RELAY,
    };
    if (client)
        memcpy(h.chaddr, (uint8_t[]){2, 0, 0, 0, 0, client}, 6);
    struct dhcp_builder b;
    dhcp_builder_init(&b, out, sizeof out, &h, 0);
    dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, DHCP_LEASEQUERY);
    if (id)
        dhcp_builder_add(&b, DHCP_OPTION_CLIENT_ID, id, strlen(id));
    const struct dhcp_input input = {
        .bytes = out,
        .size = dhcp_builder_finish(&b, NULL, 0),
        .peer = peer,
        .peer_port = 67,
        .local = LAB_SERVER,
        .local_port = 67,
        .interface = "",
    };
    dhcp_engine_process(lab.engine, &input, lab.reply, sizeof lab.reply, &lab.decision);
    memset(&lab.answer, 0, sizeof lab.answer);
    if (lab.decision.sent)
        ck_assert_int_eq(dhcp_message_parse(&lab.answer, lab.reply, lab.decision.size), 0);
    return lab.decision.sent;
}
static enum dhcp_type ask(uint32_t address, uint8_t client, const char *id)
{
    return ask_from(LAB_RELAY, address, client, id);
}

START_TEST(test_by_address)
{
    uint32_t a = lab_lease(&lab, 1);
    lab_wait(&lab, 600);
    ck_assert_int_eq(ask(a, 0, NULL), DHCP_LEASEACTIVE);
    ck_assert_uint_eq(lab.decision.address, LAB_RELAY);
    ck_assert_uint_eq(lab.decision.port, 67);
    ck_assert_uint_eq(lab.answer.xid, 7);
    ck_assert_uint_eq(lab.answer.ciaddr, a);
    ck_assert_uint_eq(lab.answer.chaddr[5], 1);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, DHCP_OPTION_LEASE_TIME), 3000);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, DHCP_OPTION_RENEWAL_TIME), 1200);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, DHCP_OPTION_REBINDING_TIME), 2550);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, DHCP_OPTION_LAST_TRANSACTION), 600);
    ck_assert(!dhcp_message_has(&lab.answer, DHCP_OPTION_ASSOCIATED_IP));
    lab_wait(&lab, 2000);
    ck_assert_int_eq(ask(a, 0, NULL), DHCP_LEASEACTIVE);
    ck_assert(!dhcp_message_has(&lab.answer, DHCP_OPTION_RENEWAL_TIME)); /* it has passed */
    lab_wait(&lab, 2000);
    ck_assert_int_eq(ask(a, 0, NULL), DHCP_LEASEUNASSIGNED);
    ck_assert_uint_eq(lab.answer.ciaddr, a);
    ck_assert(!dhcp_message_has(&lab.answer, DHCP_OPTION_LEASE_TIME));
    ck_assert_int_eq(ask(IP(203, 0, 113, 1), 0, NULL), DHCP_LEASEUNKNOWN);
}
END_TEST

START_TEST(test_by_client)
{
    uint32_t a = lab_lease(&lab, 1);
    ck_assert_int_eq(ask(0, 1, NULL), DHCP_LEASEACTIVE);
    ck_assert_uint_eq(lab.answer.ciaddr, a);
    ck_assert_int_eq(ask(0, 2, NULL), DHCP_LEASEUNKNOWN);
    ck_assert_uint_eq(lab.answer.ciaddr, 0);
    /* by identifier, also one that is the hardware address behind its type */
    const char *const ids[] = {"serial", "\1\2\0\0\0\0\3"};
    const uint8_t sizes[] = {6, 7};
    uint32_t got[2];
    for (unsigned i = 0; i < 2; i++) {
        uint8_t out[512];
        struct dhcp_header h = {
            .op = DHCP_REQUEST_OP, .htype = 1, .hlen = 6, .chaddr = {2, 0, 0, 0, 0, 3}};
        for (unsigned k = 0; k < 2; k++) {
            struct dhcp_builder b;
            dhcp_builder_init(&b, out, sizeof out, &h, 0);
            dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, k ? DHCP_REQUEST : DHCP_DISCOVER);
            dhcp_builder_add(&b, DHCP_OPTION_CLIENT_ID, ids[i], sizes[i]);
            if (k)
                dhcp_builder_u32(&b, DHCP_OPTION_REQUESTED_ADDRESS, lab.answer.yiaddr);
            if (k)
                dhcp_builder_u32(&b, DHCP_OPTION_SERVER_ID, LAB_SERVER);
            const struct dhcp_input input = {
                .bytes = out,
                .size = dhcp_builder_finish(&b, NULL, 0),
                .local = LAB_SERVER,
                .local_port = 67,
                .interface = "lan0",
            };
            dhcp_engine_process(lab.engine, &input, lab.reply, sizeof lab.reply, &lab.decision);
            ck_assert_int_eq(dhcp_message_parse(&lab.answer, lab.reply, lab.decision.size), 0);
        }
        ck_assert_int_eq(lab.answer.type, DHCP_ACK);
        got[i] = lab.answer.yiaddr;
    }
    ck_assert_int_eq(ask(0, 0, "serial"), DHCP_LEASEACTIVE);
    ck_assert_uint_eq(lab.answer.ciaddr, got[0]);
    struct dhcp_bytes id = dhcp_message_option(&lab.answer, DHCP_OPTION_CLIENT_ID);
    ck_assert_uint_eq(id.n, 6);
    ck_assert_mem_eq(id.p, "serial", 6);
    ck_assert_int_eq(ask(0, 3, NULL), DHCP_LEASEACTIVE);
    ck_assert_uint_eq(lab.answer.ciaddr, got[1]);
    ck_assert_int_eq(ask(0, 0, "nobody"), DHCP_LEASEUNKNOWN);
}
END_TEST

/* One client in two subnets: the youngest lease, and the other's address. */
START_TEST(test_associated)
{
    uint32_t a = lab_lease(&lab, 1);
    lab_wait(&lab, 10);
    struct lab_message m = {
        .type = DHCP_DISCOVER, .client = 1, .giaddr = LAB_RELAY, .relay = "\1\4eth0"};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    m.type = DHCP_REQUEST;
    m.requested = lab.answer.yiaddr;
    m.server = LAB_SERVER;
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_ACK);
    uint32_t b = lab.answer.yiaddr;
    ck_assert_uint_ne(a, b);
    ck_assert_int_eq(ask(0, 1, NULL), DHCP_LEASEACTIVE);
    ck_assert_uint_eq(lab.answer.ciaddr, b);
    struct dhcp_bytes others = dhcp_message_option(&lab.answer, DHCP_OPTION_ASSOCIATED_IP);
    ck_assert_uint_eq(others.n, 4);
    ck_assert_uint_eq(keel_get_u32(others.p), a);
    struct dhcp_bytes relay = dhcp_message_option(&lab.answer, DHCP_OPTION_RELAY_INFO);
    ck_assert_uint_eq(relay.n, 6); /* of the lease */
}
END_TEST

START_TEST(test_refused)
{
    uint32_t a = lab_lease(&lab, 1);
    ck_assert_int_eq(ask_from(IP(10, 0, 0, 2), a, 0, NULL), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_IGNORED);
    ck_assert_int_eq(ask(0, 0, NULL), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_MALFORMED);
    lab.store.fail_in = lab.store.calls + 1;
    ck_assert_int_eq(ask(a, 0, NULL), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_STORE_FAILED);
    lab.config.querier_count = 0;
    ck_assert_int_eq(ask(a, 0, NULL), DHCP_NONE);
    ck_assert_int_eq(lab.decision.outcome, DHCP_IGNORED);
}
END_TEST

Suite *leasequery_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/leasequery");
    TCase *t = tcase_create("leasequery");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_by_address);
    tcase_add_test(t, test_by_client);
    tcase_add_test(t, test_associated);
    tcase_add_test(t, test_refused);
    suite_add_tcase(s, t);
    return s;
}
