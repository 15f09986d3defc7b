#include "tests/bench/floor_udp.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BATCH 64
#define ROOM 1024

static uint8_t buffers[BATCH][ROOM];
static struct sockaddr_storage peers[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static int open_socket(struct sockaddr_in *at)
{
    socklen_t size = sizeof *at;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof *at) != 0 ||
        getsockname(fd, (struct sockaddr *)at, &size) != 0) {
        perror("floor");
        exit(1);
    }
    return fd;
}

void floor_serve(struct sockaddr_in *at, void (*on_bound)(const struct sockaddr_in *at),
                 floor_answer *answer)
{
    int fd = open_socket(at), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    if (on_bound)
        on_bound(at);
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
            pieces[i].iov_len = answer(buffers[i], messages[i].msg_len, ROOM);
        if (n > 0)
            sendmmsg(fd, messages, (unsigned)n, 0);
    }
}
