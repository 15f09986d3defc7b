#include "dnsd/wire/type.h"
#include "dnsd/zone/set.h"
#include "suites.h"
#include "support.h"

static uint32_t no_addresses(void *arg, const uint8_t *name, size_t size)
{
    return DNS_NO_NODE;
}

static uint32_t one_address(void *arg, const uint8_t *name, size_t size)
{
    return size == 16 && memcmp(name, "\2mx\7example\3org", 16) == 0 ? 5 : DNS_NO_NODE;
}

static int append(struct keel_buf *out, const char *owner_text, uint16_t type,
                  const struct dns_rdata *rdata, unsigned count,
                  uint32_t (*find)(void *, const uint8_t *, size_t))
{
    struct dns_name owner = support_name(owner_text), apex = support_name("example.org");
    return dns_set_append(out, &(struct dns_set_source){.owner = &owner,
                                                        .apex = &apex,
                                                        .type = type,
                                                        .ttl = 60,
                                                        .rdata = rdata,
                                                        .count = count,
                                                        .find_addresses = find});
}

#define RDATA(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)literal, sizeof(literal) - 1                                              \
    }

/* the apex is pointed to in the question, a repeated name in the set itself */
START_TEST(compresses_as_the_answer_to_its_owner)
{
    static const struct dns_rdata rdata[] = {
        RDATA("\0\1\2mx\7Example\3org\0"),
        RDATA("\0\2\1a\5other\3net\0"),
        RDATA("\0\3\1b\5other\3net\0"),
        RDATA("\0\4\2mx\7example\3org\0"),
    };
    struct keel_buf out = {0};
    ck_assert_int_eq(append(&out, "www.example.org", DNS_TYPE_MX, rdata, 4, one_address), 0);
    const struct dns_set *set = (const struct dns_set *)keel_buf_bytes(&out);
    static const uint8_t bytes[] = "\300\014\0\17\0\1\0\0\0\74\0\7"
                                   "\0\1\2mx\300\20"
                                   "\300\014\0\17\0\1\0\0\0\74\0\17"
                                   "\0\2\1a\5other\3net\0"
                                   "\300\014\0\17\0\1\0\0\0\74\0\6"
                                   "\0\3\1b\300\104"
                                   "\300\014\0\17\0\1\0\0\0\74\0\7"
                                   "\0\4\2mx\300\20";
    ck_assert_uint_eq(set->size, sizeof bytes - 1);
    ck_assert_mem_eq(set->bytes, bytes, set->size);
    ck_assert_uint_eq(set->count, 4);
    ck_assert_uint_eq(set->fixes, 3);
    const struct dns_fix *fixes = dns_set_fixes(set);
    ck_assert_uint_eq(fixes[0].kind, DNS_FIX_APEX);
    ck_assert_uint_eq(fixes[1].kind, DNS_FIX_SET);
    ck_assert_uint_eq(fixes[2].kind, DNS_FIX_APEX);
    ck_assert_uint_eq(set->links, 1); /* once for both mentions */
    ck_assert_uint_eq(dns_set_links(set)[0].node, 5);
    ck_assert_uint_eq(dns_set_links(set)[0].offset, 14);
    ck_assert_uint_eq(set->total, keel_buf_size(&out));
    keel_buf_fini(&out);
}
END_TEST

/* RFC 3597, 4: no pointer in a type younger than RFC 1035 */
START_TEST(leaves_young_types_alone)
{
    static const struct dns_rdata srv[] = {RDATA("\0\0\0\0\0\120\3www\7example\3org\0")};
    struct keel_buf out = {0};
    ck_assert_int_eq(append(&out, "a.example.org", DNS_TYPE_SRV, srv, 1, no_addresses), 0);
    const struct dns_set *set = (const struct dns_set *)keel_buf_bytes(&out);
    ck_assert_uint_eq(set->fixes, 0);
    ck_assert_mem_eq(set->bytes + 12, srv[0].bytes, srv[0].size);
    keel_buf_fini(&out);
}
END_TEST

/* "example.org" as bytes inside one label is not the apex */
START_TEST(is_not_fooled_by_bytes_inside_a_label)
{
    static const struct dns_rdata ns[] = {RDATA("\15a\7example\3org\0"), RDATA("\3org\0")};
    struct keel_buf out = {0};
    ck_assert_int_eq(append(&out, "a.example.org", DNS_TYPE_NS, ns, 1, no_addresses), 0);
    const struct dns_set *set = (const struct dns_set *)keel_buf_bytes(&out);
    ck_assert_uint_eq(set->fixes, 0);
    keel_buf_clear(&out);
    ck_assert_int_eq(append(&out, "a.example.org", DNS_TYPE_NS, ns + 1, 1, no_addresses), 0);
    set = (const struct dns_set *)keel_buf_bytes(&out);
    ck_assert_uint_eq(set->fixes, 1);
    ck_assert_mem_eq(set->bytes + 12, "\300\26", 2);
    keel_buf_fini(&out);
}
END_TEST

START_TEST(refuses_what_no_message_can_hold)
{
    static uint8_t big[65000];
    struct dns_rdata rdata[2] = {{big, 65000}, {big, 1000}};
    struct keel_buf out = {0};
    ck_assert_int_eq(append(&out, "a.example.org", 65400, rdata, 1, no_addresses), 0);
    ck_assert_int_eq(append(&out, "a.example.org", 65400, rdata, 2, no_addresses), KEEL_ERANGE);
    keel_buf_fini(&out);
}
END_TEST

Suite *set_suite(void)
{
    Suite *s = suite_create("dnsd/zone/set");
    TCase *t = tcase_create("set");
    tcase_add_test(t, compresses_as_the_answer_to_its_owner);
    tcase_add_test(t, leaves_young_types_alone);
    tcase_add_test(t, is_not_fooled_by_bytes_inside_a_label);
    tcase_add_test(t, refuses_what_no_message_can_hold);
    suite_add_tcase(s, t);
    return s;
}
