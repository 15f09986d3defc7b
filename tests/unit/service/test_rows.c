/*
 * Arguments of commands that list: what fits, what is refused, where a list ends.
 */
#include "common/service/rows.h"
#include "tests/support/unit.h"

static json_t *a_row(void)
{
    return json_pack("{s:s s:b s:b s:i s:f s:n}", "state", "Idle", "tls", 1, "chunked", 0, "bytes",
                     500, "age_s", 2.5, "target");
}

static const struct {
    const char *argument;
    int fits; /* 1, 0, or the error */
} vectors[] = {
    {"state=idle", 1},
    {"state=idl", 0},
    {"state=id*", 1},
    {"state=*", 1},
    {"state=x*", 0},
    {"state=idle!*", 0},
    {"state=", 0},
    {"tls=yes", 1},
    {"tls=no", 0},
    {"tls=maybe", 0},
    {"chunked=false", 1},
    {"bytes=500", 1},
    {"bytes=501", 0},
    {"bytes=5e2", 1},
    {"bytes=", 0},
    {"bytes=x", 0},
    {"bytes=400..", 1},
    {"bytes=..400", 0},
    {"bytes=..", 1},
    {"bytes=400..600", 1},
    {"bytes=501..600", 0},
    {"bytes=400..x", 0},
    {"age_s=2.5", 1},
    {"age_s=0.5..2.5", 1},
    {"age_s=2.6..", 0},
    {"target=/x", 0}, /* null is like nothing */
    {"target=*", 0},
    {"nix=1", KEEL_EINVAL},
    {"nonsense", KEEL_EINVAL},
    {"=x", KEEL_EINVAL},
    {"", KEEL_EINVAL},
    {"limit=0", KEEL_EINVAL},
    {"limit=5001", KEEL_EINVAL},
    {"limit=x", KEEL_EINVAL},
    {"client=x", KEEL_EINVAL},
    {"limit=1", 1},
    {"client=192.0.2.0/24", 1}, /* looked at before the row is made */
};

START_TEST(compared)
{
    struct keel_rows rows;
    struct keel_diag diag = {""};
    json_t *args = json_pack("[s, s]", vectors[_i].argument, "bytes=1..1000");
    int err = keel_rows_init(&rows, args, &diag);
    if (!err) { /* with and without a row it is the same error */
        int known = keel_rows_check(&rows, a_row(), NULL);
        err = keel_rows_add(&rows, a_row(), &diag);
        ck_assert_int_eq(err, known);
    }
    ck_assert_msg(err == (vectors[_i].fits < 0 ? vectors[_i].fits : 0), "%s: %d, %s",
                  vectors[_i].argument, err, diag.text);
    ck_assert(err == 0 || diag.text[0]);
    ck_assert_msg(json_array_size(rows.list) == (vectors[_i].fits == 1 ? 1u : 0u), "%s",
                  vectors[_i].argument);
    keel_rows_fini(&rows);
    json_decref(args);
}
END_TEST

START_TEST(bounded)
{
    struct keel_rows rows;
    struct keel_addr in, mapped, out;
    json_t *args = json_pack("[s, s]", "limit=3", "client=192.0.2.0/24");
    ck_assert_int_eq(keel_addr_parse(&in, KEEL_STR("192.0.2.9:1"), 0, NULL), 0);
    ck_assert_int_eq(keel_addr_parse(&mapped, KEEL_STR("[::ffff:192.0.2.9]:1"), 0, NULL), 0);
    ck_assert_int_eq(keel_addr_parse(&out, KEEL_STR("[2001:db8::1]:1"), 0, NULL), 0);
    ck_assert_int_eq(keel_rows_init(&rows, args, NULL), 0);
    ck_assert(!keel_rows_wants(&rows, &out));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(keel_rows_wants(&rows, i ? &in : &mapped));
        ck_assert_int_eq(keel_rows_add(&rows, a_row(), NULL), 0);
    }
    ck_assert(!keel_rows_wants(&rows, &out) && !rows.more); /* one more, but not wanted */
    ck_assert(!keel_rows_wants(&rows, &in) && rows.more);
    ck_assert_int_eq(keel_rows_add(&rows, NULL, NULL), KEEL_ENOMEM);
    ck_assert_uint_eq(json_array_size(rows.list), 3);
    keel_rows_fini(&rows);
    json_decref(args);
}
END_TEST

START_TEST(sorted)
{
    static const int given[] = {3, 9, 9, -1, 4}, wanted[] = {9, 9, 4, 3, -1};
    struct keel_rows rows;
    ck_assert_int_eq(keel_rows_init(&rows, NULL, NULL), 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(keel_rows_add(&rows, json_pack("{s:i s:i}", "n", given[i], "i", i), NULL),
                         0);
    ck_assert_int_eq(keel_rows_sort(&rows, "n", NULL), 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(rows.list, i), "n")),
                         wanted[i]);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(rows.list, 0), "i")), 1);
    keel_rows_fini(&rows);
}
END_TEST

Suite *rows_suite(void);

Suite *rows_suite(void)
{
    Suite *suite = suite_create("rows");
    TCase *tests = tcase_create("rows");
    tcase_add_loop_test(tests, compared, 0, sizeof vectors / sizeof vectors[0]);
    tcase_add_test(tests, bounded);
    tcase_add_test(tests, sorted);
    suite_add_tcase(suite, tests);
    return suite;
}
