#include "dnsd/transfer/axfr.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1000

static struct dns_zones zones;
static struct dns_tsig_keys keys;
static struct dns_answer_context context;
static uint8_t request[1024], message[UINT16_MAX];

static void setup(void)
{
    struct dns_name name = support_name("k");
    support_zones_init(&zones);
    dns_tsig_keys_init(&keys, (struct keel_hash_key){5, 6});
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA256, "secret", 6, 0), 0);
    context = (struct dns_answer_context){
        .zones = &zones, .keys = &keys, .udp_size = DNS_UDP_SIZE, .now = NOW};
}

static void teardown(void)
{
    dns_zones_fini(&zones);
    dns_tsig_keys_fini(&keys);
}

static void serve(const char *origin, const char *text)
{
    support_serve(&zones, origin, text);
    zones.items[zones.count - 1]->allow_transfer.any = true;
}

/* An IXFR from this serial; AXFR: serial -1. Signed when client is not NULL. */
static size_t ask(const char *name, int64_t serial, uint16_t edns, struct dns_tsig_session *client)
{
    struct dns_name key = support_name("k");
    struct keel_writer w;
    size_t n = support_query(request, sizeof request, name,
                             serial < 0 ? DNS_TYPE_AXFR : DNS_TYPE_IXFR, serial < 0 ? edns : 0);
    keel_writer_init(&w, request, sizeof request);
    keel_write_skip(&w, n);
    if (serial >= 0) {
        keel_put_u16(request + 8, 1);
        keel_write_bytes(&w, "\300\014\0\6\0\1\0\0\0\0\0\026\0\0", 14);
        keel_write_u32(&w, (uint32_t)serial);
        for (int i = 0; i < 4; i++)
            keel_write_u32(&w, 0);
    }
    if (client) {
        dns_tsig_open(client, dns_tsig_keys_find(&keys, &key));
        ck_assert_int_eq(dns_tsig_sign(client, &w, NOW), 0);
    }
    ck_assert(!w.bad);
    return keel_writer_offset(&w);
}

static struct dns_query read_query(size_t size, bool tcp)
{
    struct dns_query query;
    dns_query_read(&query, &context, request, size, &support_peer, tcp);
    return query;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The records of a transfer, as ldns reads them. */
struct records {
    char *lines[20000];
    size_t count, messages, longest;
};

static void collect(struct records *all, size_t size)
{
    ldns_pkt *pkt;
    ldns_status status = ldns_wire2pkt(&pkt, message, size);
    ck_assert_msg(status == LDNS_STATUS_OK, "ldns: %s", ldns_get_errorstr_by_id(status));
    ck_assert(ldns_pkt_qr(pkt) && ldns_pkt_aa(pkt) && !ldns_pkt_tc(pkt));
    ck_assert_uint_eq(ldns_pkt_id(pkt), 0x1234);
    ck_assert_uint_eq(ldns_pkt_qdcount(pkt), 1);
    ck_assert_uint_eq(ldns_pkt_nscount(pkt), 0);
    ck_assert_uint_eq(ldns_pkt_edns(pkt), 0); /* said only where the client did: see below */
    ldns_rr_list *list = ldns_pkt_answer(pkt);
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        ck_assert_uint_lt(all->count, sizeof all->lines / sizeof all->lines[0]);
        all->lines[all->count++] = ldns_rr2str(ldns_rr_list_rr(list, i));
    }
    all->messages++;
    if (size > all->longest)
        all->longest = size;
    ldns_pkt_free(pkt);
}

static void run(struct records *all, const struct dns_query *query, struct dns_tsig_session *client)
{
    struct dns_axfr axfr;
    size_t size;
    int err;

    ck_assert_int_eq(query->rcode, DNS_NOERROR);
    ck_assert_int_eq(query->transfer, DNS_TRANSFER_ZONE);
    memset(all, 0, sizeof *all);
    dns_axfr_start(&axfr, query, DNS_UDP_SIZE);
    while ((err = dns_axfr_next(&axfr, message, &size, NOW)) == 0) {
        if (client)
            ck_assert_int_eq(dns_tsig_verify(client, message, size, NOW, NULL), 0);
        collect(all, size);
    }
    ck_assert_int_eq(err, KEEL_EOF);
    ck_assert_uint_eq(axfr.messages, all->messages);
    ck_assert_uint_eq(axfr.records, all->count);
}

/* Against the zone file as ldns reads it: the same records, the SOA at both ends. */
static void check_zone(struct records *all, const char *origin, const char *text)
{
    char *expected[20000];
    size_t count = 0;
    ldns_rdf *name = ldns_dname_new_frm_str(origin);
    ldns_zone *zone;
    int line = 0;
    FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    ck_assert_int_eq(ldns_zone_new_frm_fp_l(&zone, f, name, 60, LDNS_RR_CLASS_IN, &line),
                     LDNS_STATUS_OK);
    fclose(f);
    for (size_t i = 0; i < ldns_zone_rr_count(zone); i++) {
        ldns_rr *rr = ldns_rr_list_rr(ldns_zone_rrs(zone), i);
        ldns_dname2canonical(ldns_rr_owner(rr)); /* images keep owners in lower case */
        expected[count++] = ldns_rr2str(rr);
    }
    ck_assert_uint_eq(all->count, count + 2);
    ck_assert_str_eq(all->lines[0], all->lines[all->count - 1]);
    char *soa = ldns_rr2str(ldns_zone_soa(zone));
    ck_assert_str_eq(all->lines[0], soa);
    qsort(all->lines + 1, count, sizeof *expected, compare_lines);
    qsort(expected, count, sizeof *expected, compare_lines);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(all->lines[1 + i], expected[i]);
    for (size_t i = 0; i < count; i++)
        free(expected[i]);
    free(soa);
    ldns_rdf_deep_free(name);
    ldns_zone_deep_free(zone);
}

static void drop(struct records *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->lines[i]);
}

static void whole_zone(const char *origin, const char *text)
{
    static struct records all;
    struct dns_tsig_session client;
    serve(origin, text);
    for (int sign = 0; sign < 2; sign++) {
        struct dns_query query = read_query(ask(origin, -1, 0, sign ? &client : NULL), true);
        run(&all, &query, sign ? &client : NULL);
        check_zone(&all, origin, text);
        drop(&all);
    }
}

/* names of every length, glue, wildcards, types that nobody knows, in one message */
#define SMALL                                                                                      \
    "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n@ NS ns.sub\n@ MX 1 mail\n@ MX 2 "                    \
    "mail.other.example.\n"                                                                        \
    "ns A 192.0.2.1\nns AAAA ::1\nsub NS ns.sub\nns.sub A 192.0.2.2\nhidden.sub TXT \"x\"\n"       \
    "* TXT \"w\"\nc CNAME ns\nd DNAME other.example.\na.b.c.d.e.f SRV 1 2 3 mail.sub\n"            \
    "t TYPE65400 \\# 3 010203\n_x._y SRV 1 2 3 ns\n"

START_TEST(small_zones)
{
    whole_zone("z", SMALL);
}
END_TEST

START_TEST(deep_zones)
{
    whole_zone("a.b.c.d.example", SMALL);
}
END_TEST

START_TEST(the_root)
{
    whole_zone(".", "$TTL 60\n@ SOA ns. h. 7 2 3 4 5\n@ NS ns.\nns. A 192.0.2.1\norg. NS a.org.\n"
                    "org. NS ns.\na.org. A 192.0.2.3\n");
}
END_TEST

/* many messages; sets that begin at any offset of one, and one that fills several */
START_TEST(large_zones)
{
    char *text = malloc(4 << 20);
    size_t at = (size_t)sprintf(text, "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n");
    for (int i = 0; i < 3000; i++) {
        at += (size_t)sprintf(text + at, "h%d A 192.0.2.%d\nh%d MX %d mail%d.sub\n", i, i % 250, i,
                              i, i);
        if (i % 5 == 0)
            at += (size_t)sprintf(text + at, "h%d MX %d mail%d.sub.other.example.\n", i, i + 1, i);
    }
    for (int i = 0; i < 1500; i++) /* 57 KiB, most of it names in a row that point to each other */
        at += (size_t)sprintf(text + at, "big MX %d m%d.far.away.example.net.\n", i, i);
    for (int i = 0; i < 180; i++)
        at +=
            (size_t)sprintf(text + at, "wide%d TXT \"%0200d\" \"%0200d\"\nwide%d TXT \"b%0200d\"\n",
                            i % 60, i, i, i % 60, i);
    whole_zone("z", text);
    free(text);
}
END_TEST

START_TEST(messages_are_full_and_in_bounds)
{
    static struct records all;
    char *text = malloc(1 << 20);
    size_t at = (size_t)sprintf(text, "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n");
    for (int i = 0; i < 10000; i++)
        at += (size_t)sprintf(text + at, "h%d A 192.0.2.%d\n", i, i % 250);
    serve("z", text);
    struct dns_query query = read_query(ask("z", -1, 0, NULL), true);
    run(&all, &query, NULL);
    ck_assert_uint_eq(all.count, 10004);
    ck_assert_uint_le(all.longest, DNS_AXFR_MESSAGE);
    ck_assert_uint_le(all.messages, 10004 * 24 / (DNS_AXFR_MESSAGE - 100) + 1);
    drop(&all);
    free(text);
}
END_TEST

START_TEST(edns_is_answered_once)
{
    struct dns_axfr axfr;
    size_t size;
    serve("z", SMALL);
    struct dns_query query = read_query(ask("z", -1, 1232, NULL), true);
    dns_axfr_start(&axfr, &query, DNS_UDP_SIZE);
    ck_assert_int_eq(dns_axfr_next(&axfr, message, &size, NOW), 0);
    ck_assert_uint_eq(keel_get_u16(message + 10), 1);
    ck_assert_mem_eq(message + size - 11, "\0\0\51\4\320\0\0\0\0\0\0", 11);
    ck_assert_int_eq(dns_axfr_next(&axfr, message, &size, NOW), KEEL_EOF);
}
END_TEST

static const struct {
    int64_t client; /* ours is 7 */
    bool tcp;
    enum dns_transfer transfer;
} serials[] = {
    {7, true, DNS_TRANSFER_SOA},           {8, true, DNS_TRANSFER_SOA},
    {6, true, DNS_TRANSFER_ZONE},          {0, true, DNS_TRANSFER_ZONE},
    {0xFFFFFFFF, true, DNS_TRANSFER_ZONE}, {0x80000006, true, DNS_TRANSFER_SOA},
    {6, false, DNS_TRANSFER_SOA},          {7, false, DNS_TRANSFER_SOA},
};

START_TEST(ixfr)
{
    struct dns_tsig_session client;
    serve("z", SMALL);
    for (size_t i = 0; i < sizeof serials / sizeof serials[0]; i++) {
        struct dns_query query =
            read_query(ask("z", serials[i].client, 0, &client), serials[i].tcp);
        ck_assert_int_eq(query.transfer, serials[i].transfer);
        if (query.transfer == DNS_TRANSFER_ZONE) {
            static struct records all;
            run(&all, &query, &client);
            check_zone(&all, "z", SMALL);
            drop(&all);
            continue;
        }
        size_t n = dns_query_answer(&query, &context, message, sizeof message);
        ck_assert_int_eq(dns_tsig_verify(&client, message, n, NOW, NULL), 0);
        ck_assert_uint_eq(keel_get_u16(message + 6), 1);
        ck_assert_uint_eq(keel_get_u16(message + 8), 0);
        ck_assert_uint_eq(message[2] & 4, 4);
    }
}
END_TEST

static unsigned rcode_of(size_t size, bool tcp)
{
    struct dns_query query = read_query(size, tcp);
    ck_assert_int_eq(query.transfer, DNS_TRANSFER_NONE);
    size_t n = dns_query_answer(&query, &context, message, sizeof message);
    ck_assert_uint_ge(n, 12);
    ck_assert_uint_eq(keel_get_u16(message + 6), 0);
    return message[3] & 15;
}

START_TEST(refusals)
{
    struct dns_tsig_session client;
    serve("z", SMALL);
    ck_assert_uint_eq(rcode_of(ask("z", -1, 0, NULL), false), DNS_REFUSED); /* UDP */
    ck_assert_uint_eq(rcode_of(ask("ns.z", -1, 0, NULL), true), DNS_NOTAUTH);
    ck_assert_uint_eq(rcode_of(ask("other", -1, 0, NULL), true), DNS_NOTAUTH);
    /* an IXFR without an SOA, with another's, with one that is too short */
    size_t size = ask("z", 6, 0, NULL);
    request[9] = 0;
    ck_assert_uint_eq(rcode_of(size - 36, true), DNS_FORMERR);
    size = ask("z", 6, 0, NULL);
    request[size - 33] = 2; /* NS */
    ck_assert_uint_eq(rcode_of(size, true), DNS_FORMERR);
    size = ask("z", 6, 0, NULL);
    request[size - 23] = 21;
    ck_assert_uint_eq(rcode_of(size - 1, true), DNS_FORMERR);
    /* the list */
    struct dns_acl *acl = &zones.items[0]->allow_transfer;
    struct keel_diag diag;
    acl->any = false;
    struct dns_query query = read_query(ask("z", -1, 0, NULL), true);
    ck_assert_int_eq(query.rcode, DNS_REFUSED);
    ck_assert_int_eq(query.denied, DNS_DENIED_TRANSFER);
    ck_assert_uint_eq(rcode_of(ask("z", 6, 0, NULL), false), DNS_REFUSED);
    ck_assert_int_eq(dns_acl_add(acl, KEEL_STR("key:k."), &keys, &diag), 0);
    ck_assert_uint_eq(rcode_of(ask("z", -1, 0, NULL), true), DNS_REFUSED);
    query = read_query(ask("z", -1, 0, &client), true);
    ck_assert_int_eq(query.transfer, DNS_TRANSFER_ZONE);
    /* where no transfer can begin, the client is to come again */
    size = dns_query_answer(&query, &context, message, sizeof message);
    ck_assert_uint_eq(message[3] & 15, DNS_SERVFAIL);
    ck_assert_int_eq(dns_tsig_verify(&client, message, size, NOW, NULL), 0);
}
END_TEST

START_TEST(queries_have_a_list_too)
{
    serve("z", SMALL);
    zones.items[0]->allow_query.any = false;
    size_t size = support_query(request, sizeof request, "ns.z", DNS_TYPE_A, 0);
    struct dns_query query = read_query(size, false);
    ck_assert_int_eq(query.rcode, DNS_REFUSED);
    ck_assert_int_eq(query.denied, DNS_DENIED_QUERY);
    struct keel_diag diag;
    ck_assert_int_eq(
        dns_acl_add(&zones.items[0]->allow_query, KEEL_STR("192.0.2.0/24"), &keys, &diag), 0);
    query = read_query(size, false);
    ck_assert_int_eq(query.rcode, DNS_NOERROR);
}
END_TEST

Suite *axfr_suite(void)
{
    Suite *s = suite_create("dnsd/transfer/axfr");
    TCase *t = tcase_create("axfr");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, small_zones);
    tcase_add_test(t, deep_zones);
    tcase_add_test(t, the_root);
    tcase_add_test(t, large_zones);
    tcase_add_test(t, messages_are_full_and_in_bounds);
    tcase_add_test(t, edns_is_answered_once);
    tcase_add_test(t, ixfr);
    tcase_add_test(t, refusals);
    tcase_add_test(t, queries_have_a_list_too);
    suite_add_tcase(s, t);
    return s;
}
