#include "harness.h"
#include "suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_flags(int fd)
{
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

START_TEST(listen_connect_accept)
{
    static const sa_family_t families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        struct keel_addr bound, seen;
        int listener = listen_any(families[i], &bound);
        if (listener < 0 && families[i] == AF_INET6)
            continue; /* a machine without IPv6 */
        ck_assert_int_ge(listener, 0);
        check_flags(listener);
        ck_assert_uint_ne(keel_addr_port(&bound), 0);
        struct keel_accepted accepted[4];
        ck_assert_int_eq(keel_sock_accept(listener, accepted, 4), 0);
        int clients[3];
        for (int k = 0; k < 3; k++) {
            clients[k] = keel_sock_connect(&bound, NULL, SOCK_STREAM, NULL);
            ck_assert_int_ge(clients[k], 0);
            check_flags(clients[k]);
        }
        int n = 0;
        for (int tries = 0; tries < 1000 && n < 3; tries++) {
            int got = keel_sock_accept(listener, accepted + n, (unsigned)(4 - n));
            ck_assert_int_ge(got, 0);
            n += got;
            usleep(1000);
        }
        ck_assert_int_eq(n, 3);
        for (int k = 0; k < 3; k++) {
            check_flags(accepted[k].fd);
            ck_assert_int_eq(keel_sock_bound(clients[k], &seen), 0);
            ck_assert(keel_addr_equal(&seen, &accepted[k].peer));
            ck_assert_int_eq(keel_sock_peer(clients[k], &seen), 0);
            ck_assert(keel_addr_equal(&seen, &bound));
            ck_assert_int_eq(keel_sock_error(clients[k]), 0);
            int nodelay = 0;
            socklen_t size = sizeof nodelay;
            getsockopt(accepted[k].fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &nodelay, &size);
            ck_assert_int_ne(nodelay, 0);
            int unsent = 0;
            getsockopt(accepted[k].fd, IPPROTO_TCP, 25 /* TCP_NOTSENT_LOWAT */, &unsent, &size);
            ck_assert_int_eq(unsent, KEEL_SOCK_UNSENT_MAX);
            close(clients[k]);
            close(accepted[k].fd);
        }
        close(listener);
    }
}
END_TEST

START_TEST(an_address_in_use_is_named)
{
    struct keel_addr bound;
    struct keel_diag diag;
    char text[KEEL_ADDR_TEXT];
    int listener = listen_any(AF_INET, &bound);
    ck_assert_int_eq(keel_sock_listen(&bound, NULL, &diag), KEEL_EBUSY);
    keel_addr_format(text, sizeof text, &bound);
    ck_assert_ptr_nonnull(strstr(diag.text, text));
    close(listener);
    /* With SO_REUSEPORT on both, several share it; UDP too, and only then. */
    struct keel_sock_options share = {.reuse_port = true};
    int a = keel_sock_listen(&bound, &share, NULL), b = keel_sock_listen(&bound, &share, NULL);
    ck_assert_int_ge(a, 0);
    ck_assert_int_ge(b, 0);
    int u = keel_sock_udp(&bound, NULL, NULL);
    ck_assert_int_ge(u, 0);
    ck_assert_int_eq(keel_sock_udp(&bound, NULL, NULL), KEEL_EBUSY);
    close(a);
    close(b);
    close(u);
}
END_TEST

START_TEST(dual_stack_shows_ipv4_peers_as_ipv4)
{
    struct keel_addr any, to;
    keel_addr_any(&any, AF_INET6, 0);
    int listener = keel_sock_listen(&any, NULL, NULL);
    if (listener < 0)
        return; /* no IPv6 here */
    keel_sock_bound(listener, &any);
    keel_addr_set4(&to, INADDR_LOOPBACK, keel_addr_port(&any));
    int client = keel_sock_connect(&to, NULL, SOCK_STREAM, NULL);
    ck_assert_int_ge(client, 0);
    usleep(10000);
    struct keel_accepted accepted;
    ck_assert_int_eq(keel_sock_accept(listener, &accepted, 1), 1);
    ck_assert_int_eq(keel_addr_family(&accepted.peer), AF_INET);
    close(accepted.fd);
    close(client);
    close(listener);
    /* And with v6_only nobody comes. */
    struct keel_sock_options only = {.v6_only = true};
    keel_addr_any(&any, AF_INET6, 0);
    listener = keel_sock_listen(&any, &only, NULL);
    keel_sock_bound(listener, &any);
    keel_addr_set4(&to, INADDR_LOOPBACK, keel_addr_port(&any));
    client = keel_sock_connect(&to, NULL, SOCK_STREAM, NULL);
    usleep(10000);
    ck_assert(client < 0 || keel_sock_error(client) == ECONNREFUSED);
    if (client >= 0)
        close(client);
    close(listener);
}
END_TEST

START_TEST(out_of_descriptors)
{
    struct keel_addr bound;
    struct keel_accepted accepted;
    int listener = listen_any(AF_INET, &bound);
    int client = keel_sock_connect(&bound, NULL, SOCK_STREAM, NULL);
    ck_assert_int_ge(client, 0);
    usleep(10000);
    struct rlimit old, none = {(rlim_t)client + 1, 0};
    getrlimit(RLIMIT_NOFILE, &old);
    none.rlim_max = old.rlim_max;
    /* Fill the gaps below. */
    int fill[1024], n = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (n < 1024 && (fill[n] = dup(listener)) >= 0)
        n++;
    ck_assert_int_eq(keel_sock_accept(listener, &accepted, 1), KEEL_ELIMIT);
    while (n > 0)
        close(fill[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    ck_assert_int_eq(keel_sock_accept(listener, &accepted, 1), 1);
    close(accepted.fd);
    close(client);
    close(listener);
    ck_assert_uint_eq(keel_sock_raise_nofile(), old.rlim_max);
}
END_TEST

START_TEST(unix_paths)
{
    char *dir = test_directory();
    char path[128], longest[200];
    struct keel_diag diag;
    struct stat st;
    snprintf(path, sizeof path, "%s/s", dir);
    struct keel_sock_options options = {.mode = 0622};
    int listener = keel_sock_listen_unix(path, &options, &diag);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0622);
    /* A live one is not replaced; a leftover is. */
    ck_assert_int_eq(keel_sock_listen_unix(path, NULL, &diag), KEEL_EBUSY);
    int client = keel_sock_connect_unix(path, SOCK_STREAM, &diag);
    ck_assert_int_ge(client, 0);
    close(client);
    close(listener);
    ck_assert_int_eq(keel_sock_connect_unix(path, SOCK_STREAM, &diag), KEEL_ESYS);
    listener = keel_sock_listen_unix(path, NULL, &diag);
    ck_assert_int_ge(listener, 0);
    close(listener);
    unlink(path);
    /* A file that is no socket is left alone. */
    close(open(path, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(keel_sock_listen_unix(path, NULL, &diag), KEEL_EEXIST);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(keel_sock_listen_unix(longest, NULL, &diag), KEEL_ERANGE);
    unlink(path);
    int dgram = keel_sock_unix_dgram(path, NULL, &diag);
    ck_assert_int_ge(dgram, 0);
    close(dgram);
    test_directory_remove(dir);
}
END_TEST

START_TEST(descriptors_travel)
{
    int pair[2], pipes[2], got[KEEL_SOCK_FDS_MAX], many[KEEL_SOCK_FDS_MAX];
    char text[16];
    unsigned count;
    ck_assert_int_eq(keel_sock_pair(SOCK_SEQPACKET, pair), 0);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(keel_sock_recv_fds(pair[1], text, sizeof text, got, 1, &count), KEEL_EAGAIN);
    ck_assert_int_eq(keel_sock_send_fds(pair[0], "pipe", 4, pipes, 2), 4);
    ck_assert_int_eq(keel_sock_recv_fds(pair[1], text, sizeof text, got, 2, &count), 4);
    ck_assert_uint_eq(count, 2);
    ck_assert(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(write(got[1], "z", 1), 1);
    ck_assert_int_eq(read(pipes[0], text, 1), 1);
    close(got[0]);
    close(got[1]);
    /* Bytes alone; more descriptors than room; more bytes than room. */
    ck_assert_int_eq(keel_sock_send_fds(pair[0], "b", 1, NULL, 0), 1);
    ck_assert_int_eq(keel_sock_recv_fds(pair[1], text, sizeof text, got, 2, &count), 1);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(keel_sock_send_fds(pair[0], "xx", 2, pipes, 2), 2);
    ck_assert_int_eq(keel_sock_recv_fds(pair[1], text, sizeof text, got, 1, &count), KEEL_ETRUNC);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(keel_sock_send_fds(pair[0], "long message", 12, pipes, 1), 12);
    ck_assert_int_eq(keel_sock_recv_fds(pair[1], text, 4, got, 1, &count), KEEL_ETRUNC);
    /* The most that the kernel passes. */
    for (unsigned i = 0; i < KEEL_SOCK_FDS_MAX; i++)
        many[i] = pipes[i % 2];
    ck_assert_int_eq(keel_sock_send_fds(pair[0], "m", 1, many, KEEL_SOCK_FDS_MAX), 1);
    ck_assert_int_eq(keel_sock_recv_fds(pair[1], text, sizeof text, got, KEEL_SOCK_FDS_MAX, &count),
                     1);
    ck_assert_uint_eq(count, KEEL_SOCK_FDS_MAX);
    for (unsigned i = 0; i < count; i++)
        close(got[i]);
    close(pair[0]);
    ck_assert_int_eq(keel_sock_recv_fds(pair[1], text, sizeof text, got, 1, &count), KEEL_EOF);
    close(pair[1]);
    close(pipes[0]);
    close(pipes[1]);
    /* No descriptor was left behind. */
    int lowest = dup(0);
    ck_assert_int_eq(lowest, pair[0] < pair[1] ? pair[0] : pair[1]);
    close(lowest);
}
END_TEST

Suite *sock_suite(void)
{
    Suite *suite = suite_create("sock");
    TCase *tc = tcase_create("sock");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, listen_connect_accept);
    tcase_add_test(tc, an_address_in_use_is_named);
    tcase_add_test(tc, dual_stack_shows_ipv4_peers_as_ipv4);
    tcase_add_test(tc, out_of_descriptors);
    tcase_add_test(tc, unix_paths);
    tcase_add_test(tc, descriptors_travel);
    suite_add_tcase(suite, tc);
    return suite;
}
