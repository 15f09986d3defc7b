/*
 * Load for a DHCP server, cheaper than perfdhcp: a relay with clients that each get an address,
 * DISCOVER to ACK, ever new ones. A window of them is under way at a time, in batches of recvmmsg
 * and sendmmsg, so that what is measured is the server.
 *
 *     dhcp_load RELAY SERVER SECONDS WINDOW SEED [CLIENTS]
 *
 * Prints: exchanges a second, how many were asked again, addresses given twice, and the time from
 * REQUEST to ACK in microseconds, median and 99 %. With CLIENTS so many get an address first, and
 * what is counted is their renewals, one after the other in no order.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define ROOM 1024
#define SIZE 300
#define SLOTS 65536
#define AGAIN 1000000000u /* ns until a client asks again */
#define TIMES 20000       /* microseconds */

enum { DISCOVER = 1, OFFER, REQUEST, ACK = 5 };

struct client {
    uint64_t asked; /* ns */
    uint32_t number, address;
    uint8_t last; /* message type sent */
};

static struct client clients[SLOTS];
static uint32_t ready[SLOTS]; /* slots with something to send */
static unsigned ready_count, window, slots;
static uint32_t next_number, relay, server;
static unsigned population, started, owners; /* of those who renew: all, begun, with an address */
static uint64_t done, again, twice, times[TIMES];
static uint8_t *given; /* a bit an address of the /8 */
static bool renewing;

static uint8_t buffers[2][BATCH][ROOM];
static struct iovec pieces[2][BATCH];
static struct mmsghdr messages[2][BATCH];
static struct sockaddr_in to;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return ntohl(v);
}

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    v = htonl(v);
    memcpy(p, &v, 4);
    return p + 4;
}

static uint8_t *put_option(uint8_t *p, uint8_t code, uint32_t value)
{
    *p++ = code;
    *p++ = 4;
    return put_u32(p, value);
}

static void begin(uint32_t slot)
{
    clients[slot] = (struct client){.number = next_number++, .last = DISCOVER};
    ready[ready_count++] = slot;
}

static void build(uint8_t *m, uint32_t slot)
{
    const struct client *c = &clients[slot];
    bool renews = c->last == REQUEST && renewing;
    uint8_t *p = m + 240;
    memset(m, 0, SIZE);
    memcpy(m, (uint8_t[]){1, 1, 6, 1}, 4);
    put_u32(m + 4, slot);
    if (renews)
        put_u32(m + 12, c->address);
    put_u32(m + 24, relay);
    m[28] = 2;
    put_u32(m + 30, c->number * 0x9e3779b1u); /* machines of all kinds: in no order */
    put_u32(m + 236, 0x63825363);
    memcpy(p, (uint8_t[]){53, 1, c->last, 55, 3, 1, 3, 6}, 8);
    p += 8;
    if (c->last == REQUEST && !renews) {
        p = put_option(p, 50, c->address);
        p = put_option(p, 54, server);
    }
    *p = 255;
}

static void send_ready(int fd)
{
    while (ready_count > 0) {
        unsigned n = 0;
        uint64_t now = now_ns();
        for (; n < BATCH && ready_count > 0; n++) {
            uint32_t slot = ready[--ready_count];
            build(buffers[1][n], slot);
            clients[slot].asked = now;
        }
        for (unsigned sent = 0; sent < n;) {
            int rc = sendmmsg(fd, messages[1] + sent, n - sent, 0);
            if (rc < 0)
                die("sendmmsg");
            sent += (unsigned)rc;
        }
    }
}

/* Its address is its own for the first time. */
static void check(uint32_t address)
{
    uint32_t i = address & 0xffffff;
    twice += given[i / 8] >> i % 8 & 1;
    given[i / 8] |= (uint8_t)(1 << i % 8);
}

/* The next one of those who have an address; neighbours in this order are none on disk. */
static void renew_next(void)
{
    for (unsigned tries = 0; tries < population; tries++) {
        uint32_t slot = (uint32_t)((uint64_t)started++ * 7919 % population);
        if (clients[slot].last)
            continue; /* its last one is still under way */
        clients[slot].last = REQUEST;
        ready[ready_count++] = slot;
        return;
    }
}

static void on_ack(struct client *c, uint32_t slot)
{
    uint64_t us = (now_ns() - c->asked) / 1000;
    times[us < TIMES ? us : TIMES - 1]++;
    done++;
    if (!renewing)
        check(c->address);
    c->last = 0;
    if (renewing)
        renew_next();
    else if (!population)
        begin(slot);
    else if (started < population)
        begin(started++);
    owners += !renewing;
}

static void on_message(const uint8_t *m, unsigned size)
{
    if (size < 243 || m[0] != 2 || m[240] != 53)
        return;
    uint32_t slot = get_u32(m + 4), address = get_u32(m + 16);
    struct client *c = &clients[slot < slots ? slot : 0];
    if (slot >= slots || get_u32(m + 30) != c->number * 0x9e3779b1u)
        return;
    if (m[242] == OFFER && c->last == DISCOVER) {
        c->last = REQUEST;
        c->address = address;
        ready[ready_count++] = slot;
    } else if (m[242] == ACK && c->last == REQUEST) {
        c->address = address;
        on_ack(c, slot);
    }
}

static void ask_again(void)
{
    uint64_t now = now_ns();
    for (uint32_t slot = 0; slot < slots; slot++) {
        if (!clients[slot].last || now - clients[slot].asked < AGAIN)
            continue;
        again++;
        if (!renewing)
            clients[slot].last = DISCOVER;
        ready[ready_count++] = slot;
    }
}

static int open_socket(const char *own, const char *peer)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(67)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 4 << 20;
    to = from;
    if (fd < 0 || inet_pton(AF_INET, own, &from.sin_addr) != 1 ||
        inet_pton(AF_INET, peer, &to.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    relay = ntohl(from.sin_addr.s_addr);
    server = ntohl(to.sin_addr.s_addr);
    for (unsigned way = 0; way < 2; way++)
        for (unsigned i = 0; i < BATCH; i++) {
            pieces[way][i] = (struct iovec){buffers[way][i], way ? SIZE : ROOM};
            messages[way][i].msg_hdr = (struct msghdr){.msg_name = way ? &to : NULL,
                                                       .msg_namelen = way ? sizeof to : 0,
                                                       .msg_iov = &pieces[way][i],
                                                       .msg_iovlen = 1};
        }
    return fd;
}

/* Whether something came within 10 ms. */
static void receive(int fd, int poll)
{
    struct epoll_event event;
    int n = recvmmsg(fd, messages[0], BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) {
        epoll_wait(poll, &event, 1, 10);
        return;
    }
    for (int i = 0; i < n; i++)
        on_message(buffers[0][i], messages[0][i].msg_len);
}

static unsigned quantile(double part)
{
    uint64_t all = 0, sum = 0;
    for (unsigned i = 0; i < TIMES; i++)
        all += times[i];
    for (unsigned i = 0; i < TIMES; i++)
        if ((sum += times[i]) > (uint64_t)((double)all * part))
            return i;
    return TIMES;
}

/* Answers, new questions, and the old ones again, until it has lasted so long or all have one. */
static void play(int fd, int poll, double seconds)
{
    uint64_t start = now_ns(), looked = start;
    while (now_ns() - start < (uint64_t)(seconds * 1e9)) {
        send_ready(fd);
        receive(fd, poll);
        if (population && !renewing && owners == population)
            return;
        if (now_ns() - looked < AGAIN / 4)
            continue;
        looked = now_ns();
        ask_again();
    }
}

static void read_line(int argc, char **argv)
{
    window = (unsigned)atoi(argv[4]);
    next_number = (uint32_t)atoi(argv[5]) << 24;
    population = argc > 6 ? (unsigned)atoi(argv[6]) : 0;
    slots = population ? population : window;
    given = calloc(1, 1 << 21);
    if (!given || window < 1 || slots < window || slots > SLOTS)
        die("window");
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    double seconds = atof(argv[3]);
    read_line(argc, argv);
    int fd = open_socket(argv[1], argv[2]), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    while (started < window)
        begin(started++);
    play(fd, poll, population ? 600 : seconds);
    if (population) {
        renewing = true;
        done = again = 0;
        memset(times, 0, sizeof times);
        puts("ready"); /* what counts begins now */
        fflush(stdout);
        for (unsigned i = 0; i < window; i++)
            renew_next();
        play(fd, poll, seconds);
    }
    printf("%.0f exchanges/s %llu again %llu twice %u us %u us\n", (double)done / seconds,
           (unsigned long long)again, (unsigned long long)twice, quantile(0.5), quantile(0.99));
    return twice > 0;
}
