/* Address lists as a table; rates and counts of clients. */
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

START_TEST(test_rates)
{
    struct http_clients clients;
    struct http_access access = {.interval_ns = SECOND / 10, .burst_ns = SECOND / 2, .rule = 1};
    struct keel_addr a = addr("192.0.2.1"), mapped = addr("::ffff:192.0.2.1");
    struct keel_addr b = addr("2001:db8:0:1::1"), same = addr("2001:db8:0:1:ffff::");
    struct keel_addr other = addr("2001:db8:0:2::1");
    uint64_t now = 100 * SECOND, wait;
    ck_assert_int_eq(http_clients_init(&clients, 1000), 0);
    for (unsigned i = 0; i < 6; i++) /* a burst, and one more */
        ck_assert(http_clients_request(&clients, i % 2 ? &a : &mapped, &access, now, &wait));
    ck_assert(!http_clients_request(&clients, &a, &access, now, &wait));
    ck_assert_uint_eq(wait, SECOND / 10);
    ck_assert(http_clients_request(&clients, &b, &access, now, &wait));
    access.rule = 2; /* another location's limit */
    ck_assert(http_clients_request(&clients, &a, &access, now, &wait));
    access.rule = 1;
    now += SECOND / 10;
    ck_assert(http_clients_request(&clients, &a, &access, now, &wait));
    ck_assert(!http_clients_request(&clients, &mapped, &access, now, &wait));
    now += 100 * SECOND; /* no more than the burst is saved up */
    unsigned taken = 0;
    while (http_clients_request(&clients, &a, &access, now, &wait))
        taken++;
    ck_assert_uint_eq(taken, 6);
    access.burst_ns = 0; /* a /64 is one client */
    ck_assert(http_clients_request(&clients, &b, &access, now, &wait));
    ck_assert(!http_clients_request(&clients, &same, &access, now, &wait));
    ck_assert(http_clients_request(&clients, &other, &access, now, &wait));
    http_clients_fini(&clients);
}
END_TEST

/* A flood of other addresses forgets those that are at rest, not the one at its limit. */
START_TEST(test_flood)
{
    struct http_clients clients;
    struct http_access access = {.interval_ns = SECOND, .burst_ns = 10 * SECOND};
    struct keel_addr a = addr("192.0.2.1"), b;
    uint64_t now = 100 * SECOND, wait;
    ck_assert_int_eq(http_clients_init(&clients, 64), 0);
    while (http_clients_request(&clients, &a, &access, now, &wait))
        ;
    for (uint32_t i = 0; i < 10000; i++) {
        keel_addr_set4(&b, 0x0a000000 + i, 1);
        ck_assert(http_clients_request(&clients, &b, &access, now, &wait));
    }
    ck_assert(!http_clients_request(&clients, &a, &access, now, &wait));
    http_clients_fini(&clients);
}
END_TEST

START_TEST(test_connections)
{
    struct http_clients clients;
    struct keel_addr a = addr("192.0.2.1"), b;
    unsigned admitted = 0, unknown = 0;
    ck_assert_int_eq(http_clients_init(&clients, 4), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(http_clients_enter(&clients, &a, 3), HTTP_ADMIT);
    ck_assert_int_eq(http_clients_enter(&clients, &a, 3), HTTP_REFUSE);
    http_clients_leave(&clients, &a);
    ck_assert_int_eq(http_clients_enter(&clients, &a, 3), HTTP_ADMIT);
    for (uint32_t i = 0; i < 10; i++) {
        keel_addr_set4(&b, 0x0a000000 + i, 1);
        enum http_admission how = http_clients_enter(&clients, &b, 3);
        admitted += how == HTTP_ADMIT;
        unknown += how == HTTP_ADMIT_UNKNOWN;
    }
    ck_assert(admitted == 3 && unknown == 7);
    ck_assert_int_eq(http_clients_enter(&clients, &a, 3), HTTP_REFUSE);
    for (unsigned i = 0; i < 3; i++)
        http_clients_leave(&clients, &a);
    ck_assert_int_eq(http_clients_enter(&clients, &a, 3), HTTP_ADMIT);
    http_clients_fini(&clients);
}
END_TEST

Suite *access_suite(void);
Suite *access_suite(void)
{
    Suite *s = suite_create("httpd/request/access");
    TCase *t = tcase_create("access");
    tcase_add_test(t, test_lists);
    tcase_add_test(t, test_rates);
    tcase_add_test(t, test_flood);
    tcase_add_test(t, test_connections);
    suite_add_tcase(s, t);
    return s;
}
