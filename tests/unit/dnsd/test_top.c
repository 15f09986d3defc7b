#include "dnsd/answer/top.h"
#include "dnsd/wire/rcode.h"
#include "suites.h"
#include "support.h"

#include <stdio.h>

#define KEY ((struct keel_hash_key){1, 2})

START_TEST(test_exact)
{
    const struct dns_top_entry *list[4];
    struct dns_top *top = dns_top_new(KEY);
    for (unsigned i = 0; i < 9; i++) {
        dns_top_add(top, "a", 1);
        if (i % 2)
            dns_top_add(top, "bb", 2);
        if (i == 0)
            dns_top_add(top, "", 0);
    }
    ck_assert_uint_eq(dns_top_total(top), 14);
    ck_assert_uint_eq(dns_top_list(top, list, 4), 3);
    ck_assert_mem_eq(list[0]->key, "a", 1);
    ck_assert_uint_eq(list[0]->count, 9);
    ck_assert_uint_eq(list[1]->count, 4);
    ck_assert_uint_eq(list[1]->size, 2);
    ck_assert_uint_eq(list[2]->size, 0);
    ck_assert_uint_eq(dns_top_list(top, list, 1), 1);
    ck_assert_uint_eq(list[0]->count, 9);
    dns_top_free(top);
}
END_TEST

/* Far more keys than there is room for: the frequent ones are found, and counts err upwards by no
 * more than they say. */
START_TEST(test_many)
{
    const struct dns_top_entry *list[8];
    struct dns_top *top = dns_top_new(KEY);
    char key[32];
    for (unsigned i = 0; i < 200000; i++) {
        int n = snprintf(key, sizeof key, i % 10 ? "rare%u" : "often%u", i % 10 ? i : i / 10 % 4);
        dns_top_add(top, key, (size_t)n);
    }
    ck_assert_uint_eq(dns_top_list(top, list, 8), 8);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_mem_eq(list[i]->key, "often", 5);
        ck_assert_uint_ge(list[i]->count, 5000);
        ck_assert_uint_le(list[i]->count - list[i]->error, 5000);
    }
    dns_top_free(top);
}
END_TEST

START_TEST(test_long_key)
{
    const struct dns_top_entry *list[1];
    struct dns_top *top = dns_top_new(KEY);
    char key[300];
    memset(key, 'x', sizeof key);
    dns_top_add(top, key, sizeof key);
    ck_assert_uint_eq(dns_top_list(top, list, 1), 1);
    ck_assert_uint_eq(list[0]->size, DNS_TOP_KEY);
    dns_top_free(top);
}
END_TEST

static const struct {
    const char *text;
    int code; /* -1: none */
    const char *back;
} codes[] = {
    {"NOERROR", 0, "NOERROR"},
    {"nxdomain", 3, "NXDOMAIN"},
    {"BADVERS", 16, "BADVERS"},
    {"BADCOOKIE", 23, "BADCOOKIE"},
    {"RCODE77", 77, "RCODE77"},
    {"5", 5, "REFUSED"},
    {"rcode4095", 4095, "RCODE4095"},
    {"RCODE", -1, ""},
    {"4096", -1, ""},
    {"", -1, ""},
    {"NOPE", -1, ""},
};

START_TEST(test_rcodes)
{
    char text[DNS_RCODE_TEXT];
    unsigned code;
    int err = dns_rcode_parse(keel_str(codes[_i].text), &code);
    ck_assert_int_eq(err, codes[_i].code < 0 ? KEEL_EINVAL : 0);
    if (err == 0) {
        ck_assert_uint_eq(code, (unsigned)codes[_i].code);
        ck_assert_str_eq(dns_rcode_format(text, code), codes[_i].back);
    }
}
END_TEST

Suite *top_suite(void)
{
    Suite *suite = suite_create("answer/top");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, test_exact);
    tcase_add_test(tc, test_many);
    tcase_add_test(tc, test_long_key);
    tcase_add_loop_test(tc, test_rcodes, 0, sizeof codes / sizeof codes[0]);
    suite_add_tcase(suite, tc);
    return suite;
}
