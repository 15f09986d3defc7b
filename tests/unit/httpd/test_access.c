/* Address lists as a table. */
#include "httpd/request/access.h"
#include "tests/support/unit.h"

#define SECOND UINT64_C(1000000000)

static struct keel_addr addr(const char *text)
{
    struct keel_addr a;
    ck_assert_int_eq(keel_addr_parse(&a, keel_str(text), 1, NULL), 0);
    return a;
}
static struct keel_prefix prefix(const char *text)
{
    struct keel_prefix p;
    ck_assert_int_eq(keel_prefix_parse(&p, keel_str(text), NULL), 0);
    return p;
}

START_TEST(test_lists)
{
    static const struct {
        const char *deny, *allow, *peer;
        bool allowed;
    } rows[] = {
        {NULL, NULL, "192.0.2.1", true},
        {"192.0.2.0/24", NULL, "192.0.2.1", false},
        {"192.0.2.0/24", NULL, "192.0.3.1", true},
        {"192.0.2.0/24", NULL, "::ffff:192.0.2.1", false},
        {"192.0.2.0/24", NULL, "2001:db8::1", true},
        {NULL, "2001:db8::/32", "2001:db8::1", true},
        {NULL, "2001:db8::/32", "2001:db9::1", false},
        {NULL, "2001:db8::/32", "192.0.2.1", false},
        {NULL, "0.0.0.0/0", "::ffff:192.0.2.1", true},
        {"192.0.2.7", "192.0.2.0/24", "192.0.2.7", false},
        {"192.0.2.7", "192.0.2.0/24", "192.0.2.8", true},
        {"192.0.2.7", "192.0.2.0/24", "192.0.3.8", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct keel_prefix deny = rows[i].deny ? prefix(rows[i].deny) : (struct keel_prefix){0};
        struct keel_prefix allow = rows[i].allow ? prefix(rows[i].allow) : (struct keel_prefix){0};
        struct keel_addr peer = addr(rows[i].peer);
        struct http_access access = {.deny = &deny,
                                     .deny_count = rows[i].deny != NULL,
                                     .allow = &allow,
                                     .allow_count = rows[i].allow != NULL};
        ck_assert_msg(http_access_allows(&access, &peer) == rows[i].allowed, "row %zu", i);
    }
}
END_TEST

Suite *access_suite(void);
Suite *access_suite(void)
{
    Suite *s = suite_create("httpd/request/access");
    TCase *t = tcase_create("access");
    tcase_add_test(t, test_lists);
    suite_add_tcase(s, t);
    return s;
}
