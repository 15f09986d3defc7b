#include "dnsd/answer/query.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#define PARENT                                                                                     \
    "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nsub NS ns.sub\n"                      \
    "sub DS 1 5 1 ab\nns.sub A 192.0.2.2\n$GENERATE 1-60 big A 192.0.2.$\n"
#define CHILD "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.2\n"

static struct dns_zones zones;
static struct dns_answer_context context;
static uint8_t query[1024], reply[UINT16_MAX];

static void setup(void)
{
    support_zones_init(&zones);
    support_serve(&zones, "z", PARENT);
    support_serve(&zones, "sub.z", CHILD);
    context = (struct dns_answer_context){.zones = &zones, .udp_size = DNS_UDP_SIZE};
}

static void teardown(void)
{
    dns_zones_fini(&zones);
}

static size_t process(size_t size, bool tcp)
{
    return dns_query_process(&context, query, size, &support_peer, tcp, reply, sizeof reply);
}

/* A reply that ldns can read, as text. */
static const char *answer(const char *name, uint16_t type)
{
    static char shown[65536];
    size_t n = process(support_query(query, sizeof query, name, type, 0), true);
    support_show(shown, sizeof shown, reply, n);
    return shown;
}

START_TEST(keeps_the_header_and_the_case_of_the_question)
{
    size_t size = support_query(query, sizeof query, "nS.Z", DNS_TYPE_A, 0);
    keel_put_u16(query + 2, DNS_FLAG_RD | DNS_FLAG_CD | DNS_FLAG_AD);
    size_t n = process(size, false);
    ck_assert_uint_eq(n, size + 16);
    ck_assert_uint_eq(keel_get_u16(reply), 0x1234);
    ck_assert_uint_eq(keel_get_u16(reply + 2),
                      DNS_FLAG_QR | DNS_FLAG_AA | DNS_FLAG_RD | DNS_FLAG_CD);
    ck_assert_mem_eq(reply + 12, query + 12, size - 12);
    ck_assert_mem_eq(reply + size, "\300\014", 2);
}
END_TEST

START_TEST(says_nothing_to_what_is_no_query)
{
    size_t size = support_query(query, sizeof query, "z", DNS_TYPE_SOA, 0);
    for (size_t n = 0; n < DNS_HEADER_SIZE; n++)
        ck_assert_uint_eq(process(n, false), 0);
    query[2] |= 0x80;
    ck_assert_uint_eq(process(size, false), 0);
}
END_TEST

static unsigned rcode_of(size_t n)
{
    ck_assert_uint_ge(n, DNS_HEADER_SIZE);
    return reply[3] & 15;
}

START_TEST(answers_the_malformed_with_formerr)
{
    size_t size = support_query(query, sizeof query, "z", DNS_TYPE_SOA, 512);
    for (size_t n = DNS_HEADER_SIZE; n < size; n++) {
        ck_assert_uint_eq(process(n, false), DNS_HEADER_SIZE);
        ck_assert_uint_eq(rcode_of(DNS_HEADER_SIZE), DNS_FORMERR);
        ck_assert_uint_eq(keel_get_u16(reply + 4), 0);
    }
    query[size] = 0;
    ck_assert_uint_eq(rcode_of(process(size + 1, false)), DNS_FORMERR);
}
END_TEST

START_TEST(knows_its_limits)
{
    static const struct {
        uint16_t type, class;
        uint8_t opcode;
        unsigned rcode;
    } cases[] = {
        {DNS_TYPE_A, DNS_CLASS_CH, 0, DNS_REFUSED},
        {DNS_TYPE_A, DNS_CLASS_ANY, 0, DNS_REFUSED},
        {DNS_TYPE_AXFR, DNS_CLASS_IN, 0, DNS_NOTAUTH},
        {DNS_TYPE_IXFR, DNS_CLASS_IN, 0, DNS_NOTAUTH},
        {DNS_TYPE_OPT, DNS_CLASS_IN, 0, DNS_FORMERR},
        {DNS_TYPE_TSIG, DNS_CLASS_IN, 0, DNS_NOTIMP},
        {DNS_TYPE_MAILA, DNS_CLASS_IN, 0, DNS_NOTIMP},
        {0, DNS_CLASS_IN, 0, DNS_NOTIMP},
        {DNS_TYPE_A, DNS_CLASS_IN, 1, DNS_NOTIMP},
        {DNS_TYPE_SOA, DNS_CLASS_IN, 4, DNS_NOTAUTH},
        {DNS_TYPE_A, DNS_CLASS_IN, 4, DNS_NOTIMP},
        {DNS_TYPE_SOA, DNS_CLASS_IN, 5, DNS_NOTAUTH},
        {DNS_TYPE_A, DNS_CLASS_IN, 5, DNS_FORMERR},
        {DNS_TYPE_SOA, DNS_CLASS_IN, 15, DNS_NOTIMP},
        {DNS_TYPE_A, DNS_CLASS_IN, 0, DNS_NXDOMAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size = support_query(query, sizeof query, "nothing.z", cases[i].type, 0);
        keel_put_u16(query + size - 2, cases[i].class);
        query[2] = (uint8_t)(cases[i].opcode << 3);
        ck_assert_msg(rcode_of(process(size, true)) == cases[i].rcode, "case %zu", i);
        ck_assert_uint_eq(reply[2] & 0x78, query[2]);
    }
    ck_assert_uint_eq(
        rcode_of(process(support_query(query, sizeof query, "other", DNS_TYPE_A, 0), true)),
        DNS_REFUSED);
    ck_assert_uint_eq(reply[2] & 4, 0); /* not AA */
    size_t size = support_query(query, sizeof query, "z", DNS_TYPE_SOA, 0);
    query[2] = DNS_OPCODE_NOTIFY << 3; /* nobody may tell a primary */
    ck_assert_uint_eq(rcode_of(process(size, false)), DNS_REFUSED);
    query[2] = DNS_OPCODE_UPDATE << 3; /* nor change its zone, before the list says so */
    ck_assert_uint_eq(rcode_of(process(size, false)), DNS_REFUSED);
}
END_TEST

START_TEST(speaks_edns)
{
    size_t size = support_query(query, sizeof query, "ns.z", DNS_TYPE_A, 4096), n;
    query[size - 4] = 0x80; /* DO */
    n = process(size, false);
    ck_assert_uint_eq(n, size + 16);
    ck_assert_mem_eq(reply + n - 11, "\0\0\x29\4\xd0\0\0\x80\0\0\0", 11);
    query[size - 5] = 1; /* version 1 */
    n = process(size, false);
    ck_assert_uint_eq(n, size);
    ck_assert_uint_eq(rcode_of(n), 0);
    ck_assert_mem_eq(reply + n - 11, "\0\0\x29\4\xd0\1\0\x80\0\0\0", 11);
}
END_TEST

/* 60 addresses take 960 bytes */
START_TEST(cuts_at_the_clients_size)
{
    static const struct {
        uint16_t edns;
        bool tcp, cut;
    } cases[] = {{0, false, true},    {512, false, true}, {100, false, true}, {4096, false, false},
                 {999, false, false}, {990, false, true}, {0, true, false},   {512, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size = support_query(query, sizeof query, "big.z", DNS_TYPE_A, cases[i].edns);
        size_t n = process(size, cases[i].tcp);
        ck_assert_msg(!!(reply[2] & 2) == cases[i].cut, "case %zu", i);
        ck_assert_uint_eq(keel_get_u16(reply + 6), cases[i].cut ? 0 : 60);
        if (!cases[i].tcp)
            ck_assert_uint_le(n, cases[i].edns > 512 ? cases[i].edns : 512);
        ck_assert_uint_eq(keel_get_u16(reply + 10), cases[i].edns ? 1 : 0);
    }
    context.udp_size = 800;
    process(support_query(query, sizeof query, "big.z", DNS_TYPE_A, 4096), false);
    ck_assert(reply[2] & 2);
}
END_TEST

/* RFC 4035, 3.1.4.1: DS is the parent's, everything else at the cut is the child's */
START_TEST(asks_the_right_side_of_a_cut)
{
    ck_assert_str_eq(answer("sub.z", DNS_TYPE_DS),
                     "NOERROR qr aa\nanswer sub.z. 60 IN DS 1 5 1 ab\n");
    ck_assert_str_eq(answer("sub.z", DNS_TYPE_NS),
                     "NOERROR qr aa\nanswer sub.z. 60 IN NS ns.sub.z.\n"
                     "additional ns.sub.z. 60 IN A 192.0.2.2\n");
}
END_TEST

/* The three steps over a batch give what the single call gives. */
START_TEST(answers_in_batches)
{
    static const char *const names[] = {"ns.z", "nothing.z", "other", "big.z", "x.sub.z"};
    static struct dns_query batch[5];
    static uint8_t queries[5][512];
    size_t sizes[5];
    for (size_t i = 0; i < 5; i++) {
        sizes[i] = support_query(queries[i], 512, names[i], DNS_TYPE_A, 1232);
        dns_query_read(&batch[i], &context, queries[i], sizes[i], &support_peer, false);
    }
    for (size_t i = 0; i < 5; i++)
        dns_query_prefetch(&batch[i]);
    for (size_t i = 0; i < 5; i++) {
        uint8_t single[DNS_UDP_SIZE], together[DNS_UDP_SIZE];
        size_t n = dns_query_process(&context, queries[i], sizes[i], &support_peer, false, single,
                                     sizeof single);
        ck_assert_uint_eq(dns_query_answer(&batch[i], &context, together, sizeof together), n);
        ck_assert_mem_eq(single, together, n);
    }
    ck_assert_uint_eq(batch[1].rcode, DNS_NXDOMAIN);
    ck_assert_uint_eq(batch[2].rcode, DNS_REFUSED);
}
END_TEST

/* --- signed queries --- */

static struct dns_tsig_keys keys;

/* name A, signed now. Returns its size. */
static size_t sign(struct dns_tsig_session *client, const char *key_name, const char *name,
                   uint16_t edns)
{
    struct dns_name key = support_name(key_name);
    struct keel_writer w;
    if (!dns_tsig_keys_find(&keys, &key))
        ck_assert_int_eq(dns_tsig_keys_add(&keys, &key, DNS_HMAC_SHA512, "secret", 6, 0), 0);
    dns_tsig_open(client, dns_tsig_keys_find(&keys, &key));
    size_t size = support_query(query, sizeof query, name, DNS_TYPE_A, edns);
    keel_writer_init(&w, query, sizeof query);
    keel_write_skip(&w, size);
    ck_assert_int_eq(dns_tsig_sign(client, &w, 1000), 0);
    return keel_writer_offset(&w);
}

START_TEST(signed_queries_get_signed_answers)
{
    static const char *const names[] = {"ns.z", "nothing.z", "ns.other", "www.sub.z"};
    struct dns_tsig_session client;
    dns_tsig_keys_init(&keys, (struct keel_hash_key){5, 6});
    context.keys = &keys;
    context.now = 1100;
    for (unsigned i = 0; i < 4; i++)
        for (uint16_t edns = 0; edns <= 1232; edns += 1232) {
            size_t n = process(sign(&client, "k", names[i], edns), false);
            ck_assert_int_eq(dns_tsig_verify(&client, reply, n, 1100, NULL), 0);
        }
    /* what is no query is still signed */
    size_t size = sign(&client, "k", "z", 0);
    query[2] = DNS_OPCODE_UPDATE << 3;
    size_t n = process(size, false);
    ck_assert_uint_eq(reply[3] & 15, DNS_NOTAUTH); /* it was changed on the way */
    ck_assert_int_eq(dns_tsig_verify(&client, reply, n, 1100, NULL), KEEL_EACCES);
    /* the wrong key, the wrong time: no answer but the error */
    context.keys = NULL;
    n = process(sign(&client, "k", "ns.z", 0), false);
    ck_assert_uint_eq(keel_get_u16(reply + 6), 0);
    ck_assert_uint_eq(reply[3] & 15, DNS_NOTAUTH);
    context.keys = &keys;
    context.now = 2000;
    unsigned error = 0;
    n = process(sign(&client, "k", "ns.z", 0), false);
    ck_assert_uint_eq(keel_get_u16(reply + 6), 0);
    ck_assert_int_eq(dns_tsig_verify(&client, reply, n, 1100, &error), KEEL_EACCES);
    ck_assert_uint_eq(error, DNS_TSIG_BADTIME);
    dns_tsig_keys_fini(&keys);
}
END_TEST

START_TEST(a_signature_fits_into_every_answer)
{
    struct dns_tsig_session client;
    char name[256] = "", key[256] = "";
    for (int i = 0; i < 3; i++)
        strcat(key, "a23456789b123456789c123456789d123456789e123456789f123456789g12.");
    dns_tsig_keys_init(&keys, (struct keel_hash_key){5, 6});
    context.keys = &keys;
    context.now = 1000;
    for (int labels = 1; labels < 125; labels += 4) { /* large answers and long names, cut to 512 */
        snprintf(name + strlen(name), sizeof name - strlen(name), "x.x.x.x.");
        char qname[270];
        snprintf(qname, sizeof qname, "%sz", name);
        size_t size = sign(&client, key, labels == 1 ? "big.z" : qname, 0);
        size_t n =
            dns_query_process(&context, query, size, &support_peer, false, reply, DNS_UDP_SIZE);
        ck_assert_uint_le(n, size > 512 ? size + 16 : 512 + 16);
        ck_assert_int_eq(dns_tsig_verify(&client, reply, n, 1000, NULL), 0);
        if (size + 200 > sizeof query)
            break;
    }
    dns_tsig_keys_fini(&keys);
}
END_TEST

/* A name that says "as the question" is not written out: nothing is won by such a request. */
START_TEST(a_refused_signature_is_no_longer_than_the_request)
{
    static const uint8_t record[] =
        "\300\014\0\372\0\377\0\0\0\0\0\075\013hmac-sha256\0"
        "\0\0\0\0\3\350\1\54\0\040mac-of-thirty-two-bytes---------\0\0\0\0\0\0";
    char name[256] = "";
    for (int i = 0; i < 3; i++)
        strcat(name, "a23456789b123456789c123456789d123456789e123456789f123456789g12.");
    strcat(name, "z");
    size_t size = support_query(query, sizeof query, name, DNS_TYPE_A, 0);
    memcpy(query + size, record, sizeof record - 1);
    keel_put_u16(query + 10, 1);
    size_t all = size + sizeof record - 1;
    size_t n = process(all, false), at;
    ck_assert_uint_eq(reply[3] & 15, DNS_NOTAUTH);
    ck_assert_uint_eq(n, all - 32); /* without the MAC */
    ck_assert_int_eq(dns_tsig_find(reply, n, &at), 0);
    ck_assert_uint_eq(at, size);
    ck_assert_mem_eq(reply + at, record, 2);
    /* an unlike name with the same end */
    memmove(query + size + 2, query + size, sizeof record - 1);
    memcpy(query + size, "\1k\300\212", 4); /* the last two labels of the question */
    n = process(all + 2, false);
    ck_assert_uint_eq(reply[3] & 15, DNS_NOTAUTH);
    ck_assert_uint_eq(n, all + 2 - 32);
    ck_assert_mem_eq(reply + size, "\1k\300\212", 4);
}
END_TEST

START_TEST(a_redirected_name_that_is_too_long_says_so_without_room)
{
    char text[600] = "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nlong DNAME ", name[256] = "";
    const char *label = "a23456789b123456789c123456789d123456789e123456789f123456789g1.";
    for (int i = 0; i < 4; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s", i < 3 ? 99 : 50, label);
    strcat(text, ".\n");
    for (int i = 0; i < 3; i++)
        strcat(name, label);
    strcat(name, "b23456789b123456789c123456789d123456789e123456789f12345678.long.d");
    support_serve(&zones, "d", text);
    size_t n = process(support_query(query, sizeof query, name, DNS_TYPE_A, 0), false);
    ck_assert_uint_eq(keel_get_u16(reply + 2) & ~DNS_FLAG_RD,
                      DNS_FLAG_QR | DNS_FLAG_AA | DNS_FLAG_TC | DNS_YXDOMAIN);
    ck_assert_uint_le(n, 512);
    n = process(support_query(query, sizeof query, name, DNS_TYPE_A, 1232), false);
    ck_assert_uint_eq(keel_get_u16(reply + 2) & ~DNS_FLAG_RD,
                      DNS_FLAG_QR | DNS_FLAG_AA | DNS_YXDOMAIN);
    ck_assert_uint_gt(n, 512);
}
END_TEST

Suite *query_suite(void)
{
    Suite *s = suite_create("dnsd/answer/query");
    TCase *t = tcase_create("query");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, keeps_the_header_and_the_case_of_the_question);
    tcase_add_test(t, says_nothing_to_what_is_no_query);
    tcase_add_test(t, answers_the_malformed_with_formerr);
    tcase_add_test(t, knows_its_limits);
    tcase_add_test(t, speaks_edns);
    tcase_add_test(t, cuts_at_the_clients_size);
    tcase_add_test(t, asks_the_right_side_of_a_cut);
    tcase_add_test(t, answers_in_batches);
    tcase_add_test(t, signed_queries_get_signed_answers);
    tcase_add_test(t, a_signature_fits_into_every_answer);
    tcase_add_test(t, a_refused_signature_is_no_longer_than_the_request);
    tcase_add_test(t, a_redirected_name_that_is_too_long_says_so_without_room);
    suite_add_tcase(s, t);
    return s;
}
