#include "common/base/mem.h"
#include "dnsd/wire/tsig.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

#include <ldns/ldns.h>

/* Queries for www.example.org A as the clients of BIND and Knot signed them, with the key
 * Key.Example. whose secret is the bytes 1 to 32. */
static const struct {
    const char *what;
    enum dns_tsig_algorithm algorithm;
    size_t mac_size; /* 0: whole */
    const char *hex;
} vectors[] = {
    {"dig hmac-sha1", DNS_HMAC_SHA1, 0,
     "30970120000100000000000203777777076578616d706c65036f7267000001000100002904d000000000"
     "0000036b6579076578616d706c650000fa00ff00000000002f09686d61632d736861310000006b00da64"
     "012c0014c041dc8fac22f195fe2fd294fc6951a6fe6eb046309700000000"},
    {"dig hmac-sha224", DNS_HMAC_SHA224, 0,
     "c9850120000100000000000203777777076578616d706c65036f7267000001000100002904d000000000"
     "0000036b6579076578616d706c650000fa00ff0000000000390b686d61632d7368613232340000006b00"
     "da64012c001c4f163766ed9203b7aee9e5f6f33b5b7e3e20178ee2021c0b1f154e46c98500000000"},
    {"dig hmac-sha256", DNS_HMAC_SHA256, 0,
     "247f0120000100000000000203777777076578616d706c65036f7267000001000100002904d000000000"
     "0000036b6579076578616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006b00"
     "da64012c00200d3a4e77a0aa5811d123c912a1fe2728e6517965fbc8d075e757b1c1fe98828e247f0000"
     "0000"},
    {"dig hmac-sha384", DNS_HMAC_SHA384, 0,
     "c2110120000100000000000203777777076578616d706c65036f7267000001000100002904d000000000"
     "0000036b6579076578616d706c650000fa00ff00000000004d0b686d61632d7368613338340000006b00"
     "da64012c0030ea93b14c1ad57aac43b5278984169e463ae384802679072c06a75d306e3ed62517ebbfe8"
     "d6bd8ed04cbfcb7ab02cffa0c21100000000"},
    {"dig hmac-sha512", DNS_HMAC_SHA512, 0,
     "8ced0120000100000000000203777777076578616d706c65036f7267000001000100002904d000000000"
     "0000036b6579076578616d706c650000fa00ff00000000005d0b686d61632d7368613531320000006b00"
     "da64012c004014b25201594853920f78b0a5b6e72bc03b1068a6dba9112d6d4f9d28b9b312ef602a75c6"
     "2d3d01c88f2df9df3fd53035bcacb3e75a529b9651a6e516df23ea6c8ced00000000"},
    {"kdig hmac-sha1", DNS_HMAC_SHA1, 0,
     "03c40120000100000000000103777777076578616d706c65036f72670000010001036b6579076578616d"
     "706c650000fa00ff00000000002f09686d61632d736861310000006b00da64012c0014e98d5b361a7bf1"
     "c47210a83aa2976d01937d38a803c400000000"},
    {"kdig hmac-sha224", DNS_HMAC_SHA224, 0,
     "04120120000100000000000103777777076578616d706c65036f72670000010001036b6579076578616d"
     "706c650000fa00ff0000000000390b686d61632d7368613232340000006b00da64012c001cf361caaf7e"
     "04cc6dae8f50ee100d5a34ba160c8330a804600a3ba8c6041200000000"},
    {"kdig hmac-sha256", DNS_HMAC_SHA256, 0,
     "c2030120000100000000000103777777076578616d706c65036f72670000010001036b6579076578616d"
     "706c650000fa00ff00000000003d0b686d61632d7368613235360000006b00da64012c00207eb12de2d8"
     "335d7e405aff6a96aa36f0be54311e2b63ce74927223998bcecfb4c20300000000"},
    {"kdig hmac-sha384", DNS_HMAC_SHA384, 0,
     "ab240120000100000000000103777777076578616d706c65036f72670000010001036b6579076578616d"
     "706c650000fa00ff00000000004d0b686d61632d7368613338340000006b00da64012c00309cb59828bf"
     "a58c906a829c40dcb927b516a416b384bf0ad506aa1d86de0dffe447a90ce1b7d70bd023bbc3ba345c62"
     "76ab2400000000"},
    {"kdig hmac-sha512", DNS_HMAC_SHA512, 0,
     "97350120000100000000000103777777076578616d706c65036f72670000010001036b6579076578616d"
     "706c650000fa00ff00000000005d0b686d61632d7368613531320000006b00da64012c00400bb2a5b099"
     "71c6979ee34477b788a8e5530acc10ae3304bbfe95c2ef32e8a9b41ab58725d13badd9af9074a4641850"
     "6a6f0f4576535755b3e1fff51e620f085e973500000000"},
    {"dig cut", DNS_HMAC_SHA256, 16,
     "520e0120000100000000000203777777076578616d706c65036f7267000001000100002904d000000000"
     "0000036b6579076578616d706c650000fa00ff00000000002d0b686d61632d7368613235360000006b00"
     "da64012c0010af8140c4a4b71befaab9ce95f6e403b5520e00000000"},
};
#define VECTORS (sizeof vectors / sizeof vectors[0])

static uint8_t secret[32];
static struct dns_tsig_keys keys;

static void setup(void)
{
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)(i + 1);
    dns_tsig_keys_init(&keys, (struct keel_hash_key){5, 6});
}

static void teardown(void)
{
    dns_tsig_keys_fini(&keys);
}

static const struct dns_tsig_key *add(const char *name, enum dns_tsig_algorithm algorithm,
                                      size_t mac_size)
{
    struct dns_name key = support_name(name);
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &key, algorithm, secret, sizeof secret, mac_size), 0);
    dns_name_lower(&key);
    return dns_tsig_keys_find(&keys, &key);
}

static size_t vector(int i, uint8_t *out, size_t room, struct dns_tsig *tsig, size_t *at)
{
    int n = keel_parse_hex(keel_str(vectors[i].hex), out, room);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(dns_tsig_find(out, (size_t)n, at), 0);
    ck_assert_uint_gt(*at, 0);
    ck_assert_int_eq(dns_tsig_parse(tsig, out, (size_t)n, *at), 0);
    return (size_t)n;
}

START_TEST(takes_what_others_sign)
{
    struct dns_tsig_session session;
    struct dns_tsig tsig;
    uint8_t message[512];
    size_t at, size = vector(_i, message, sizeof message, &tsig, &at);
    const struct dns_tsig_key *key =
        add("KEY.example", vectors[_i].algorithm, vectors[_i].mac_size);

    ck_assert_int_eq(dns_tsig_accept(&session, &keys, message, size, at, tsig.time), DNS_NOERROR);
    ck_assert_ptr_eq(session.key, key);
    ck_assert_uint_eq(session.error, 0);
    ck_assert_uint_eq(session.mac_size, tsig.mac_size);
    /* a forwarder may give it another ID (RFC 8945, 5.4.2 and 5.5) */
    message[0] ^= 0xFF;
    ck_assert_int_eq(dns_tsig_accept(&session, &keys, message, size, at, tsig.time), DNS_NOERROR);
    message[0] ^= 0xFF;
    for (size_t i = 2; i < size; i++) {
        size_t found;
        message[i] ^= 1;
        if (dns_tsig_find(message, size, &found) == 0 && found == at)
            ck_assert_msg(dns_tsig_accept(&session, &keys, message, size, at, tsig.time) !=
                              DNS_NOERROR,
                          "byte %zu can be changed", i);
        message[i] ^= 1;
    }
    for (size_t cut = 0; cut < size; cut++)
        ck_assert_int_eq(dns_tsig_find(message, cut, &at), KEEL_EINVAL);
}
END_TEST

START_TEST(time_and_fudge)
{
    struct dns_tsig_session session;
    struct dns_tsig tsig;
    uint8_t message[512];
    size_t at, size = vector(0, message, sizeof message, &tsig, &at);
    add("key.example", vectors[0].algorithm, 0);
    for (int late = -400; late <= 400; late += 100) {
        enum dns_rcode rcode = dns_tsig_accept(&session, &keys, message, size, at,
                                               (uint64_t)((int64_t)tsig.time + late));
        bool good = late >= -300 && late <= 300;
        ck_assert_int_eq(rcode, good ? DNS_NOERROR : DNS_NOTAUTH);
        ck_assert_uint_eq(session.error, good ? 0 : DNS_TSIG_BADTIME);
        ck_assert_ptr_nonnull(session.key);
    }
}
END_TEST

START_TEST(unknown_keys_and_other_algorithms)
{
    struct dns_tsig_session session;
    struct dns_tsig tsig;
    uint8_t message[512];
    size_t at, size = vector(2, message, sizeof message, &tsig, &at);
    ck_assert_int_eq(dns_tsig_accept(&session, NULL, message, size, at, tsig.time), DNS_NOTAUTH);
    ck_assert_uint_eq(session.error, DNS_TSIG_BADKEY);
    add("other.example", DNS_HMAC_SHA256, 0);
    ck_assert_int_eq(dns_tsig_accept(&session, &keys, message, size, at, tsig.time), DNS_NOTAUTH);
    ck_assert_uint_eq(session.error, DNS_TSIG_BADKEY);
    add("key.example", DNS_HMAC_SHA512, 0);
    ck_assert_int_eq(dns_tsig_accept(&session, &keys, message, size, at, tsig.time), DNS_NOTAUTH);
    ck_assert_uint_eq(session.error, DNS_TSIG_BADKEY);
    ck_assert_ptr_null(session.key);
}
END_TEST

START_TEST(keys_are_checked)
{
    struct dns_name name = support_name("a.key");
    static const size_t least[] = {10, 14, 16, 24, 32};
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA1, secret, 1, 9), KEEL_ERANGE);
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA1, secret, 1, 21), KEEL_ERANGE);
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA1, secret, 1, 10), 0);
    name = support_name("A.Key");
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA1, secret, 1, 0), KEEL_EEXIST);
    for (unsigned i = 0; i < DNS_TSIG_ALGORITHMS; i++)
        ck_assert_uint_eq(dns_tsig_mac_least(i), least[i]);
    for (unsigned i = 0; i < 300; i++) {
        char text[32];
        snprintf(text, sizeof text, "k%u.example", i);
        ck_assert_ptr_nonnull(add(text, DNS_HMAC_SHA256, 0));
    }
    ck_assert_str_eq(dns_tsig_error_name(0), "NOERROR");
    ck_assert_str_eq(dns_tsig_error_name(16), "BADSIG");
    ck_assert_str_eq(dns_tsig_error_name(17), "BADKEY");
    ck_assert_str_eq(dns_tsig_error_name(18), "BADTIME");
    ck_assert_str_eq(dns_tsig_error_name(22), "BADTRUNC");
    ck_assert_str_eq(dns_tsig_error_name(1), "unknown");
}
END_TEST

/* --- both sides are ours; ldns is asked where it knows how --- */

struct exchange {
    struct dns_tsig_session client, server;
    uint8_t request[512], reply[512];
    size_t request_size, reply_size;
    enum dns_rcode rcode;
};

static void ask(struct exchange *x, const struct dns_tsig_key *key, uint64_t now)
{
    struct keel_writer w;
    size_t n = support_query(x->request, sizeof x->request, "www.example.org", DNS_TYPE_A, 0);
    keel_writer_init(&w, x->request, sizeof x->request);
    keel_write_skip(&w, n);
    dns_tsig_open(&x->client, key);
    ck_assert_int_eq(dns_tsig_sign(&x->client, &w, now), 0);
    x->request_size = keel_writer_offset(&w);
    ck_assert_uint_eq(x->request_size, n + x->client.room);
}

static void judge(struct exchange *x, uint64_t now)
{
    size_t at;
    ck_assert_int_eq(dns_tsig_find(x->request, x->request_size, &at), 0);
    x->rcode = dns_tsig_accept(&x->server, &keys, x->request, x->request_size, at, now);
}

static void answer(struct exchange *x, uint64_t now)
{
    struct keel_writer w;
    size_t n = support_query(x->reply, sizeof x->reply, "www.example.org", DNS_TYPE_A, 0);
    x->reply[2] |= 0x80;
    x->reply[3] = (uint8_t)x->rcode;
    keel_writer_init(&w, x->reply, n + x->server.room);
    keel_write_skip(&w, n);
    ck_assert_int_eq(dns_tsig_sign(&x->server, &w, now), 0);
    x->reply_size = keel_writer_offset(&w);
    ck_assert_uint_eq(x->reply_size, n + x->server.room);
}

START_TEST(whole_exchange)
{
    static const char *const names[] = {"hmac-sha1.", NULL, "hmac-sha256.", NULL, "hmac-sha512."};
    struct exchange x;
    unsigned error = 0;
    const struct dns_tsig_key *key = add("k.example", (enum dns_tsig_algorithm)_i, 0);
    for (int round = 0; round < 2; round++) {
        ask(&x, key, 1000);
        judge(&x, 1200);
        ck_assert_int_eq(x.rcode, DNS_NOERROR);
        answer(&x, 1200);
        if (names[_i]) {
            ldns_pkt *pkt;
            ck_assert_int_eq(ldns_wire2pkt(&pkt, x.reply, x.reply_size), LDNS_STATUS_OK);
            uint8_t sent[2 + KEEL_DIGEST_MAX];
            keel_put_u16(sent, x.client.last_size);
            memcpy(sent + 2, x.client.last, x.client.last_size);
            ldns_rdf *mac =
                ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, x.client.last_size + 2u, sent);
            char base64[64];
            keel_format_base64(base64, sizeof base64, secret, sizeof secret);
            ck_assert(ldns_pkt_tsig_verify(pkt, x.reply, x.reply_size, "k.example.", base64, mac));
            ldns_rdf_deep_free(mac);
            ldns_pkt_free(pkt);
        }
        for (size_t i = 2; i < x.reply_size; i++) {
            struct dns_tsig_session before = x.client;
            x.reply[i] ^= 1;
            ck_assert_int_ne(dns_tsig_verify(&before, x.reply, x.reply_size, 1200, &error), 0);
            x.reply[i] ^= 1;
        }
        ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 1501, &error),
                         KEEL_EACCES);
        ck_assert_uint_eq(error, DNS_TSIG_BADTIME);
        ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 1500, NULL), 0);
        for (int more = 0; more < 3; more++) { /* a stream: each builds on the one before */
            struct exchange skipped = x;
            answer(&x, 1201 + (uint64_t)more);
            answer(&skipped, 1200);
            answer(&skipped, 1201);
            ck_assert_int_eq(
                dns_tsig_verify(&x.client, skipped.reply, skipped.reply_size, 1200, &error),
                KEEL_EACCES);
            ck_assert_uint_eq(error, DNS_TSIG_BADSIG);
            ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 1200, NULL), 0);
        }
    }
}
END_TEST

START_TEST(cut_macs)
{
    struct exchange x;
    unsigned error = 0;
    const struct dns_tsig_key *key = add("k.example", DNS_HMAC_SHA256, 16);
    /* as long as the client's */
    for (size_t size = 16; size <= 32; size += 8) {
        struct dns_tsig_key same = *key;
        same.mac_size = (uint16_t)size;
        ask(&x, &same, 1000);
        judge(&x, 1000);
        ck_assert_int_eq(x.rcode, DNS_NOERROR);
        answer(&x, 1000);
        ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 1000, NULL), 0);
        ck_assert_uint_eq(x.client.last_size, size);
    }
    /* shorter than we want: signed BADTRUNC with a MAC as long as we want */
    struct dns_tsig_key *strict = (struct dns_tsig_key *)key;
    strict->mac_size = 24;
    struct dns_tsig_key loose = *key;
    loose.mac_size = 16;
    ask(&x, &loose, 1000);
    judge(&x, 1000);
    ck_assert_int_eq(x.rcode, DNS_NOTAUTH);
    ck_assert_uint_eq(x.server.error, DNS_TSIG_BADTRUNC);
    answer(&x, 1000);
    ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 1000, &error), KEEL_EACCES);
    ck_assert_uint_eq(error, DNS_TSIG_BADTRUNC);
    /* shorter than anybody may, and longer than there is: FORMERR, nothing signed */
    for (int i = 0; i < 2; i++) {
        loose.mac_size = i ? 33 : 15;
        ask(&x, &loose, 1000);
        judge(&x, 1000);
        ck_assert_int_eq(x.rcode, DNS_FORMERR);
        ck_assert(!x.server.signs);
        ck_assert_uint_eq(x.server.room, 0);
    }
}
END_TEST

START_TEST(badtime_is_signed_and_tells_ours)
{
    struct exchange x;
    struct dns_tsig tsig;
    unsigned error = 0;
    size_t at;
    const struct dns_tsig_key *key = add("k.example", DNS_HMAC_SHA384, 0);
    ask(&x, key, 5000);
    judge(&x, 9000);
    ck_assert_int_eq(x.rcode, DNS_NOTAUTH);
    answer(&x, 9000);
    ck_assert_int_eq(dns_tsig_find(x.reply, x.reply_size, &at), 0);
    ck_assert_int_eq(dns_tsig_parse(&tsig, x.reply, x.reply_size, at), 0);
    ck_assert_uint_eq(tsig.time, 5000);
    ck_assert_uint_eq(tsig.error, DNS_TSIG_BADTIME);
    ck_assert_uint_eq(tsig.other_size, 6);
    ck_assert_uint_eq(keel_get_u32(tsig.other + 2), 9000);
    /* only a MAC that fits gets as far as the error */
    ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 5000, &error), KEEL_EACCES);
    ck_assert_uint_eq(error, DNS_TSIG_BADTIME);
    x.reply[x.reply_size - 1] ^= 1;
    ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 5000, &error), KEEL_EACCES);
    ck_assert_uint_eq(error, DNS_TSIG_BADSIG);
}
END_TEST

START_TEST(errors_without_a_signature)
{
    struct exchange x;
    struct dns_tsig tsig;
    unsigned error = 0;
    size_t at;
    const struct dns_tsig_key *key = add("k.example", DNS_HMAC_SHA256, 0);
    for (int i = 0; i < 2; i++) {
        struct dns_tsig_key other = *key;
        if (i == 0)
            other.name = support_name("unknown.example");
        ask(&x, &other, 1000);
        if (i == 1)
            x.request[3] ^= 0x20;
        judge(&x, 1000);
        ck_assert_int_eq(x.rcode, DNS_NOTAUTH);
        answer(&x, 1000);
        ck_assert_int_eq(dns_tsig_find(x.reply, x.reply_size, &at), 0);
        ck_assert_int_eq(dns_tsig_parse(&tsig, x.reply, x.reply_size, at), 0);
        ck_assert_uint_eq(tsig.mac_size, 0);
        ck_assert_uint_eq(tsig.error, i ? DNS_TSIG_BADSIG : DNS_TSIG_BADKEY);
        ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, x.reply_size, 1000, &error),
                         KEEL_EACCES);
        ck_assert_uint_eq(error, i ? DNS_TSIG_BADSIG : DNS_TSIG_BADKEY);
    }
    ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, at, 1000, NULL), KEEL_EINVAL);
    x.reply[11] = 0;
    ck_assert_int_eq(dns_tsig_verify(&x.client, x.reply, at, 1000, NULL), KEEL_ENOENT);
}
END_TEST

START_TEST(malformed_records)
{
    struct exchange x;
    size_t at;
    const struct dns_tsig_key *key = add("k", DNS_HMAC_SHA256, 0);
    /* class, TTL, a byte more and a byte less of rdata */
    static const struct {
        size_t at; /* behind the owner */
        uint8_t flip;
    } cases[] = {{3, 1}, {7, 1}, {9, 1}, {9, 0x40}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dns_tsig tsig;
        ask(&x, key, 1000);
        ck_assert_int_eq(dns_tsig_find(x.request, x.request_size, &at), 0);
        x.request[at + 3 + cases[i].at] ^= cases[i].flip;
        ck_assert_int_eq(dns_tsig_parse(&tsig, x.request, x.request_size, at), KEEL_EINVAL);
        x.rcode = dns_tsig_accept(&x.server, &keys, x.request, x.request_size, at, 1000);
        ck_assert_int_eq(x.rcode, DNS_FORMERR);
    }
}
END_TEST

static int many_keys(void *arg)
{
    struct dns_tsig_keys all;
    struct dns_name name = support_name("k.example");
    int err = 0;
    dns_tsig_keys_init(&all, (struct keel_hash_key){7, 8});
    for (uint8_t i = 0; i < 40 && err == 0; i++) {
        name.bytes[1] = (uint8_t)(0x80 + i);
        err = dns_tsig_keys_add(&all, &name, DNS_HMAC_SHA256, secret, sizeof secret, 0);
    }
    dns_tsig_keys_fini(&all);
    return err;
}

START_TEST(memory_runs_out)
{
    ck_assert_uint_gt(allocfail_sweep(many_keys, NULL), 40);
}
END_TEST

Suite *tsig_suite(void)
{
    Suite *s = suite_create("dnsd/wire/tsig");
    TCase *t = tcase_create("tsig");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, takes_what_others_sign, 0, VECTORS);
    tcase_add_test(t, time_and_fudge);
    tcase_add_test(t, unknown_keys_and_other_algorithms);
    tcase_add_test(t, keys_are_checked);
    tcase_add_loop_test(t, whole_exchange, 0, DNS_TSIG_ALGORITHMS);
    tcase_add_test(t, cut_macs);
    tcase_add_test(t, badtime_is_signed_and_tells_ours);
    tcase_add_test(t, errors_without_a_signature);
    tcase_add_test(t, malformed_records);
    tcase_add_test(t, memory_runs_out);
    suite_add_tcase(s, t);
    return s;
}
