/*
 * Load for DNS servers, the same for all: questions for random names over UDP, so many at once
 * and no more, or so many in a second.
 *
 *     dns_ask -p PORT -z ZONE -m MIX -k NAMES [-n QUERIES | -s SECONDS] [-w WINDOW] [-r RATE]
 *
 * MIX: host (hostN.ZONE), nx (noN.ZONE), cut (www.subN.ZONE), wild (xN.wild.ZONE), mixed (all four,
 * half of them host); N is below NAMES, NAMES / 10 for cut. One line of JSON: questions asked and
 * answered, lost, the answers' codes, and how long answers took in microseconds.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LANES 4
#define BATCH 64
#define IDS 65536
#define ROOM 320
#define LOST_NS 300000000ull

struct lane {
    int fd;
    uint16_t next;
    unsigned flying;
    uint64_t heard;     /* ns: the last answer, or the first question of an empty lane */
    uint64_t sent[IDS]; /* ns; 0: not on its way */
};

static struct lane lanes[LANES];
static uint8_t out[BATCH][ROOM], in[BATCH][4096];
static uint64_t state = 88172645463325252ull;
static const char *zone, *mix = "host";
static unsigned names = 10000, window = 256;
static uint64_t asked, answered, lost, codes[16], total_ns, longest_ns, spread[40];
static volatile sig_atomic_t stopped;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static unsigned random_below(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 11) % n);
}

static size_t put_label(uint8_t *p, const char *text, size_t n)
{
    p[0] = (uint8_t)n;
    memcpy(p + 1, text, n);
    return n + 1;
}

static size_t make_question(uint8_t *p, uint16_t id)
{
    static const uint8_t head[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const char *const kinds[] = {"host", "host", "host", "nx", "cut", "wild"};
    const char *kind = strcmp(mix, "mixed") == 0 ? kinds[random_below(6)] : mix;
    char first[32];
    size_t at = sizeof head;
    memcpy(p, head, sizeof head);
    p[0] = (uint8_t)(id >> 8);
    p[1] = (uint8_t)id;
    const char *stem = kind[0] == 'h'   ? "host"
                       : kind[0] == 'n' ? "no"
                       : kind[0] == 'c' ? "sub"
                                        : "x";
    unsigned below = kind[0] == 'c' && names >= 10 ? names / 10 : names;
    int n = snprintf(first, sizeof first, "%s%07u", stem, random_below(below));
    if (kind[0] == 'c')
        at += put_label(p + at, "www", 3);
    at += put_label(p + at, first, (size_t)n);
    if (kind[0] == 'w')
        at += put_label(p + at, "wild", 4);
    for (const char *label = zone; *label;) {
        size_t size = strcspn(label, ".");
        at += put_label(p + at, label, size);
        label += size + (label[size] == '.');
    }
    memcpy(p + at, "\0\0\1\0\1", 5);
    return at + 5;
}

/* Sends at most `most`; how many went. */
static unsigned fill(struct lane *lane, unsigned most)
{
    struct iovec pieces[BATCH];
    struct mmsghdr messages[BATCH];
    unsigned n = most < BATCH ? most : BATCH;
    for (unsigned i = 0; i < n; i++) {
        pieces[i].iov_base = out[i];
        pieces[i].iov_len = make_question(out[i], (uint16_t)(lane->next + i));
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int went = n ? sendmmsg(lane->fd, messages, n, 0) : 0;
    uint64_t now = now_ns();
    if (lane->flying == 0)
        lane->heard = now;
    for (int i = 0; i < went; i++)
        lane->sent[lane->next++] = now;
    lane->flying += went > 0 ? (unsigned)went : 0;
    return went > 0 ? (unsigned)went : 0;
}

static void note(uint64_t ns, unsigned code)
{
    unsigned bit = 0;
    while (ns >> bit > 1000 && bit < 39)
        bit++;
    spread[bit]++;
    codes[code]++;
    total_ns += ns;
    if (ns > longest_ns)
        longest_ns = ns;
    answered++;
}

static bool take(struct lane *lane)
{
    struct iovec pieces[BATCH];
    struct mmsghdr messages[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){in[i], sizeof in[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(lane->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now = now_ns();
    for (int i = 0; i < n; i++) {
        uint16_t id = (uint16_t)(in[i][0] << 8 | in[i][1]);
        if (messages[i].msg_len < 12 || lane->sent[id] == 0)
            continue;
        note(now - lane->sent[id], in[i][3] & 15);
        lane->sent[id] = 0;
        lane->flying--;
        lane->heard = now;
    }
    if (n <= 0 && lane->flying > 0 && now - lane->heard > LOST_NS) {
        lost += lane->flying;
        lane->flying = 0;
        memset(lane->sent, 0, sizeof lane->sent);
    }
    return n > 0;
}

static void run(uint64_t queries, uint64_t end, uint64_t rate)
{
    uint64_t begin = now_ns();
    unsigned share = window / LANES;
    for (;;) {
        bool moved = false;
        unsigned flying = 0;
        bool done = asked >= queries || now_ns() >= end || stopped;
        for (unsigned i = 0; i < LANES; i++) {
            struct lane *lane = &lanes[i];
            moved |= take(lane);
            uint64_t most = share > lane->flying ? share - lane->flying : 0;
            if (rate) {
                uint64_t due = (now_ns() - begin) / 1000 * rate / 1000000;
                most = due > asked ? due - asked : 0;
                most = most > share ? share : most;
            }
            if (most > queries - asked)
                most = queries - asked;
            if (!done && most > 0) {
                unsigned went = fill(lane, (unsigned)most);
                asked += went;
                moved |= went > 0;
            }
            flying += lane->flying;
        }
        if (done && flying == 0)
            return;
        if (!moved) {
            struct pollfd polls[LANES];
            for (unsigned i = 0; i < LANES; i++)
                polls[i] = (struct pollfd){lanes[i].fd, POLLIN, 0};
            if (rate)
                ppoll(polls, LANES, &(struct timespec){0, 50000}, NULL);
            else
                poll(polls, LANES, 10);
        }
    }
}

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static unsigned percentile(double part)
{
    uint64_t want = (uint64_t)((double)answered * part), sum = 0;
    for (unsigned bit = 0; bit < 40; bit++)
        if ((sum += spread[bit]) > want)
            return (unsigned)(((uint64_t)1000 << bit) / 1000);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t queries = UINT64_MAX, rate = 0, end = UINT64_MAX;
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int option, size = 4 << 20;
    while ((option = getopt(argc, argv, "p:z:m:k:n:s:w:r:")) > 0) {
        switch (option) {
        case 'p':
            sin.sin_port = htons((uint16_t)atoi(optarg));
            break;
        case 'z':
            zone = optarg;
            break;
        case 'm':
            mix = optarg;
            break;
        case 'k':
            names = (unsigned)atoi(optarg);
            break;
        case 'n':
            queries = strtoull(optarg, NULL, 10);
            break;
        case 's':
            end = now_ns() + (uint64_t)(atof(optarg) * 1e9);
            break;
        case 'w':
            window = (unsigned)atoi(optarg);
            break;
        case 'r':
            rate = strtoull(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    if (!zone || !sin.sin_port || names == 0)
        return 2;
    signal(SIGTERM, on_signal);
    for (unsigned i = 0; i < LANES; i++) {
        lanes[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
        setsockopt(lanes[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        if (lanes[i].fd < 0 || connect(lanes[i].fd, (struct sockaddr *)&sin, sizeof sin) != 0) {
            perror("dns_ask");
            return 1;
        }
    }
    uint64_t begin = now_ns();
    run(queries, end, rate);
    double seconds = (double)(now_ns() - begin) / 1e9;
    printf("{\"asked\":%lu,\"answered\":%lu,\"lost\":%lu,\"seconds\":%.3f,\"mean\":%.1f,"
           "\"median\":%u,\"p999\":%u,\"longest\":%lu,\"noerror\":%lu,\"nxdomain\":%lu}\n",
           asked, answered, lost, seconds, answered ? (double)total_ns / (double)answered / 1e3 : 0,
           percentile(0.5), percentile(0.999), longest_ns / 1000, codes[0], codes[3]);
    return 0;
}
