/*
 * Asks several servers on 127.0.0.1 the same questions and prints, a line of JSON each, how the
 * answers of the others differ from those of the first.
 *
 *     dns_compare QUERIES NAME=PORT NAME=PORT...
 *
 * QUERIES holds messages one behind another, each after four bytes: 1 for TCP or 0 for UDP, 1 when
 * silence is a likely answer (then it is not asked for again), and the size, 16 bits. All servers
 * are asked at the same time, as many questions at once as they can take without losing any.
 */
#include "tests/support/dns_answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SERVERS 8
#define CHUNK 2048 /* questions that are asked before their answers are compared */
#define WINDOW 48  /* at once, of each server and transport */
#define TRIES 5
#define PATIENCE_MS 1500
#define TCP_MAX 65535

struct question {
    const uint8_t *bytes;
    uint16_t size;
    bool tcp, silent;
};
/* What a server owes for one question of the chunk. */
struct debt {
    bool done;
    unsigned tries;
    uint64_t deadline; /* 0: not on its way */
};
struct lane { /* one transport of one server */
    bool tcp;
    int fd; /* -1: no connection */
    unsigned next, flying;
    uint8_t input[2 + TCP_MAX];
    size_t used;
};
struct server {
    const char *name;
    struct sockaddr_in address;
    struct lane lanes[2]; /* UDP, TCP */
    unsigned left;        /* questions of the chunk without an answer */
    struct debt debts[CHUNK];
    struct answer answers[CHUNK];
};

static struct server servers[SERVERS];
static unsigned server_count;
static const struct question *chunk;
static unsigned chunk_size, chunk_first;

static void die(const char *what)
{
    fprintf(stderr, "dns_compare: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Numbers of messages that are near each other differ. */
static uint16_t id_of(unsigned i)
{
    return (uint16_t)(chunk_first + i);
}

static bool open_lane(struct server *s, struct lane *lane)
{
    lane->used = 0;
    lane->fd = socket(AF_INET, lane->tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (lane->fd < 0)
        die("socket");
    if (connect(lane->fd, (struct sockaddr *)&s->address, sizeof s->address) != 0) {
        close(lane->fd);
        lane->fd = -1;
        return false;
    }
    if (lane->tcp)
        setsockopt(lane->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(lane->fd, F_SETFL, O_NONBLOCK);
    return true;
}

static void settle(struct server *s, struct lane *lane, unsigned i, enum answer_state state)
{
    s->debts[i].done = true;
    s->debts[i].deadline = 0;
    lane->flying--;
    s->left--;
    if (state != ANSWER_COMPLETE) {
        s->answers[i].state = state;
        s->answers[i].what = NULL;
        memset(s->answers[i].counts, 0, sizeof s->answers[i].counts);
    }
}

/* The connection is gone: what was on its way goes again, as often as is decent. */
static void lose(struct server *s, struct lane *lane)
{
    close(lane->fd);
    lane->fd = -1;
    for (unsigned i = 0; i < chunk_size; i++) {
        struct debt *debt = &s->debts[i];
        if (chunk[i].tcp != lane->tcp || !debt->deadline)
            continue;
        if (debt->tries >= TRIES || chunk[i].silent) {
            settle(s, lane, i, ANSWER_CLOSED);
        } else {
            debt->deadline = 0;
            lane->flying--;
        }
    }
    lane->next = 0;
}

static bool send_one(struct server *s, struct lane *lane, unsigned i)
{
    uint8_t message[2 + TCP_MAX];
    const struct question *q = &chunk[i];
    size_t head = lane->tcp ? 2 : 0;
    message[0] = (uint8_t)(q->size >> 8);
    message[1] = (uint8_t)q->size;
    memcpy(message + head, q->bytes, q->size);
    if (q->size >= 2) {
        message[head] = (uint8_t)(id_of(i) >> 8);
        message[head + 1] = (uint8_t)id_of(i);
    }
    ssize_t n = send(lane->fd, message, head + q->size, MSG_NOSIGNAL);
    if (n == (ssize_t)(head + q->size))
        return true;
    if (lane->tcp && n >= 0) /* half a message: the window keeps this from happening */
        lose(s, lane);
    return false;
}

static void fill(struct server *s, struct lane *lane)
{
    uint64_t now = now_ms();
    for (unsigned i = lane->next; i < chunk_size && lane->flying < WINDOW; i++) {
        struct debt *debt = &s->debts[i];
        if (chunk[i].tcp != lane->tcp || debt->done || debt->deadline) {
            if (i == lane->next)
                lane->next++;
            continue;
        }
        if (lane->fd < 0 && !open_lane(s, lane))
            return;
        if (!send_one(s, lane, i))
            return;
        debt->tries++;
        debt->deadline = now + PATIENCE_MS * (chunk[i].silent ? 1 : debt->tries);
        lane->flying++;
    }
}

static void take(struct server *s, struct lane *lane, const uint8_t *message, size_t size)
{
    if (size < 2)
        return;
    unsigned i = (uint16_t)((message[0] << 8 | message[1]) - chunk_first);
    if (i >= chunk_size || chunk[i].tcp != lane->tcp || s->debts[i].done || !s->debts[i].deadline)
        return; /* late, or to a question that was asked twice */
    answer_read(&s->answers[i], message, size, chunk[i].bytes, chunk[i].size);
    settle(s, lane, i, ANSWER_COMPLETE);
}

static void receive(struct server *s, struct lane *lane)
{
    for (;;) {
        size_t room = sizeof lane->input - lane->used;
        ssize_t n = recv(lane->fd, lane->input + lane->used, room, 0);
        if (n < 0 && (errno == EAGAIN || errno == ECONNREFUSED || errno == EINTR))
            return;
        if (n <= 0 && lane->tcp) {
            lose(s, lane);
            return;
        }
        if (!lane->tcp) {
            take(s, lane, lane->input, (size_t)n);
            continue;
        }
        lane->used += (size_t)n;
        size_t at = 0;
        while (lane->used - at >= 2) {
            size_t size = (size_t)lane->input[at] << 8 | lane->input[at + 1];
            if (lane->used - at - 2 < size)
                break;
            take(s, lane, lane->input + at + 2, size);
            at += 2 + size;
        }
        memmove(lane->input, lane->input + at, lane->used - at);
        lane->used -= at;
    }
}

static void expire(struct server *s, struct lane *lane)
{
    uint64_t now = now_ms();
    for (unsigned i = 0; i < chunk_size; i++) {
        struct debt *debt = &s->debts[i];
        if (chunk[i].tcp != lane->tcp || !debt->deadline || debt->deadline > now)
            continue;
        if (chunk[i].silent || debt->tries >= TRIES) {
            settle(s, lane, i, ANSWER_NONE);
        } else {
            debt->deadline = 0;
            lane->flying--;
            if (i < lane->next)
                lane->next = i;
        }
    }
}

static bool all_done(void)
{
    for (unsigned k = 0; k < server_count; k++)
        if (servers[k].left > 0)
            return false;
    return true;
}

static void ask(void)
{
    struct pollfd polls[2 * SERVERS];
    struct lane *lanes[2 * SERVERS];
    struct server *owners[2 * SERVERS];
    uint64_t checked = now_ms();

    for (unsigned k = 0; k < server_count; k++) {
        memset(servers[k].debts, 0, sizeof servers[k].debts);
        servers[k].lanes[0].next = servers[k].lanes[1].next = 0;
        servers[k].left = chunk_size;
    }
    while (!all_done()) {
        unsigned n = 0;
        for (unsigned k = 0; k < server_count; k++)
            for (unsigned t = 0; t < 2; t++) {
                fill(&servers[k], &servers[k].lanes[t]);
                if (servers[k].lanes[t].fd < 0)
                    continue;
                lanes[n] = &servers[k].lanes[t];
                owners[n] = &servers[k];
                polls[n++] = (struct pollfd){servers[k].lanes[t].fd, POLLIN, 0};
            }
        if (poll(polls, n, 100) < 0)
            die("poll");
        for (unsigned i = 0; i < n; i++)
            if (polls[i].revents)
                receive(owners[i], lanes[i]);
        if (now_ms() - checked < 100)
            continue;
        checked = now_ms();
        for (unsigned i = 0; i < n; i++)
            if (lanes[i]->flying > 0)
                expire(owners[i], lanes[i]);
    }
}

static void compare_chunk(void)
{
    for (unsigned i = 0; i < chunk_size; i++) {
        const struct answer *ours = &servers[0].answers[i];
        /* what is wrong with ours alone */
        if (ours->state == ANSWER_BAD) {
            printf("{\"q\":%u,\"server\":\"%s\"", chunk_first + i, servers[0].name);
            answer_print(stdout, ours, ours);
            printf("}\n");
        }
        for (unsigned k = 1; k < server_count; k++) {
            if (answer_equal(ours, &servers[k].answers[i]))
                continue;
            printf("{\"q\":%u,\"server\":\"%s\"", chunk_first + i, servers[k].name);
            answer_print(stdout, ours, &servers[k].answers[i]);
            printf("}\n");
        }
    }
}

static struct question *load(const char *path, unsigned *count)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        die(path);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    uint8_t *bytes = malloc((size_t)size + 1);
    struct question *questions = calloc((size_t)size / 4 + 1, sizeof *questions);
    if (!bytes || !questions || fread(bytes, 1, (size_t)size, f) != (size_t)size)
        die(path);
    fclose(f);
    *count = 0;
    for (long at = 0; size - at >= 4;) {
        const uint8_t *head = bytes + at;
        uint16_t n = (uint16_t)(head[2] << 8 | head[3]);
        questions[(*count)++] = (struct question){head + 4, n, head[0], head[1]};
        at += 4 + n;
    }
    return questions;
}

int main(int argc, char **argv)
{
    unsigned count;
    if (argc < 4 || argc - 2 > SERVERS) {
        fprintf(stderr, "dns_compare QUERIES NAME=PORT NAME=PORT...\n");
        return 2;
    }
    const struct question *questions = load(argv[1], &count);
    for (int i = 2; i < argc; i++) {
        struct server *s = &servers[server_count++];
        char *port = strchr(argv[i], '=');
        if (!port)
            return 2;
        *port = '\0';
        s->name = argv[i];
        s->address.sin_family = AF_INET;
        s->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        s->address.sin_port = htons((uint16_t)atoi(port + 1));
        for (unsigned t = 0; t < 2; t++) {
            s->lanes[t].tcp = t;
            s->lanes[t].fd = -1;
        }
    }
    for (; chunk_first < count; chunk_first += CHUNK) {
        chunk = questions + chunk_first;
        chunk_size = count - chunk_first < CHUNK ? count - chunk_first : CHUNK;
        ask();
        compare_chunk();
    }
    return 0;
}
