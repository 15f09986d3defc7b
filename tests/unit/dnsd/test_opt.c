/* The OPT record of answers, and the CHAOS class. */
#include "dnsd/answer/opt.h"
#include "dnsd/transfer/axfr.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#define ZONE                                                                                       \
    "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n$GENERATE 1-60 big A 192.0.2.$\n"

static struct dns_zones zones;
static struct dns_answer_context context;
static uint8_t query[1024], reply[UINT16_MAX];

static void setup(void)
{
    support_zones_init(&zones);
    support_serve(&zones, "z", ZONE);
    context = (struct dns_answer_context){.zones = &zones,
                                          .udp_size = DNS_UDP_SIZE,
                                          .now = 1800000000,
                                          .identity = KEEL_STR("one"),
                                          .version = KEEL_STR("keel"),
                                          .keepalive = 100,
                                          .cookies = {.count = 1, .bytes = {"0123456789abcdef"}}};
}

static void teardown(void)
{
    dns_zones_fini(&zones);
}

/* A question with options as they are on the wire. */
static size_t ask(const char *name, uint16_t type, const void *options, size_t size)
{
    size_t n = support_query(query, sizeof query, name, type, 1232);
    keel_put_u16(query + n - 2, (uint16_t)size);
    memcpy(query + n, options, size);
    return n + size;
}

static size_t process(size_t size, bool tcp, bool encrypted)
{
    struct dns_query q;
    dns_query_read(&q, &context, query, size, &support_peer, tcp);
    q.encrypted = encrypted;
    return dns_query_answer(&q, &context, reply, sizeof reply);
}

/* The option's bytes in the last OPT of the reply; NULL: it is not there. */
static const uint8_t *option(size_t n, uint16_t wanted, size_t *size)
{
    size_t offset = DNS_HEADER_SIZE;
    struct dns_record record = {0};
    struct dns_name name;
    if (keel_get_u16(reply + 4)) {
        ck_assert_int_eq(dns_name_parse_compressed(&name, reply, n, &offset), 0);
        offset += 4;
    }
    while (offset < n)
        ck_assert_int_eq(dns_record_parse(&record, reply, n, &offset), 0);
    ck_assert_uint_eq(record.type, DNS_TYPE_OPT);
    for (size_t at = 0; at < record.rdata_size;) {
        uint16_t code = keel_get_u16(record.rdata + at);
        *size = keel_get_u16(record.rdata + at + 2);
        ck_assert_uint_le(at + 4 + *size, record.rdata_size);
        if (code == wanted)
            return record.rdata + at + 4;
        at += 4 + *size;
    }
    return NULL;
}

START_TEST(answers_what_is_asked_for)
{
    static const uint8_t asked[] = "\0\3\0\0\0\12\0\10client!!\0\13\0\0";
    size_t size, n = process(ask("ns.z", DNS_TYPE_A, asked, sizeof asked - 1), true, false);
    const uint8_t *p = option(n, DNS_OPTION_NSID, &size);
    ck_assert(p && size == 3 && memcmp(p, "one", 3) == 0);
    p = option(n, DNS_OPTION_KEEPALIVE, &size);
    ck_assert(p && size == 2 && keel_get_u16(p) == 100);
    p = option(n, DNS_OPTION_COOKIE, &size);
    ck_assert(p && size == DNS_COOKIE_SIZE && memcmp(p, "client!!", 8) == 0);
    ck_assert_ptr_null(option(n, DNS_OPTION_PADDING, &size));
    ck_assert_ptr_null(option(n, DNS_OPTION_ERROR, &size));
    /* keepalive is nothing over UDP, and nothing comes that was not asked for */
    n = process(ask("ns.z", DNS_TYPE_A, asked, sizeof asked - 1), false, false);
    ck_assert_ptr_null(option(n, DNS_OPTION_KEEPALIVE, &size));
    n = process(ask("ns.z", DNS_TYPE_A, "", 0), true, false);
    for (uint16_t code = 0; code < 20; code++)
        ck_assert_ptr_null(option(n, code, &size));
}
END_TEST

static const uint32_t soa_numbers[] = {7, 2, 3, 4, 5};

/* RFC 7314: a primary says what its SOA says, to who asks, about the SOA or in a transfer. */
START_TEST(says_when_it_expires)
{
    struct dns_axfr axfr;
    struct dns_query q;
    size_t size = 0, n = ask("z", DNS_TYPE_SOA, "\0\11\0\0", 4);
    const uint8_t *seconds = option(process(n, false, false), DNS_OPTION_EXPIRE, &size);
    ck_assert_ptr_nonnull(seconds);
    ck_assert_uint_eq(size, 4);
    ck_assert_uint_eq(keel_get_u32(seconds), 4);
    n = ask("z", DNS_TYPE_SOA, "", 0);
    ck_assert_ptr_null(option(process(n, false, false), DNS_OPTION_EXPIRE, &size));
    n = ask("z", DNS_TYPE_NS, "\0\11\0\0", 4);
    ck_assert_ptr_null(option(process(n, false, false), DNS_OPTION_EXPIRE, &size));
    n = ask("ns.z", DNS_TYPE_SOA, "\0\11\0\0", 4);
    ck_assert_ptr_null(option(process(n, false, false), DNS_OPTION_EXPIRE, &size));

    uint32_t numbers[5];
    const struct dns_view view = dns_zone_view(zones.items[0]);
    dns_view_soa(&view, numbers);
    ck_assert_mem_eq(numbers, soa_numbers, sizeof soa_numbers);

    zones.items[0]->allow_transfer.any = true;
    n = ask("z", DNS_TYPE_AXFR, "\0\11\0\0", 4);
    dns_query_read(&q, &context, query, n, &support_peer, true);
    ck_assert_int_eq(q.transfer, DNS_TRANSFER_ZONE);
    dns_axfr_start(&axfr, &q, 1232);
    ck_assert_int_eq(dns_axfr_next(&axfr, reply, &n, 0), 0);
    seconds = option(n, DNS_OPTION_EXPIRE, &size);
    ck_assert_ptr_nonnull(seconds);
    ck_assert_uint_eq(keel_get_u32(seconds), 4);

    zones.items[0]->primaries = 1; /* whose clock it is */
    zones.items[0]->expires = context.now + 77;
    n = ask("z", DNS_TYPE_SOA, "\0\11\0\0", 4);
    seconds = option(process(n, false, false), DNS_OPTION_EXPIRE, &size);
    ck_assert_ptr_nonnull(seconds);
    ck_assert_uint_eq(keel_get_u32(seconds), 77);
    zones.items[0]->expires = context.now; /* over, or not known */
    n = ask("z", DNS_TYPE_SOA, "\0\11\0\0", 4);
    ck_assert_ptr_null(option(process(n, false, false), DNS_OPTION_EXPIRE, &size));
}
END_TEST

START_TEST(pads_what_is_encrypted)
{
    static const uint8_t padding[] = {0, 12, 0, 3, 0, 0, 0};
    size_t size, n = process(ask("ns.z", DNS_TYPE_A, padding, sizeof padding), true, true);
    ck_assert_uint_eq(n, 468);
    ck_assert_ptr_nonnull(option(n, DNS_OPTION_PADDING, &size));
    n = process(ask("big.z", DNS_TYPE_A, padding, sizeof padding), true, true);
    ck_assert_uint_eq(n % 468, 0);
    n = process(ask("ns.z", DNS_TYPE_A, padding, sizeof padding), true, false);
    ck_assert_ptr_null(option(n, DNS_OPTION_PADDING, &size));
    n = process(ask("ns.z", DNS_TYPE_A, "", 0), true, true);
    ck_assert_ptr_null(option(n, DNS_OPTION_PADDING, &size));
}
END_TEST

START_TEST(says_why)
{
    static const struct {
        const char *name;
        uint16_t type, error;
    } cases[] = {
        {"other", DNS_TYPE_A, DNS_ERROR_NOT_AUTHORITATIVE},
        {"z", DNS_TYPE_AXFR, DNS_ERROR_PROHIBITED},
        {"z", DNS_TYPE_MAILA, DNS_ERROR_NOT_SUPPORTED},
        {"nothing.z", DNS_TYPE_A, DNS_ERROR_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size, n = process(ask(cases[i].name, cases[i].type, "", 0), true, false);
        const uint8_t *p = option(n, DNS_OPTION_ERROR, &size);
        ck_assert_msg((p ? keel_get_u16(p) : 0) == cases[i].error, "case %zu", i);
    }
}
END_TEST

/* Options take their room from the answer, and the limit holds. */
START_TEST(stays_within_the_limit)
{
    static const uint8_t asked[] = "\0\3\0\0\0\12\0\10client!!";
    static char long_name[DNS_TEXT_MAX];
    memset(long_name, 'x', sizeof long_name);
    context.identity = (struct keel_str){long_name, sizeof long_name};
    context.version = context.identity;
    for (uint16_t limit = 512; limit <= 1400; limit += 8) {
        context.udp_size = limit;
        size_t size, n = process(ask("big.z", DNS_TYPE_A, asked, sizeof asked - 1), false, false);
        ck_assert_uint_le(n, limit);
        ck_assert_ptr_nonnull(option(n, DNS_OPTION_COOKIE, &size));
        size_t asked_size = ask("version.bind", DNS_TYPE_TXT, asked, sizeof asked - 1);
        keel_put_u16(query + 28, DNS_CLASS_CH);
        n = process(asked_size, false, false);
        ck_assert_uint_le(n, limit);
        ck_assert_uint_eq(!!(reply[2] & 2), limit < 596);
    }
}
END_TEST

START_TEST(tells_of_itself_in_chaos)
{
    static const struct {
        const char *name, *text;
    } cases[] = {{"version.bind", "keel"}, {"VERSION.server", "keel"}, {"id.server", "one"},
                 {"hostname.bind", "one"}, {"authors.bind", ""},       {"z", ""}};
    for (unsigned told = 0; told < 2; told++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            size_t n = support_query(query, sizeof query, cases[i].name, DNS_TYPE_TXT, 0);
            keel_put_u16(query + n - 2, DNS_CLASS_CH);
            size_t got = process(n, false, false), size = strlen(cases[i].text);
            if (size == 0 || told == 1) {
                ck_assert_uint_eq(got, n);
                ck_assert_uint_eq(reply[3] & 15, DNS_REFUSED);
                continue;
            }
            ck_assert_uint_eq(reply[3] & 15, DNS_NOERROR);
            ck_assert_uint_eq(got, n + 12 + 1 + size);
            ck_assert_uint_eq(reply[n + 12], size);
            ck_assert_mem_eq(reply + n + 13, cases[i].text, size);
        }
        context.identity = context.version = KEEL_STR("");
    }
}
END_TEST

/* Under load (RFC 7873, 5.2): who has no good cookie is not answered, but gets what he needs. */
START_TEST(asks_for_cookies)
{
    static const uint8_t alone[] = "\0\12\0\10client!!";
    uint8_t whole[4 + DNS_COOKIE_SIZE] = {0, 10, 0, DNS_COOKIE_SIZE};
    size_t size, n;
    context.need_cookie = true;
    n = process(ask("ns.z", DNS_TYPE_A, alone, sizeof alone - 1), false, false);
    const uint8_t *p = option(n, DNS_OPTION_COOKIE, &size);
    ck_assert(p && size == DNS_COOKIE_SIZE);
    memcpy(whole + 4, p, size);
    ck_assert_uint_eq(reply[3] & 15, DNS_BADCOOKIE & 15);
    ck_assert_uint_eq(keel_get_u16(reply + 6), 0);
    n = process(ask("ns.z", DNS_TYPE_A, whole, sizeof whole), false, false);
    ck_assert_uint_eq(reply[3] & 15, DNS_NOERROR);
    ck_assert_uint_eq(keel_get_u16(reply + 6), 1);
    n = process(ask("ns.z", DNS_TYPE_A, "", 0), false, false); /* knows none */
    ck_assert_uint_eq(keel_get_u16(reply + 2) & DNS_FLAG_TC, DNS_FLAG_TC);
    ck_assert_uint_eq(keel_get_u16(reply + 6), 0);
    n = process(ask("ns.z", DNS_TYPE_A, "", 0), true, false);
    ck_assert_uint_eq(keel_get_u16(reply + 6), 1);
    n = process(ask("z", DNS_TYPE_MAILA, "", 0), false, false); /* errors stay what they are */
    ck_assert_uint_eq(reply[3] & 15, DNS_NOTIMP);
    ck_assert_uint_gt(n, 0);
}
END_TEST

Suite *opt_suite(void)
{
    Suite *s = suite_create("dnsd/answer/opt");
    TCase *t = tcase_create("opt");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, answers_what_is_asked_for);
    tcase_add_test(t, says_when_it_expires);
    tcase_add_test(t, pads_what_is_encrypted);
    tcase_add_test(t, says_why);
    tcase_add_test(t, stays_within_the_limit);
    tcase_add_test(t, tells_of_itself_in_chaos);
    tcase_add_test(t, asks_for_cookies);
    suite_add_tcase(s, t);
    return s;
}
