#include "dnsd/wire/rdata.h"
#include "dnsd/zone/svcb_text.h"
#include "suites.h"

static int convert(const char *text, uint8_t *out, size_t room, size_t *size)
{
    struct dns_lexer lexer;
    struct keel_writer w;
    struct keel_diag diag;
    dns_lexer_init(&lexer, keel_str(text), 1);
    keel_writer_init(&w, out, room);
    int err = dns_lexer_entry(&lexer) < 0 ? KEEL_EINVAL : dns_svcb_from_text(&lexer, &w, &diag);
    *size = keel_writer_offset(&w);
    return err ? err : dns_svcb_check(out, *size);
}

/* keys come out in order, whatever order they stand in */
static const struct {
    const char *text, *bytes;
    size_t size;
} good[] = {
    {"", "", 0},
    {"port=53 alpn=h2", "\0\1\0\3\2h2\0\3\0\2\0\65", 13},
    {"mandatory=port,alpn alpn=h2 port=53", "\0\0\0\4\0\1\0\3\0\1\0\3\2h2\0\3\0\2\0\65", 21},
    {"no-default-alpn alpn=\"h2\"", "\0\1\0\3\2h2\0\2\0\0", 11},
    {"ech=AAEC", "\0\5\0\3\0\1\2", 7},
    {"dohpath=/q{?dns}", "\0\7\0\10/q{?dns}", 12},
    {"ohttp key9=", "\0\10\0\0\0\11\0\0", 8},
    {"key667=\"hello\\210qoo\"", "\2\233\0\11hello\322qoo", 13},
};

START_TEST(writes_parameters_in_order)
{
    uint8_t out[512];
    size_t size;
    ck_assert_int_eq(convert(good[_i].text, out, sizeof out, &size), 0);
    ck_assert_uint_eq(size, good[_i].size);
    ck_assert_mem_eq(out, good[_i].bytes, size);
}
END_TEST

/* RFC 9460, D.3, and more */
static const char *const bad[] = {
    "key123=abc key123=def",
    "mandatory",
    "alpn",
    "port",
    "ipv4hint",
    "ipv6hint",
    "no-default-alpn=abc",
    "mandatory=key123",
    "mandatory=mandatory",
    "mandatory=key123,key123 key123=abc",
    "port=65536",
    "port=x",
    "ipv4hint=2001:db8::1",
    "ipv6hint=192.0.2.1",
    "alpn=h2,",
    "alpn=,h2",
    "alpn=\\\\",
    "key65535=x",
    "key65536=x",
    "keyx=1",
    "unknown=1",
    "no-default-alpn",
    "ech",
    "ech=?",
    "ohttp=1",
    "=x",
};

START_TEST(refuses_malformed_parameters)
{
    uint8_t out[512];
    size_t size;
    ck_assert_msg(convert(bad[_i], out, sizeof out, &size) == KEEL_EINVAL, "%s", bad[_i]);
}
END_TEST

START_TEST(never_writes_past_the_room)
{
    uint8_t out[64];
    size_t size;
    for (size_t room = 0; room < 13; room++)
        ck_assert_int_eq(convert("port=53 alpn=h2", out, room, &size), KEEL_EINVAL);
}
END_TEST

Suite *svcb_text_suite(void)
{
    Suite *s = suite_create("dnsd/zone/svcb_text");
    TCase *t = tcase_create("svcb_text");
    tcase_add_loop_test(t, writes_parameters_in_order, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(t, refuses_malformed_parameters, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, never_writes_past_the_room);
    suite_add_tcase(s, t);
    return s;
}
