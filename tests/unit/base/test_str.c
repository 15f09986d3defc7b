#include "suites.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/rand.h"
#include "common/base/str.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define U64_MAX_TEXT "18446744073709551615"

START_TEST(equality_counts_bytes)
{
    ck_assert(keel_str_equal(keel_str(NULL), KEEL_STR("")));
    ck_assert(keel_str_equal(KEEL_STR("a\0b"), KEEL_STR("a\0b")));
    ck_assert(!keel_str_equal(KEEL_STR("a\0b"), KEEL_STR("a\0c")));
    ck_assert(!keel_str_equal(KEEL_STR("a"), KEEL_STR("ab")));
    ck_assert(keel_str_equal_nocase(KEEL_STR("Host"), KEEL_STR("hOST")));
    ck_assert(!keel_str_equal_nocase(KEEL_STR("Host"), KEEL_STR("Hosts")));
    ck_assert(keel_str_begins(KEEL_STR("ab"), KEEL_STR("ab")));
    ck_assert(keel_str_begins(KEEL_STR("ab"), (struct keel_str){NULL, 0}));
    ck_assert(!keel_str_begins(KEEL_STR("ab"), KEEL_STR("abc")));
    ck_assert(!keel_str_begins(KEEL_STR("ab"), KEEL_STR("b")));
    /* pairs that differ in the bit of the case, and are no letters; and letters outside ASCII */
    ck_assert(!keel_str_equal_nocase(KEEL_STR("@[\\]^"), KEEL_STR("`{|}~")));
    ck_assert(!keel_str_equal_nocase(KEEL_STR("\xc4"), KEEL_STR("\xe4")));
}
END_TEST

START_TEST(trimming)
{
    ck_assert(keel_str_equal(keel_str_trim(KEEL_STR(" \t a b\t ")), KEEL_STR("a b")));
    ck_assert(keel_str_equal(keel_str_trim(KEEL_STR(" \t ")), KEEL_STR("")));
    ck_assert(keel_str_equal(keel_str_trim(KEEL_STR("")), KEEL_STR("")));
    ck_assert(keel_str_equal(keel_str_trim(KEEL_STR("\na\n")), KEEL_STR("\na\n")));
}
END_TEST

START_TEST(splitting)
{
    static const struct {
        const char *text;
        const char *parts; /* each with a bar behind it */
    } rows[] = {
        {"a,b,c", "a|b|c|"}, {"a", "a|"}, {"", "|"}, {",", "||"}, {"a,,", "a|||"}, {",a", "|a|"},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        char got[32] = "";
        struct keel_str rest = keel_str(rows[i].text), part;
        while (keel_str_split(&rest, ',', &part)) {
            strncat(got, part.p, part.n);
            strcat(got, "|");
        }
        ck_assert_str_eq(got, rows[i].parts);
    }
    struct keel_str none = {NULL, 0}, part;
    ck_assert(!keel_str_split(&none, ',', &part));
}
END_TEST

START_TEST(hex_digits)
{
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    int known = 0;
    for (int c = 0; c < 256; c++)
        known += keel_hex_digit(c) >= 0;
    ck_assert_int_eq(known, 22);
    for (int i = 0; i < 16; i++) {
        ck_assert_int_eq(keel_hex_digit(digits[i]), i);
        ck_assert_int_eq(keel_hex_digit(upper[i]), i);
    }
}
END_TEST

START_TEST(unsigned_numbers)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        int err;
    } rows[] = {
        {"0", 0, 0, 0},
        {"007", 7, 7, 0},
        {"65535", 65535, 65535, 0},
        {"65536", 65535, 0, KEEL_ERANGE},
        {U64_MAX_TEXT, UINT64_MAX, UINT64_MAX, 0},
        {"18446744073709551616", UINT64_MAX, 0, KEEL_ERANGE},
        {"99999999999999999999999", UINT64_MAX, 0, KEEL_ERANGE},
        {"99999999999999999999999x", UINT64_MAX, 0, KEEL_EINVAL},
        {"", UINT64_MAX, 0, KEEL_EINVAL},
        {"-1", UINT64_MAX, 0, KEEL_EINVAL},
        {"+1", UINT64_MAX, 0, KEEL_EINVAL},
        {" 1", UINT64_MAX, 0, KEEL_EINVAL},
        {"1 ", UINT64_MAX, 0, KEEL_EINVAL},
        {"0x10", UINT64_MAX, 0, KEEL_EINVAL},
        {"1.0", UINT64_MAX, 0, KEEL_EINVAL},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        uint64_t value = 42;
        ck_assert_int_eq(keel_parse_u64(keel_str(rows[i].text), rows[i].max, &value), rows[i].err);
        ck_assert_uint_eq(value, rows[i].err ? 42 : rows[i].value);
    }
    uint64_t value;
    ck_assert_int_eq(keel_parse_u64((struct keel_str){NULL, 0}, 1, &value), KEEL_EINVAL);
    ck_assert_int_eq(keel_parse_u64(KEEL_STR("1\0"), 1, &value), KEEL_EINVAL);
}
END_TEST

START_TEST(signed_numbers)
{
    static const struct {
        const char *text;
        int64_t value;
        int err;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"-1", -1, 0},
        {"9223372036854775807", INT64_MAX, 0},
        {"9223372036854775808", 0, KEEL_ERANGE},
        {"-9223372036854775808", INT64_MIN, 0},
        {"-9223372036854775809", 0, KEEL_ERANGE},
        {"-", 0, KEEL_EINVAL},
        {"--1", 0, KEEL_EINVAL},
        {"", 0, KEEL_EINVAL},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        int64_t value = 42;
        ck_assert_int_eq(keel_parse_i64(keel_str(rows[i].text), &value), rows[i].err);
        ck_assert_int_eq(value, rows[i].err ? 42 : rows[i].value);
    }
}
END_TEST

START_TEST(durations)
{
    static const struct {
        const char *text;
        uint64_t ns;
        int err;
    } rows[] = {
        {"0", 0, 0},
        {"90", 90 * KEEL_NS_PER_S, 0},
        {"90s", 90 * KEEL_NS_PER_S, 0},
        {"500ms", 500 * KEEL_NS_PER_MS, 0},
        {"30us", 30 * KEEL_NS_PER_US, 0},
        {"7ns", 7, 0},
        {"12h", 43200 * KEEL_NS_PER_S, 0},
        {"2h15m", 8100 * KEEL_NS_PER_S, 0},
        {"7d", 604800 * KEEL_NS_PER_S, 0},
        {"1w", 604800 * KEEL_NS_PER_S, 0},
        {"1m500ms", 60 * KEEL_NS_PER_S + 500 * KEEL_NS_PER_MS, 0},
        {"1s1ms1us1ns", 1001001001, 0},
        {"18446744073709551615ns", UINT64_MAX, 0},
        {"18446744073s709ms551us615ns", UINT64_MAX, 0},
        {"18446744073s709ms551us616ns", 0, KEEL_ERANGE},
        {"18446744073709551616ns", 0, KEEL_ERANGE},
        {"18446744074", 0, KEEL_ERANGE},
        {"30501w", 0, KEEL_ERANGE},
        {"99999999999999999999w1d", 0, KEEL_ERANGE},
        {"99999999999999999999q", 0, KEEL_EINVAL},
        {"", 0, KEEL_EINVAL},
        {"s", 0, KEEL_EINVAL},
        {"1x", 0, KEEL_EINVAL},
        {"1S", 0, KEEL_EINVAL},
        {"1 s", 0, KEEL_EINVAL},
        {"1.5s", 0, KEEL_EINVAL},
        {"-1s", 0, KEEL_EINVAL},
        {"2h15", 0, KEEL_EINVAL},
        {"15m2h", 0, KEEL_EINVAL},
        {"1m1m", 0, KEEL_EINVAL},
        {"1mss", 0, KEEL_EINVAL},
        {"1s-1ms", 0, KEEL_EINVAL},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        uint64_t ns = 42;
        ck_assert_msg(keel_parse_duration(keel_str(rows[i].text), &ns) == rows[i].err, "%s",
                      rows[i].text);
        ck_assert_uint_eq(ns, rows[i].err ? 42 : rows[i].ns);
    }
}
END_TEST

START_TEST(sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        int err;
    } rows[] = {
        {"0", 0, 0},
        {"1000", 1000, 0},
        {"64k", 65536, 0},
        {"64K", 65536, 0},
        {"10m", 10485760, 0},
        {"4g", 4294967296, 0},
        {"1t", 1099511627776, 0},
        {"16777215t", 18446742974197923840u, 0},
        {"16777216t", 0, KEEL_ERANGE},
        {U64_MAX_TEXT, UINT64_MAX, 0},
        {U64_MAX_TEXT "k", 0, KEEL_ERANGE},
        {"18446744073709551616", 0, KEEL_ERANGE},
        {"18446744073709551616x", 0, KEEL_EINVAL},
        {"", 0, KEEL_EINVAL},
        {"k", 0, KEEL_EINVAL},
        {"1kb", 0, KEEL_EINVAL},
        {"1p", 0, KEEL_EINVAL},
        {"1 k", 0, KEEL_EINVAL},
        {"-1", 0, KEEL_EINVAL},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        uint64_t bytes = 42;
        ck_assert_msg(keel_parse_size(keel_str(rows[i].text), &bytes) == rows[i].err, "%s",
                      rows[i].text);
        ck_assert_uint_eq(bytes, rows[i].err ? 42 : rows[i].bytes);
    }
    uint64_t bytes;
    ck_assert_int_eq(keel_parse_size(KEEL_STR("1\0"), &bytes), KEEL_EINVAL);
}
END_TEST

START_TEST(booleans)
{
    static const char *const yes[] = {"true", "yes", "on", "1", "Yes", "TRUE"};
    static const char *const no[] = {"false", "no", "off", "0", "Off", "FALSE"};
    static const char *const neither[] = {"", "2", "y", "tru", "truee", " on"};
    for (int i = 0; i < 6; i++) {
        bool value = false;
        ck_assert_int_eq(keel_parse_bool(keel_str(yes[i]), &value), 0);
        ck_assert(value);
        ck_assert_int_eq(keel_parse_bool(keel_str(no[i]), &value), 0);
        ck_assert(!value);
        ck_assert_int_eq(keel_parse_bool(keel_str(neither[i]), &value), KEEL_EINVAL);
    }
}
END_TEST

START_TEST(formatted_units)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } durations_[] = {
        {0, "0s"},
        {1, "1ns"},
        {90 * KEEL_NS_PER_S, "1m30s"},
        {60 * KEEL_NS_PER_S, "1m"},
        {8 * 86400 * KEEL_NS_PER_S, "1w1d"},
        {1500 * KEEL_NS_PER_MS, "1s500ms"},
        {UINT64_MAX, "30500w3d23h34m33s709ms551us615ns"},
    };
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes_[] = {
        {0, "0"},
        {1, "1"},
        {1000, "1000"},
        {1024, "1k"},
        {1025, "1025"},
        {65536, "64k"},
        {3u << 20, "3m"},
        {1ull << 30, "1g"},
        {1ull << 40, "1t"},
        {1ull << 50, "1024t"},
        {UINT64_MAX, U64_MAX_TEXT},
    };
    char out[64];
    for (int i = 0; i < COUNT(durations_); i++) {
        ck_assert_uint_eq(keel_format_duration(out, sizeof out, durations_[i].ns),
                          strlen(durations_[i].text));
        ck_assert_str_eq(out, durations_[i].text);
    }
    for (int i = 0; i < COUNT(sizes_); i++) {
        ck_assert_uint_eq(keel_format_size(out, sizeof out, sizes_[i].bytes),
                          strlen(sizes_[i].text));
        ck_assert_str_eq(out, sizes_[i].text);
    }
}
END_TEST

START_TEST(formatted_units_are_cut_to_fit)
{
    static const char whole[] = "30500w3d23h34m33s709ms551us615ns";
    for (size_t size = 0; size <= sizeof whole; size++) {
        char out[sizeof whole + 1];
        memset(out, 'X', sizeof out);
        size_t n = keel_format_duration(out, size, UINT64_MAX);
        ck_assert_uint_eq(n, size > 0 ? (size < sizeof whole ? size - 1 : sizeof whole - 1) : 0);
        ck_assert_int_eq(memcmp(out, whole, n), 0);
        ck_assert_int_eq(out[size], 'X');
        if (size > 0)
            ck_assert_int_eq(out[n], '\0');
    }
    char out[3];
    ck_assert_uint_eq(keel_format_size(out, sizeof out, 65536), 2);
    ck_assert_str_eq(out, "64");
}
END_TEST

START_TEST(what_is_formatted_is_parsed)
{
    struct keel_prng prng;
    keel_prng_seed(&prng, 7);
    for (int i = 0; i < 2000; i++) {
        char out[64];
        uint64_t v = keel_prng_next(&prng) >> keel_prng_below(&prng, 64), back;
        size_t n = keel_format_duration(out, sizeof out, v);
        ck_assert_int_eq(keel_parse_duration((struct keel_str){out, n}, &back), 0);
        ck_assert_uint_eq(back, v);
        n = keel_format_size(out, sizeof out, v << 10 * keel_prng_below(&prng, 4));
        ck_assert_int_eq(keel_parse_size((struct keel_str){out, n}, &back), 0);
        char again[64];
        keel_format_size(again, sizeof again, back);
        ck_assert_str_eq(again, out);
    }
}
END_TEST

START_TEST(decimals)
{
    struct keel_prng prng;
    keel_prng_seed(&prng, 5);
    uint64_t n = UINT64_MAX;
    for (int i = 0; i < 1000; i++) {
        char out[KEEL_DECIMAL + 1] = "", wanted[KEEL_DECIMAL + 2];
        snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)n);
        ck_assert_uint_eq((size_t)(keel_put_decimal(out, n) - out), strlen(wanted));
        ck_assert_str_eq(out, wanted);
        n = i < 2 ? (uint64_t)i : keel_prng_next(&prng) >> keel_prng_below(&prng, 64);
    }
}
END_TEST

Suite *str_suite(void)
{
    Suite *suite = suite_create("str");
    TCase *tc = tcase_create("str");
    tcase_add_test(tc, equality_counts_bytes);
    tcase_add_test(tc, trimming);
    tcase_add_test(tc, splitting);
    tcase_add_test(tc, hex_digits);
    tcase_add_test(tc, unsigned_numbers);
    tcase_add_test(tc, signed_numbers);
    tcase_add_test(tc, durations);
    tcase_add_test(tc, sizes);
    tcase_add_test(tc, booleans);
    tcase_add_test(tc, formatted_units);
    tcase_add_test(tc, formatted_units_are_cut_to_fit);
    tcase_add_test(tc, what_is_formatted_is_parsed);
    tcase_add_test(tc, decimals);
    suite_add_tcase(suite, tc);
    return suite;
}
