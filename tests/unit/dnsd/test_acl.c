#include "dnsd/answer/acl.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

static struct dns_tsig_keys keys;
static const struct dns_tsig_key *key_a, *key_b;

static const struct dns_tsig_key *add_key(const char *text)
{
    struct dns_name name = support_name(text);
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA256, "x", 1, 0), 0);
    return dns_tsig_keys_find(&keys, &name);
}

static void setup(void)
{
    dns_tsig_keys_init(&keys, (struct keel_hash_key){1, 2});
    key_a = add_key("a.key");
    key_b = add_key("b.key");
}

static void teardown(void)
{
    dns_tsig_keys_fini(&keys);
}

static struct keel_addr address(const char *text)
{
    struct keel_addr addr;
    ck_assert_int_eq(keel_addr_parse(&addr, keel_str(text), 53, NULL), 0);
    return addr;
}

/* entries: separated by commas. */
static int fill(struct dns_acl *acl, const char *entries)
{
    struct keel_str rest = keel_str(entries), entry;
    struct keel_diag diag;
    while (rest.n > 0 && keel_str_split(&rest, ',', &entry)) {
        int err = dns_acl_add(acl, entry, &keys, &diag);
        if (err)
            return err;
    }
    return 0;
}

static const struct {
    const char *entries, *peer;
    char key; /* that signed; 0: none */
    bool allowed;
} cases[] = {
    {"", "192.0.2.1", 0, false},
    {"", "192.0.2.1", 'a', false},
    {"any", "192.0.2.1", 0, true},
    {"any", "::1", 'a', true},
    {"192.0.2.0/24", "192.0.2.1", 0, true},
    {"192.0.2.0/24", "192.0.2.1", 'b', true},
    {"192.0.2.0/24", "192.0.3.1", 0, false},
    {"192.0.2.0/24", "::1", 0, false},
    {"192.0.2.0/24,2001:db8::/32", "2001:db8::1", 0, true},
    {"192.0.2.7", "192.0.2.7", 0, true},
    {"192.0.2.7", "192.0.2.8", 0, false},
    {"key:a.key.", "192.0.2.8", 'a', true},
    {"key:A.KEY", "::1", 'a', true},
    {"key:a.key.", "192.0.2.8", 'b', false},
    {"key:a.key.", "192.0.2.8", 0, false},
    {"192.0.2.0/24 key:a.key.", "192.0.2.8", 'a', true},
    {"192.0.2.0/24  key:a.key. ", "192.0.2.8", 'a', true},
    {"192.0.2.0/24 key:a.key.", "192.0.2.8", 'b', false},
    {"192.0.2.0/24 key:a.key.", "192.0.2.8", 0, false},
    {"192.0.2.0/24 key:a.key.", "192.0.3.8", 'a', false},
    {"192.0.2.0/24 key:a.key.,key:b.key.", "192.0.3.8", 'b', true},
    {"any key:a.key.", "192.0.3.8", 'a', true},
    {"any key:a.key.", "192.0.3.8", 0, false},
};

START_TEST(who_may)
{
    struct keel_addr peer = address(cases[_i].peer);
    struct dns_acl acl = {0};
    const struct dns_tsig_key *key = cases[_i].key == 'a'   ? key_a
                                     : cases[_i].key == 'b' ? key_b
                                                            : NULL;
    ck_assert_int_eq(fill(&acl, cases[_i].entries), 0);
    ck_assert_msg(dns_acl_allows(&acl, &peer, key) == cases[_i].allowed, "%s", cases[_i].entries);
    dns_acl_fini(&acl);
}
END_TEST

static const struct {
    const char *entry, *said;
} wrong[] = {
    {"", ""},
    {"key:", "there is no key \"\""},
    {"key:c.key.", "there is no key \"c.key.\""},
    {"key:a..key", "there is no key \"a..key\""},
    {"192.0.2.1/24", ""},
    {"192.0.2.0/33", ""},
    {"192.0.2.1 b.key", "\"key:NAME.\" expected instead of \"b.key\""},
    {"any more", "\"key:NAME.\" expected instead of \"more\""},
    {"key:a.key. 192.0.2.1", "\"192.0.2.1\" behind the key"},
    {"192.0.2.1 key:a.key. x", "there is no key \"a.key. x\""},
    {"example.org", ""},
};

START_TEST(what_is_wrong)
{
    struct dns_acl acl = {0};
    struct keel_diag diag = {""};
    ck_assert_int_eq(dns_acl_add(&acl, keel_str(wrong[_i].entry), &keys, &diag), KEEL_EINVAL);
    ck_assert_msg(strstr(diag.text, wrong[_i].said), "%s", diag.text);
    ck_assert_uint_eq(acl.count, 0);
}
END_TEST

static int sweep(void *arg)
{
    struct dns_acl acl = {0};
    int err = fill(&acl, "192.0.2.1,::1,key:a.key.");
    dns_acl_fini(&acl);
    return err;
}

START_TEST(memory_runs_out)
{
    ck_assert_uint_ge(allocfail_sweep(sweep, NULL), 3);
}
END_TEST

Suite *acl_suite(void)
{
    Suite *s = suite_create("dnsd/answer/acl");
    TCase *t = tcase_create("acl");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, who_may, 0, sizeof cases / sizeof cases[0]);
    tcase_add_loop_test(t, what_is_wrong, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, memory_runs_out);
    suite_add_tcase(s, t);
    return s;
}
