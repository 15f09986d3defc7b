#include "dnsd/wire/type.h"
#include "suites.h"

#include "common/base/err.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(names_are_those_of_ldns)
{
    char text[DNS_TYPE_TEXT];
    uint16_t again;
    for (unsigned type = 1; type <= 65535; type++) {
        const ldns_rr_descriptor *d = ldns_rr_descript((uint16_t)type);
        dns_type_format(text, (uint16_t)type);
        ck_assert_int_eq(dns_type_parse(keel_str(text), &again), 0);
        ck_assert_uint_eq(again, type);
        if (strncmp(text, "TYPE", 4) == 0 || !d || !d->_name || d->_type != type)
            continue;
        ck_assert_str_eq(text, d->_name);
    }
}
END_TEST

static const struct {
    const char *text;
    int number; /* -1: refused */
} types[] = {
    {"a", 1},       {"Aaaa", 28},      {"TYPE1", 1},  {"type65535", 65535},
    {"TYPE0", 0},   {"TYPE65536", -1}, {"TYPE", -1},  {"TYPE-1", -1},
    {"TYPE1x", -1}, {"", -1},          {"BOGUS", -1}, {"TYPE99999999999999999999", -1},
};

START_TEST(reads_types)
{
    uint16_t type;
    int err = dns_type_parse(keel_str(types[_i].text), &type);
    ck_assert_int_eq(err, types[_i].number < 0 ? KEEL_EINVAL : 0);
    if (err == 0)
        ck_assert_int_eq(type, types[_i].number);
}
END_TEST

START_TEST(reads_classes)
{
    uint16_t class;
    ck_assert_int_eq(dns_class_parse(KEEL_STR("in"), &class), 0);
    ck_assert_uint_eq(class, DNS_CLASS_IN);
    ck_assert_int_eq(dns_class_parse(KEEL_STR("CLASS3"), &class), 0);
    ck_assert_uint_eq(class, DNS_CLASS_CH);
    ck_assert_int_eq(dns_class_parse(KEEL_STR("CLASSX"), &class), KEEL_EINVAL);
    ck_assert_int_eq(dns_class_parse(KEEL_STR("INX"), &class), KEEL_EINVAL);
}
END_TEST

START_TEST(knows_meta_types)
{
    static const uint16_t meta[] = {0, 41, 128, 249, 250, 251, 252, 253, 254, 255};
    for (size_t i = 0; i < sizeof meta / sizeof meta[0]; i++)
        ck_assert(dns_type_is_meta(meta[i]));
    ck_assert(!dns_type_is_meta(1) && !dns_type_is_meta(127) && !dns_type_is_meta(256));
}
END_TEST

Suite *type_suite(void)
{
    Suite *s = suite_create("dnsd/wire/type");
    TCase *t = tcase_create("type");
    tcase_add_test(t, names_are_those_of_ldns);
    tcase_add_loop_test(t, reads_types, 0, sizeof types / sizeof types[0]);
    tcase_add_test(t, reads_classes);
    tcase_add_test(t, knows_meta_types);
    suite_add_tcase(s, t);
    return s;
}
