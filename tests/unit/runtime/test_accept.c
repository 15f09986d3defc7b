/* An acceptor goes on when it can, whatever was in its way. */
#include "common/runtime/accept.h"
#include "common/runtime/loop.h"
#include "tests/unit/runtime/suites.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    struct keel_acceptor acceptor;
    unsigned room, accepted;
};

static struct keel_loop *loop;
static struct server server;
static struct sockaddr_in address;
static int listener;

static void on_accept(struct keel_acceptor *a, int fd, const struct keel_addr *peer)
{
    server.accepted++;
    close(fd);
}

static unsigned room(struct keel_acceptor *a)
{
    return server.room;
}

static void setup(void)
{
    socklen_t size = sizeof address;
    loop = keel_loop_new();
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 100), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    server = (struct server){.room = KEEL_ACCEPT_BATCH};
    server.acceptor.on_accept = on_accept;
    server.acceptor.room = room;
}

static void teardown(void)
{
    keel_acceptor_stop(&server.acceptor);
    close(listener);
    keel_loop_free(loop);
}

static int connect_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void wait_for(unsigned count)
{
    uint64_t began = keel_clock_monotonic();
    while (server.accepted < count && keel_clock_monotonic() - began < 20 * KEEL_NS_PER_S)
        keel_loop_turn(loop, KEEL_ACCEPT_RETRY);
    ck_assert_uint_eq(server.accepted, count);
}

START_TEST(takes_what_comes)
{
    int fds[40];
    ck_assert_int_eq(keel_acceptor_start(&server.acceptor, loop, listener), 0);
    for (unsigned i = 0; i < 40; i++)
        fds[i] = connect_one();
    wait_for(40);
    for (unsigned i = 0; i < 40; i++)
        close(fds[i]);
}
END_TEST

START_TEST(waits_for_room)
{
    server.room = 0;
    ck_assert_int_eq(keel_acceptor_start(&server.acceptor, loop, listener), 0);
    int fd = connect_one();
    for (int i = 0; i < 3; i++)
        keel_loop_turn(loop, KEEL_ACCEPT_RETRY);
    ck_assert_uint_eq(server.accepted, 0);
    server.room = 1;
    wait_for(1);
    close(fd);
}
END_TEST

/* A descriptor that cannot be watched, as when the kernel's limit is reached, is tried again. */
START_TEST(tries_again)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(keel_acceptor_start(&server.acceptor, loop, fd), KEEL_ESYS);
    keel_loop_turn(loop, 2 * KEEL_ACCEPT_RETRY);
    ck_assert_int_eq(dup2(listener, fd), fd);
    int client = connect_one();
    wait_for(1);
    close(client);
    keel_acceptor_stop(&server.acceptor);
    close(fd);
}
END_TEST

Suite *accept_suite(void)
{
    Suite *s = suite_create("runtime/accept");
    TCase *t = tcase_create("accept");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, takes_what_comes);
    tcase_add_test(t, waits_for_room);
    tcase_add_test(t, tries_again);
    suite_add_tcase(s, t);
    return s;
}
