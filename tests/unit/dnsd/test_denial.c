#include "dnsd/wire/type.h"
#include "dnsd/zone/denial.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"
#include "common/base/rand.h"

#include <stdio.h>

#define HEAD "$TTL 60\n@ SOA ns h 7 2 3 100 5\n@ NS ns.other.\n"

/* RFC 5155, appendix A: H(example) and others, 12 iterations, salt aabbccdd. */
START_TEST(hashes_as_the_rfc_does)
{
    static const struct {
        const char *name, *hash;
    } rows[] = {
        {"example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"},
        {"a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"},
        {"ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"},
        {"*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"},
    };
    struct {
        struct dns_image image;
        uint8_t salt[4];
    } made = {{.iterations = 12, .salt_size = 4, .salt_at = sizeof(struct dns_image)},
              {0xAA, 0xBB, 0xCC, 0xDD}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_name name = support_name(rows[i].name);
        uint8_t hash[KEEL_SHA1_SIZE];
        char text[33] = "";
        dns_nsec3_hash(&made.image, name.bytes, name.size, hash);
        for (unsigned bit = 0; bit < 160; bit += 5) {
            unsigned two = (unsigned)hash[bit / 8] << 8 | (bit < 152 ? hash[bit / 8 + 1] : 0u);
            text[bit / 5] = "0123456789abcdefghijklmnopqrstuv"[two >> (11 - bit % 8) & 31];
        }
        ck_assert_str_eq(text, rows[i].hash);
    }
}
END_TEST

/* Every search ends where a walk over the whole chain does. */
START_TEST(finds_the_nsec_before_a_name)
{
    static const char *const asked[] = {
        "z",
        "0.z",
        "a.z",
        "aa.z",
        "b.z",
        "x.b.z",
        "zz.z",
        "a.n5.z",
        "n50.z",
        "n50x.z",
        "long-common-prefix-1.z",
        "n999.z",
        "n9999999.z",
        "\\000.z",
        "\\001.a.z",
        "long-common-prefix-2x.z",
        "*.z",
        "*.b.z",
    };
    struct dns_image *image = support_image(
        "z", HEAD "@ NSEC a NS SOA\na NSEC b A\nb.b NSEC c A\n\\001.b NSEC c A\n"
                  "cut NS ns\ncut NSEC d NS\nglue.cut A 192.0.2.1\n"
                  "$GENERATE 0-999 n$ NSEC z A\n$GENERATE 0-9 long-common-prefix-$ NSEC z A\n");
    ck_assert_uint_eq(image->denial, DNS_DENIAL_NSEC);
    ck_assert_uint_eq(image->chain_count, 1015);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct dns_name name = support_name(asked[i]), own;
        const struct dns_nsec *chain = dns_image_nsec(image), *wanted = chain;
        for (uint32_t k = 0; k < image->chain_count; k++) {
            dns_name_set(&own, dns_node_name(image, dns_image_node(image, chain[k].node)));
            ck_assert(k == 0 || chain[k - 1].prefix <= chain[k].prefix);
            if (dns_name_compare(&own, &name) <= 0)
                wanted = &chain[k];
        }
        ck_assert_msg(chain + dns_nsec_find(image, &name) == wanted, "%s", asked[i]);
    }
    keel_free(image);
}
END_TEST

/* A table of random hashes, searched for what is in it, for neighbours and for anything. */
START_TEST(finds_the_nsec3_before_a_hash)
{
    enum { COUNT = 500, BITS = 7 };
    static struct {
        struct dns_image image;
        struct dns_nsec3 chain[COUNT];
        uint32_t buckets[1 << BITS];
    } made;
    struct keel_prng prng;
    keel_prng_seed(&prng, (uint64_t)_i + 1);
    uint32_t count = _i == 0 ? 1 : COUNT;
    for (uint32_t i = 0; i < count; i++) { /* ascending: the first bytes count up, with gaps */
        keel_put_u32(made.chain[i].hash, i * 0x800000u + keel_prng_below(&prng, 0x800000u));
        made.chain[i].hash[19] = 7;
    }
    made.image.chain_at = (uint32_t)((uint8_t *)made.chain - (uint8_t *)&made.image);
    made.image.buckets_at = (uint32_t)((uint8_t *)made.buckets - (uint8_t *)&made.image);
    made.image.chain_count = count;
    made.image.bucket_shift = 64 - BITS;
    for (uint32_t k = 0, i = 0; k < 1 << BITS; k++) {
        while (i < count && keel_get_u32(made.chain[i].hash) >> (32 - BITS) < k)
            i++;
        made.buckets[k] = i;
    }
    for (unsigned n = 0; n < 20000; n++) {
        uint8_t hash[KEEL_SHA1_SIZE] = {0};
        keel_put_u32(hash, (uint32_t)keel_prng_next(&prng));
        if (n % 3) { /* an entry, or right beside it */
            memcpy(hash, made.chain[keel_prng_below(&prng, count)].hash, sizeof hash);
            hash[19] = (uint8_t)(hash[19] + (int)(n % 3) - 1 - (int)(n % 2));
        }
        uint32_t wanted = count - 1;
        bool match = false;
        for (uint32_t i = 0; i < count; i++) {
            int d = memcmp(made.chain[i].hash, hash, sizeof hash);
            if (d <= 0)
                wanted = i;
            match |= d == 0;
        }
        ck_assert_uint_eq(dns_nsec3_find(&made.image, hash),
                          wanted | (match ? DNS_PROOF_MATCH : 0));
    }
}
END_TEST

static char heard[4096];

static void hear(void *arg, const char *text)
{
    size_t used = strlen(heard);
    snprintf(heard + used, sizeof heard - used, "%s\n", text);
}

/* What is odd about a zone, and what keeps it from being served. */
static const struct {
    const char *text, *warnings, *error;
} odd[] = {
    {HEAD, "", NULL},
    {HEAD "@ NSEC z NS SOA\n", "", NULL},
    {HEAD "@ NSEC z NS SOA\na A 192.0.2.1\nb NS c.other.\nx.b A 192.0.2.1\n",
     "2 names have no NSEC; the first is a.z.\n", NULL},
    {HEAD "@ NSEC3PARAM 1 0 0 -\n",
     "there are no NSEC3 records for the NSEC3PARAM with 0 iterations\n", NULL},
    {HEAD "@ NSEC3PARAM 1 1 0 -\n@ NSEC3PARAM 7 0 0 -\n",
     "an NSEC3PARAM with algorithm 1 and flags 1 is not used\n"
     "an NSEC3PARAM with algorithm 7 and flags 0 is not used\n",
     NULL},
    {HEAD "@ NSEC3PARAM 1 0 2501 -\n", "",
     "NSEC3PARAM: 2501 iterations; more than 2500 are not allowed (RFC 5155, 10.3)"},
    {HEAD "@ RRSIG SOA 13 1 60 20300101000000 20200101000000 1 z. AAAA\n",
     "1 RRsets have no signature; the first is z. NS\n"
     "there are signatures, but no NSEC or NSEC3 that denies what is not there\n",
     NULL},
};

START_TEST(says_what_is_odd)
{
    struct dns_name apex = support_name("z");
    struct dns_compiler *compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    struct dns_scan_io io = {support_no_files, dns_compiler_add, compiler};
    struct dns_image *image = NULL;
    struct keel_diag diag = {""};
    heard[0] = '\0';
    dns_compiler_on_warning(compiler, hear, NULL);
    int err = dns_scan_text(keel_str(odd[_i].text), "zone", &apex, &io, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    err = dns_compiler_finish(compiler, &image, &diag);
    dns_compiler_free(compiler);
    ck_assert_str_eq(heard, odd[_i].warnings);
    if (odd[_i].error) {
        ck_assert_int_lt(err, 0);
        ck_assert_str_eq(diag.text, odd[_i].error);
    } else {
        ck_assert_int_eq(err, 0);
        keel_free(image);
    }
}
END_TEST

Suite *denial_suite(void)
{
    Suite *s = suite_create("dnsd/zone/denial");
    TCase *t = tcase_create("denial");
    tcase_add_test(t, hashes_as_the_rfc_does);
    tcase_add_test(t, finds_the_nsec_before_a_name);
    tcase_add_loop_test(t, finds_the_nsec3_before_a_hash, 0, 3);
    tcase_add_loop_test(t, says_what_is_odd, 0, sizeof odd / sizeof odd[0]);
    suite_add_tcase(s, t);
    return s;
}
