#include "dnsd/answer/rrl.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#define ZONE                                                                                       \
    "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n*.wild A 192.0.2.2\n"                 \
    "cut NS ns.cut\nns.cut A 192.0.2.3\n"

#define MS 1000000ull

static struct dns_zones zones;
static struct dns_answer_context context;
static struct dns_rrl_options options;
static struct dns_rrl *rrl;
static struct keel_addr peer;
static uint8_t reply[UINT16_MAX];
static uint64_t now;

static void setup(void)
{
    support_zones_init(&zones);
    support_serve(&zones, "z", ZONE);
    context = (struct dns_answer_context){.zones = &zones, .udp_size = DNS_UDP_SIZE};
    options = (struct dns_rrl_options){
        .rate = 10, .slip = 2, .window = 5, .ipv4_prefix = 24, .ipv6_prefix = 56};
    rrl = dns_rrl_new(&options, (struct keel_hash_key){5, 6});
    keel_addr_parse(&peer, KEEL_STR("198.51.100.7:53"), 0, NULL);
    now = 12345678 * MS;
}

static void teardown(void)
{
    dns_rrl_free(rrl);
    dns_zones_fini(&zones);
}

static struct dns_query query;

static enum dns_rrl_verdict ask(const char *name, uint16_t type)
{
    static uint8_t bytes[512];
    size_t n = support_query(bytes, sizeof bytes, name, type, 1232);
    dns_query_read(&query, &context, bytes, n, &peer, false);
    ck_assert_uint_gt(dns_query_answer(&query, &context, reply, sizeof reply), 0);
    return dns_rrl_check(rrl, &query, now);
}

/* How many of `count` are sent whole. */
static unsigned sent(const char *name, unsigned count)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++)
        n += ask(name, DNS_TYPE_A) == DNS_RRL_SEND;
    return n;
}

START_TEST(holds_the_rate)
{
    ck_assert_uint_eq(sent("ns.z", 100), 10);
    now += 100 * MS; /* the debt is forgotten at the same rate */
    ck_assert_uint_eq(sent("ns.z", 1), 0);
    now += 60000 * MS;
    ck_assert_uint_eq(sent("ns.z", 100), 10);
    for (unsigned second = 0; second < 10; second++) { /* within the rate for ever */
        now += 60000 * MS;
        for (unsigned i = 0; i < 20; i++) {
            now += 100 * MS;
            ck_assert_uint_eq(sent("ns.z", 1), 1);
        }
    }
}
END_TEST

START_TEST(remembers_no_longer_than_the_window)
{
    sent("ns.z", 100000);
    now += 4900 * MS;
    ck_assert_uint_eq(sent("ns.z", 1), 0);
    now += 300 * MS;
    ck_assert_uint_eq(sent("ns.z", 1), 1);
}
END_TEST

START_TEST(slips)
{
    static const struct {
        uint32_t slip;
        unsigned cut;
    } cases[] = {{0, 0}, {1, 90}, {2, 45}, {3, 30}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned cut = 0;
        options.slip = cases[i].slip;
        now += 60000 * MS;
        for (unsigned k = 0; k < 100; k++)
            cut += ask("ns.z", DNS_TYPE_A) == DNS_RRL_CUT;
        ck_assert_uint_eq(cut, cases[i].cut);
    }
}
END_TEST

/* What counts together: everything a wildcard makes, everything that is not there. */
START_TEST(knows_what_is_the_same)
{
    static const struct {
        const char *first, *second;
        bool together;
    } cases[] = {
        {"ns.z", "NS.Z", true},  {"ns.z", "z", false},         {"a.wild.z", "b.wild.z", true},
        {"x.z", "y.q.z", true},  {"a.cut.z", "b.cut.z", true}, {"a.cut.z", "a.z", false},
        {"other", "else", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        now += 60000 * MS;
        sent(cases[i].first, 100);
        ck_assert_msg((sent(cases[i].second, 1) == 0) == cases[i].together, "case %zu", i);
    }
}
END_TEST

START_TEST(counts_by_network)
{
    static const struct {
        const char *first, *second;
        bool together;
    } cases[] = {
        {"192.0.2.1:5", "192.0.2.200:6", true},
        {"192.0.2.1:5", "192.0.3.1:5", false},
        {"[2001:db8:0:1::1]:5", "[2001:db8:0:ff::2]:5", true},
        {"[2001:db8:0:1::1]:5", "[2001:db8:0:100::1]:5", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        now += 60000 * MS;
        keel_addr_parse(&peer, keel_str(cases[i].first), 0, NULL);
        sent("ns.z", 100);
        keel_addr_parse(&peer, keel_str(cases[i].second), 0, NULL);
        ck_assert_msg((sent("ns.z", 1) == 0) == cases[i].together, "case %zu", i);
    }
}
END_TEST

START_TEST(lets_the_exempt_pass)
{
    struct keel_prefix prefix;
    ck_assert_uint_eq(sent("ns.z", 100), 10);
    query.cookie = DNS_COOKIE_GOOD;
    ck_assert_int_eq(dns_rrl_check(rrl, &query, now), DNS_RRL_SEND);
    query.cookie = DNS_COOKIE_BAD;
    ck_assert_int_ne(dns_rrl_check(rrl, &query, now), DNS_RRL_SEND);
    query.tcp = true;
    ck_assert_int_eq(dns_rrl_check(rrl, &query, now), DNS_RRL_SEND);
    keel_prefix_parse(&prefix, KEEL_STR("198.51.100.0/28"), NULL);
    options.exempt = &prefix;
    options.exempt_count = 1;
    ck_assert_uint_eq(sent("ns.z", 100), 100);
}
END_TEST

/* A flood with very many addresses and names: no more than the table, and no crash. */
START_TEST(keeps_its_size)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        keel_addr_set4(&peer, i * 2654435761u, 53);
        ask("ns.z", DNS_TYPE_A);
        n++;
    }
    ck_assert_uint_eq(n, 200000);
}
END_TEST

START_TEST(cuts_to_the_question)
{
    size_t n;
    ask("ns.z", DNS_TYPE_A);
    n = dns_query_cut(&query, &context, reply);
    ck_assert_uint_eq(n, DNS_HEADER_SIZE + 6 + 4 + DNS_OPT_SIZE);
    ck_assert_uint_eq(keel_get_u16(reply + 2), DNS_FLAG_QR | DNS_FLAG_TC | DNS_FLAG_RD);
    ck_assert_mem_eq(reply + 4, "\0\1\0\0\0\0\0\1", 8);
}
END_TEST

Suite *rrl_suite(void)
{
    Suite *s = suite_create("dnsd/answer/rrl");
    TCase *t = tcase_create("rrl");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, holds_the_rate);
    tcase_add_test(t, remembers_no_longer_than_the_window);
    tcase_add_test(t, slips);
    tcase_add_test(t, knows_what_is_the_same);
    tcase_add_test(t, counts_by_network);
    tcase_add_test(t, lets_the_exempt_pass);
    tcase_add_test(t, keeps_its_size);
    tcase_add_test(t, cuts_to_the_question);
    suite_add_tcase(s, t);
    return s;
}
