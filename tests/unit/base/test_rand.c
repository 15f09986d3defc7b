#include "suites.h"

#include "common/base/rand.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(bytes_of_every_size_stay_inside)
{
    static const size_t sizes[] = {0, 1, 7, 8, 1000, 1023, 1024, 1025, 3000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t bytes[3002];
        memset(bytes, 0xa5, sizeof bytes);
        keel_rand_bytes(bytes + 1, sizes[i]);
        ck_assert_uint_eq(bytes[0], 0xa5);
        ck_assert_uint_eq(bytes[sizes[i] + 1], 0xa5);
    }
}
END_TEST

START_TEST(numbers_do_not_repeat)
{
    static uint64_t seen[1000];
    for (int i = 0; i < 1000; i++) {
        seen[i] = keel_rand_u64();
        for (int k = 0; k < i; k++)
            ck_assert_uint_ne(seen[k], seen[i]);
    }
}
END_TEST

START_TEST(a_child_has_numbers_of_its_own)
{
    int ends[2], status;
    uint64_t ours, theirs;
    keel_rand_u64(); /* leaves a filled pool to inherit */
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        theirs = keel_rand_u64();
        _exit(write(ends[1], &theirs, sizeof theirs) == sizeof theirs ? 0 : 1);
    }
    ours = keel_rand_u64();
    ck_assert_int_eq(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_ne(ours, theirs);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(below_reaches_all_and_no_more)
{
    struct keel_prng prng;
    keel_prng_seed(&prng, 6);
    unsigned counts[2][7] = {{0}};
    for (int i = 0; i < 7000; i++) {
        counts[0][keel_rand_below(7)]++;
        counts[1][keel_prng_below(&prng, 7)]++;
    }
    /* 1000 expected, standard deviation 29: six of them either way */
    for (int i = 0; i < 7; i++) {
        ck_assert_uint_gt(counts[0][i], 820);
        ck_assert_uint_lt(counts[0][i], 1180);
        ck_assert_uint_gt(counts[1][i], 820);
        ck_assert_uint_lt(counts[1][i], 1180);
    }
    ck_assert_uint_eq(keel_rand_below(1), 0);
    ck_assert_uint_eq(keel_prng_below(&prng, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(keel_rand_below(UINT32_MAX), UINT32_MAX);
}
END_TEST

/* The first numbers of the authors' generators: xoshiro256** from the state 1, 2, 3, 4, and
 * splitmix64 from the seed 1234567, which is how a seed becomes a state. */
START_TEST(generator_vectors)
{
    static const uint64_t numbers[] = {11520, 0, 1509978240, 1215971899390074240};
    static const uint64_t state[] = {6457827717110365317u, 3203168211198807973u,
                                     9817491932198370423u, 4593380528125082431u};
    struct keel_prng prng = {{1, 2, 3, 4}};
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(keel_prng_next(&prng), numbers[i]);
    keel_prng_seed(&prng, 1234567);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(prng.s[i], state[i]);
}
END_TEST

START_TEST(a_seed_repeats_its_numbers)
{
    struct keel_prng a, b;
    keel_prng_seed(&a, 0);
    keel_prng_seed(&b, 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(keel_prng_next(&a), keel_prng_next(&b));
    keel_prng_seed(&b, 1);
    ck_assert_uint_ne(keel_prng_next(&a), keel_prng_next(&b));
}
END_TEST

START_TEST(below_nothing_aborts)
{
    keel_rand_below(0);
}
END_TEST

Suite *rand_suite(void)
{
    Suite *suite = suite_create("rand");
    TCase *tc = tcase_create("rand");
    tcase_add_test(tc, bytes_of_every_size_stay_inside);
    tcase_add_test(tc, numbers_do_not_repeat);
    tcase_add_test(tc, a_child_has_numbers_of_its_own);
    tcase_add_test(tc, below_reaches_all_and_no_more);
    tcase_add_test(tc, generator_vectors);
    tcase_add_test(tc, a_seed_repeats_its_numbers);
    tcase_add_test_raise_signal(tc, below_nothing_aborts, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
