#include "harness.h"
#include "suites.h"

#include "common/base/mem.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

struct server {
    struct keel_dgram *d;
    int batches, datagrams;
    unsigned largest;
    bool release, truncated, outside;
    struct keel_addr local, peer;
    uint32_t interface;
    struct keel_task later;
    struct keel_datagram kept;
};

static void answer(struct keel_dgram *d, struct keel_datagram *batch, unsigned count)
{
    struct server *server = keel_dgram_arg(d);
    server->batches++;
    if (count > server->largest)
        server->largest = count;
    for (unsigned i = 0; i < count; i++) {
        size_t room;
        server->datagrams++;
        server->local = batch[i].local;
        server->peer = batch[i].peer;
        server->interface = batch[i].interface;
        server->truncated |= batch[i].truncated;
        if (i % 2 == 0) {
            uint8_t *out = keel_dgram_reserve(d, &room);
            ck_assert_uint_ge(room, batch[i].size);
            memcpy(out, batch[i].bytes, batch[i].size);
            keel_dgram_commit(d, &batch[i], batch[i].size);
        } else {
            keel_dgram_send(d, &batch[i], batch[i].bytes, batch[i].size);
        }
    }
    if (server->release)
        keel_dgram_free(d);
}

static int udp_any(const char *text, bool info, struct keel_addr *bound)
{
    struct keel_sock_options options = {.packet_info = info};
    keel_addr_parse(bound, keel_str(text), 0, NULL);
    int fd = keel_sock_udp(bound, &options, NULL);
    if (fd >= 0)
        keel_sock_bound(fd, bound);
    return fd;
}

static int receive(struct keel_loop *loop, int fd, char *out, size_t size)
{
    for (int i = 0; i < 500; i++) {
        ssize_t n = recv(fd, out, size, 0);
        if (n >= 0 || errno != EAGAIN)
            return (int)n;
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    }
    return -1;
}

START_TEST(a_batch_in_a_batch_out)
{
    struct keel_loop *loop = keel_loop_new();
    struct server server = {0};
    struct keel_addr to, unused;
    int fd = udp_any("127.0.0.1:0", false, &to);
    int client = udp_any("127.0.0.1:0", false, &unused);
    ck_assert_int_eq(connect(client, &to.sa, keel_addr_size(&to)), 0);
    server.d = keel_dgram_new(loop, fd, NULL, answer, &server);
    char text[32];
    for (int i = 0; i < 150; i++)
        ck_assert_int_eq(send(client, text, (size_t)sprintf(text, "m%d", i), 0), strlen(text));
    for (int i = 0; i < 150; i++) {
        char expected[32];
        int n = receive(loop, client, text, sizeof text);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
        sprintf(expected, "m%d", i);
        ck_assert_str_eq(text, expected);
    }
    ck_assert_uint_eq(server.largest, 64);
    ck_assert_int_eq(server.batches, 3);
    ck_assert(keel_addr_equal(&server.peer, &unused));
    ck_assert_uint_eq(keel_dgram_stats(server.d)->received, 150);
    ck_assert_uint_eq(keel_dgram_stats(server.d)->sent, 150);
    /* Empty datagrams are datagrams. */
    ck_assert_int_eq(send(client, "", 0, 0), 0);
    ck_assert_int_eq(receive(loop, client, text, sizeof text), 0);
    /* Paused: nothing is read. */
    keel_dgram_pause(server.d);
    send(client, "p", 1, 0);
    keel_loop_turn(loop, 5 * KEEL_NS_PER_MS);
    ck_assert_int_eq(server.datagrams, 151);
    keel_dgram_resume(server.d);
    ck_assert_int_eq(receive(loop, client, text, sizeof text), 1);
    /* Freed inside its callback. */
    server.release = true;
    send(client, "r", 1, 0);
    keel_loop_turn(loop, KEEL_NS_PER_S);
    ck_assert_int_eq(server.datagrams, 153);
    close(fd);
    close(client);
    keel_loop_free(loop);
}
END_TEST

START_TEST(long_datagrams_are_marked)
{
    struct keel_loop *loop = keel_loop_new();
    struct server server = {0};
    struct keel_addr to, unused;
    struct keel_dgram_options options = {.receive_size = 100, .send_size = 50};
    char text[200];
    memset(text, 'x', sizeof text);
    int fd = udp_any("127.0.0.1:0", false, &to), client = udp_any("127.0.0.1:0", false, &unused);
    connect(client, &to.sa, keel_addr_size(&to));
    server.d = keel_dgram_new(loop, fd, &options, answer, &server);
    send(client, text, 150, 0);
    ck_assert_int_eq(receive(loop, client, text, sizeof text), 100);
    ck_assert(server.truncated);
    keel_dgram_free(server.d);
    close(fd);
    close(client);
    keel_loop_free(loop);
}
END_TEST

/* Answers must come from the address that was asked, though the socket is bound to any. */
static void packet_info(const char *any, const char *target, sa_family_t seen_family)
{
    struct keel_loop *loop = keel_loop_new();
    struct server server = {0};
    struct keel_addr to, bound, from = {.sa = {.sa_family = AF_UNSPEC}};
    struct keel_dgram_options options = {.packet_info = true};
    int fd = udp_any(any, true, &bound);
    if (fd < 0) { /* no IPv6 here */
        keel_loop_free(loop);
        return;
    }
    keel_addr_parse(&to, keel_str(target), keel_addr_port(&bound), NULL);
    struct keel_addr own;
    int client = udp_any(keel_addr_family(&to) == AF_INET ? "127.0.0.1:0" : "[::1]:0", false, &own);
    server.d = keel_dgram_new(loop, fd, &options, answer, &server);
    ck_assert_int_eq(sendto(client, "hello", 5, 0, &to.sa, keel_addr_size(&to)), 5);
    keel_loop_turn(loop, KEEL_NS_PER_S);
    char text[16];
    socklen_t size = sizeof from;
    ck_assert_int_eq(recvfrom(client, text, sizeof text, 0, &from.sa, &size), 5);
    ck_assert(keel_addr_equal(&from, &to));
    ck_assert_int_eq(keel_addr_family(&server.peer), seen_family);
    ck_assert(keel_addr_equal_host(&server.local, &to));
    ck_assert_uint_eq(server.interface, if_nametoindex("lo"));
    ck_assert(keel_addr_equal(&server.peer, &own));
    keel_dgram_free(server.d);
    close(fd);
    close(client);
    keel_loop_free(loop);
}

START_TEST(answers_leave_from_the_address_asked)
{
    packet_info("0.0.0.0:0", "127.0.0.7", AF_INET);
    packet_info("[::]:0", "::1", AF_INET6);
    packet_info("[::]:0", "127.0.0.9", AF_INET); /* IPv4 over a dual-stack socket */
}
END_TEST

START_TEST(one_bad_peer_spoils_nothing)
{
    struct keel_loop *loop = keel_loop_new();
    struct server server = {0};
    struct keel_addr to, own;
    int fd = udp_any("127.0.0.1:0", false, &to), client = udp_any("127.0.0.1:0", false, &own);
    server.d = keel_dgram_new(loop, fd, NULL, answer, &server);
    struct keel_datagram good = {.peer = own}, bad = {.peer = own}, none = {.bytes = NULL};
    keel_addr_set4(&bad.peer, 0xffffffff, 9); /* broadcast without SO_BROADCAST */
    /* Outside of on_batch: leaves when the callback ends. More than one batch. */
    for (int i = 0; i < 100; i++) {
        keel_dgram_send(server.d, i % 10 == 5 ? &bad : &good, "x", 1);
        if (i == 50)
            keel_dgram_send(server.d, &none, "y", 1); /* not connected */
    }
    keel_loop_turn(loop, 0);
    ck_assert_uint_eq(keel_dgram_stats(server.d)->sent, 90);
    ck_assert_uint_eq(keel_dgram_stats(server.d)->errors, 11);
    char text[4];
    int got = 0;
    while (recv(client, text, sizeof text, 0) == 1)
        got++;
    ck_assert_int_eq(got, 90);
    /* A peer that is gone: its ICMP error hits nobody else. */
    int gone = udp_any("127.0.0.1:0", false, &bad.peer);
    close(gone);
    for (int i = 0; i < 10; i++) {
        keel_dgram_send(server.d, i % 2 ? &bad : &good, "x", 1);
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    }
    for (got = 0; recv(client, text, sizeof text, 0) == 1;)
        got++;
    ck_assert_int_eq(got, 5);
    keel_dgram_send(server.d, &good, text, 0);
    uint8_t huge[5000] = {0};
    keel_dgram_send(server.d, &good, huge, sizeof huge); /* fits while there is room */
    keel_dgram_free(server.d);
    close(fd);
    close(client);
    keel_loop_free(loop);
}
END_TEST

START_TEST(unix_peers_are_answered)
{
    struct keel_loop *loop = keel_loop_new();
    struct server server = {0};
    char *dir = test_directory();
    char path[128], own[128], text[16];
    snprintf(path, sizeof path, "%s/server-with-a-name-longer-than-28-bytes", dir);
    snprintf(own, sizeof own, "%s/client-with-a-name-longer-than-28-bytes", dir);
    int fd = keel_sock_unix_dgram(path, NULL, NULL), client = keel_sock_unix_dgram(own, NULL, NULL);
    int nameless = keel_sock_connect_unix(path, SOCK_DGRAM, NULL);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, path, strlen(path));
    ck_assert_int_eq(connect(client, (struct sockaddr *)&un, sizeof un), 0);
    server.d = keel_dgram_new(loop, fd, NULL, answer, &server);
    ck_assert_int_eq(send(nameless, "n", 1, 0), 1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(send(client, "hello", 5, 0), 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(receive(loop, client, text, sizeof text), 5);
    ck_assert_uint_eq(keel_dgram_stats(server.d)->errors, 1); /* no way back to the nameless one */
    keel_dgram_free(server.d);
    close(fd);
    close(client);
    close(nameless);
    test_directory_remove(dir);
    keel_loop_free(loop);
}
END_TEST

START_TEST(no_memory_is_no_dgram)
{
    struct keel_loop *loop = keel_loop_new();
    struct keel_addr bound;
    struct keel_dgram_options options = {.packet_info = true};
    int fd = udp_any("127.0.0.1:0", true, &bound);
    for (uint64_t n = 1; n < 10; n++) {
        keel_mem_fail_at(n);
        struct keel_dgram *d = keel_dgram_new(loop, fd, &options, answer, NULL);
        keel_mem_fail_at(0);
        ck_assert(!!d == (n > 5));
        keel_dgram_free(d);
    }
    close(fd);
    keel_loop_free(loop);
}
END_TEST

Suite *dgram_suite(void)
{
    Suite *suite = suite_create("dgram");
    TCase *tc = tcase_create("dgram");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_batch_in_a_batch_out);
    tcase_add_test(tc, long_datagrams_are_marked);
    tcase_add_test(tc, answers_leave_from_the_address_asked);
    tcase_add_test(tc, one_bad_peer_spoils_nothing);
    tcase_add_test(tc, unix_peers_are_answered);
    tcase_add_test(tc, no_memory_is_no_dgram);
    suite_add_tcase(suite, tc);
    return suite;
}
