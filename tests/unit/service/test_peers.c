/*
 * Peers: who is there, messages both ways, a peer that comes again, numbers that nobody has.
 */
#include "common/service/peers.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define COUNT 3

struct side {
    struct keel_peers peers;
    unsigned up[COUNT], down[COUNT];
    uint32_t last[COUNT]; /* `a` of the last message */
};

static void on_change(struct keel_peers *peers, unsigned peer, bool up)
{
    struct side *side = KEEL_CONTAINER(peers, struct side, peers);
    if (up)
        side->up[peer]++;
    else
        side->down[peer]++;
}

static void on_message(struct keel_peers *peers, unsigned peer, struct keel_message *message)
{
    KEEL_CONTAINER(peers, struct side, peers)->last[peer] = message->a;
}

static struct keel_loop *loop;

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
}

static void join(struct side *a, unsigned number_of_b, struct side *b, unsigned number_of_a)
{
    int fds[2];
    ck_assert_int_eq(keel_channel_pair(fds), 0);
    ck_assert_int_eq(keel_peers_connect(&a->peers, number_of_b, fds[0]), 0);
    ck_assert_int_eq(keel_peers_connect(&b->peers, number_of_a, fds[1]), 0);
}

static int send_number(struct side *side, unsigned peer, uint32_t number)
{
    return keel_peers_send(&side->peers, peer, 1, number, 0, NULL, 0, NULL, 0);
}

static void setup(struct side *side)
{
    ck_assert_int_eq(keel_peers_init(&side->peers, loop, COUNT, on_change, on_message), 0);
}

START_TEST(each_has_its_number)
{
    struct side a = {0}, b = {0}, c = {0};
    loop = keel_loop_new();
    setup(&a);
    setup(&b);
    setup(&c);
    ck_assert_int_eq(send_number(&a, 1, 7), KEEL_EOF); /* not there yet */
    join(&a, 1, &b, 0);
    join(&a, 2, &c, 0);
    ck_assert_int_eq(send_number(&a, 1, 11), 0);
    ck_assert_int_eq(send_number(&a, 2, 12), 0);
    ck_assert_int_eq(send_number(&c, 0, 20), 0);
    turns(5);
    ck_assert_uint_eq(b.last[0], 11);
    ck_assert_uint_eq(c.last[0], 12);
    ck_assert_uint_eq(a.last[2], 20);
    ck_assert_uint_eq(a.up[0] + a.last[0] + a.last[1], 0);
    keel_peers_fini(&b.peers);
    turns(5);
    ck_assert_uint_eq(a.down[1], 1);
    ck_assert_uint_eq(a.down[2], 0);
    ck_assert_uint_eq(b.down[0], 0); /* who leaves is not told so */
    ck_assert_int_eq(send_number(&a, 1, 7), KEEL_EOF);
    keel_peers_fini(&a.peers);
    keel_peers_fini(&c.peers);
    keel_loop_free(loop);
}
END_TEST

START_TEST(a_new_channel_replaces_the_old_one)
{
    struct side a = {0}, b = {0}, again = {0};
    loop = keel_loop_new();
    setup(&a);
    setup(&b);
    setup(&again);
    join(&a, 0, &b, 1);
    join(&a, 0, &again, 1);
    ck_assert_uint_eq(a.up[0], 2);
    ck_assert_uint_eq(a.down[0], 1);
    ck_assert_int_eq(send_number(&a, 0, 5), 0);
    turns(5);
    ck_assert_uint_eq(b.down[1], 1);
    ck_assert_uint_eq(b.last[1], 0);
    ck_assert_uint_eq(again.last[1], 5);
    ck_assert_uint_eq(a.down[0], 1);
    keel_peers_fini(&a.peers);
    keel_peers_fini(&b.peers);
    keel_peers_fini(&again.peers);
    keel_loop_free(loop);
}
END_TEST

START_TEST(numbers_that_nobody_has)
{
    struct side a = {0};
    int fds[2];
    loop = keel_loop_new();
    ck_assert_int_eq(keel_peers_init(&a.peers, loop, 0, on_change, on_message), 0);
    ck_assert_int_eq(send_number(&a, 0, 1), KEEL_EOF);
    ck_assert_int_eq(keel_channel_pair(fds), 0);
    ck_assert_int_eq(keel_peers_connect(&a.peers, 0, fds[0]), KEEL_EINVAL);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1); /* taken, on an error too */
    ck_assert_int_eq(errno, EBADF);
    close(fds[1]);
    keel_peers_fini(&a.peers);
    keel_peers_fini(&a.peers); /* harmless */
    keel_loop_free(loop);
}
END_TEST

Suite *peers_suite(void);
Suite *peers_suite(void)
{
    Suite *suite = suite_create("peers");
    TCase *tcase = tcase_create("peers");
    tcase_add_test(tcase, each_has_its_number);
    tcase_add_test(tcase, a_new_channel_replaces_the_old_one);
    tcase_add_test(tcase, numbers_that_nobody_has);
    suite_add_tcase(suite, tcase);
    return suite;
}
