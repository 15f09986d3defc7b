#include "dhcpd/engine/admit.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

static struct lab lab;
static struct dhcp_admission admission;
static const struct keel_hash_key secret = {1, 2};

static enum dhcp_admit ask(uint8_t client, enum dhcp_type type, uint32_t relay, uint64_t now)
{
    uint8_t out[1024];
    const struct lab_message m = {.type = type, .client = client, .giaddr = relay};
    size_t size = lab_build(&lab, &m, out);
    return dhcp_admit(&admission, out, size, relay, now);
}

START_TEST(test_order)
{
    ck_assert_int_eq(dhcp_admission_init(&admission, 0, 0, secret), 0);
    ck_assert_int_eq(ask(1, DHCP_DISCOVER, 0, 0), DHCP_ADMIT_LATER);
    for (enum dhcp_type type = DHCP_REQUEST; type <= DHCP_INFORM; type++)
        ck_assert_int_eq(ask(1, type, 0, 0), DHCP_ADMIT_FIRST);
    uint8_t bytes[DHCP_OPTIONS_AT + 3] = {0};
    for (size_t n = 0; n <= sizeof bytes; n++)
        ck_assert_int_eq(dhcp_admit(&admission, bytes, n, 0, 0), DHCP_ADMIT_FIRST);
    memset(bytes, 0xff, sizeof bytes);
    ck_assert_int_eq(dhcp_admit(&admission, bytes, sizeof bytes, 0, 0), DHCP_ADMIT_FIRST);
    dhcp_admission_fini(&admission);
}
END_TEST

START_TEST(test_rates)
{
    ck_assert_int_eq(dhcp_admission_init(&admission, 10, 100, secret), 0);
    uint64_t now = 1000 * KEEL_NS_PER_S;
    unsigned taken = 0;
    for (unsigned i = 0; i < 1000; i++)
        taken += ask(1, DHCP_DISCOVER, 0, now) == DHCP_ADMIT_LATER;
    ck_assert_uint_ge(taken, 10);
    ck_assert_uint_le(taken, 22);
    /* another client has its own; time gives it back */
    ck_assert_int_eq(ask(2, DHCP_DISCOVER, 0, now), DHCP_ADMIT_LATER);
    ck_assert_int_eq(ask(1, DHCP_REQUEST, 0, now), DHCP_REFUSE_CLIENT);
    ck_assert_int_eq(ask(1, DHCP_REQUEST, 0, now + KEEL_NS_PER_S), DHCP_ADMIT_FIRST);
    /* a relay is bounded as a whole, whoever its clients are */
    unsigned refused = 0;
    for (unsigned i = 0; i < 1000; i++)
        refused += ask((uint8_t)(i % 200 + 10), DHCP_REQUEST, LAB_RELAY, now) == DHCP_REFUSE_RELAY;
    ck_assert_uint_ge(refused, 800);
    ck_assert_int_eq(ask(9, DHCP_REQUEST, LAB_RELAY + 1, now), DHCP_ADMIT_FIRST);
    dhcp_admission_fini(&admission);
    for (unsigned n = 1; n <= 2; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(dhcp_admission_init(&admission, 1, 1, secret), KEEL_ENOMEM);
        keel_mem_fail_at(0);
    }
}
END_TEST

Suite *admit_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/admit");
    TCase *t = tcase_create("admit");
    tcase_add_test(t, test_order);
    tcase_add_test(t, test_rates);
    suite_add_tcase(s, t);
    return s;
}
