/*
 * The floor under an HTTP server: a bare epoll loop, one listening socket, one recv and one send a
 * turn, and an answer that is ready before anybody asks. It parses nothing: it counts empty lines.
 *
 *     floor_http BODY-SIZE      prints its port, serves until it is killed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64
#define PIPELINE_MAX 256

static char answers[PIPELINE_MAX * 8192];
static size_t answer_size;

static void make_answer(size_t body)
{
    int n = snprintf(answers, sizeof answers,
                     "HTTP/1.1 200 OK\r\nServer: keel\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                     "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                     "ETag: \"18e9e34a4e591def-400\"\r\nAccept-Ranges: bytes\r\n\r\n",
                     body);
    memset(answers + n, 'x', body);
    answer_size = (size_t)n + body;
    for (unsigned i = 1; i < PIPELINE_MAX; i++)
        memcpy(answers + i * answer_size, answers, answer_size);
}

static void serve(int fd)
{
    char bytes[16384];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    unsigned requests = 0;
    for (char *p = bytes; n > 0 && requests < PIPELINE_MAX; requests++) {
        p = memmem(p, (size_t)(bytes + n - p), "\r\n\r\n", 4);
        if (!p)
            break;
        p += 4;
    }
    if (n <= 0 || send(fd, answers, requests * answer_size, MSG_NOSIGNAL) < 0)
        close(fd);
}

static int listen_anywhere(void)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof sin;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof sin) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&sin, &size) != 0) {
        perror("floor_http");
        exit(1);
    }
    printf("%u\n", ntohs(sin.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    size_t body = argc > 1 ? strtoul(argv[1], NULL, 10) : 1024;
    if (body > 4096)
        return 2;
    make_answer(body);
    int listener = listen_anywhere(), poll = epoll_create1(EPOLL_CLOEXEC), one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
