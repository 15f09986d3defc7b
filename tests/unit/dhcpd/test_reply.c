#include "dhcpd/engine/reply.h"

#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

#include <stdio.h>

static struct lab lab;
static void setup(void)
{
    lab_init(&lab);
}
static void teardown(void)
{
    lab_fini(&lab);
}

/* The codes of the options field in their order. */
static const char *codes(const uint8_t *reply, size_t size)
{
    static char text[512];
    size_t at = DHCP_OPTIONS_AT, n = 0;
    text[0] = 0;
    while (at < size && reply[at] != DHCP_OPTION_END) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", n ? " " : "", reply[at]);
        at += 2u + reply[at + 1];
    }
    return text;
}

START_TEST(test_offer)
{
    struct lab_message m = {
        .type = DHCP_DISCOVER, .client = 1, .wants = "\x0f\x03\x1c\x06\x0f\x33\x2a"};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    /* type, server, times, mask; then what was asked for, in that order, once */
    ck_assert_str_eq(codes(lab.reply, lab.decision.size), "53 54 51 58 59 1 15 3 28 6");
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, 54), LAB_SERVER);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, 51), 3600);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, 58), 1800);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, 59), 3150);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, 1), 0xffffff00);
    ck_assert_uint_eq(dhcp_message_u32(&lab.answer, 28), IP(192, 0, 2, 255));
    ck_assert_uint_eq(lab.answer.op, DHCP_REPLY_OP);
    ck_assert_uint_eq(lab.answer.xid, lab.xid);
    ck_assert_uint_eq(lab.answer.ciaddr, 0);
}
END_TEST

START_TEST(test_no_list)
{
    struct lab_message m = {.type = DHCP_DISCOVER, .client = 7, .id = "ident"};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    ck_assert_str_eq(codes(lab.reply, lab.decision.size), "53 54 51 58 59 61 1 12 6 15 3");
    ck_assert_mem_eq(dhcp_message_option(&lab.answer, 12).p, "printer", 7);
    ck_assert_mem_eq(dhcp_message_option(&lab.answer, 61).p, "ident", 5);
}
END_TEST

START_TEST(test_nak)
{
    struct lab_message m = {
        .type = DHCP_REQUEST, .client = 1, .requested = IP(172, 16, 0, 1), .relay = "\1\1x"};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NAK);
    ck_assert_str_eq(codes(lab.reply, lab.decision.size), "53 54 56 82");
    ck_assert_uint_eq(lab.answer.yiaddr, 0);
    m.giaddr = LAB_RELAY;
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_NAK);
    ck_assert_uint_eq(lab.answer.flags, DHCP_FLAG_BROADCAST);
}
END_TEST

/* A long list of servers goes into file and sname when the client takes 576 octets only. */
START_TEST(test_size)
{
    static uint8_t big[240], medium[100];
    struct dhcp_options *o = &lab.config.subnets[1].policy.options;
    struct dhcp_option_value items[8];
    memcpy(items, o->items, o->count * sizeof items[0]);
    o->items = items;
    dhcp_options_set(o, 43, (struct dhcp_bytes){big, sizeof big});
    dhcp_options_set(o, 17, (struct dhcp_bytes){medium, sizeof medium});
    struct lab_message m = {.type = DHCP_DISCOVER, .client = 1, .wants = "\x2b\x11"};
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    ck_assert_uint_le(lab.decision.size, 548);
    ck_assert_uint_eq(dhcp_message_option(&lab.answer, 43).n, sizeof big);
    ck_assert_uint_eq(dhcp_message_option(&lab.answer, 17).n, sizeof medium);
    ck_assert(dhcp_message_has(&lab.answer, DHCP_OPTION_OVERLOAD));
    m.max_size = 1500;
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    ck_assert(!dhcp_message_has(&lab.answer, DHCP_OPTION_OVERLOAD));
    ck_assert_uint_eq(dhcp_message_option(&lab.answer, 17).n, sizeof medium);
    m.max_size = 65535;
    ck_assert_int_eq(lab_send(&lab, &m), DHCP_OFFER);
    ck_assert_uint_le(lab.decision.size, 1472);
}
END_TEST

Suite *reply_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/reply");
    TCase *t = tcase_create("reply");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_offer);
    tcase_add_test(t, test_no_list);
    tcase_add_test(t, test_nak);
    tcase_add_test(t, test_size);
    suite_add_tcase(s, t);
    return s;
}
