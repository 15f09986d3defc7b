#include "dhcpd/lease/filter.h"
#include "tests/unit/dhcpd/suites.h"

#define NOW 1700000000ull

static const struct dhcp_lease box = {
    .address = 0xc0000264,
    .state = DHCP_LEASE_ACTIVE,
    .granted = NOW - 100,
    .expires = NOW + 3600,
    .hlen = 6,
    .chaddr = {2, 0, 0, 0, 0, 1},
    .client = {0xc0000200, 24, {(const uint8_t *)"\1\1\2\3", 4}},
    .hostname = {(const uint8_t *)"Box-7", 5},
};

static int add(struct dhcp_lease_filter *f, const char *text)
{
    struct keel_str value = keel_str(text), key;
    struct keel_diag diag = {""};
    keel_str_split(&value, '=', &key);
    int err = dhcp_lease_filter_add(f, key, value, NOW, &diag);
    ck_assert_msg(err != KEEL_EINVAL || diag.text[0], "%s says nothing", text);
    return err;
}

/* Several conditions with blanks between them: whether the box and an unreadable record match. */
START_TEST(test_match)
{
    static const struct {
        const char *words[3];
        bool match, unreadable;
    } vectors[] = {
        {{NULL}, true, true},
        {{"state=active"}, true, false},
        {{"state=expired"}, false, false},
        {{"state=expired", "state=active"}, true, false},
        {{"state=unreadable"}, false, true},
        {{"hardware=02:00:00:00:00:01"}, true, false},
        {{"hardware=020000000001"}, true, false},
        {{"hardware=02:00:00:00:00:02"}, false, false},
        {{"hardware=02:00:00:00:00"}, false, false},
        {{"client=010203"}, true, false},
        {{"client=0102"}, false, false},
        {{"hostname=box-7"}, true, false},
        {{"hostname=BOX*"}, true, false},
        {{"hostname=*"}, true, false},
        {{"hostname=box"}, false, false},
        {{"hostname=boxes*"}, false, false},
        {{"expires-before=2h"}, true, false},
        {{"expires-before=1h"}, false, false},
        {{"expires-before=@1700003601"}, true, false},
        {{"hostname=box*", "state=active", "expires-before=2h"}, true, false},
        {{"hostname=box*", "state=released"}, false, false},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct dhcp_lease_filter f;
        dhcp_lease_filter_init(&f);
        for (size_t k = 0; k < 3 && vectors[i].words[k]; k++)
            ck_assert_int_eq(add(&f, vectors[i].words[k]), 0);
        ck_assert_msg(dhcp_lease_filter_match(&f, &box, NOW) == vectors[i].match, "vector %zu", i);
        ck_assert_msg(dhcp_lease_filter_match(&f, NULL, NOW) == vectors[i].unreadable, "vector %zu",
                      i);
    }
}
END_TEST

START_TEST(test_range)
{
    struct dhcp_lease_filter f;
    dhcp_lease_filter_init(&f);
    ck_assert_int_eq(add(&f, "subnet=192.0.2.0/24"), 0);
    ck_assert_uint_eq(f.first, 0xc0000200);
    ck_assert_uint_eq(f.last, 0xc00002ff);
    ck_assert_int_eq(add(&f, "address=192.0.2.128/25"), 0);
    ck_assert_uint_eq(f.first, 0xc0000280);
    ck_assert_int_eq(add(&f, "address=192.0.2.129"), 0);
    ck_assert_uint_eq(f.first, f.last);
    ck_assert_int_eq(add(&f, "address=10.0.0.1"), 0);
    ck_assert_uint_gt(f.first, f.last); /* both cannot be */
    dhcp_lease_filter_init(&f);
    ck_assert_int_eq(add(&f, "subnet=0.0.0.0/0"), 0);
    ck_assert_uint_eq(f.last, UINT32_MAX);
}
END_TEST

/* An active lease ends by itself; the record is written later. */
START_TEST(test_state_now)
{
    struct dhcp_lease_filter f;
    dhcp_lease_filter_init(&f);
    ck_assert_int_eq(add(&f, "state=expired"), 0);
    ck_assert(dhcp_lease_filter_match(&f, &box, NOW + 3600));
    ck_assert(!dhcp_lease_filter_match(&f, &box, NOW + 3599));
}
END_TEST

START_TEST(test_wrong)
{
    static const char *const wrong[] = {"subnet=2001:db8::/32",
                                        "subnet=192.0.2.1/24",
                                        "address=here",
                                        "state=gone",
                                        "hardware=x",
                                        "hardware=",
                                        "client=",
                                        "client=1",
                                        "hostname=",
                                        "expires-before=soon",
                                        "expires-before=@x"};
    struct dhcp_lease_filter f;
    dhcp_lease_filter_init(&f);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(add(&f, wrong[i]) == KEEL_EINVAL, "%s", wrong[i]);
    ck_assert_int_eq(add(&f, "colour=red"), KEEL_ENOENT);
}
END_TEST

Suite *filter_suite(void)
{
    Suite *s = suite_create("dhcpd/lease/filter");
    TCase *t = tcase_create("filter");
    tcase_add_test(t, test_match);
    tcase_add_test(t, test_range);
    tcase_add_test(t, test_state_now);
    tcase_add_test(t, test_wrong);
    suite_add_tcase(s, t);
    return s;
}
