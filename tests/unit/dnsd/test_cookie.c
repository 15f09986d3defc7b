#include "dnsd/wire/cookie.h"
#include "suites.h"

#include "common/base/str.h"

static void hex(const char *text, uint8_t *out, size_t size)
{
    ck_assert_int_eq(keel_parse_hex(keel_str(text), out, size), (int)size);
}

static struct keel_addr peer_of(const char *text)
{
    struct keel_addr peer;
    ck_assert_int_eq(keel_addr_parse(&peer, keel_str(text), 53, NULL), 0);
    return peer;
}

/* RFC 9018, appendix A: what a client sends, and what it gets. */
static const struct {
    const char *secret, *peer, *sent, *got;
    uint64_t now;
    enum dns_cookie state;
} vectors[] = {
    {"e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957",
     "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559731985, DNS_COOKIE_NEW},
    {"e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100",
     "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
     "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", 1559734385, DNS_COOKIE_GOOD},
    {"e5e973e5a6b2a43f48e7dc849e37bfcf", "203.0.113.203",
     "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
     "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", 1559734700, DNS_COOKIE_BAD},
    {"dd3bdf9344b678b185a6f5cb60fca715", "[2001:db8:220:1:59de:d0f4:8769:82b8]", "22681ab97d52c298",
     "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741817, DNS_COOKIE_NEW},
};

START_TEST(does_as_the_rfc_does)
{
    struct dns_cookie_secrets secrets = {.count = 1};
    uint8_t sent[DNS_COOKIE_MAX], wanted[DNS_COOKIE_SIZE], made[DNS_COOKIE_SIZE];
    struct keel_addr peer = peer_of(vectors[_i].peer);
    size_t size = strlen(vectors[_i].sent) / 2;
    hex(vectors[_i].secret, secrets.bytes[0], DNS_COOKIE_SECRET);
    hex(vectors[_i].sent, sent, size);
    hex(vectors[_i].got, wanted, sizeof wanted);
    struct dns_edns edns = {.cookie = sent, .cookie_size = (uint8_t)size};
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, vectors[_i].now), vectors[_i].state);
    dns_cookie_make(&secrets, sent, &peer, vectors[_i].now, made);
    ck_assert_mem_eq(made, wanted, sizeof wanted);
}
END_TEST

START_TEST(takes_only_what_it_made)
{
    struct dns_cookie_secrets secrets = {.count = 2, .bytes = {"0123456789abcdef", "old"}};
    struct dns_cookie_secrets old = {.count = 1, .bytes = {"old"}};
    struct keel_addr peer = peer_of("192.0.2.1"), other = peer_of("192.0.2.2");
    uint8_t cookie[DNS_COOKIE_SIZE];
    struct dns_edns edns = {.cookie = cookie, .cookie_size = sizeof cookie};
    const uint64_t now = 1800000000;

    dns_cookie_make(&secrets, (const uint8_t *)"client!!", &peer, now, cookie);
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_GOOD);
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &other, now), DNS_COOKIE_BAD);
    /* its time: an hour back, five minutes ahead */
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now + 3600), DNS_COOKIE_GOOD);
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now + 3601), DNS_COOKIE_BAD);
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now - 300), DNS_COOKIE_GOOD);
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now - 301), DNS_COOKIE_BAD);
    for (size_t i = 0; i < sizeof cookie; i++) {
        cookie[i] ^= 1;
        ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_BAD);
        cookie[i] ^= 1;
    }
    edns.cookie_size = 16;
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_BAD);
    edns.cookie_size = 8;
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_NEW);
    edns.cookie_size = 0;
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_NONE);
    /* made before the secret was replaced */
    edns.cookie_size = sizeof cookie;
    dns_cookie_make(&old, (const uint8_t *)"client!!", &peer, now, cookie);
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_GOOD);
    secrets.count = 1;
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_BAD);
    secrets.count = 0;
    ck_assert_int_eq(dns_cookie_check(&secrets, &edns, &peer, now), DNS_COOKIE_NONE);
}
END_TEST

Suite *cookie_suite(void)
{
    Suite *s = suite_create("dnsd/wire/cookie");
    TCase *t = tcase_create("cookie");
    tcase_add_loop_test(t, does_as_the_rfc_does, 0, sizeof vectors / sizeof vectors[0]);
    tcase_add_test(t, takes_only_what_it_made);
    suite_add_tcase(s, t);
    return s;
}
