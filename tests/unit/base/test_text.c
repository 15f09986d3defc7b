/*
 * The second half of str.h: escaping, hexadecimal, base64, UTF-8 and JSON.
 */
#include "suites.h"

#include "common/base/err.h"
#include "common/base/rand.h"
#include "common/base/str.h"

#include <stdio.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

START_TEST(escaping)
{
    static const struct {
        struct keel_str bytes;
        const char *text;
    } rows[] = {
        {{"", 0}, ""},
        {{"plain text ~", 12}, "plain text ~"},
        {{"a\"b\\c", 5}, "a\\\"b\\\\c"},
        {{"\n\t\r", 3}, "\\n\\t\\x0d"},
        {{"\0\x7f\xff", 3}, "\\x00\\x7f\\xff"},
        {{"\x1b[2J", 4}, "\\x1b[2J"},
        {{"\xc3\xa4", 2}, "\\xc3\\xa4"},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        char out[64];
        size_t n = keel_escape(out, sizeof out, rows[i].bytes.p, rows[i].bytes.n);
        ck_assert_str_eq(out, rows[i].text);
        ck_assert_uint_eq(n, strlen(rows[i].text));
    }
    char out[1] = "X";
    ck_assert_uint_eq(keel_escape(out, 0, "abc", 3), 0);
    ck_assert_int_eq(out[0], 'X');
    ck_assert_uint_eq(keel_escape(out, 1, NULL, 0), 0);
}
END_TEST

START_TEST(escaping_is_cut_between_spellings)
{
    static const struct {
        size_t size;
        const char *text;
    } rows[] = {
        {1, ""},          {2, "."},           {3, ".."},          {4, "..."},
        {5, "a..."},      {6, "a..."},        {7, "a..."},        {8, "a..."},
        {9, "a\\x00..."}, {10, "a\\x00b..."}, {11, "a\\x00b..."}, {12, "a\\x00b\\nxyz"},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        char out[16];
        memset(out, 'X', sizeof out);
        size_t n = keel_escape(out, rows[i].size, "a\0b\nxyz", 7);
        ck_assert_str_eq(out, rows[i].text);
        ck_assert_uint_eq(n, strlen(rows[i].text));
        ck_assert_int_eq(out[rows[i].size], 'X');
    }
}
END_TEST

START_TEST(hexadecimal_out)
{
    char out[16];
    ck_assert_uint_eq(keel_format_hex(out, sizeof out, "\x0a\x1b\xff", 3, 0), 6);
    ck_assert_str_eq(out, "0a1bff");
    ck_assert_uint_eq(keel_format_hex(out, sizeof out, "\x0a\x1b\xff", 3, ':'), 8);
    ck_assert_str_eq(out, "0a:1b:ff");
    /* whole bytes only */
    ck_assert_uint_eq(keel_format_hex(out, 8, "\x0a\x1b\xff", 3, ':'), 5);
    ck_assert_str_eq(out, "0a:1b");
    ck_assert_uint_eq(keel_format_hex(out, 1, "\x0a", 1, 0), 0);
    ck_assert_str_eq(out, "");
    ck_assert_uint_eq(keel_format_hex(out, 0, "\x0a", 1, 0), 0);
    ck_assert_uint_eq(keel_format_hex(out, sizeof out, NULL, 0, ':'), 0);
}
END_TEST

START_TEST(hexadecimal_in)
{
    static const struct {
        const char *text;
        int count; /* or error */
        uint8_t bytes[4];
    } rows[] = {
        {"", 0, {0}},
        {"0a1B", 2, {0x0a, 0x1b}},
        {"0a:1b-ff.00", 4, {0x0a, 0x1b, 0xff, 0}},
        {"0a1b.ff00", 4, {0x0a, 0x1b, 0xff, 0}},
        {"0a \t 1b", 2, {0x0a, 0x1b}},
        {"0", KEEL_EINVAL, {0}},
        {"0a1", KEEL_EINVAL, {0}},
        {"0g", KEEL_EINVAL, {0}},
        {"0x0a", KEEL_EINVAL, {0}},
        {":0a", KEEL_EINVAL, {0}},
        {" 0a", KEEL_EINVAL, {0}},
        {"0a:", KEEL_EINVAL, {0}},
        {"0a ", KEEL_EINVAL, {0}},
        {"0a::1b", KEEL_EINVAL, {0}},
        {"0:a", KEEL_EINVAL, {0}},
        {"0a1b2c3d4e", KEEL_ENOSPC, {0}},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        uint8_t out[4] = {0};
        int count = keel_parse_hex(keel_str(rows[i].text), out, sizeof out);
        ck_assert_msg(count == rows[i].count, "\"%s\": %d", rows[i].text, count);
        if (count > 0)
            ck_assert_int_eq(memcmp(out, rows[i].bytes, (size_t)count), 0);
    }
}
END_TEST

/* RFC 4648, 10, and the last digits of the alphabet. */
static const struct {
    const char *bytes, *text;
} base64_rows[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+"},
};

START_TEST(base64_both_ways)
{
    const char *bytes = base64_rows[_i].bytes, *text = base64_rows[_i].text;
    char out[16];
    uint8_t back[16];
    ck_assert_int_eq(keel_format_base64(out, sizeof out, bytes, strlen(bytes)), (int)strlen(text));
    ck_assert_str_eq(out, text);
    ck_assert_int_eq(keel_format_base64(out, strlen(text), bytes, strlen(bytes)), KEEL_ENOSPC);
    ck_assert_int_eq(keel_format_base64(out, strlen(text) + 1, bytes, strlen(bytes)),
                     (int)strlen(text));
    ck_assert_int_eq(keel_parse_base64(keel_str(text), back, strlen(bytes)), (int)strlen(bytes));
    ck_assert_int_eq(memcmp(back, bytes, strlen(bytes)), 0);
    if (*bytes)
        ck_assert_int_eq(keel_parse_base64(keel_str(text), back, strlen(bytes) - 1), KEEL_ENOSPC);
}
END_TEST

START_TEST(base64_refused)
{
    static const char *const rows[] = {
        "Z", "Zg",   "Zg=",   "Zh==",  "Zm9=", "Zg==Zg==", "Z===",  "====",
        "=", "Zg= ", "Zm9\n", " Zg==", "Zm-_", "=Zg=",     "Zm9v=", "Z=g=",
    };
    for (int i = 0; i < COUNT(rows); i++) {
        uint8_t out[16];
        ck_assert_msg(keel_parse_base64(keel_str(rows[i]), out, sizeof out) == KEEL_EINVAL,
                      "\"%s\"", rows[i]);
    }
}
END_TEST

START_TEST(base64_of_anything_comes_back)
{
    struct keel_prng prng;
    keel_prng_seed(&prng, 8);
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[100], back[100];
        char text[137];
        size_t n = keel_prng_below(&prng, 101);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)keel_prng_next(&prng);
        int length = keel_format_base64(text, sizeof text, bytes, n);
        ck_assert_int_ge(length, 0);
        struct keel_str s = {text, (size_t)length};
        ck_assert_int_eq(keel_parse_base64(s, back, sizeof back), (int)n);
        ck_assert_int_eq(memcmp(bytes, back, n), 0);
    }
    char text[8];
    ck_assert_int_eq(keel_format_base64(text, sizeof text, text, SIZE_MAX), KEEL_ENOSPC);
    ck_assert_int_eq(keel_format_base64(text, 0, text, 0), KEEL_ENOSPC);
}
END_TEST

START_TEST(utf8)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
        {"", 0},
        {"a", 1},
        {"\x7f", 1},
        {"\x80", 0},
        {"\xc1\xbf", 0}, /* overlong */
        {"\xc2\x80", 2},
        {"\xc2\x7f", 0},
        {"\xc2", 0},
        {"\xdf\xbf", 2},
        {"\xe0\x9f\xbf", 0}, /* overlong */
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0\x80", 0}, /* surrogate */
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xe2\x82", 0},
        {"\xe2\x82\x41", 0},
        {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
        {"\xf0\x90\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
    };
    for (int i = 0; i < COUNT(rows); i++)
        ck_assert_uint_eq(keel_utf8_length(rows[i].bytes, strlen(rows[i].bytes)), rows[i].length);
    ck_assert_uint_eq(keel_utf8_length("\0", 1), 1);
}
END_TEST

START_TEST(json_strings)
{
    static const struct {
        struct keel_str bytes;
        const char *text;
    } rows[] = {
        {{"", 0}, "\"\""},
        {{"plain / text", 12}, "\"plain / text\""},
        {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"\0\x1f", 2}, "\"\\u0000\\u001f\""},
        {{"\xc3\xa4\xf0\x9f\x9a\xa2", 6}, "\"\xc3\xa4\xf0\x9f\x9a\xa2\""},
        {{"\xc3(\xff", 3}, "\"\\u00c3(\\u00ff\""},
        {{"\xed\xa0\x80", 3}, "\"\\u00ed\\u00a0\\u0080\""},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        char out[64];
        size_t n = keel_format_json_string(out, sizeof out, rows[i].bytes.p, rows[i].bytes.n);
        ck_assert_str_eq(out, rows[i].text);
        ck_assert_uint_eq(n, strlen(rows[i].text));
    }
}
END_TEST

START_TEST(json_strings_tell_what_they_need)
{
    static const char bytes[] = "a\n\xff\xc3\xa4z", whole[] = "\"a\\n\\u00ff\xc3\xa4z\"";
    for (size_t size = 0; size <= sizeof whole; size++) {
        char out[sizeof whole + 2];
        memset(out, 'X', sizeof out);
        ck_assert_uint_eq(keel_format_json_string(out, size, bytes, strlen(bytes)), strlen(whole));
        ck_assert_int_eq(out[size], 'X');
        if (size == 0)
            continue;
        size_t n = strlen(out);
        ck_assert_uint_lt(n, size);
        ck_assert_int_eq(strncmp(out, whole, n), 0);
        ck_assert_int_eq(n == strlen(whole), size >= sizeof whole);
    }
}
END_TEST

Suite *text_suite(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, escaping);
    tcase_add_test(tc, escaping_is_cut_between_spellings);
    tcase_add_test(tc, hexadecimal_out);
    tcase_add_test(tc, hexadecimal_in);
    tcase_add_loop_test(tc, base64_both_ways, 0, COUNT(base64_rows));
    tcase_add_test(tc, base64_refused);
    tcase_add_test(tc, base64_of_anything_comes_back);
    tcase_add_test(tc, utf8);
    tcase_add_test(tc, json_strings);
    tcase_add_test(tc, json_strings_tell_what_they_need);
    suite_add_tcase(suite, tc);
    return suite;
}
