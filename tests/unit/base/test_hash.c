#include "suites.h"

#include "common/base/hash.h"
#include "common/base/rand.h"
#include "tests/support/allocfail.h"

#include <signal.h>
#include <string.h>

/* SipHash-1-3 of the bytes 0, 1, 2 ... n-1 under the key 00 01 .. 0f, for n = 0..63: made with the
 * SIPHASH of OpenSSL (c-rounds 1, d-rounds 3), which shares no line with ours. */
static const uint64_t sip_vectors[64] = {
    0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
    0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
    0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
    0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
    0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
    0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
    0xf464aeb267349c8c, 0x45cd5928705b0979, 0x3a3e35e3ca9913a5, 0xa91dc74e4ade3b35,
    0xfb0bed02ef6cd00d, 0x88d93cb44ab1e1f4, 0x540f11d643c5e663, 0x2370dd1f8c21d1bc,
    0x81157b6c16a7b60d, 0x4d54b9e57a8ff9bf, 0x759f12781f2a753e, 0xcea1a3bebf186b91,
    0x2cf508d3ada26206, 0xb6101c2da3c33057, 0xb3f47496ae3a36a1, 0x626b57547b108392,
    0xc1d2363299e41531, 0x667cc1923f1ad944, 0x65704ffec8138825, 0x24f280d1c28949a6,
    0xc2ca1cedfaf8876b, 0xc2164bfc9f042196, 0xa16e9c9368b1d623, 0x49fb169c8b5114fd,
    0x9f3143f8df074c46, 0xc6fdaf2412cc86b3, 0x7eaf49d10a52098f, 0x1cf313559d292f9a,
    0xc44a30dda2f41f12, 0x36fae98943a71ed0, 0x318fb34c73f0bce6, 0xa27abf3670a7e980,
    0xb4bcc0db243c6d75, 0x23f8d852fdb71513, 0x8f035f4da67d8a08, 0xd89cd0e5b7e8f148,
    0xf6f4e6bcf7a644ee, 0xaec59ad80f1837f2, 0xc3b2f6154b6694e0, 0x9d199062b7bbb3a8,
};

START_TEST(hash_vectors)
{
    const struct keel_hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t bytes[65];
    for (size_t n = 0; n < 64; n++) {
        /* one byte off, so that no alignment is taken for granted */
        for (size_t i = 0; i < n; i++)
            bytes[i + 1] = (uint8_t)i;
        ck_assert_uint_eq(keel_hash(&key, bytes + 1, n), sip_vectors[n]);
    }
    ck_assert_uint_eq(keel_hash(&key, NULL, 0), sip_vectors[0]);
}
END_TEST

/* every bit counts, wherever it stands; so does the length */
START_TEST(checksum_sees_every_change)
{
    static const struct {
        size_t size;
        uint64_t sum;
    } known[] = {
        {0, 0xc404238b86648632},  {1, 0x982d6d5ea5afa6cd},   {8, 0x2d86bc3d83e2f064},
        {64, 0x101dcee873b4d563}, {200, 0xbf2bbd3e457504bd}, {513, 0x8d9c89b67a41ea19},
    };
    uint8_t bytes[513];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        ck_assert_uint_eq(keel_checksum(bytes, known[i].size), known[i].sum);
    for (size_t n = 1; n < sizeof bytes; n += 15) {
        uint64_t sum = keel_checksum(bytes + 1, n);
        ck_assert_uint_ne(sum, keel_checksum(bytes + 1, n - 1));
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[1 + bit / 8] ^= (uint8_t)(1u << bit % 8);
            ck_assert_uint_ne(sum, keel_checksum(bytes + 1, n));
            bytes[1 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}
END_TEST

static int equal_number(const void *value, const void *key, size_t key_size)
{
    return memcmp(value, key, key_size) == 0;
}

START_TEST(an_empty_table_has_nothing)
{
    struct keel_table t;
    size_t cursor = 0;
    int key = 1;
    keel_table_init(&t);
    ck_assert_ptr_null(keel_table_find(&t, 1, &key, sizeof key, equal_number));
    ck_assert_int_eq(keel_table_remove(&t, 1, &key), 0);
    ck_assert_ptr_null(keel_table_next(&t, &cursor));
    keel_table_fini(&t);
}
END_TEST

/* Every operation at random beside an array of flags. `bits` of the hash are used, so that few bits
 * make long runs, which wrap round the end and are where moving back goes wrong. */
static void table_against_model(unsigned bits, uint64_t seed)
{
    enum { KEYS = 200 };
    static uint32_t keys[KEYS];
    bool present[KEYS] = {false};
    size_t count = 0;
    struct keel_prng prng;
    struct keel_table t;
    keel_prng_seed(&prng, seed);
    keel_table_init(&t);
    for (int turn = 0; turn < 20000; turn++) {
        uint32_t k = keel_prng_below(&prng, KEYS);
        keys[k] = k;
        /* the highest values of the mask: runs that wrap */
        uint64_t hash = ~(uint64_t)0 - k % (1u << bits);
        if (present[k]) {
            ck_assert_int_eq(keel_table_remove(&t, hash, &keys[k]), 1);
            ck_assert_int_eq(keel_table_remove(&t, hash, &keys[k]), 0);
            count--;
        } else {
            ck_assert_int_eq(keel_table_add(&t, hash, &keys[k]), 0);
            count++;
        }
        present[k] = !present[k];
        ck_assert_uint_eq(t.count, count);
        if (turn % 16 != 0)
            continue;
        for (uint32_t i = 0; i < KEYS; i++) {
            void *found =
                keel_table_find(&t, ~(uint64_t)0 - i % (1u << bits), &i, sizeof i, equal_number);
            ck_assert_ptr_eq(found, present[i] ? &keys[i] : NULL);
        }
    }
    size_t cursor = 0, seen = 0;
    for (uint32_t *value; (value = keel_table_next(&t, &cursor)); seen++)
        ck_assert(present[*value]);
    ck_assert_uint_eq(seen, count);
    keel_table_fini(&t);
}

START_TEST(table_with_long_runs)
{
    table_against_model(2, 3);
}
END_TEST

START_TEST(table_with_some_runs)
{
    table_against_model(5, 4);
}
END_TEST

START_TEST(table_with_few_runs)
{
    table_against_model(20, 5);
}
END_TEST

START_TEST(equal_entries_are_told_apart_by_pointer)
{
    struct keel_table t;
    int values[2] = {7, 7};
    keel_table_init(&t);
    ck_assert_int_eq(keel_table_add(&t, 9, &values[0]), 0);
    ck_assert_int_eq(keel_table_add(&t, 9, &values[1]), 0);
    ck_assert_int_eq(keel_table_remove(&t, 9, &values[0]), 1);
    ck_assert_ptr_eq(keel_table_find(&t, 9, &values[0], sizeof(int), equal_number), &values[1]);
    keel_table_fini(&t);
}
END_TEST

/* Both stand in one run of slots: of the two, the one with the hash goes. */
START_TEST(one_pointer_under_two_hashes)
{
    struct keel_table t;
    int value = 7;
    keel_table_init(&t);
    ck_assert_int_eq(keel_table_add(&t, 8, &value), 0);
    ck_assert_int_eq(keel_table_add(&t, 16, &value), 0);
    ck_assert_int_eq(keel_table_remove(&t, 16, &value), 1);
    ck_assert_ptr_null(keel_table_find(&t, 16, &value, sizeof(int), equal_number));
    ck_assert_ptr_eq(keel_table_find(&t, 8, &value, sizeof(int), equal_number), &value);
    ck_assert_int_eq(keel_table_remove(&t, 16, &value), 0);
    keel_table_fini(&t);
}
END_TEST

static int use_table(void *arg)
{
    struct keel_table t;
    int values[100], err = 0;
    keel_table_init(&t);
    for (int i = 0; i < 100 && !err; i++) {
        values[i] = i;
        err = keel_table_add(&t, (uint64_t)i * 0x9e3779b97f4a7c15, &values[i]);
        /* a refused entry leaves the others where they were */
        for (int k = 0; k < i; k++)
            ck_assert_ptr_eq(
                keel_table_find(&t, (uint64_t)k * 0x9e3779b97f4a7c15, &k, sizeof k, equal_number),
                &values[k]);
    }
    keel_table_fini(&t);
    return err;
}

START_TEST(table_without_memory)
{
    ck_assert_uint_eq(allocfail_sweep(use_table, NULL), 6);
}
END_TEST

START_TEST(adding_null_aborts)
{
    struct keel_table t;
    keel_table_init(&t);
    keel_table_add(&t, 1, NULL);
}
END_TEST

/* The vector of the paper's appendix A: key 00 .. 0f, bytes 00 .. 0e; and the empty one of its
 * code. */
START_TEST(siphash_2_4)
{
    const struct keel_hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t bytes[15];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    ck_assert_uint_eq(keel_siphash24(&key, bytes, sizeof bytes), 0xa129ca6149be45e5);
    ck_assert_uint_eq(keel_siphash24(&key, bytes, 0), 0x726fdb47dd0e0e31);
}
END_TEST

Suite *hash_suite(void)
{
    Suite *suite = suite_create("hash");
    TCase *tc = tcase_create("hash");
    tcase_add_test(tc, siphash_2_4);
    tcase_add_test(tc, hash_vectors);
    tcase_add_test(tc, checksum_sees_every_change);
    tcase_add_test(tc, an_empty_table_has_nothing);
    tcase_add_test(tc, table_with_long_runs);
    tcase_add_test(tc, table_with_some_runs);
    tcase_add_test(tc, table_with_few_runs);
    tcase_add_test(tc, equal_entries_are_told_apart_by_pointer);
    tcase_add_test(tc, one_pointer_under_two_hashes);
    tcase_add_test(tc, table_without_memory);
    tcase_add_test_raise_signal(tc, adding_null_aborts, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
