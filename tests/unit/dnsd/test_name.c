#include "suites.h"
#include "support.h"

#include <stdlib.h>

/* name, a literal's bytes without its NUL, as text or NULL when it must be refused */
static const struct {
    const char *bytes;
    size_t size;
    const char *text;
} flat[] = {
    {"\0", 1, "."},
    {"\3www\7Example\3org\0", 17, "www.Example.org."},
    {"\1.\2\"\\\0", 6, "\\..\\\"\\\\."},
    {"\2 \377\0", 4, "\\032\\255."},
    {"\1*\1@\1$\0", 7, "*.\\@.\\$."},
    {"", 0, NULL},
    {"\3ww", 3, NULL},
    {"\3www", 4, NULL},
    {"\300\014", 2, NULL},
    {"\3www\300\014", 6, NULL},
    {"\100aaaa", 5, NULL},
    {"\200aaaa", 5, NULL},
};

START_TEST(reads_and_prints_flat_names)
{
    struct keel_reader r;
    struct dns_name name, again;
    char text[DNS_NAME_TEXT];

    keel_reader_init(&r, flat[_i].bytes, flat[_i].size);
    int err = dns_name_parse(&name, &r);
    if (!flat[_i].text) {
        ck_assert_int_lt(err, 0);
        ck_assert_int_lt(dns_name_scan((const uint8_t *)flat[_i].bytes, flat[_i].size), 0);
        return;
    }
    ck_assert_int_eq(err, 0);
    ck_assert_uint_eq(keel_reader_left(&r), 0);
    ck_assert_int_eq(dns_name_scan(name.bytes, name.size), name.size);
    ck_assert_uint_eq(dns_name_to_text(text, name.bytes), strlen(flat[_i].text));
    ck_assert_str_eq(text, flat[_i].text);
    ck_assert_int_eq(dns_name_from_text(&again, keel_str(text), NULL), 0);
    ck_assert_mem_eq(again.bytes, name.bytes, name.size);
    ck_assert_mem_eq(again.offsets, name.offsets, name.labels + 1u);
}
END_TEST

static const struct {
    const char *text, *origin;
    const char *full; /* NULL: refused */
} texts[] = {
    {"www", "example.org", "www.example.org."},
    {"www.", "example.org", "www."},
    {"@", "example.org", "example.org."},
    {"\\@", "example.org", "\\@.example.org."},
    {"a.b", ".", "a.b."},
    {".", "example.org", "."},
    {"\\097\\046b", "org", "a\\.b.org."},
    {"a\\", "org", NULL},
    {"a\\25", "org", NULL},
    {"a\\256", "org", NULL},
    {"", "org", NULL},
    {"..", "org", NULL},
    {"a..b", "org", NULL},
    {".a", "org", NULL},
};

START_TEST(reads_presentation_format)
{
    struct dns_name origin = support_name(texts[_i].origin), name;
    char text[DNS_NAME_TEXT];
    int err = dns_name_from_text(&name, keel_str(texts[_i].text), &origin);
    if (!texts[_i].full) {
        ck_assert_int_eq(err, KEEL_EINVAL);
        return;
    }
    ck_assert_int_eq(err, 0);
    dns_name_to_text(text, name.bytes);
    ck_assert_str_eq(text, texts[_i].full);
}
END_TEST

/* 4 labels of 63, 63, 63 and 61 bytes are the longest name; one byte more is refused everywhere */
START_TEST(keeps_the_limits)
{
    char text[300];
    struct dns_name name, root;
    dns_name_set_root(&root);
    for (unsigned last = 61; last <= 63; last++) {
        char *p = text;
        for (unsigned i = 0; i < 4; i++) {
            unsigned n = i < 3 ? 63 : last;
            memset(p, 'a', n);
            p[n] = '.';
            p += n + 1;
        }
        *p = '\0';
        int err = dns_name_from_text(&name, keel_str(text), NULL);
        ck_assert_int_eq(err, last == 61 ? 0 : KEEL_ERANGE);
        p[-1] = '\0';
        ck_assert_int_eq(dns_name_from_text(&name, keel_str(text), &root), err);
    }
    memset(text, 'a', 64);
    text[64] = '\0';
    ck_assert_int_eq(dns_name_from_text(&name, keel_str(text), NULL), KEEL_EINVAL);

    uint8_t wire[260];
    struct keel_reader r;
    for (unsigned labels = 126; labels <= 128; labels++) {
        for (unsigned i = 0; i < labels; i++)
            memcpy(wire + 2 * i, "\1a", 2);
        wire[2 * labels] = 0;
        keel_reader_init(&r, wire, 2 * labels + 1);
        ck_assert_int_eq(dns_name_parse_lower(&name, &r), labels <= 127 ? 0 : KEEL_EINVAL);
        ck_assert_int_eq(dns_name_scan(wire, 2 * labels + 1),
                         labels <= 127 ? (int)(2 * labels + 1) : KEEL_EINVAL);
    }
}
END_TEST

#define HEAD "\0\0\0\0\0\0\0\0\0\0\0\0"
static const struct {
    const char *message;
    size_t size, offset, end;
    const char *text; /* NULL: refused */
} compressed[] = {
    {HEAD "\3org\0\3www\300\14", 23, 17, 23, "www.org."},
    {HEAD "\3org\0\300\14", 19, 17, 19, "org."},
    {HEAD "\1a\300\20\1b\300\14", 20, 16, 20, NULL}, /* forward: 12 leads to 16 */
    {HEAD "\1a\0\1b\300\14\1c\300\17", 23, 19, 23, "c.b.a."},
    {HEAD "\300\14", 14, 12, 14, NULL},    /* to itself */
    {HEAD "\1a\300\14", 16, 12, 16, NULL}, /* a circle */
    {HEAD "\1a\300\16", 16, 12, 16, NULL},
    {HEAD "\1a\0\300\377", 17, 15, 17, NULL}, /* out of the message */
    {HEAD "\1a\0\300", 16, 15, 16, NULL},     /* half a pointer */
    {HEAD "\1a\0\100\0", 17, 15, 17, NULL},
    {HEAD "\1a\0", 15, 15, 15, NULL},
    {HEAD "\300\13", 14, 12, 14, NULL}, /* into the header, where a root seems to stand */
    {HEAD "\1a\300\0", 16, 12, 16, NULL},
};

START_TEST(follows_only_pointers_backwards)
{
    struct dns_name name;
    char text[DNS_NAME_TEXT];
    size_t offset = compressed[_i].offset;
    int err = dns_name_parse_compressed(&name, (const uint8_t *)compressed[_i].message,
                                        compressed[_i].size, &offset);
    if (!compressed[_i].text) {
        ck_assert_int_lt(err, 0);
        return;
    }
    ck_assert_int_eq(err, 0);
    ck_assert_uint_eq(offset, compressed[_i].end);
    dns_name_to_text(text, name.bytes);
    ck_assert_str_eq(text, compressed[_i].text);
}
END_TEST

/* RFC 4034, 6.1 */
static const char *const ordered[] = {
    "example.",         "a.example.",  "yljkjljk.a.example.", "Z.a.example.",
    "zABC.a.EXAMPLE.",  "z.example.",  "\\001.z.example.",    "*.z.example.",
    "\\200.z.example.", "zz.example.", "zz\\000.example.",    "zz\\001.example.",
    "zz\\002.example.",
};

/* of the keys' bytes */
static int compare_keys(const struct dns_name *a, const struct dns_name *b)
{
    uint8_t key_a[DNS_NAME_KEY_MAX], key_b[DNS_NAME_KEY_MAX];
    struct dns_name lower_a = *a, lower_b = *b;
    dns_name_lower(&lower_a);
    dns_name_lower(&lower_b);
    size_t size_a = dns_name_sort_key(&lower_a, key_a), size_b = dns_name_sort_key(&lower_b, key_b);
    int d = memcmp(key_a, key_b, size_a < size_b ? size_a : size_b);
    return d ? d : (int)size_a - (int)size_b;
}

START_TEST(orders_names_canonically)
{
    size_t count = sizeof ordered / sizeof ordered[0];
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            struct dns_name a = support_name(ordered[i]), b = support_name(ordered[k]);
            int d = dns_name_compare(&a, &b);
            ck_assert_msg((d < 0) == (i < k) && (d == 0) == (i == k), "%s %s", ordered[i],
                          ordered[k]);
            int e = compare_keys(&a, &b);
            ck_assert_msg((e < 0) == (i < k) && (e == 0) == (i == k), "keys of %s %s", ordered[i],
                          ordered[k]);
        }
}
END_TEST

START_TEST(compares_without_case_and_by_labels)
{
    struct dns_name a = support_name("WWW.Example.ORG"), b = support_name("www.example.org"),
                    org = support_name("eXample.org"), not_in = support_name("wwwexample.org"),
                    root = support_name(".");
    ck_assert(dns_name_equal(a.bytes, a.size, b.bytes, b.size));
    ck_assert(dns_name_in(&a, &org));
    ck_assert(dns_name_in(&org, &org));
    ck_assert(dns_name_in(&org, &root));
    ck_assert(!dns_name_in(&org, &a));
    ck_assert(!dns_name_in(&not_in, &org));
    dns_name_lower(&a);
    ck_assert_mem_eq(a.bytes, b.bytes, b.size);
}
END_TEST

START_TEST(joins_names)
{
    struct dns_name front = support_name("a.b.old.example"), back = support_name("new.net"), out;
    char text[DNS_NAME_TEXT];
    ck_assert_int_eq(dns_name_join(&out, &front, 2, back.bytes, back.size), 0);
    dns_name_to_text(text, out.bytes);
    ck_assert_str_eq(text, "a.b.new.net.");
    ck_assert_uint_eq(out.labels, 4);
    char longest[256];
    memset(longest, 'x', sizeof longest);
    longest[60] = longest[120] = longest[180] = '.';
    longest[240] = '\0';
    front = support_name(longest);
    back = support_name("012345678901");
    ck_assert_int_eq(dns_name_join(&out, &front, 4, back.bytes, back.size), 0);
    ck_assert_uint_eq(out.size, 255);
    back = support_name("0123456789012");
    ck_assert_int_eq(dns_name_join(&out, &front, 4, back.bytes, back.size), KEEL_ERANGE);
}
END_TEST

Suite *name_suite(void)
{
    Suite *s = suite_create("dnsd/wire/name");
    TCase *t = tcase_create("name");
    tcase_add_loop_test(t, reads_and_prints_flat_names, 0, sizeof flat / sizeof flat[0]);
    tcase_add_loop_test(t, reads_presentation_format, 0, sizeof texts / sizeof texts[0]);
    tcase_add_loop_test(t, follows_only_pointers_backwards, 0,
                        sizeof compressed / sizeof compressed[0]);
    tcase_add_test(t, keeps_the_limits);
    tcase_add_test(t, orders_names_canonically);
    tcase_add_test(t, compares_without_case_and_by_labels);
    tcase_add_test(t, joins_names);
    suite_add_tcase(s, t);
    return s;
}
