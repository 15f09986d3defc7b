/*
 * Load of short connections for the system tests: each connects, sends one request, reads the
 * whole reply, and closes. What went wrong is counted by kind, because the tests forgive a reset
 * with a request in flight in a worker that was killed, and nothing else. One JSON line at the end.
 *
 *     load -a 127.0.0.1:8080 -p http|echo [-c CONCURRENT] [-n CONNECTIONS] [-s SECONDS]
 *          [-t TIMEOUT-MS] [-f SOURCES]
 *
 * Without -n and -s it runs until SIGTERM or SIGINT; connections under way are finished first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONCURRENT 4096

enum state {
    IDLE,    /* no descriptor; a new connection may start */
    RESTING, /* refused: waits for the next tick, so that a refusal is not counted thousandfold */
    CONNECTING, /* connect(2) under way */
    WAITING,    /* the request is sent, the reply is not complete */
};
enum outcome {
    OK,
    REFUSED,         /* ECONNREFUSED */
    RESET_CONNECT,   /* reset before the request was sent */
    RESET_IN_FLIGHT, /* reset or closed with the request sent and no complete reply */
    WRONG,           /* a complete reply, but not the right one */
    TIMEOUT_CONNECT,
    TIMEOUT_REPLY,
    OTHER,
    OUTCOMES
};
static const char *const outcome_names[OUTCOMES] = {
    "ok",    "refused",         "reset_connect", "reset_in_flight",
    "wrong", "timeout_connect", "timeout_reply", "other",
};

struct slot {
    enum state state;
    int fd;
    uint64_t begun_ns;
    unsigned serial;
    char request[256], reply[16384];
    size_t request_size, got;
};

static struct options {
    struct sockaddr_in to;
    bool http;
    unsigned concurrent, sources, timeout_ms;
    uint64_t connections; /* 0: no end */
    double seconds;       /* 0: no end */
} options = {.concurrent = 16, .sources = 1, .timeout_ms = 10000};

static struct slot slots[MAX_CONCURRENT];
static uint64_t counts[OUTCOMES], started, slow_250ms, slow_1s, worst_ns;
static unsigned active;
static int last_errno, epoll_fd;
static volatile sig_atomic_t stopping;

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void finish(struct slot *s, enum outcome outcome, int error)
{
    uint64_t took = now_ns() - s->begun_ns;
    counts[outcome]++;
    if (outcome == OTHER)
        last_errno = error;
    if (outcome == OK) {
        slow_250ms += took > 250000000ull;
        slow_1s += took > 1000000000ull;
        worst_ns = took > worst_ns ? took : worst_ns;
    }
    close(s->fd);
    s->fd = -1;
    s->state = outcome == OK ? IDLE : RESTING;
    active--;
}

static void fail(struct slot *s, int error)
{
    if (error == ECONNREFUSED)
        finish(s, REFUSED, error);
    else if (error == ECONNRESET || error == EPIPE)
        finish(s, s->state == CONNECTING ? RESET_CONNECT : RESET_IN_FLIGHT, error);
    else
        finish(s, OTHER, error);
}

static void start(struct slot *s)
{
    s->serial = (unsigned)started++;
    s->begun_ns = now_ns();
    s->got = 0;
    s->state = CONNECTING;
    active++;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        finish(s, OTHER, errno);
        return;
    }
    if (options.sources > 1) {
        /* many source addresses: no port runs out in TIME_WAIT, and the kernel's hash spreads */
        int one = 1;
        struct sockaddr_in from = {.sin_family = AF_INET};
        from.sin_addr.s_addr = htonl(0x7f010001u + s->serial % options.sources);
        setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(s->fd, (struct sockaddr *)&from, sizeof from) != 0) {
            finish(s, OTHER, errno);
            return;
        }
    }
    struct epoll_event event = {.events = EPOLLOUT | EPOLLIN, .data.ptr = s};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &event);
    if (connect(s->fd, (struct sockaddr *)&options.to, sizeof options.to) != 0 &&
        errno != EINPROGRESS)
        fail(s, errno);
}

static void send_request(struct slot *s)
{
    int error = 0, size;
    socklen_t length = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        fail(s, error);
        return;
    }
    if (options.http)
        size = snprintf(s->request, sizeof s->request,
                        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    else
        size = snprintf(s->request, sizeof s->request, "line %u of the load\n", s->serial);
    s->request_size = (size_t)size;
    if (send(s->fd, s->request, s->request_size, MSG_NOSIGNAL) != size) {
        fail(s, errno);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &event);
    s->state = WAITING;
}

/* At the end of an HTTP reply: all of it, with a status of 2xx or 3xx? */
static enum outcome judge_http(const struct slot *s)
{
    const char *body = memmem(s->reply, s->got, "\r\n\r\n", 4);
    const char *field = memmem(s->reply, s->got, "Content-Length: ", 16);
    if (!body)
        return RESET_IN_FLIGHT;
    if (s->got < 12 || (s->reply[9] != '2' && s->reply[9] != '3'))
        return WRONG;
    size_t want = field && field < body ? strtoul(field + 16, NULL, 10) : 0;
    return s->got - (size_t)(body + 4 - s->reply) >= want ? OK : RESET_IN_FLIGHT;
}

static void read_reply(struct slot *s)
{
    ssize_t n = recv(s->fd, s->reply + s->got, sizeof s->reply - 1 - s->got, 0);
    if (n < 0) {
        if (errno != EAGAIN)
            fail(s, errno);
        return;
    }
    s->got += (size_t)n;
    s->reply[s->got] = '\0';
    if (options.http) {
        if (n == 0 || s->got == sizeof s->reply - 1)
            finish(s, s->got ? judge_http(s) : RESET_IN_FLIGHT, 0);
    } else if (s->got >= s->request_size) {
        finish(s, memcmp(s->reply, s->request, s->request_size) == 0 ? OK : WRONG, 0);
    } else if (n == 0) {
        finish(s, RESET_IN_FLIGHT, 0);
    }
}

/* Every 100 ms: deadlines, and the rest after a refusal ends. */
static void tick(void)
{
    uint64_t now = now_ns(), limit = options.timeout_ms * 1000000ull;
    for (unsigned i = 0; i < options.concurrent; i++) {
        struct slot *s = &slots[i];
        if (s->state == RESTING)
            s->state = IDLE;
        else if (s->state != IDLE && now - s->begun_ns > limit)
            finish(s, s->state == CONNECTING ? TIMEOUT_CONNECT : TIMEOUT_REPLY, 0);
    }
}

static void run(void)
{
    uint64_t begin = now_ns(), next_tick = begin;
    for (;;) {
        uint64_t now = now_ns();
        if (options.seconds > 0 && (double)(now - begin) / 1e9 >= options.seconds)
            stopping = 1;
        bool more = !stopping && (!options.connections || started < options.connections);
        if (!more && active == 0)
            break;
        if (now >= next_tick) {
            tick();
            next_tick = now + 100000000ull;
        }
        for (unsigned i = 0; more && i < options.concurrent; i++) {
            if (slots[i].state == IDLE)
                start(&slots[i]);
            more = !options.connections || started < options.connections;
        }
        struct epoll_event events[256];
        int n = epoll_wait(epoll_fd, events, 256, 20);
        for (int i = 0; i < n; i++) {
            struct slot *s = events[i].data.ptr;
            if (s->state == CONNECTING)
                send_request(s);
            else if (s->state == WAITING)
                read_reply(s);
        }
    }
    printf("{\"started\": %llu, \"seconds\": %.3f", (unsigned long long)started,
           (double)(now_ns() - begin) / 1e9);
    for (int i = 0; i < OUTCOMES; i++)
        printf(", \"%s\": %llu", outcome_names[i], (unsigned long long)counts[i]);
    printf(", \"slow_250ms\": %llu, \"slow_1s\": %llu, \"worst_ms\": %.1f, \"errno\": \"%s\"}\n",
           (unsigned long long)slow_250ms, (unsigned long long)slow_1s, (double)worst_ns / 1e6,
           last_errno ? strerror(last_errno) : "");
}

static bool parse_address(char *text)
{
    char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    *colon = '\0';
    options.to.sin_family = AF_INET;
    options.to.sin_port = htons((uint16_t)atoi(colon + 1));
    return inet_pton(AF_INET, text, &options.to.sin_addr) == 1;
}

int main(int argc, char **argv)
{
    int c;
    bool addressed = false;
    while ((c = getopt(argc, argv, "a:p:c:n:s:t:f:")) != -1) {
        switch (c) {
        case 'a':
            addressed = parse_address(optarg);
            break;
        case 'p':
            options.http = strcmp(optarg, "http") == 0;
            break;
        case 'c':
            options.concurrent = (unsigned)atoi(optarg);
            break;
        case 'n':
            options.connections = strtoull(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 't':
            options.timeout_ms = (unsigned)atoi(optarg);
            break;
        case 'f':
            options.sources = (unsigned)atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    if (!addressed || options.concurrent == 0 || options.concurrent > MAX_CONCURRENT) {
        fprintf(stderr, "usage: load -a ADDRESS:PORT -p http|echo [-c N] [-n N] [-s SECONDS]"
                        " [-t MS] [-f SOURCES]\n");
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGPIPE, SIG_IGN);
    fputs("load\n", stderr); /* who started us may send signals from now on */
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run();
    return 0;
}
