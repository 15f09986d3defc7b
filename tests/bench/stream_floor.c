/*
 * What a stream costs above the system calls: CPU per echoed request of one loop with keel_stream,
 * beside a bare epoll loop with recv and send, in turns.
 *
 *   stream_floor [ROUNDS [CONNECTIONS]]
 */
#include "common/base/clock.h"
#include "common/runtime/sock.h"
#include "common/runtime/stream.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 1000
#define REQUEST 100

struct run {
    struct keel_addr address;
    int listener;
    int rounds, connections;
};

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set); /* with one core both share it */
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The clients: every connection has one request under way until it made its rounds. */
static void load(const struct run *run)
{
    static int fds[MOST], left[MOST];
    struct epoll_event events[64];
    char buffer[4096] = {0};
    int live = run->connections, poll = epoll_create1(0);
    pin(1);
    for (int i = 0; i < live; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (fds[i] < 0 || connect(fds[i], &run->address.sa, sizeof run->address.in4) < 0 ||
            keel_sock_nodelay(fds[i]) || epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &e) < 0)
            die("connect");
        left[i] = run->rounds;
    }
    for (int i = 0; i < live; i++)
        if (send(fds[i], buffer, REQUEST, 0) != REQUEST)
            die("send");
    while (live > 0) {
        int n = epoll_wait(poll, events, 64, 10000);
        if (n <= 0)
            die("epoll_wait");
        for (int k = 0; k < n; k++) {
            uint32_t i = events[k].data.u32;
            if (recv(fds[i], buffer, sizeof buffer, 0) <= 0)
                die("recv");
            if (--left[i] == 0) {
                close(fds[i]);
                live--;
            } else if (send(fds[i], buffer, REQUEST, 0) != REQUEST) {
                die("send");
            }
        }
    }
    _exit(0);
}

static int next_connection(const struct run *run)
{
    struct keel_accepted accepted;
    for (int i = 0; i < 100000; i++) {
        if (keel_sock_accept(run->listener, &accepted, 1) == 1)
            return accepted.fd;
        usleep(100);
    }
    die("accept");
    return -1;
}

static double cpu_us(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static double serve_bare(const struct run *run)
{
    struct epoll_event events[64];
    static char buffer[65536];
    int live = run->connections, poll = epoll_create1(0);
    for (int i = 0; i < live; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = next_connection(run)};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, e.data.fd, &e) < 0)
            die("epoll_ctl");
    }
    double start = cpu_us();
    while (live > 0) {
        int n = epoll_wait(poll, events, 64, 10000);
        if (n <= 0)
            die("epoll_wait");
        for (int k = 0; k < n; k++) {
            int fd = events[k].data.fd;
            ssize_t size = recv(fd, buffer, sizeof buffer, 0);
            if (size > 0 && send(fd, buffer, (size_t)size, MSG_NOSIGNAL) == size)
                continue;
            close(fd);
            live--;
        }
    }
    close(poll);
    return cpu_us() - start;
}

struct echo {
    struct keel_stream stream;
    struct keel_loop *loop;
    int *live;
};

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    keel_stream_write(s, bytes, size);
    return size;
}

static void on_close(struct keel_stream *s, enum keel_stream_end why)
{
    struct echo *echo = KEEL_CONTAINER(s, struct echo, stream);
    if (--*echo->live == 0)
        keel_loop_stop(echo->loop);
}

static double serve_stream(const struct run *run)
{
    static const struct keel_stream_ops ops = {
        .name = "echo", .on_data = on_data, .on_close = on_close};
    static struct echo echoes[MOST];
    struct keel_loop *loop = keel_loop_new();
    int live = run->connections;
    for (int i = 0; i < run->connections; i++) {
        echoes[i].loop = loop;
        echoes[i].live = &live;
        if (keel_stream_start(&echoes[i].stream, loop, next_connection(run), &ops, NULL, NULL))
            die("keel_stream_start");
    }
    double start = cpu_us();
    if (keel_loop_run(loop))
        die("keel_loop_run");
    double spent = cpu_us() - start;
    keel_loop_free(loop);
    return spent;
}

static double once(struct run *run, double (*serve)(const struct run *run))
{
    keel_addr_set4(&run->address, INADDR_LOOPBACK, 0);
    run->listener = keel_sock_listen(&run->address, NULL, NULL);
    if (run->listener < 0 || keel_sock_bound(run->listener, &run->address))
        die("listen");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0)
        load(run);
    double spent = serve(run);
    close(run->listener);
    waitpid(child, NULL, 0);
    return spent / ((double)run->rounds * run->connections);
}

int main(int argc, char **argv)
{
    struct run run = {.rounds = argc > 1 ? atoi(argv[1]) : 4000,
                      .connections = argc > 2 ? atoi(argv[2]) : 64};
    double best[2] = {1e9, 1e9};
    if (run.rounds < 1 || run.connections < 1 || run.connections > MOST)
        return 2;
    pin(0);
    for (int i = 0; i < 5; i++) {
        double bare = once(&run, serve_bare), stream = once(&run, serve_stream);
        best[0] = bare < best[0] ? bare : best[0];
        best[1] = stream < best[1] ? stream : best[1];
        printf("bare epoll %.3f us, stream %.3f us a request\n", bare, stream);
    }
    printf("best of 5: bare epoll %.3f us, stream %.3f us, ratio %.2f\n", best[0], best[1],
           best[1] / best[0]);
    return 0;
}
