#include "suites.h"

#include "common/base/list.h"

struct item {
    int number;
    struct keel_list link;
};

static int as_number(struct keel_list *head)
{
    int digits = 0;
    keel_list_for (it, head)
        digits = digits * 10 + KEEL_CONTAINER(it, struct item, link)->number;
    return digits;
}

START_TEST(order_of_pushes)
{
    struct keel_list head;
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    keel_list_init(&head);
    ck_assert(keel_list_empty(&head));
    keel_list_push_back(&head, &items[1].link);
    keel_list_push_back(&head, &items[3].link);
    keel_list_push_front(&head, &items[0].link);
    keel_list_insert_after(&items[1].link, &items[2].link);
    ck_assert(!keel_list_empty(&head));
    ck_assert_int_eq(as_number(&head), 1234);
}
END_TEST

START_TEST(removal_in_the_middle_of_a_walk)
{
    struct keel_list head;
    struct item items[5];
    keel_list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].number = i + 1;
        keel_list_push_back(&head, &items[i].link);
    }
    keel_list_for_safe (it, &head) {
        if (KEEL_CONTAINER(it, struct item, link)->number % 2 == 0)
            keel_list_remove(it);
    }
    ck_assert_int_eq(as_number(&head), 135);
    keel_list_remove(&items[1].link); /* a second time: harmless */
    ck_assert_int_eq(as_number(&head), 135);
    keel_list_for_safe (it, &head)
        keel_list_remove(it);
    ck_assert(keel_list_empty(&head));
}
END_TEST

Suite *list_suite(void)
{
    Suite *suite = suite_create("list");
    TCase *tc = tcase_create("list");
    tcase_add_test(tc, order_of_pushes);
    tcase_add_test(tc, removal_in_the_middle_of_a_walk);
    suite_add_tcase(suite, tc);
    return suite;
}
