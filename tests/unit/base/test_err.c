#include "suites.h"

#include "common/base/err.h"

#include <signal.h>
#include <string.h>

START_TEST(every_code_has_a_text_of_its_own)
{
    for (int a = 0; a >= KEEL_ETLS; a--) {
        ck_assert_ptr_nonnull(keel_strerror(a));
        for (int b = a - 1; b >= KEEL_ETLS; b--)
            ck_assert_str_ne(keel_strerror(a), keel_strerror(b));
    }
}
END_TEST

START_TEST(unknown_codes_have_a_text_too)
{
    static const int codes[] = {1, 100, KEEL_ETLS - 1, -1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        ck_assert_str_eq(keel_strerror(codes[i]), "unknown error");
}
END_TEST

START_TEST(diag_takes_the_text_and_gives_the_code)
{
    struct keel_diag diag;
    ck_assert_int_eq(keel_diag_set(&diag, KEEL_EINVAL, "line %d: %s", 7, "what"), KEEL_EINVAL);
    ck_assert_str_eq(diag.text, "line 7: what");
    ck_assert_int_eq(keel_diag_set(NULL, KEEL_ENOENT, "unheard"), KEEL_ENOENT);
}
END_TEST

START_TEST(diag_cuts_what_does_not_fit)
{
    struct keel_diag diag;
    keel_diag_set(&diag, KEEL_EINVAL, "%*d", (int)sizeof diag.text + 100, 1);
    ck_assert_uint_eq(strlen(diag.text), sizeof diag.text - 1);
    keel_diag_set(&diag, KEEL_EINVAL, "%*d", (int)sizeof diag.text, 1);
    ck_assert_uint_eq(strlen(diag.text), sizeof diag.text - 1);
}
END_TEST

START_TEST(diag_can_be_put_behind_where)
{
    struct keel_diag diag;
    keel_diag_set(&diag, KEEL_EINVAL, "not a number");
    keel_diag_set(&diag, KEEL_ECONF, "x.conf:7: %s (%s)", diag.text, "so it is");
    ck_assert_str_eq(diag.text, "x.conf:7: not a number (so it is)");
    keel_diag_set(&diag, KEEL_EINVAL, "%*d", (int)sizeof diag.text + 100, 1);
    keel_diag_set(&diag, KEEL_ECONF, "y%s", diag.text);
    ck_assert_uint_eq(strlen(diag.text), sizeof diag.text - 1);
    ck_assert_int_eq(diag.text[0], 'y');
}
END_TEST

START_TEST(a_kept_promise_says_nothing)
{
    KEEL_ASSERT(1 + 1 == 2, "arithmetic");
}
END_TEST

START_TEST(a_broken_promise_aborts)
{
    KEEL_ASSERT(1 + 1 == 3, "this line belongs to the test");
}
END_TEST

Suite *err_suite(void)
{
    Suite *suite = suite_create("err");
    TCase *tc = tcase_create("err");
    tcase_add_test(tc, every_code_has_a_text_of_its_own);
    tcase_add_test(tc, unknown_codes_have_a_text_too);
    tcase_add_test(tc, diag_takes_the_text_and_gives_the_code);
    tcase_add_test(tc, diag_cuts_what_does_not_fit);
    tcase_add_test(tc, diag_can_be_put_behind_where);
    tcase_add_test(tc, a_kept_promise_says_nothing);
    tcase_add_test_raise_signal(tc, a_broken_promise_aborts, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
