/*
 * The floor under an HTTP server: a bare epoll loop, one listening socket, one recv and one send a
 * turn, and an answer that is ready before anybody asks. It parses nothing: it counts empty lines.
 * A large body is a file in memory that sendfile sends; then one request at a time is served.
 *
 *     floor_http BODY-SIZE      prints its port, serves until it is killed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64
#define PIPELINE_MAX 256
#define SMALL 4096
#define DESCRIPTORS 1024

static char answers[PIPELINE_MAX * 2 * SMALL];
static size_t answer_size, file_size;
static int file = -1;
static size_t left[DESCRIPTORS]; /* of the file, for each connection */

static void make_answer(size_t body)
{
    int n = snprintf(answers, sizeof answers,
                     "HTTP/1.1 200 OK\r\nServer: keel\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                     "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                     "ETag: \"18e9e34a4e591def-400\"\r\nAccept-Ranges: bytes\r\n\r\n",
                     body);
    answer_size = (size_t)n;
    if (body > SMALL) {
        file = memfd_create("body", MFD_CLOEXEC);
        file_size = body;
        char *bytes = ftruncate(file, (off_t)body) == 0
                          ? mmap(NULL, body, PROT_WRITE, MAP_SHARED, file, 0)
                          : MAP_FAILED;
        if (bytes == MAP_FAILED) {
            perror("floor_http");
            exit(1);
        }
        memset(bytes, 'x', body);
        return;
    }
    memset(answers + n, 'x', body);
    answer_size += body;
    for (unsigned i = 1; i < PIPELINE_MAX; i++)
        memcpy(answers + i * answer_size, answers, answer_size);
}

/* False: the connection is broken. */
static bool send_file(int fd)
{
    off_t at = (off_t)(file_size - left[fd]);
    ssize_t n = sendfile(fd, file, &at, left[fd]);
    if (n > 0)
        left[fd] -= (size_t)n;
    return n > 0 || errno == EAGAIN;
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
    int flags = MSG_NOSIGNAL | (file_size > 0 ? MSG_MORE : 0);
    if (n <= 0 || send(fd, answers, requests * answer_size, flags) < 0) {
        close(fd);
        return;
    }
    left[fd] = file_size;
    if (file_size > 0 && !send_file(fd))
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

static void accept_one(int listener, int poll)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0 || fd >= DESCRIPTORS)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* edges: only then is EPOLLOUT of no cost while nothing waits */
    struct epoll_event event = {.events = EPOLLIN | (file_size > 0 ? EPOLLOUT | EPOLLET : 0),
                                .data.fd = fd};
    left[fd] = 0;
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
    make_answer(argc > 1 ? strtoul(argv[1], NULL, 10) : 1024);
    int listener = listen_anywhere(), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_one(listener, poll);
            else if (left[fd] > 0 && !send_file(fd))
                close(fd);
            else if (left[fd] == 0 && events[i].events & EPOLLIN)
                serve(fd);
        }
    }
}
