#include "suites.h"

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "tests/support/allocfail.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

START_TEST(size_zero_is_an_allocation)
{
    void *a = keel_malloc(0), *b = keel_calloc(0, 8), *c = keel_memdup(NULL, 0);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_nonnull(c);
    /* realloc(p, 0) of the C library would free p and give NULL */
    a = keel_realloc(a, 0);
    ck_assert_ptr_nonnull(a);
    keel_free(a);
    keel_free(b);
    keel_free(c);
    keel_free(NULL);
}
END_TEST

START_TEST(copies_are_whole)
{
    char *s = keel_strdup("keel"), *n = keel_strndup("keelson", 4), *m = keel_memdup("abc", 4);
    ck_assert_str_eq(s, "keel");
    ck_assert_str_eq(n, "keel");
    ck_assert_str_eq(m, "abc");
    ck_assert_ptr_null(keel_strndup("", SIZE_MAX));
    keel_free(s);
    keel_free(n);
    keel_free(m);
}
END_TEST

START_TEST(the_hook_fails_the_nth_and_all_later)
{
    void *p[2];
    keel_mem_fail_at(3);
    p[0] = keel_malloc(1);
    p[1] = keel_calloc(1, 1);
    ck_assert_ptr_nonnull(p[0]);
    ck_assert_ptr_nonnull(p[1]);
    ck_assert_ptr_null(keel_malloc(1));
    ck_assert_ptr_null(keel_realloc(p[0], 100));
    ck_assert_ptr_null(keel_strdup("x"));
    ck_assert_uint_eq(keel_mem_count(), 5);
    ck_assert_ptr_null(keel_malloc(1));
    keel_mem_fail_at(0);
    keel_free(p[0]);
    p[0] = keel_malloc(1);
    ck_assert_ptr_nonnull(p[0]);
    ck_assert_uint_eq(keel_mem_count(), 1);
    ck_assert_uint_eq(keel_mem_count(), 0);
    keel_free(p[0]);
    keel_free(p[1]);
}
END_TEST

START_TEST(counting_does_not_move_the_failure)
{
    keel_mem_fail_at(3);
    void *a = keel_malloc(1);
    ck_assert_uint_eq(keel_mem_count(), 1);
    void *b = keel_malloc(1);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_null(keel_malloc(1));
    keel_mem_fail_at(0);
    keel_free(a);
    keel_free(b);
}
END_TEST

static void *allocate_elsewhere(void *arg)
{
    void *p = keel_malloc(1);
    keel_free(p);
    return p ? arg : NULL;
}

START_TEST(the_hook_is_of_one_thread)
{
    pthread_t thread;
    void *result;
    int mark;
    keel_mem_fail_at(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_elsewhere, &mark), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, &mark);
    ck_assert_ptr_null(keel_malloc(1));
    keel_mem_fail_at(0);
}
END_TEST

START_TEST(arena_pieces_are_aligned_and_apart)
{
    struct keel_arena arena;
    struct keel_prng prng;
    uint8_t *pieces[300];
    size_t sizes[300];
    keel_prng_seed(&prng, 1);
    keel_arena_init(&arena, 512);
    for (int i = 0; i < 300; i++) {
        sizes[i] = keel_prng_below(&prng, 20) == 0 ? keel_prng_below(&prng, 3000)
                                                   : keel_prng_below(&prng, 64);
        pieces[i] = keel_arena_alloc(&arena, sizes[i]);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < 300; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            ck_assert_uint_eq(pieces[i][k], (unsigned)i & 0xff);
    }
    ck_assert_ptr_ne(keel_arena_alloc(&arena, 0), keel_arena_alloc(&arena, 0));
    ck_assert_ptr_null(keel_arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(keel_arena_alloc(&arena, SIZE_MAX - 16));
    keel_arena_fini(&arena);
}
END_TEST

START_TEST(arena_takes_no_memory_unasked_and_none_when_reused)
{
    struct keel_arena arena;
    keel_mem_fail_at(0);
    keel_arena_init(&arena, 0);
    keel_arena_reset(&arena);
    ck_assert_uint_eq(keel_mem_count(), 0);
    for (int turn = 0; turn < 10; turn++) {
        for (int i = 0; i < 100; i++)
            ck_assert_ptr_nonnull(keel_arena_alloc(&arena, 32));
        keel_arena_reset(&arena);
    }
    ck_assert_uint_eq(keel_mem_count(), 1);
    keel_arena_fini(&arena);
    ck_assert_ptr_nonnull(keel_arena_alloc(&arena, 1));
    keel_arena_fini(&arena);
}
END_TEST

START_TEST(arena_lets_a_huge_chunk_go)
{
    struct keel_arena arena;
    keel_arena_init(&arena, 1024);
    ck_assert_ptr_nonnull(keel_arena_alloc(&arena, 1 << 20));
    keel_arena_reset(&arena);
    ck_assert_ptr_null(arena.chunks);
    ck_assert_ptr_nonnull(keel_arena_alloc(&arena, 10));
    keel_arena_fini(&arena);
}
END_TEST

START_TEST(arena_goes_on_with_the_roomier_chunk)
{
    struct keel_arena arena;
    keel_arena_init(&arena, 1024);
    uint8_t *first = keel_arena_alloc(&arena, 16);
    ck_assert_ptr_nonnull(keel_arena_alloc(&arena, 5000));
    uint8_t *third = keel_arena_alloc(&arena, 16);
    ck_assert_ptr_eq(third, first + 16);
    keel_arena_fini(&arena);
}
END_TEST

START_TEST(arena_text)
{
    struct keel_arena arena;
    keel_arena_init(&arena, 64);
    ck_assert_str_eq(keel_arena_strdup(&arena, "dns"), "dns");
    ck_assert_str_eq(keel_arena_strndup(&arena, "dnsd", 3), "dns");
    ck_assert_str_eq(keel_arena_memdup(&arena, "x", 2), "x");
    ck_assert_str_eq(keel_arena_printf(&arena, "%s-%d", "worker", 7), "worker-7");
    uint8_t *zeros = keel_arena_calloc(&arena, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(zeros[i], 0);
    ck_assert_ptr_null(keel_arena_strndup(&arena, "", SIZE_MAX));
    keel_arena_fini(&arena);
}
END_TEST

static int use_arena(void *arg)
{
    struct keel_arena arena;
    int err = 0;
    keel_arena_init(&arena, 128);
    for (int i = 0; i < 20 && !err; i++) {
        if (!keel_arena_printf(&arena, "%0*d", i * 10, i) || !keel_arena_calloc(&arena, 24) ||
            !keel_arena_strdup(&arena, "text") || !keel_arena_memdup(&arena, "bytes", 5))
            err = KEEL_ENOMEM;
    }
    keel_arena_fini(&arena);
    return err;
}

START_TEST(arena_without_memory)
{
    ck_assert_uint_gt(allocfail_sweep(use_arena, NULL), 5);
}
END_TEST

START_TEST(slab_objects_are_aligned_apart_and_reused)
{
    struct keel_slab slab;
    uint8_t *objects[50];
    keel_slab_init(&slab, 40, 8);
    ck_assert_uint_eq(slab.size, 48);
    keel_mem_fail_at(0);
    for (int i = 0; i < 50; i++) {
        objects[i] = keel_slab_alloc(&slab);
        ck_assert_ptr_nonnull(objects[i]);
        ck_assert_uint_eq((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], i, 40);
    }
    ck_assert_uint_eq(keel_mem_count(), 7);
    ck_assert_uint_eq(slab.live, 50);
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 40; k++)
            ck_assert_int_eq(objects[i][k], i);
    }
    for (int i = 0; i < 50; i++)
        keel_slab_free(&slab, objects[i]);
    keel_slab_free(&slab, NULL);
    ck_assert_uint_eq(slab.live, 0);
    /* the last one freed is the first one handed out: it is the warmest */
    ck_assert_ptr_eq(keel_slab_alloc(&slab), objects[49]);
    for (int i = 0; i < 49; i++)
        ck_assert_ptr_nonnull(keel_slab_alloc(&slab));
    ck_assert_uint_eq(keel_mem_count(), 0);
    keel_slab_fini(&slab);
    ck_assert_uint_eq(slab.live, 0);
}
END_TEST

START_TEST(slab_hands_out_in_address_order)
{
    struct keel_slab slab;
    keel_slab_init(&slab, 0, 0);
    uint8_t *first = keel_slab_alloc(&slab), *second = keel_slab_alloc(&slab);
    ck_assert_ptr_eq(second, first + 16);
    keel_slab_fini(&slab);
}
END_TEST

static int use_slab(void *arg)
{
    struct keel_slab slab;
    int err = 0;
    keel_slab_init(&slab, 100, 4);
    for (int i = 0; i < 10 && !err; i++)
        err = keel_slab_alloc(&slab) ? 0 : KEEL_ENOMEM;
    keel_slab_fini(&slab);
    return err;
}

START_TEST(slab_without_memory)
{
    ck_assert_uint_eq(allocfail_sweep(use_slab, NULL), 3);
}
END_TEST

START_TEST(slab_freed_too_often_aborts)
{
    struct keel_slab slab;
    uint8_t foreign[16];
    keel_slab_init(&slab, 16, 1);
    keel_slab_free(&slab, foreign);
}
END_TEST

static TCase *arena_cases(void)
{
    TCase *tc = tcase_create("arena");
    tcase_add_test(tc, arena_pieces_are_aligned_and_apart);
    tcase_add_test(tc, arena_takes_no_memory_unasked_and_none_when_reused);
    tcase_add_test(tc, arena_lets_a_huge_chunk_go);
    tcase_add_test(tc, arena_goes_on_with_the_roomier_chunk);
    tcase_add_test(tc, arena_text);
    tcase_add_test(tc, arena_without_memory);
    return tc;
}

static TCase *slab_cases(void)
{
    TCase *tc = tcase_create("slab");
    tcase_add_test(tc, slab_objects_are_aligned_apart_and_reused);
    tcase_add_test(tc, slab_hands_out_in_address_order);
    tcase_add_test(tc, slab_without_memory);
    tcase_add_test_raise_signal(tc, slab_freed_too_often_aborts, SIGABRT);
    return tc;
}

Suite *mem_suite(void)
{
    Suite *suite = suite_create("mem");
    TCase *tc = tcase_create("heap");
    tcase_add_test(tc, size_zero_is_an_allocation);
    tcase_add_test(tc, copies_are_whole);
    tcase_add_test(tc, the_hook_fails_the_nth_and_all_later);
    tcase_add_test(tc, counting_does_not_move_the_failure);
    tcase_add_test(tc, the_hook_is_of_one_thread);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, arena_cases());
    suite_add_tcase(suite, slab_cases());
    return suite;
}
