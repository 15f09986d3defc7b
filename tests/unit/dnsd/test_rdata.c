#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"
#include "suites.h"

#include <stdlib.h>

static const struct {
    uint16_t type;
    const char *bytes;
    size_t size;
    int good;
} cases[] = {
    {DNS_TYPE_A, "\300\0\2\1", 4, 1},
    {DNS_TYPE_A, "\300\0\2", 3, 0},
    {DNS_TYPE_A, "\300\0\2\1\0", 5, 0},
    {DNS_TYPE_AAAA, "0123456789abcdef", 16, 1},
    {DNS_TYPE_AAAA, "0123456789abcde", 15, 0},
    {DNS_TYPE_NS, "\1a\0", 3, 1},
    {DNS_TYPE_NS, "\1a\300\014", 4, 0},
    {DNS_TYPE_NS, "\1a\0\0", 4, 0},
    {DNS_TYPE_MX, "\0\12\0", 3, 1},
    {DNS_TYPE_MX, "\0", 1, 0},
    {DNS_TYPE_TXT, "\0", 1, 1},
    {DNS_TYPE_TXT, "\2ab\1c", 5, 1},
    {DNS_TYPE_TXT, "", 0, 0},
    {DNS_TYPE_TXT, "\2ab\2c", 5, 0},
    {DNS_TYPE_CAA, "\0\5issuex", 8, 1},
    {DNS_TYPE_CAA, "\0\0x", 3, 0},
    {DNS_TYPE_CAA, "\0\3a-bx", 6, 0},
    {DNS_TYPE_SSHFP, "\1\2", 2, 1},
    {DNS_TYPE_SSHFP, "\1", 1, 0},
    {DNS_TYPE_SOA,
     "\0\0"
     "aaaabbbbccccddddeeee",
     22, 1},
    {DNS_TYPE_SOA,
     "\0\0"
     "aaaabbbbccccddddeee",
     21, 0},
    {DNS_TYPE_HTTPS, "\0\1\0", 3, 1},
    {DNS_TYPE_HTTPS, "\0\1\0\0\3\0\2\0\120", 9, 1},
    {DNS_TYPE_HTTPS, "\0\1\0\0\3\0\1\0", 8, 0},                  /* port of one byte */
    {DNS_TYPE_HTTPS, "\0\1\0\0\3\0\2\0\120\0\1\0\3\2h2", 16, 0}, /* not ascending */
    {DNS_TYPE_HTTPS, "\0\1\0\0\1\0\3\2h2\0\1\0\3\2h2", 17, 0},   /* twice */
    {DNS_TYPE_HTTPS, "\0\1\0\0\2\0\0", 7, 0},                    /* no-default-alpn alone */
    {DNS_TYPE_HTTPS, "\0\1\0\0\1\0\3\2h2\0\2\0\0", 14, 1},
    {DNS_TYPE_HTTPS, "\0\1\0\0\1\0\3\3h2", 10, 0},               /* alpn's inner length */
    {DNS_TYPE_HTTPS, "\0\1\0\0\0\0\2\0\3\0\3\0\2\0\120", 15, 1}, /* mandatory=port */
    {DNS_TYPE_HTTPS, "\0\1\0\0\0\0\2\0\4\0\3\0\2\0\120", 15, 0}, /* mandatory, not there */
    {DNS_TYPE_HTTPS, "\0\1\0\377\377\0\0", 7, 0},                /* the reserved key */
    {65400, "anything", 8, 1},
};

START_TEST(checks_layouts)
{
    int err = dns_rdata_check(cases[_i].type, (const uint8_t *)cases[_i].bytes, cases[_i].size);
    ck_assert_int_eq(err, cases[_i].good ? 0 : KEEL_EINVAL);
}
END_TEST

/* every shorter piece of a good rdata with a fixed length is refused, none is read past its end */
START_TEST(refuses_every_cut)
{
    static const uint8_t soa[] = "\2ns\0\1h\0"
                                 "aaaabbbbccccddddeeee";
    for (size_t n = 0; n < sizeof soa - 1; n++)
        ck_assert_int_eq(dns_rdata_check(DNS_TYPE_SOA, soa, n), KEEL_EINVAL);
    ck_assert_int_eq(dns_rdata_check(DNS_TYPE_SOA, soa, sizeof soa - 1), 0);
}
END_TEST

/* A message of which only the name at offset 12 counts: example.org. */
START_TEST(reads_out_of_messages)
{
    static const struct {
        uint16_t type;
        const char *bytes;
        size_t size;
        const char *flat;
        size_t flat_size; /* 0: malformed */
    } rows[] = {
        {DNS_TYPE_A, "\300\0\2\1", 4, "\300\0\2\1", 4},
        {DNS_TYPE_A, "\300\0\2", 3, "", 0},
        {DNS_TYPE_NS, "\2ns\300\014", 5, "\2ns\7example\3org\0", 16},
        {DNS_TYPE_NS, "\2ns\300\014\0", 6, "", 0},
        {DNS_TYPE_NS, "\2ns\300", 4, "", 0},
        {DNS_TYPE_NS, "\2ns\300\031", 5, "", 0}, /* to itself */
        {DNS_TYPE_NS, "\2ns\300\377", 5, "", 0}, /* forward */
        {DNS_TYPE_MX, "\0\12\300\014", 4, "\0\12\7example\3org\0", 15},
        {DNS_TYPE_SRV, "\0\1\0\2\0\3\300\014", 8, "\0\1\0\2\0\3\7example\3org\0", 19},
        {DNS_TYPE_SOA, "\300\014\1a\300\014aaaabbbbccccddddeeee", 26,
         "\7example\3org\0\1a\7example\3org\0aaaabbbbccccddddeeee", 48},
        {DNS_TYPE_SOA, "\300\014\1a\300\014aaaabbbbccccddddeee", 25, "", 0},
        {DNS_TYPE_DNAME, "\300\014", 2, "", 0}, /* RFC 6672, 2.1 */
        {DNS_TYPE_DNAME, "\1a\0", 3, "\1a\0", 3},
        {DNS_TYPE_HTTPS, "\0\1\300\014", 4, "", 0},
        {DNS_TYPE_TXT, "\2ab\0", 4, "\2ab\0", 4},
        {DNS_TYPE_TXT, "\2a", 2, "", 0},
        {65400, "\300\014", 2, "\300\014", 2},
    };
    static uint8_t out[UINT16_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size = 25 + rows[i].size, n = 0;
        uint8_t *message = malloc(size); /* of its very size, for the sanitizer */
        memset(message, 0, 12);
        memcpy(message + 12, "\7example\3org\0", 13);
        memcpy(message + 25, rows[i].bytes, rows[i].size);
        int err = dns_rdata_parse(rows[i].type, message, message + 25, rows[i].size, out, &n);
        ck_assert_msg(err == (rows[i].flat_size ? 0 : KEEL_EINVAL), "%zu: %d", i, err);
        if (err == 0) {
            ck_assert_msg(n == rows[i].flat_size, "%zu: %zu bytes", i, n);
            ck_assert_mem_eq(out, rows[i].flat, n);
        }
        free(message);
    }
}
END_TEST

START_TEST(finds_names)
{
    struct dns_rdata_name names[DNS_RDATA_NAMES];
    static const uint8_t soa[] = "\2ns\0\1h\0"
                                 "aaaabbbbccccddddeeee",
                         srv[] = "aabbcc\1a\0";
    ck_assert_uint_eq(dns_rdata_names(DNS_TYPE_SOA, soa, sizeof soa - 1, names), 2);
    ck_assert_uint_eq(names[0].offset, 0);
    ck_assert_uint_eq(names[0].size, 4);
    ck_assert_uint_eq(names[1].offset, 4);
    ck_assert_uint_eq(names[1].size, 3);
    ck_assert(names[0].compressible && names[1].compressible);
    ck_assert_uint_eq(dns_rdata_names(DNS_TYPE_SRV, srv, sizeof srv - 1, names), 1);
    ck_assert_uint_eq(names[0].offset, 6);
    ck_assert(!names[0].compressible);
    ck_assert_uint_eq(dns_rdata_names(DNS_TYPE_TXT, srv, sizeof srv - 1, names), 0);
}
END_TEST

/* Names have no case, all else has. */
START_TEST(compares)
{
    static const struct {
        uint16_t type;
        const char *a, *b;
        size_t a_size, b_size;
        bool same;
    } rows[] = {
        {DNS_TYPE_MX, "\0\12\2ns\0", "\0\12\2nS\0", 6, 6, true},
        {DNS_TYPE_MX, "\0A\2ns\0", "\0a\2ns\0", 6, 6, false},
        {DNS_TYPE_MX, "\0\12\2ns\0", "\0\12\1n\0", 6, 5, false},
        {DNS_TYPE_SOA, "\1a\0\1b\0aaaabbbbccccddddeeee", "\1A\0\1B\0aaaabbbbccccddddeeee", 26, 26,
         true},
        {DNS_TYPE_SOA, "\1a\0\1b\0aaaabbbbccccddddeeee", "\1a\0\1b\0aaaabbbbccccddddeeeE", 26, 26,
         false},
        /* other labels */
        {DNS_TYPE_SOA, "\3a\1b\0\0aaaabbbbccccddddeeee", "\1a\1b\0\0aaaabbbbccccddddeeee", 26, 26,
         false},
        {DNS_TYPE_TXT, "\1a", "\1A", 2, 2, false},
        {DNS_TYPE_TXT, "", "", 0, 0, true},
        {65400, "a", "A", 1, 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t a[32], b[32];
        const void *x = rows[i].a, *y = rows[i].b;
        ck_assert_msg(dns_rdata_equal(rows[i].type, x, rows[i].a_size, y, rows[i].b_size) ==
                          rows[i].same,
                      "%zu", i);
        memcpy(a, x, rows[i].a_size);
        memcpy(b, y, rows[i].b_size);
        dns_rdata_lower(rows[i].type, a, rows[i].a_size);
        dns_rdata_lower(rows[i].type, b, rows[i].b_size);
        ck_assert_msg((rows[i].a_size == rows[i].b_size && memcmp(a, b, rows[i].a_size) == 0) ==
                          rows[i].same,
                      "%zu lowered", i);
    }
}
END_TEST

Suite *rdata_suite(void)
{
    Suite *s = suite_create("dnsd/wire/rdata");
    TCase *t = tcase_create("rdata");
    tcase_add_loop_test(t, checks_layouts, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(t, refuses_every_cut);
    tcase_add_test(t, reads_out_of_messages);
    tcase_add_test(t, finds_names);
    tcase_add_test(t, compares);
    suite_add_tcase(s, t);
    return s;
}
