#include "dnsd/transfer/ixfr.h"

#include "common/base/mem.h"
#include "dnsd/transfer/fetch.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

#include <ldns/ldns.h>
#include <stdlib.h>

#define NOW 1000

static struct dns_tsig_keys keys;
static const struct dns_tsig_key *key;
static struct keel_buf chain;

static void setup(void)
{
    struct dns_name name = support_name("k");
    dns_tsig_keys_init(&keys, (struct keel_hash_key){5, 6});
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA256, "secret", 6, 0), 0);
    key = dns_tsig_keys_find(&keys, &name);
    keel_buf_init(&chain, 0);
}

static void teardown(void)
{
    dns_tsig_keys_fini(&keys);
    keel_buf_fini(&chain);
}

/* --- chains ----------------------------------------------------------------------------------- */

static void put(struct dns_diff *diff, bool add, const char *owner, uint16_t type,
                const void *rdata, size_t size)
{
    struct dns_name name = support_name(owner);
    const struct dns_diff_record record = {.owner = name.bytes,
                                           .owner_size = name.size,
                                           .type = type,
                                           .ttl = 60,
                                           .rdata = rdata,
                                           .rdata_size = (uint16_t)size};
    ck_assert_int_eq((add ? dns_diff_add : dns_diff_delete)(diff, &record), 0);
}

static void put_soa(struct dns_diff *diff, bool add, const char *owner, uint32_t serial)
{
    uint8_t rdata[22] = {0};
    keel_put_u32(rdata + 2, serial);
    put(diff, add, owner, DNS_TYPE_SOA, rdata, sizeof rdata);
}

static struct dns_diff step(const char *apex, uint32_t from, uint32_t to)
{
    struct dns_diff diff;
    dns_diff_init(&diff);
    diff.from = from;
    diff.to = to;
    put_soa(&diff, false, apex, from);
    put_soa(&diff, true, apex, to);
    return diff;
}

/* Puts it into the chain and frees it. */
static void done(struct dns_diff *diff)
{
    struct keel_buf block = {0};
    ck_assert_int_eq(dns_diff_encode(diff, &block), 0);
    ck_assert_int_eq(dns_ixfr_put(&chain, keel_buf_bytes(&block), keel_buf_size(&block)), 0);
    keel_buf_fini(&block);
    dns_diff_fini(diff);
}

/* Serials from 1 on, each step with `records` records out and in. */
static void make_chain(const char *apex, unsigned steps, unsigned records)
{
    uint8_t bytes[1000];
    memset(bytes, 'x', sizeof bytes);
    for (unsigned i = 1; i <= steps; i++) {
        struct dns_diff diff = step(apex, i, i + 1);
        for (unsigned k = 0; k < records; k++) {
            char owner[300];
            snprintf(owner, sizeof owner, "h%u.%s", k, apex);
            put(&diff, false, owner, DNS_TYPE_A, "1234", 4);
            put(&diff, true, owner, 65400, bytes, k % sizeof bytes);
        }
        done(&diff);
    }
}

/* --- from there to a client ------------------------------------------------------------------- */

static struct dns_query query_of(const uint8_t *request, size_t size)
{
    struct dns_query query = {.bytes = request, .size = size, .tcp = true};
    ck_assert_int_eq(dns_message_parse_query(&query.message, request, size), 0);
    dns_tsig_none(&query.tsig);
    if (query.message.tsig_at)
        ck_assert_int_eq(
            dns_tsig_accept(&query.tsig, &keys, request, size, query.message.tsig_at, NOW), 0);
    return query;
}

/* Sends the chain to our own client, whose outcome it is. */
static int deliver(const char *apex, bool is_signed, struct dns_fetch *f, uint64_t *messages,
                   uint64_t *records)
{
    static uint8_t message[UINT16_MAX];
    struct dns_fetch_options options = {.apex = support_name(apex),
                                        .key = is_signed ? key : NULL,
                                        .incremental = true,
                                        .have = true,
                                        .serial = 1,
                                        .limit = 1 << 30};
    struct dns_ixfr ixfr;
    size_t size;

    int err = dns_fetch_start(f, &options, NOW);
    if (err)
        return err;
    struct dns_query query = query_of(keel_buf_bytes(&f->out) + 2, keel_buf_size(&f->out) - 2);
    err = dns_ixfr_start(&ixfr, &query, 1, keel_buf_bytes(&chain), keel_buf_size(&chain), 1232);
    if (err)
        return err;
    while ((err = dns_ixfr_next(&ixfr, message, &size, NOW)) == 0) {
        ldns_pkt *pkt = NULL;
        ck_assert_uint_le(size, UINT16_MAX);
        ck_assert_int_eq(ldns_wire2pkt(&pkt, message, size), LDNS_STATUS_OK);
        ck_assert_uint_eq(ldns_pkt_aa(pkt), 1);
        ldns_pkt_free(pkt);
        dns_fetch_message(f, message, size, NOW);
    }
    *messages = ixfr.messages;
    *records = ixfr.records;
    dns_ixfr_fini(&ixfr);
    return err == KEEL_EOF ? (f->out_of_memory ? KEEL_ENOMEM : 0) : err;
}

/* The steps that came are those of the chain, byte for byte. */
static void check_same(const struct dns_fetch *f)
{
    struct keel_buf back = {0};
    ck_assert_msg(f->outcome == DNS_FETCH_STEPS, "%d %s", f->outcome, f->diag.text);
    for (unsigned i = 0; i < f->step_count; i++) {
        struct keel_buf block = {0};
        dns_diff_encode(&f->steps[i], &block);
        dns_ixfr_put(&back, keel_buf_bytes(&block), keel_buf_size(&block));
        keel_buf_fini(&block);
    }
    ck_assert_uint_eq(keel_buf_size(&back), keel_buf_size(&chain));
    ck_assert_mem_eq(keel_buf_bytes(&back), keel_buf_bytes(&chain), keel_buf_size(&chain));
    keel_buf_fini(&back);
}

START_TEST(what_is_sent_is_what_comes)
{
    static const unsigned sizes[] = {0, 1, 3, 500, 3000};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned is_signed = 0; is_signed < 2; is_signed++) {
            struct dns_fetch f;
            uint64_t messages, records;
            keel_buf_clear(&chain);
            make_chain("example.org", 3, sizes[i]);
            ck_assert_int_eq(deliver("example.org", is_signed, &f, &messages, &records), 0);
            check_same(&f);
            ck_assert_uint_eq(records, 2 + 3 * (2 + 2 * sizes[i]));
            ck_assert_uint_eq(messages > 1, sizes[i] > 100);
            dns_fetch_fini(&f);
        }
    }
}
END_TEST

START_TEST(the_root_and_long_records)
{
    static uint8_t bytes[64000];
    struct dns_fetch f;
    uint64_t messages, records;
    struct dns_diff diff = step(".", 1, 2);
    put(&diff, true, "x", 65400, bytes, sizeof bytes);
    put(&diff, true, "y", 65400, bytes, sizeof bytes);
    done(&diff);
    ck_assert_int_eq(deliver(".", true, &f, &messages, &records), 0);
    check_same(&f);
    ck_assert_uint_eq(messages, 3); /* the last SOA goes with the second of them */
    dns_fetch_fini(&f);
    keel_buf_clear(&chain);
    diff = step("example.org", 1, 2);
    put(&diff, true, "x.example.org", 65400, bytes, sizeof bytes);
    done(&diff);
    ck_assert_int_eq(deliver("example.org", false, &f, &messages, &records), 0);
    check_same(&f);
    dns_fetch_fini(&f);
}
END_TEST

START_TEST(a_record_that_fits_nowhere)
{
    static uint8_t bytes[65535];
    struct dns_fetch f;
    uint64_t messages, records;
    struct dns_diff diff = step("example.org", 1, 2);
    put(&diff, true, "x.example.org", 65400, bytes, sizeof bytes);
    done(&diff);
    ck_assert_int_eq(deliver("example.org", false, &f, &messages, &records), KEEL_ENOSPC);
    dns_fetch_fini(&f);
}
END_TEST

static int start(const uint8_t *bytes, size_t size)
{
    static uint8_t request[512];
    struct dns_ixfr ixfr;
    size_t n = support_query(request, sizeof request, "example.org", DNS_TYPE_IXFR, 0);
    struct dns_query query = query_of(request, n);
    int err = dns_ixfr_start(&ixfr, &query, 1, bytes, size, 1232);
    if (err == 0)
        dns_ixfr_fini(&ixfr);
    return err;
}

START_TEST(chains_that_are_none)
{
    struct dns_diff diff;
    make_chain("example.org", 2, 2);
    const size_t whole = keel_buf_size(&chain), first = 4 + keel_get_u32(keel_buf_bytes(&chain));
    for (size_t n = 0; n <= whole; n++) {
        uint8_t *exact = malloc(n + 1);
        memcpy(exact, keel_buf_bytes(&chain), n);
        ck_assert_int_eq(start(exact, n), n == first || n == whole ? 0 : KEEL_EINVAL);
        free(exact);
    }
    keel_buf_clear(&chain); /* begins elsewhere */
    diff = step("example.org", 2, 3);
    done(&diff);
    ck_assert_int_eq(start(keel_buf_bytes(&chain), keel_buf_size(&chain)), KEEL_EINVAL);
    keel_buf_clear(&chain); /* a gap */
    diff = step("example.org", 1, 2);
    done(&diff);
    diff = step("example.org", 3, 4);
    done(&diff);
    ck_assert_int_eq(start(keel_buf_bytes(&chain), keel_buf_size(&chain)), KEEL_EINVAL);
    keel_buf_clear(&chain); /* no SOA */
    dns_diff_init(&diff);
    diff.from = 1;
    diff.to = 2;
    done(&diff);
    ck_assert_int_eq(start(keel_buf_bytes(&chain), keel_buf_size(&chain)), KEEL_EINVAL);
}
END_TEST

static int send_all(void *arg)
{
    struct dns_fetch f;
    uint64_t messages, records;
    int err = deliver("example.org", true, &f, &messages, &records);
    dns_fetch_fini(&f);
    return err;
}

START_TEST(every_allocation_may_fail)
{
    make_chain("example.org", 3, 40);
    allocfail_sweep(send_all, NULL);
}
END_TEST

Suite *ixfr_suite(void)
{
    Suite *suite = suite_create("ixfr");
    TCase *tc = tcase_create("ixfr");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_sent_is_what_comes);
    tcase_add_test(tc, the_root_and_long_records);
    tcase_add_test(tc, a_record_that_fits_nowhere);
    tcase_add_test(tc, chains_that_are_none);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
