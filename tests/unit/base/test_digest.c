#include "suites.h"

#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/base/str.h"

#include <limits.h>

/* The bytes "abc": RFC 1321, A.5; FIPS 180-4 examples. */
static const struct {
    enum keel_digest kind;
    size_t size;
    const char *hex;
} digest_vectors[] = {
    {KEEL_MD5, 16, "900150983cd24fb0d6963f7d28e17f72"},
    {KEEL_SHA1, 20, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {KEEL_SHA224, 28, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
    {KEEL_SHA256, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {KEEL_SHA384, 48,
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca1"
     "34c825a7"},
    {KEEL_SHA512, 64,
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23"
     "a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

static void check_hex(const uint8_t *bytes, size_t n, const char *hex)
{
    char text[2 * KEEL_DIGEST_MAX + 1];
    keel_format_hex(text, sizeof text, bytes, n, 0);
    ck_assert_str_eq(text, hex);
}

START_TEST(sha1_of_two_parts)
{
    uint8_t out[KEEL_SHA1_SIZE];
    keel_sha1("a", 1, "bc", 2, out);
    check_hex(out, sizeof out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    keel_sha1("abc", 3, NULL, 0, out);
    check_hex(out, sizeof out, "a9993e364706816aba3e25717850c26c9cd0d89d");
}
END_TEST

START_TEST(digest_of_abc)
{
    uint8_t out[KEEL_DIGEST_MAX];
    ck_assert_uint_eq(keel_digest_size(digest_vectors[_i].kind), digest_vectors[_i].size);
    ck_assert_int_eq(keel_digest(digest_vectors[_i].kind, "abc", 3, out), 0);
    check_hex(out, digest_vectors[_i].size, digest_vectors[_i].hex);
}
END_TEST

/* RFC 4231, 4.2 to 4.8, without 4.6 (a cut digest). Keys and data in hexadecimal; a repeated byte
 * has a count. */
struct hmac_vector {
    const char *key, *data;
    int key_times, data_times;
    const char *hex[4]; /* SHA-224, 256, 384, 512 */
};
static const struct hmac_vector hmac_vectors[] = {
    {"0b",
     "4869205468657265",
     20,
     1,
     {"896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2"
      "fa9cb6",
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eae"
      "a3f4e4be9d914eeb61f1702e696c203a126854"}},
    {"4a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     1,
     1,
     {"a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfa"
      "b21649",
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8"
      "f0e6fdcaeab1a34d4a6b4b636e070a38bce737"}},
    {"aa",
     "dd",
     20,
     50,
     {"7fb3cb3588c6c1f6ffa9694d7d6ad2649365b0c1f65d69d1ec8333ea",
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
      "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101"
      "a34f27",
      "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e"
      "67c807b946a337bee8942674278859e13292fb"}},
    {"0102030405060708090a0b0c0d0e0f10111213141516171819",
     "cd",
     1,
     50,
     {"6c11506874013cac6a2abc1bb382627cec6a90d86efc012de7afec5a",
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
      "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c6"
      "74cffb",
      "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5"
      "788063a5f19741120c4f2de2adebeb10a298dd"}},
    {"aa",
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368"
     "204b6579204669727374",
     131,
     1,
     {"95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163"
      "f44952",
      "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d"
      "6a1e5295e64f73f63f0aec8b915a985d786598"}},
    {"aa",
     "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a6520"
     "6b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579"
     "206e6565647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484"
     "d"
     "414320616c676f726974686d2e",
     131,
     1,
     {"3a854166ac5d9f023f54d517d0b39dbd946770db9c2b95c9f6f565d1",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
      "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c"
      "46523e",
      "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3"
      "e4de15134676fb6de0446065c97440fa8c6a58"}},
};

static size_t repeat(uint8_t *out, size_t size, const char *hex, int times)
{
    size_t n = 0;
    for (int i = 0; i < times; i++) {
        int got = keel_parse_hex(keel_str(hex), out + n, size - n);
        ck_assert_int_gt(got, 0);
        n += (size_t)got;
    }
    return n;
}

START_TEST(hmac_of_rfc_4231)
{
    static const enum keel_digest kinds[] = {KEEL_SHA224, KEEL_SHA256, KEEL_SHA384, KEEL_SHA512};
    const struct hmac_vector *v = &hmac_vectors[_i];
    uint8_t key[160], data[160], out[KEEL_DIGEST_MAX];
    size_t key_size = repeat(key, sizeof key, v->key, v->key_times);
    size_t data_size = repeat(data, sizeof data, v->data, v->data_times);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(keel_hmac(kinds[i], key, key_size, data, data_size, out), 0);
        check_hex(out, keel_digest_size(kinds[i]), v->hex[i]);
    }
}
END_TEST

/* The same vectors in pieces of every size, under keys that are used again and again. */
START_TEST(prepared_keys_give_the_same)
{
    static const enum keel_digest kinds[] = {KEEL_SHA224, KEEL_SHA256, KEEL_SHA384, KEEL_SHA512};
    const struct hmac_vector *v = &hmac_vectors[_i];
    uint8_t bytes[160], data[160], out[KEEL_DIGEST_MAX];
    size_t key_size = repeat(bytes, sizeof bytes, v->key, v->key_times);
    size_t data_size = repeat(data, sizeof data, v->data, v->data_times);
    for (int i = 0; i < 4; i++) {
        struct keel_hmac_key *key = keel_hmac_key_new(kinds[i], bytes, key_size);
        ck_assert_ptr_nonnull(key);
        for (size_t step = 1; step <= data_size; step++) {
            keel_hmac_begin(key);
            for (size_t at = 0; at < data_size; at += step)
                keel_hmac_update(key, data + at, data_size - at < step ? data_size - at : step);
            ck_assert_int_eq(keel_hmac_final(key, out), 0);
            check_hex(out, keel_digest_size(kinds[i]), v->hex[i]);
        }
        keel_hmac_begin(key); /* one that is given up leaves nothing behind */
        keel_hmac_update(key, "rubbish", 7);
        keel_hmac_begin(key);
        keel_hmac_update(key, data, data_size);
        ck_assert_int_eq(keel_hmac_final(key, out), 0);
        check_hex(out, keel_digest_size(kinds[i]), v->hex[i]);
        keel_hmac_key_free(key);
    }
    keel_hmac_key_free(NULL);
}
END_TEST

START_TEST(prepared_keys_of_nothing)
{
    uint8_t out[KEEL_DIGEST_MAX];
    struct keel_hmac_key *key = keel_hmac_key_new(KEEL_SHA256, NULL, 0);
    ck_assert_ptr_nonnull(key);
    keel_hmac_begin(key);
    keel_hmac_update(key, NULL, 0);
    ck_assert_int_eq(keel_hmac_final(key, out), 0);
    check_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    keel_hmac_key_free(key);
}
END_TEST

START_TEST(hmac_of_nothing_with_no_key)
{
    uint8_t out[KEEL_DIGEST_MAX];
    ck_assert_int_eq(keel_hmac(KEEL_SHA256, NULL, 0, NULL, 0, out), 0);
    check_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    /* RFC 2202, 2 and 3, the second case of each */
    ck_assert_int_eq(keel_hmac(KEEL_MD5, "Jefe", 4, "what do ya want for nothing?", 28, out), 0);
    check_hex(out, 16, "750c783e6ab0b503eaa86e310a5db738");
    ck_assert_int_eq(keel_hmac(KEEL_SHA1, "Jefe", 4, "what do ya want for nothing?", 28, out), 0);
    check_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    ck_assert_int_eq(keel_hmac(KEEL_SHA1, "", (size_t)INT_MAX + 1, "", 0, out), KEEL_ERANGE);
}
END_TEST

START_TEST(secrets_are_compared_whole)
{
    ck_assert(keel_equal_secret(NULL, NULL, 0));
    ck_assert(keel_equal_secret("secret", "secret", 6));
    ck_assert(!keel_equal_secret("secret", "Secret", 6));
    ck_assert(!keel_equal_secret("secret", "secreT", 6));
}
END_TEST

Suite *digest_suite(void)
{
    Suite *suite = suite_create("digest");
    TCase *tc = tcase_create("digest");
    tcase_add_test(tc, sha1_of_two_parts);
    tcase_add_loop_test(tc, digest_of_abc, 0, sizeof digest_vectors / sizeof digest_vectors[0]);
    tcase_add_loop_test(tc, hmac_of_rfc_4231, 0, sizeof hmac_vectors / sizeof hmac_vectors[0]);
    tcase_add_loop_test(tc, prepared_keys_give_the_same, 0,
                        sizeof hmac_vectors / sizeof hmac_vectors[0]);
    tcase_add_test(tc, prepared_keys_of_nothing);
    tcase_add_test(tc, hmac_of_nothing_with_no_key);
    tcase_add_test(tc, secrets_are_compared_whole);
    suite_add_tcase(suite, tc);
    return suite;
}
