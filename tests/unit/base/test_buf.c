#include "suites.h"

#include "common/base/buf.h"
#include "common/base/rand.h"
#include "tests/support/allocfail.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

START_TEST(an_empty_buffer_has_nothing)
{
    struct keel_buf buf = {0};
    ck_assert_uint_eq(keel_buf_size(&buf), 0);
    ck_assert_ptr_null(keel_buf_bytes(&buf));
    ck_assert_int_eq(keel_buf_append(&buf, NULL, 0), 0);
    keel_buf_consume(&buf, 0);
    ck_assert_ptr_null(buf.data);
    ck_assert_str_eq(keel_buf_text(&buf), "");
    keel_buf_fini(&buf);
}
END_TEST

/* Appends and consumes at random, and compares with a plain array. */
START_TEST(bytes_come_out_as_they_went_in)
{
    static uint8_t model[1 << 20];
    size_t start = 0, end = 0;
    struct keel_buf buf;
    struct keel_prng prng;
    keel_prng_seed(&prng, 2);
    keel_buf_init(&buf, 0);
    while (end < sizeof model - 4096) {
        size_t n = keel_prng_below(&prng, 4096);
        for (size_t i = 0; i < n; i++)
            model[end + i] = (uint8_t)keel_prng_next(&prng);
        if (keel_prng_below(&prng, 2) == 0) {
            ck_assert_int_eq(keel_buf_append(&buf, model + end, n), 0);
        } else {
            uint8_t *room = keel_buf_reserve(&buf, n + 10);
            ck_assert_ptr_nonnull(room);
            memcpy(room, model + end, n);
            keel_buf_commit(&buf, n);
        }
        end += n;
        ck_assert_uint_eq(keel_buf_size(&buf), end - start);
        ck_assert_int_eq(memcmp(keel_buf_bytes(&buf), model + start, end - start), 0);
        n = keel_prng_below(&prng, 4) == 0 ? end - start
                                           : keel_prng_below(&prng, (uint32_t)(end - start) + 1);
        keel_buf_consume(&buf, n);
        start += n;
    }
    keel_buf_fini(&buf);
}
END_TEST

START_TEST(consumed_room_is_used_again)
{
    struct keel_buf buf = {0};
    static const uint8_t piece[200];
    keel_mem_fail_at(0);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(keel_buf_append(&buf, piece, sizeof piece), 0);
        if (i > 0)
            keel_buf_consume(&buf, sizeof piece);
    }
    ck_assert_uint_le(keel_mem_count(), 4);
    ck_assert_uint_le(buf.capacity, 1024);
    keel_buf_fini(&buf);
}
END_TEST

START_TEST(a_large_empty_buffer_gives_its_memory_back)
{
    struct keel_buf buf = {0};
    ck_assert_ptr_nonnull(keel_buf_reserve(&buf, 100000));
    keel_buf_commit(&buf, 100000);
    keel_buf_consume(&buf, 99999);
    ck_assert_ptr_nonnull(buf.data);
    keel_buf_consume(&buf, 1);
    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.capacity, 0);
    ck_assert_int_eq(keel_buf_puts(&buf, "again"), 0);
    ck_assert_str_eq(keel_buf_text(&buf), "again");
    keel_buf_fini(&buf);
}
END_TEST

START_TEST(memory_is_handed_over)
{
    struct keel_buf buf = {0};
    ck_assert_ptr_null(keel_buf_take(&buf));
    keel_buf_puts(&buf, "0123456789");
    for (int consumed = 0; consumed < 2; consumed++) {
        uint8_t *bytes = keel_buf_take(&buf);
        ck_assert_mem_eq(bytes, "0123456789", 10);
        ck_assert_ptr_null(buf.data);
        ck_assert_uint_eq(keel_buf_size(&buf), 0);
        keel_free(bytes);
        keel_buf_puts(&buf, "gone0123456789");
        keel_buf_consume(&buf, 4);
    }
    for (int consumed = 0; consumed < 2; consumed++) {
        keel_mem_fail_at(1);
        ck_assert_ptr_null(keel_buf_take(&buf));
        keel_mem_fail_at(0);
        ck_assert_ptr_null(buf.data);
        keel_buf_puts(&buf, "0123456789");
    }
    keel_buf_fini(&buf);
}
END_TEST

START_TEST(formatting_fits_at_every_length)
{
    struct keel_buf buf = {0};
    char expected[700];
    for (int n = 0; n < 600; n++) {
        keel_buf_clear(&buf);
        ck_assert_int_eq(keel_buf_puts(&buf, "x"), 0);
        ck_assert_int_eq(keel_buf_printf(&buf, "%0*d", n, 7), 0);
        snprintf(expected, sizeof expected, "x%0*d", n, 7);
        ck_assert_str_eq(keel_buf_text(&buf), expected);
        ck_assert_uint_eq(keel_buf_size(&buf), strlen(expected));
        if (n % 50 == 0)
            keel_buf_fini(&buf);
    }
    keel_buf_fini(&buf);
}
END_TEST

START_TEST(the_limit_counts_held_bytes_and_sticks)
{
    struct keel_buf buf;
    keel_buf_init(&buf, 10);
    ck_assert_int_eq(keel_buf_puts(&buf, "0123456789"), 0);
    ck_assert_str_eq(keel_buf_text(&buf), "0123456789");
    keel_buf_consume(&buf, 4);
    ck_assert_int_eq(keel_buf_puts(&buf, "abcd"), 0);
    ck_assert_int_eq(keel_buf_printf(&buf, "%s", "x"), KEEL_ELIMIT);
    keel_buf_consume(&buf, 10);
    ck_assert_int_eq(keel_buf_puts(&buf, "x"), KEEL_ELIMIT);
    ck_assert_int_eq(keel_buf_append(&buf, NULL, 0), KEEL_ELIMIT);
    ck_assert_ptr_null(keel_buf_reserve(&buf, 0));
    ck_assert_ptr_null(keel_buf_text(&buf));
    keel_buf_clear(&buf);
    ck_assert_int_eq(keel_buf_puts(&buf, "x"), 0);
    keel_buf_fini(&buf);
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 4 + 1};
    for (size_t i = 0; i < 3; i++) {
        struct keel_buf buf = {0};
        ck_assert_int_eq(keel_buf_puts(&buf, "x"), 0);
        ck_assert_ptr_null(keel_buf_reserve(&buf, sizes[i]));
        ck_assert_int_eq(buf.failed, KEEL_ENOMEM);
        keel_buf_fini(&buf);
    }
}
END_TEST

static int use_buf(void *arg)
{
    struct keel_buf buf = {0};
    for (int i = 0; i < 200; i++) {
        keel_buf_printf(&buf, "%0*d", i, i);
        keel_buf_puts(&buf, "some text");
    }
    int err = buf.failed;
    ck_assert_int_eq(!keel_buf_text(&buf), err != 0);
    keel_buf_fini(&buf);
    return err;
}

START_TEST(buf_without_memory)
{
    ck_assert_uint_gt(allocfail_sweep(use_buf, NULL), 3);
}
END_TEST

START_TEST(consuming_too_much_aborts)
{
    struct keel_buf buf = {0};
    keel_buf_puts(&buf, "abc");
    keel_buf_consume(&buf, 4);
}
END_TEST

START_TEST(committing_too_much_aborts)
{
    struct keel_buf buf = {0};
    keel_buf_reserve(&buf, 10);
    keel_buf_commit(&buf, 1 << 16);
}
END_TEST

Suite *buf_suite(void)
{
    Suite *suite = suite_create("buf");
    TCase *tc = tcase_create("buf");
    tcase_add_test(tc, an_empty_buffer_has_nothing);
    tcase_add_test(tc, bytes_come_out_as_they_went_in);
    tcase_add_test(tc, consumed_room_is_used_again);
    tcase_add_test(tc, a_large_empty_buffer_gives_its_memory_back);
    tcase_add_test(tc, memory_is_handed_over);
    tcase_add_test(tc, formatting_fits_at_every_length);
    tcase_add_test(tc, the_limit_counts_held_bytes_and_sticks);
    tcase_add_test(tc, absurd_sizes_are_refused);
    tcase_add_test(tc, buf_without_memory);
    tcase_add_test_raise_signal(tc, consuming_too_much_aborts, SIGABRT);
    tcase_add_test_raise_signal(tc, committing_too_much_aborts, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
