#include "suites.h"

#include "common/base/addr.h"
#include "common/base/rand.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/un.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *text;
    uint16_t default_port;
    int err;
    const char *formatted;
} addr_rows[] = {
    {"192.0.2.1:53", 0, 0, "192.0.2.1:53"},
    {"192.0.2.1:53", 80, 0, "192.0.2.1:53"},
    {"192.0.2.1", 80, 0, "192.0.2.1:80"},
    {"0.0.0.0:0", 0, 0, "0.0.0.0:0"},
    {"255.255.255.255:65535", 0, 0, "255.255.255.255:65535"},
    {"[::1]:53", 0, 0, "[::1]:53"},
    {"[::1]", 53, 0, "[::1]:53"},
    {"::1", 53, 0, "[::1]:53"},
    {"::", 53, 0, "[::]:53"},
    {"*:53", 0, 0, "[::]:53"},
    {"*", 53, 0, "[::]:53"},
    {"[2001:DB8:0:0::1]:443", 0, 0, "[2001:db8::1]:443"},
    {"[::ffff:192.0.2.1]:53", 0, 0, "[::ffff:192.0.2.1]:53"},
    {"[fe80::1%7]:53", 0, 0, "[fe80::1%7]:53"},
    {"fe80::1%7", 53, 0, "[fe80::1%7]:53"},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535", 0, 0,
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535"},
    {"192.0.2.1", 0, KEEL_EINVAL, NULL},
    {"::1", 0, KEEL_EINVAL, NULL},
    {"[::1]", 0, KEEL_EINVAL, NULL},
    {"192.0.2.1:", 53, KEEL_EINVAL, NULL},
    {"192.0.2.1:65536", 0, KEEL_ERANGE, NULL},
    {"192.0.2.1:x", 0, KEEL_EINVAL, NULL},
    {"192.0.2.1:-1", 0, KEEL_EINVAL, NULL},
    {"192.0.2.1:53 ", 0, KEEL_EINVAL, NULL},
    {" 192.0.2.1:53", 0, KEEL_EINVAL, NULL},
    {"192.0.2:53", 0, KEEL_EINVAL, NULL},
    {"192.0.2.256:53", 0, KEEL_EINVAL, NULL},
    {"192.0.2.01:53", 0, KEEL_EINVAL, NULL},
    {"192.0.2.1%1:53", 0, KEEL_EINVAL, NULL},
    {"[192.0.2.1]:53", 0, KEEL_EINVAL, NULL},
    {"[*]:53", 0, KEEL_EINVAL, NULL},
    {"localhost:53", 0, KEEL_EINVAL, NULL},
    {"", 53, KEEL_EINVAL, NULL},
    {":53", 0, KEEL_EINVAL, NULL},
    {"[]:53", 0, KEEL_EINVAL, NULL},
    {"[::1", 53, KEEL_EINVAL, NULL},
    {"[::1]53", 53, KEEL_EINVAL, NULL},
    {"[::1]:", 53, KEEL_EINVAL, NULL},
    {"[", 53, KEEL_EINVAL, NULL},
    {"]", 53, KEEL_EINVAL, NULL},
    {"::1:53:", 0, KEEL_EINVAL, NULL},
    {"[fe80::1%]:53", 0, KEEL_ENOENT, NULL},
    {"[fe80::1%0]:53", 0, KEEL_ENOENT, NULL},
    {"[fe80::1%no-such-if]:53", 0, KEEL_ENOENT, NULL},
    {"[fe80::1%a-name-longer-than-any]:53", 0, KEEL_ENOENT, NULL},
    {"[fe80::1%1%1]:53", 0, KEEL_ENOENT, NULL},
};

START_TEST(addresses)
{
    for (int i = 0; i < COUNT(addr_rows); i++) {
        struct keel_addr a;
        struct keel_diag diag = {""};
        const char *text = addr_rows[i].text;
        int err = keel_addr_parse(&a, keel_str(text), addr_rows[i].default_port, &diag);
        ck_assert_msg(err == addr_rows[i].err, "%s: %s (%s)", text, keel_strerror(err), diag.text);
        ck_assert_int_eq(keel_addr_parse(&a, keel_str(text), addr_rows[i].default_port, NULL), err);
        if (err) {
            ck_assert_msg(strstr(diag.text, text), "%s", diag.text);
            continue;
        }
        char out[KEEL_ADDR_TEXT];
        ck_assert_uint_eq(keel_addr_format(out, sizeof out, &a), strlen(addr_rows[i].formatted));
        ck_assert_str_eq(out, addr_rows[i].formatted);
    }
}
END_TEST

START_TEST(a_nul_ends_no_address)
{
    struct keel_addr a;
    struct keel_diag diag;
    struct keel_prefix p;
    ck_assert_int_eq(keel_addr_parse(&a, KEEL_STR("192.0.2.1\0"), 53, &diag), KEEL_EINVAL);
    ck_assert_str_eq(diag.text, "\"192.0.2.1\\x00\": not an IPv4 or IPv6 address");
    ck_assert_int_eq(keel_addr_parse(&a, KEEL_STR("[fe80::1%lo\0]:53"), 53, NULL), KEEL_ENOENT);
    ck_assert_int_eq(keel_addr_parse(&a, (struct keel_str){NULL, 0}, 53, NULL), KEEL_EINVAL);
    ck_assert_int_eq(keel_prefix_parse(&p, (struct keel_str){NULL, 0}, NULL), KEEL_EINVAL);
    ck_assert_int_eq(keel_prefix_parse(&p, KEEL_STR("::\0/1"), NULL), KEEL_EINVAL);
}
END_TEST

START_TEST(a_zone_may_be_a_name)
{
    struct keel_addr a;
    unsigned index = if_nametoindex("lo");
    if (index == 0)
        return; /* no loopback interface in this namespace */
    ck_assert_int_eq(keel_addr_parse(&a, KEEL_STR("[fe80::1%lo]:53"), 0, NULL), 0);
    ck_assert_uint_eq(a.in6.sin6_scope_id, index);
}
END_TEST

START_TEST(a_failed_parse_leaves_the_address)
{
    struct keel_addr a, before;
    keel_addr_set4(&a, 0xc0000201, 53);
    before = a;
    ck_assert_int_ne(keel_addr_parse(&a, KEEL_STR("[::1]:x"), 0, NULL), 0);
    ck_assert_int_eq(memcmp(&a, &before, sizeof a), 0);
}
END_TEST

START_TEST(formatting_is_cut_to_fit)
{
    static const char whole[] = "[fe80::1%7]:53";
    struct keel_addr a;
    ck_assert_int_eq(keel_addr_parse(&a, keel_str(whole), 0, NULL), 0);
    for (size_t size = 0; size < sizeof whole; size++) {
        char out[sizeof whole + 1];
        memset(out, 'X', sizeof out);
        size_t n = keel_addr_format(out, size, &a);
        ck_assert_uint_eq(n, size > 0 ? size - 1 : 0);
        ck_assert_int_eq(memcmp(out, whole, n), 0);
        ck_assert_int_eq(out[size], 'X');
    }
    char out[KEEL_ADDR_TEXT];
    ck_assert_uint_eq(keel_addr_format_host(out, sizeof out, &a), 9);
    ck_assert_str_eq(out, "fe80::1%7");
    memset(&a, 0, sizeof a);
    keel_addr_format(out, sizeof out, &a);
    ck_assert_str_eq(out, "-");
}
END_TEST

START_TEST(parts_and_comparisons)
{
    struct keel_addr a, b, none = {0};
    keel_addr_set4(&a, 0xc0000201, 53);
    ck_assert_int_eq(keel_addr_family(&a), AF_INET);
    ck_assert_uint_eq(keel_addr_size(&a), sizeof(struct sockaddr_in));
    ck_assert_uint_eq(keel_addr_port(&a), 53);
    b = a;
    ck_assert(keel_addr_equal(&a, &b));
    keel_addr_set_port(&b, 54);
    ck_assert(!keel_addr_equal(&a, &b));
    ck_assert(keel_addr_equal_host(&a, &b));
    keel_addr_set4(&b, 0xc0000202, 53);
    ck_assert(!keel_addr_equal_host(&a, &b));
    ck_assert(!keel_addr_is_any(&a));
    keel_addr_any(&a, AF_INET, 1);
    ck_assert(keel_addr_is_any(&a));
    keel_addr_any(&b, AF_INET6, 1);
    ck_assert(keel_addr_is_any(&b));
    ck_assert(!keel_addr_equal(&a, &b));
    ck_assert_uint_eq(keel_addr_size(&b), sizeof(struct sockaddr_in6));
    a = b;
    a.in6.sin6_flowinfo = 1; /* no part of who it is */
    ck_assert(keel_addr_equal(&a, &b));
    a.in6.sin6_scope_id = 1;
    ck_assert(!keel_addr_equal(&a, &b));
    ck_assert_uint_eq(keel_addr_size(&none), 0);
    ck_assert_uint_eq(keel_addr_port(&none), 0);
    ck_assert(!keel_addr_is_any(&none));
    ck_assert(keel_addr_equal(&none, &none));
    ck_assert_uint_eq(sizeof none, 28);
}
END_TEST

START_TEST(from_the_kernel)
{
    struct sockaddr_storage ss = {.ss_family = AF_INET};
    struct keel_addr a;
    ck_assert_int_eq(
        keel_addr_from_sockaddr(&a, (struct sockaddr *)&ss, sizeof(struct sockaddr_in)), 0);
    ck_assert_int_eq(keel_addr_family(&a), AF_INET);
    ck_assert_int_eq(
        keel_addr_from_sockaddr(&a, (struct sockaddr *)&ss, sizeof(struct sockaddr_in) - 1),
        KEEL_EINVAL);
    ck_assert_int_eq(keel_addr_family(&a), AF_UNSPEC);
    ck_assert_int_eq(keel_addr_from_sockaddr(&a, (struct sockaddr *)&ss, 0), KEEL_EINVAL);
    ss.ss_family = AF_INET6;
    ck_assert_int_eq(keel_addr_from_sockaddr(&a, (struct sockaddr *)&ss, sizeof ss), 0);
    ck_assert_int_eq(
        keel_addr_from_sockaddr(&a, (struct sockaddr *)&ss, sizeof(struct sockaddr_in)),
        KEEL_EINVAL);
    ss.ss_family = AF_UNIX;
    ck_assert_int_eq(keel_addr_from_sockaddr(&a, (struct sockaddr *)&ss, sizeof ss), KEEL_ENOTSUP);
    ck_assert_int_eq(keel_addr_family(&a), AF_UNSPEC);
}
END_TEST

static const struct {
    const char *text;
    int err;
    const char *formatted;
} prefix_rows[] = {
    {"192.0.2.0/24", 0, "192.0.2.0/24"},
    {"192.0.2.1", 0, "192.0.2.1/32"},
    {"0.0.0.0/0", 0, "0.0.0.0/0"},
    {"128.0.0.0/1", 0, "128.0.0.0/1"},
    {"192.0.2.254/31", 0, "192.0.2.254/31"},
    {"2001:db8::/32", 0, "2001:db8::/32"},
    {"2001:db8::1", 0, "2001:db8::1/128"},
    {"::/0", 0, "::/0"},
    {"2001:db8::fe/127", 0, "2001:db8::fe/127"},
    {"192.0.2.1/24", KEEL_EINVAL, NULL},
    {"192.0.2.255/31", KEEL_EINVAL, NULL},
    {"1.0.0.0/0", KEEL_EINVAL, NULL},
    {"192.0.2.0/33", KEEL_EINVAL, NULL},
    {"2001:db8::/129", KEEL_EINVAL, NULL},
    {"2001:db8::1/127", KEEL_EINVAL, NULL},
    {"192.0.2.0/", KEEL_EINVAL, NULL},
    {"192.0.2.0/-1", KEEL_EINVAL, NULL},
    {"192.0.2.0/24/24", KEEL_EINVAL, NULL},
    {"/24", KEEL_EINVAL, NULL},
    {"", KEEL_EINVAL, NULL},
    {"example/24", KEEL_EINVAL, NULL},
    {"192.0.2/24", KEEL_EINVAL, NULL},
};

START_TEST(prefixes)
{
    for (int i = 0; i < COUNT(prefix_rows); i++) {
        struct keel_prefix p;
        struct keel_diag diag = {""};
        char out[KEEL_ADDR_TEXT];
        int err = keel_prefix_parse(&p, keel_str(prefix_rows[i].text), &diag);
        ck_assert_msg(err == prefix_rows[i].err, "%s: %s", prefix_rows[i].text, diag.text);
        if (err) {
            ck_assert_ptr_nonnull(strstr(diag.text, prefix_rows[i].text));
            continue;
        }
        ck_assert_uint_eq(keel_prefix_format(out, sizeof out, &p),
                          strlen(prefix_rows[i].formatted));
        ck_assert_str_eq(out, prefix_rows[i].formatted);
    }
}
END_TEST

START_TEST(containment)
{
    static const struct {
        const char *prefix, *inside, *outside;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
        {"0.0.0.0/0", "255.255.255.255", "::"},
        {"::/0", "ffff::", "0.0.0.0"},
        {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
        {"2001:db8::1/128", "2001:db8::1", "2001:db8::2"},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct keel_prefix p;
        struct keel_addr in, out;
        ck_assert_int_eq(keel_prefix_parse(&p, keel_str(rows[i].prefix), NULL), 0);
        ck_assert_int_eq(keel_addr_parse(&in, keel_str(rows[i].inside), 1, NULL), 0);
        ck_assert_int_eq(keel_addr_parse(&out, keel_str(rows[i].outside), 1, NULL), 0);
        ck_assert_msg(keel_prefix_contains(&p, &in), "%s", rows[i].inside);
        ck_assert_msg(!keel_prefix_contains(&p, &out), "%s", rows[i].outside);
    }
    struct keel_prefix none = {0};
    struct keel_addr nobody = {0};
    ck_assert(!keel_prefix_contains(&none, &nobody));
}
END_TEST

/* Against the arithmetic on 32-bit numbers, which needs no bytes. */
START_TEST(containment_by_arithmetic)
{
    struct keel_prng prng;
    keel_prng_seed(&prng, 9);
    for (int i = 0; i < 20000; i++) {
        unsigned bits = keel_prng_below(&prng, 33);
        uint32_t mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
        uint32_t base = (uint32_t)keel_prng_next(&prng) & mask;
        uint32_t host =
            base ^ (uint32_t)(keel_prng_next(&prng) >> 32) >> keel_prng_below(&prng, 32);
        struct keel_prefix p = {.family = AF_INET, .length = (uint8_t)bits};
        struct keel_addr a;
        uint32_t network = htonl(base);
        memcpy(p.bytes, &network, 4);
        keel_addr_set4(&a, host, 0);
        ck_assert_int_eq(keel_prefix_contains(&p, &a), (host & mask) == base);
    }
}
END_TEST

Suite *addr_suite(void)
{
    Suite *suite = suite_create("addr");
    TCase *tc = tcase_create("addr");
    tcase_add_test(tc, addresses);
    tcase_add_test(tc, a_nul_ends_no_address);
    tcase_add_test(tc, a_zone_may_be_a_name);
    tcase_add_test(tc, a_failed_parse_leaves_the_address);
    tcase_add_test(tc, formatting_is_cut_to_fit);
    tcase_add_test(tc, parts_and_comparisons);
    tcase_add_test(tc, from_the_kernel);
    tcase_add_test(tc, prefixes);
    tcase_add_test(tc, containment);
    tcase_add_test(tc, containment_by_arithmetic);
    suite_add_tcase(suite, tc);
    return suite;
}
