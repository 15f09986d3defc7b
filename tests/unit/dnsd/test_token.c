#include "dnsd/zone/token.h"
#include "suites.h"

#include <stdio.h>

/* text and what comes of it: tokens in <>, "|" between entries, "!" an error, "_" a blank start */
static const struct {
    const char *text, *tokens;
} cases[] = {
    {"", ""},
    {"\n\n ; nothing\n", ""},
    {"a b\tc\r\n", "<a><b><c>|"},
    {" a\n\tb", "_<a>|_<b>|"},
    {"a ( b ; comment ) \n c )\nd", "<a><b><c>|<d>|"},
    {"a(b)c", "<a><b><c>|"},
    {"a \"b ; ( c\" d", "<a><\"b ; ( c\"><d>|"},
    {"a \"b\\\"c\" \"\"", "<a><\"b\\\"c\"><\"\">|"},
    {"a\\ b\\;c\\(", "<a\\ b\\;c\\(>|"},
    {"\"a\"\"b\"c", "<\"a\"><\"b\"><c>|"},
    {"alpn=\"h2,h3\" x", "<alpn=\"h2,h3\"><x>|"},
    {"a (b", "<a><b>!"},
    {"a )", "<a>!"},
    {"a \"b\nc", "<a>!"},
    {"a \"b\\\"", "<a>!"},
    {"( \n a\n b )\nc", "<a><b>|<c>|"},
};

static void describe(const char *text, char *out, size_t room)
{
    struct dns_lexer lexer;
    struct dns_token token;
    int got;
    size_t n = 0;
    dns_lexer_init(&lexer, keel_str(text), 1);
    out[0] = '\0';
    while ((got = dns_lexer_entry(&lexer)) == 1) {
        n += (size_t)snprintf(out + n, room - n, "%s", lexer.blank_start ? "_" : "");
        while ((got = dns_lexer_next(&lexer, &token)) == 1)
            n += (size_t)snprintf(out + n, room - n, "<%.*s>", (int)token.text.n, token.text.p);
        n += (size_t)snprintf(out + n, room - n, "%s", got == 0 ? "|" : "");
        if (got < 0)
            break;
    }
    if (got < 0) {
        ck_assert_ptr_nonnull(lexer.what);
        snprintf(out + n, room - n, "!");
    }
}

START_TEST(splits_entries)
{
    char out[256];
    describe(cases[_i].text, out, sizeof out);
    ck_assert_str_eq(out, cases[_i].tokens);
}
END_TEST

START_TEST(knows_its_line)
{
    struct dns_lexer lexer;
    dns_lexer_init(&lexer, keel_str("a\n\n; x\nb ( c\n d ) e\nf"), 7);
    static const uint32_t lines[] = {7, 10, 12};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(dns_lexer_entry(&lexer), 1);
        ck_assert_uint_eq(lexer.entry_line, lines[i]);
    }
    ck_assert_int_eq(dns_lexer_entry(&lexer), 0);
}
END_TEST

START_TEST(undoes_escapes)
{
    uint8_t out[8];
    ck_assert_int_eq(dns_token_bytes(KEEL_STR("\"a\\\"\\000\\255 b\""), out, sizeof out), 6);
    ck_assert_mem_eq(out, "a\"\0\377 b", 6);
    ck_assert_int_eq(dns_token_bytes(KEEL_STR("\\256"), out, sizeof out), KEEL_EINVAL);
    ck_assert_int_eq(dns_token_bytes(KEEL_STR("\\12"), out, sizeof out), KEEL_EINVAL);
    ck_assert_int_eq(dns_token_bytes(KEEL_STR("123456789"), out, sizeof out), KEEL_ENOSPC);
}
END_TEST

static const struct {
    const char *text;
    int64_t seconds; /* or the error */
} times[] = {
    {"0", 0},
    {"3600", 3600},
    {"1h", 3600},
    {"2h15m", 8100},
    {"1W2D3H4M5s", 788645},
    {"2w", 1209600},
    {"1h30", 3630},
    {"2147483647", 2147483647},
    {"2147483648", KEEL_ERANGE},
    {"99999999999999999999", KEEL_ERANGE},
    {"4000w", KEEL_ERANGE},
    {"", KEEL_EINVAL},
    {"h", KEEL_EINVAL},
    {"1x", KEEL_EINVAL},
    {"1hh", KEEL_EINVAL},
    {"-1", KEEL_EINVAL},
};

START_TEST(reads_times)
{
    uint32_t seconds = 0;
    int err = dns_parse_seconds(keel_str(times[_i].text), 0x7FFFFFFF, &seconds);
    if (times[_i].seconds < 0)
        ck_assert_int_eq(err, times[_i].seconds);
    else
        ck_assert_msg(err == 0 && seconds == times[_i].seconds, "%s", times[_i].text);
}
END_TEST

Suite *token_suite(void)
{
    Suite *s = suite_create("dnsd/zone/token");
    TCase *t = tcase_create("token");
    tcase_add_loop_test(t, splits_entries, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(t, knows_its_line);
    tcase_add_test(t, undoes_escapes);
    tcase_add_loop_test(t, reads_times, 0, sizeof times / sizeof times[0]);
    suite_add_tcase(s, t);
    return s;
}
