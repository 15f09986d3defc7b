/*
 * The floor under a DNS server: a bare loop of recvmmsg and sendmmsg, and an answer that is ready
 * before anybody asks: it sets the flags and puts one address record behind the question.
 *
 *     floor_dns      prints its port, serves until it is killed
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

static uint8_t buffers[BATCH][ROOM];
static struct sockaddr_storage peers[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static int listen_anywhere(void)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof sin;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof sin) != 0 ||
        getsockname(fd, (struct sockaddr *)&sin, &size) != 0) {
        perror("floor_dns");
        exit(1);
    }
    printf("%u\n", ntohs(sin.sin_port));
    fflush(stdout);
    return fd;
}

static void answer(struct mmsghdr *m)
{
    static const uint8_t record[] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1};
    uint8_t *bytes = m->msg_hdr.msg_iov->iov_base;
    if (m->msg_len < 12 || m->msg_len > ROOM - sizeof record)
        return;
    bytes[2] = 0x84;
    bytes[3] = 0;
    bytes[7] = 1;
    memcpy(bytes + m->msg_len, record, sizeof record);
    m->msg_hdr.msg_iov->iov_len = m->msg_len + sizeof record;
}

int main(void)
{
    int fd = listen_anywhere(), poll = epoll_create1(EPOLL_CLOEXEC);
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
            answer(&messages[i]);
        if (n > 0)
            sendmmsg(fd, messages, (unsigned)n, 0);
    }
}
