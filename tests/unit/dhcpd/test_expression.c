#include "dhcpd/engine/expression.h"

#include "tests/support/allocfail.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

#include <stdio.h>

static struct keel_arena arena;
static struct keel_diag diag;
static struct dhcp_message message;
static struct dhcp_facts facts;

static int option_code(void *arg, struct keel_str name)
{
    const struct dhcp_option_def *def = dhcp_option_by_name(name);
    return def ? def->code : -1;
}
static int class_index(void *arg, struct keel_str name)
{
    return keel_str_equal(name, KEEL_STR("first"))    ? 0
           : keel_str_equal(name, KEEL_STR("second")) ? 200
                                                      : -1;
}
static const struct dhcp_names names = {option_code, class_index, NULL};

/* A relayed PXE client: class "second", vendor PXEClient:Arch:00007, system 7, user class with a
 * NUL in it, an empty option 80, circuit id "port1", remote id 0a0b. */
static void setup(void)
{
    static uint8_t bytes[600];
    struct dhcp_header h = {.op = DHCP_REQUEST_OP,
                            .htype = 1,
                            .hlen = 6,
                            .giaddr = IP(10, 0, 0, 1),
                            .chaddr = {2, 0, 0, 0, 0xab, 7}};
    static const char relay[] = "\1\5port1\2\2\x0a\x0b";
    struct dhcp_builder b;
    dhcp_builder_init(&b, bytes, sizeof bytes, &h, sizeof relay - 1);
    dhcp_builder_u8(&b, DHCP_OPTION_MESSAGE_TYPE, DHCP_DISCOVER);
    dhcp_builder_add(&b, 60, "PXEClient:Arch:00007", 20);
    dhcp_builder_add(&b, 93, "\0\7", 2);
    dhcp_builder_add(&b, 77, "a\0b", 3);
    dhcp_builder_add(&b, 80, "", 0);
    size_t size = dhcp_builder_finish(&b, relay, sizeof relay - 1);
    ck_assert_int_eq(dhcp_message_parse(&message, bytes, size), 0);
    facts = (struct dhcp_facts){.message = &message,
                                .relay = dhcp_message_option(&message, DHCP_OPTION_RELAY_INFO),
                                .interface = ""};
    dhcp_class_add(&facts.classes, 200);
    keel_arena_init(&arena, 0);
}
static void teardown(void)
{
    keel_arena_fini(&arena);
}

static const struct {
    const char *text;
    bool holds;
} rows[] = {
    {"true", true},
    {"false", false},
    {"not true", false},
    {"not not true", true},
    {"substring(option.vendor-class-identifier, 0, 9) == 'PXEClient' and option.client-system == 7",
     true},
    {"option.vendor-class-identifier == 'PXEClient'", false},
    {"option[60] == \"PXEClient:Arch:00007\"", true},
    {"substring(option[60], -5, all) == '00007'", true},
    {"substring(option[60], -5, 2) == '00'", true},
    {"substring(option[60], -100, 3) == 'PXE'", true},
    {"substring(option[60], 100, 3) == ''", true},
    {"substring(option[60], 20, all) == ''", true},
    {"substring(substring(option[60], 0, 9), 3, all) == 'Client'", true},
    {"substring('abc', 1, 1) == 'b'", true},
    {"option.client-system == 0x0007", true},
    {"option.client-system == 0x07", false},
    {"option.client-system != 0x07", true},
    {"7 == option.client-system", true},
    {"option.client-system == 8", false},
    {"option.client-system != 8", true},
    {"option.user-class == 0x610062", true},
    {"option.user-class == 61:00:62", true},
    {"option.host-name == ''", true},
    {"option.host-name == 0", false},
    {"exists option.host-name", false},
    {"exists option.rapid-commit", true},
    {"option.rapid-commit == 0", false},
    {"exists(option[93]) and not exists(option[94])", true},
    {"exists relay.circuit-id", true},
    {"exists relay[5]", false},
    {"relay.circuit-id == 'port1'", true},
    {"relay[1] == 'port1'", true},
    {"relay.remote-id == 0a:0b", true},
    {"relay.remote-id == 2571", true},
    {"relay[9] == ''", true},
    {"hardware == 02:00:00:00:ab:07", true},
    {"substring(hardware, 0, 3) == 02:00:00", true},
    {"giaddr == 10.0.0.1", true},
    {"substring(giaddr, 0, 1) == 10", true},
    {"ciaddr == ''", true},
    {"not exists ciaddr and exists giaddr", true},
    {"interface == 'lan0'", false},
    {"not exists interface", true},
    {"member('second')", true},
    {"member('first')", false},
    {"member(\"second\") and not member('first')", true},
    {"true or false and false", true},
    {"(true or false) and false", false},
    {"false and true or true", true},
    {"false or (false or (true and (false or true)))", true},
    {"not (true and false) and not false", true},
    {"false or false or false or true and true and true", true},
    {"true and true and false or false", false},
    {"  true\t\r\n and\ttrue ", true},
    {"option.6rd == ''", true},
};

START_TEST(test_holds)
{
    struct dhcp_expression e;
    int err = dhcp_expression_parse(&e, keel_str(rows[_i].text), &names, &arena, &diag);
    ck_assert_msg(err == 0, "%s: %s", rows[_i].text, diag.text);
    ck_assert_msg(dhcp_expression_holds(&e, &facts) == rows[_i].holds, "%s", rows[_i].text);
}
END_TEST

static const struct {
    const char *text;
    unsigned column;
    const char *words;
} wrong[] = {
    {"", 1, "empty"},
    {"   ", 1, "empty"},
    {"option.hostname == 'a'", 8, "no option \"hostname\""},
    {"option == 'a'", 8, ".NAME or [N]"},
    {"option. == 'a'", 8, "a name expected"},
    {"option[0] == 'a'", 8, "1 to 254"},
    {"option[255] == 'a'", 8, "1 to 254"},
    {"option[9 == 'a'", 10, "']' expected"},
    {"option.host-name = 'a'", 18, "write =="},
    {"option.host-name", 17, "== or != expected"},
    {"option.host-name == ", 21, "a value expected"},
    {"option.host-name == word", 21, "\"word\" is not known"},
    {"option.host-name == 'a", 21, "does not end"},
    {"option.host-name == \"a'", 21, "does not end"},
    {"true && true", 6, "write and"},
    {"true || true", 6, "write or"},
    {"!true", 1, "write not"},
    {"true true", 6, "\"and\", \"or\""},
    {"true and", 9, "a value expected"},
    {"(true", 6, "')' expected"},
    {"true)", 5, "\"and\", \"or\""},
    {"1 == 1", 1, "two numbers"},
    {"-1 == option[9]", 1, "not negative"},
    {"99999999999999999999 == option[9]", 1, "not a number"},
    {"option[9] == 12x", 14, "not a number"},
    {"option[9] == 1.2.3", 14, "not an IPv4"},
    {"option[9] == 1.2.3.4.5", 14, "not an IPv4"},
    {"option[9] == 1.2.3.400", 14, "not an IPv4"},
    {"option[9] == 0xabc", 14, "two digits"},
    {"option[9] == 0xgg", 14, "two digits"},
    {"option[9] == 0a:0", 14, "two digits"},
    {"substring(option[9], 0) == ''", 23, "',' expected"},
    {"substring(option[9], x, 1) == ''", 22, "a number from"},
    {"substring(option[9], 0, -1) == ''", 25, "a number from"},
    {"substring(9, 0, 1) == ''", 11, "no parts"},
    {"substring option[9]", 11, "'(' expected"},
    {"exists 'a'", 8, "option.NAME"},
    {"member(first)", 8, "name of a class"},
    {"member('third')", 8, "no class \"third\""},
    {"relay.circuit == 'a'", 7, "circuit-id"},
    {"relay == 'a'", 7, ".circuit-id"},
    {"option[9] == 'a' # b", 18, "no meaning"},
    {"hardware == 02-00", 13, "not a number"},
};

START_TEST(test_wrong)
{
    struct dhcp_expression e;
    char where[32];
    snprintf(where, sizeof where, "column %u: ", wrong[_i].column);
    ck_assert_int_eq(dhcp_expression_parse(&e, keel_str(wrong[_i].text), &names, &arena, &diag),
                     KEEL_EINVAL);
    ck_assert_msg(strncmp(diag.text, where, strlen(where)) == 0 &&
                      strstr(diag.text, wrong[_i].words),
                  "%s: %s", wrong[_i].text, diag.text);
}
END_TEST

/* Neither depth nor length is without bounds. */
START_TEST(test_bounds)
{
    static char text[20000];
    struct dhcp_expression e;
    size_t n = 0;
    for (unsigned i = 0; i < 100; i++)
        text[n++] = '(';
    memcpy(text + n, "true", 5);
    ck_assert_int_eq(dhcp_expression_parse(&e, keel_str(text), &names, &arena, &diag), KEEL_EINVAL);
    ck_assert_msg(strstr(diag.text, "nested too deeply"), "%s", diag.text);
    n = 0;
    for (unsigned i = 0; i < 1000; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "true or ");
    memcpy(text + n, "true", 5);
    ck_assert_int_eq(dhcp_expression_parse(&e, keel_str(text), &names, &arena, &diag), KEEL_EINVAL);
    ck_assert_msg(strstr(diag.text, "too long"), "%s", diag.text);
    n = (size_t)snprintf(text, sizeof text, "option[9] == '%0300d'", 1);
    ck_assert_int_eq(dhcp_expression_parse(&e, keel_str(text), &names, &arena, &diag), KEEL_EINVAL);
    ck_assert_msg(strstr(diag.text, "at most 255"), "%s", diag.text);
}
END_TEST

static int compile(void *arg)
{
    struct keel_arena own;
    struct dhcp_expression e;
    keel_arena_init(&own, 64);
    int err = dhcp_expression_parse(&e, keel_str(arg), &names, &own, &diag);
    keel_arena_fini(&own);
    return err;
}

START_TEST(test_no_memory)
{
    static char text[] = "substring(option[60], 0, 9) == 'PXEClient' or hardware == 02:00:00";
    ck_assert_uint_ge(allocfail_sweep(compile, text), 3);
}
END_TEST

Suite *expression_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/expression");
    TCase *t = tcase_create("expression");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_holds, 0, sizeof rows / sizeof rows[0]);
    tcase_add_loop_test(t, test_wrong, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, test_bounds);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
