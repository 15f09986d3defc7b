/*
 * The floor under a DHCP server: a bare loop of recvmmsg and sendmmsg. Every DISCOVER gets an OFFER
 * and every REQUEST an ACK of the next address, forgotten at once: what a load generator, the
 * namespaces and the kernel cost without a server between them.
 *
 *     floor_dhcp ADDRESS      serves port 67 of it until it is killed
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BATCH 64
#define ROOM 1024
#define OPTIONS_AT 240
#define SIZE 300 /* of an answer, as the server's */

static uint8_t buffers[BATCH][ROOM];
static struct sockaddr_in peers[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];
static uint32_t next = 0x0a010000; /* 10.1.0.0 */

static int listen_at(const char *address)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(67)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &sin.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&sin, sizeof sin) != 0) {
        perror("floor_dhcp");
        exit(1);
    }
    return fd;
}

/* The message type, which perfdhcp sends first. */
static void answer(struct mmsghdr *m, const char *server)
{
    uint8_t *bytes = m->msg_hdr.msg_iov->iov_base;
    if (m->msg_len < OPTIONS_AT + 3 || bytes[OPTIONS_AT] != 53)
        return;
    uint8_t options[] = {53, 1,   bytes[OPTIONS_AT + 2] == 1 ? 2 : 5,
                         54, 4,   0,
                         0,  0,   0,
                         51, 4,   0,
                         0,  168, 192,
                         1,  4,   255,
                         0,  0,   0,
                         255};
    uint32_t address = htonl(next++);
    bytes[0] = 2;
    memcpy(bytes + 16, &address, 4);
    inet_pton(AF_INET, server, options + 5);
    memset(bytes + OPTIONS_AT, 0, SIZE - OPTIONS_AT);
    memcpy(bytes + OPTIONS_AT, options, sizeof options);
    m->msg_hdr.msg_iov->iov_len = SIZE;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    int fd = listen_at(argv[1]), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    for (;;) {
        epoll_wait(poll, &event, 1, -1);
        for (unsigned i = 0; i < BATCH; i++) {
            pieces[i] = (struct iovec){buffers[i], ROOM};
            messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                                  .msg_namelen = sizeof peers[i],
                                                  .msg_iov = &pieces[i],
                                                  .msg_iovlen = 1};
        }
        int n = recvmmsg(fd, messages, BATCH, 0, NULL);
        for (int i = 0; i < n; i++)
            answer(&messages[i], argv[1]);
        if (n > 0)
            sendmmsg(fd, messages, (unsigned)n, 0);
    }
}
