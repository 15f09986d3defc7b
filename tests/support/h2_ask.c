/*
 * Asks over HTTP/2 without rest and counts what is lost:
 *
 *     h2_ask PORT PATH SIZE CONNECTIONS STREAMS SECONDS
 *
 * Each connection keeps STREAMS requests under way, until it has had its share or the server says
 * GOAWAY; then what is under way is waited for, and a new connection takes its place. A request
 * that the GOAWAY says was not processed is asked again. Prints one line of JSON: "lost" are
 * requests that got neither an answer of SIZE bytes nor that word.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/h2_client.h"

#define SHARE (H2_ANSWERS - 10)
#define CONNECTIONS_MAX 64

struct connection {
    int fd; /* -1: none */
    bool leaving;
    struct h2_client client;
    uint8_t out[1 << 16];
    size_t out_at, out_size;
};

static struct connection connections[CONNECTIONS_MAX];
static unsigned port, streams;
static const char *path;
static size_t expected;
static unsigned long answered, again, lost, opened, refused, goaways;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void open_one(struct connection *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(c->fd);
        c->fd = -1;
        refused++;
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    h2_client_init(&c->client, 0, false);
    c->leaving = false;
    c->out_at = c->out_size = 0;
    opened++;
}

/* How the connection's requests ended. */
static void close_one(struct connection *c)
{
    struct h2_client *client = &c->client;
    for (unsigned i = 0; i < client->count; i++) {
        const struct h2_answer *a = &client->answers[i];
        if (a->ended && a->status == 200 && a->size == expected)
            answered++;
        else if (a->id < 0 || a->error == NGHTTP2_REFUSED_STREAM ||
                 (client->goaways > 0 && a->id > client->goaway_last))
            again++;
        else
            lost++;
    }
    goaways += client->goaways > 0;
    h2_client_fini(client);
    close(c->fd);
    c->fd = -1;
}

static unsigned under_way(const struct connection *c)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->client.count; i++)
        n += !c->client.answers[i].closed;
    return n;
}

/* Asks, sends and decides whether the connection is at its end. */
static void advance(struct connection *c, bool stop)
{
    unsigned n = under_way(c);
    c->leaving = c->leaving || stop || c->client.goaways > 0 || c->client.count >= SHARE;
    for (; !c->leaving && n < streams && c->client.count < SHARE; n++)
        h2_client_ask(&c->client, "GET", path, NULL, NULL, 0);
    if (c->out_at == c->out_size) {
        c->out_at = 0;
        c->out_size = h2_client_output(&c->client, c->out, sizeof c->out);
    }
    while (c->out_at < c->out_size) {
        ssize_t sent =
            send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            break; /* reading will tell */
        c->out_at += (size_t)sent;
    }
    /* a server that said GOAWAY closes by itself, when it has heard that we know */
    if (c->leaving && n == 0 && (c->client.goaways != 1 || c->client.goaway_last != INT32_MAX))
        close_one(c);
}

static void receive(struct connection *c)
{
    static uint8_t in[1 << 16];
    ssize_t n = recv(c->fd, in, sizeof in, MSG_DONTWAIT);
    if (n > 0)
        h2_client_input(&c->client, in, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        close_one(c);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    port = (unsigned)atoi(argv[1]);
    path = argv[2];
    expected = (size_t)atol(argv[3]);
    unsigned count = (unsigned)atoi(argv[4]), open = 1;
    streams = (unsigned)atoi(argv[5]);
    double end = seconds() + atof(argv[6]), last = end + 20;
    if (count > CONNECTIONS_MAX)
        return 2;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        connections[i].fd = -1;
    while (open > 0 && seconds() < last) {
        struct pollfd fds[CONNECTIONS_MAX];
        bool stop = seconds() >= end;
        open = 0;
        for (unsigned i = 0; i < count; i++) {
            struct connection *c = &connections[i];
            if (c->fd < 0 && !stop)
                open_one(c);
            if (c->fd >= 0)
                advance(c, stop);
            bool blocked = c->fd >= 0 && c->out_at < c->out_size;
            fds[i] = (struct pollfd){c->fd, (short)(POLLIN | (blocked ? POLLOUT : 0)), 0};
            open += c->fd >= 0 || !stop;
        }
        poll(fds, count, 20);
        for (unsigned i = 0; i < count; i++)
            if (fds[i].revents && connections[i].fd == fds[i].fd && fds[i].fd >= 0)
                receive(&connections[i]);
    }
    for (unsigned i = 0; i < count; i++)
        if (connections[i].fd >= 0)
            close_one(&connections[i]);
    printf("{\"answered\": %lu, \"again\": %lu, \"lost\": %lu, \"connections\": %lu, "
           "\"refused\": %lu, \"goaways\": %lu}\n",
           answered, again, lost, opened, refused, goaways);
    return 0;
}
