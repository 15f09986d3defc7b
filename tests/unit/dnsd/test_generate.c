#include "dnsd/zone/generate.h"
#include "suites.h"

static const struct {
    const char *template;
    uint32_t number;
    const char *text; /* NULL: refused */
} cases[] = {
    {"gen$ A 198.51.100.$", 7, "gen7 A 198.51.100.7"},
    {"\\$ $$ $", 1, "$ $ 1"},
    {"a\\.b$", 1, "a\\.b1"},
    {"${0}", 5, "5"},
    {"${10}", 5, "15"},
    {"${-5}", 5, "0"},
    {"${-6}", 5, NULL},
    {"${0,3}", 5, "005"},
    {"${0,3,d}", 5, "005"},
    {"${0,4,x}", 255, "00ff"},
    {"${0,0,X}", 255, "FF"},
    {"${0,2,o}", 8, "10"},
    {"${0,3,n}", 0x1f, "f.1"},
    {"${0,7,N}", 0x1f, "F.1.0.0"},
    {"${", 1, NULL},
    {"${}", 1, NULL},
    {"${0,}", 1, NULL},
    {"${0,3,z}", 1, NULL},
    {"${0,999}", 1, NULL},
    {"${0,1,d,2}", 1, NULL},
};

START_TEST(expands_templates)
{
    struct keel_buf out = {0};
    int err = dns_generate_expand(&out, keel_str(cases[_i].template), cases[_i].number);
    if (cases[_i].text) {
        ck_assert_int_eq(err, 0);
        ck_assert_str_eq(keel_buf_text(&out), cases[_i].text);
    } else {
        ck_assert_int_eq(err, KEEL_EINVAL);
    }
    keel_buf_fini(&out);
}
END_TEST

START_TEST(reads_ranges)
{
    struct dns_range range;
    ck_assert_int_eq(dns_range_parse(KEEL_STR("1-10"), &range), 0);
    ck_assert(range.start == 1 && range.stop == 10 && range.step == 1);
    ck_assert_int_eq(dns_range_parse(KEEL_STR("0-255/5"), &range), 0);
    ck_assert(range.start == 0 && range.stop == 255 && range.step == 5);
    static const char *const bad[] = {"",    "1",     "1-",    "-1",   "5-4",
                                      "a-b", "1-2/0", "1-2/x", "1-2/", "1-99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(dns_range_parse(keel_str(bad[i]), &range) == KEEL_EINVAL, "%s", bad[i]);
}
END_TEST

Suite *generate_suite(void)
{
    Suite *s = suite_create("dnsd/zone/generate");
    TCase *t = tcase_create("generate");
    tcase_add_loop_test(t, expands_templates, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(t, reads_ranges);
    suite_add_tcase(s, t);
    return s;
}
