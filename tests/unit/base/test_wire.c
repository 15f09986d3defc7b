#include "suites.h"

#include "common/base/wire.h"

START_TEST(what_is_written_is_read)
{
    uint8_t bytes[64];
    struct keel_writer w;
    struct keel_reader r;
    keel_writer_init(&w, bytes, sizeof bytes);
    keel_write_u8(&w, 0xfe);
    keel_write_u16(&w, 0xfedc);
    keel_write_u32(&w, 0xfedcba98);
    keel_write_u48(&w, 0xfedcba987654);
    keel_write_u64(&w, 0xfedcba9876543210);
    keel_write_bytes(&w, "keel", 4);
    keel_write_bytes(&w, NULL, 0);
    uint8_t *later = keel_write_skip(&w, 6);
    keel_put_u16(later, 0x0102);
    keel_put_u32(later + 2, 0xf0e0d0c0);
    ck_assert(!w.bad);
    ck_assert_uint_eq(keel_writer_offset(&w), 31);
    ck_assert_uint_eq(keel_writer_left(&w), 33);

    keel_reader_init(&r, bytes, keel_writer_offset(&w));
    ck_assert_uint_eq(keel_read_u8(&r), 0xfe);
    ck_assert_uint_eq(keel_read_u16(&r), 0xfedc);
    ck_assert_uint_eq(keel_read_u32(&r), 0xfedcba98);
    ck_assert_uint_eq(keel_read_u48(&r), 0xfedcba987654);
    ck_assert_uint_eq(keel_read_u64(&r), 0xfedcba9876543210);
    ck_assert_int_eq(memcmp(keel_read_bytes(&r, 4), "keel", 4), 0);
    ck_assert_uint_eq(keel_get_u16(r.next), 0x0102);
    ck_assert_uint_eq(keel_get_u32(r.next + 2), 0xf0e0d0c0);
    ck_assert_uint_eq(keel_reader_left(&r), 6);
    ck_assert_uint_eq(keel_reader_offset(&r), 25);
    ck_assert(!r.bad);
}
END_TEST

/* Each kind of read on inputs one byte too short, and all later reads after the failure. */
START_TEST(reading_past_the_end_sticks)
{
    static const uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t size = 0; size < sizeof bytes; size++) {
        struct keel_reader r;
        keel_reader_init(&r, bytes, size);
        ck_assert_uint_eq(keel_read_u64(&r), size < 4 ? 0 : (uint64_t)0x01020304 << 32);
        ck_assert(r.bad);
        ck_assert_uint_eq(keel_read_u8(&r), 0);
        ck_assert_ptr_null(keel_read_bytes(&r, 0));

        keel_reader_init(&r, bytes, size);
        ck_assert_ptr_null(keel_read_bytes(&r, size + 1));
        ck_assert_ptr_null(keel_read_bytes(&r, SIZE_MAX));
        ck_assert(r.bad);
        ck_assert_uint_eq(keel_reader_offset(&r), 0);
    }
    struct keel_reader r;
    keel_reader_init(&r, bytes, 1);
    ck_assert_uint_eq(keel_read_u16(&r), 0);
    ck_assert_uint_eq(keel_read_u32(&r), 0);
    ck_assert_uint_eq(keel_read_u48(&r), 0);
    ck_assert(r.bad);
}
END_TEST

START_TEST(nothing_at_all_can_be_read)
{
    struct keel_reader r;
    keel_reader_init(&r, NULL, 0);
    ck_assert_uint_eq(keel_reader_left(&r), 0);
    ck_assert(keel_reader_need(&r, 0));
    ck_assert_uint_eq(keel_read_u8(&r), 0);
    ck_assert(r.bad);
}
END_TEST

START_TEST(writing_past_the_end_sticks)
{
    for (size_t size = 0; size < 8; size++) {
        uint8_t bytes[9];
        struct keel_writer w;
        memset(bytes, 0xa5, sizeof bytes);
        keel_writer_init(&w, bytes, size);
        keel_write_u64(&w, 0);
        ck_assert(w.bad);
        /* a number is written whole or not at all */
        ck_assert_uint_eq(keel_writer_offset(&w), 0);
        keel_write_u8(&w, 0);
        keel_write_u16(&w, 0);
        keel_write_u32(&w, 0);
        keel_write_u48(&w, 0);
        keel_write_bytes(&w, "", 1);
        ck_assert_ptr_null(keel_write_skip(&w, 0));
        for (size_t i = 0; i < sizeof bytes; i++)
            ck_assert_uint_eq(bytes[i], 0xa5);
    }
    struct keel_writer w;
    keel_writer_init(&w, NULL, 0);
    keel_write_bytes(&w, NULL, 0);
    ck_assert(!w.bad);
    ck_assert_ptr_null(keel_write_skip(&w, SIZE_MAX));
    ck_assert(w.bad);
}
END_TEST

Suite *wire_suite(void)
{
    Suite *suite = suite_create("wire");
    TCase *tc = tcase_create("wire");
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, reading_past_the_end_sticks);
    tcase_add_test(tc, nothing_at_all_can_be_read);
    tcase_add_test(tc, writing_past_the_end_sticks);
    suite_add_tcase(suite, tc);
    return suite;
}
