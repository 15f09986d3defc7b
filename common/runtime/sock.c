#include "common/runtime/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct keel_sock_options no_options;

/* Closes fd, keeps errno for the caller, and says what failed on which address. */
static int fail(int fd, const char *what, const char *where, struct keel_diag *diag)
{
    int saved = errno;
    int err = KEEL_ESYS;
    if (fd >= 0)
        close(fd);
    if (saved == EADDRINUSE)
        err = KEEL_EBUSY;
    else if (saved == EACCES || saved == EPERM)
        err = KEEL_EACCES;
    keel_diag_set(diag, err, "%s: cannot %s: %s", where, what, strerror(saved));
    errno = saved;
    return err;
}

static int fail_addr(int fd, const char *what, const struct keel_addr *addr, struct keel_diag *diag)
{
    char text[KEEL_ADDR_TEXT];
    int saved = errno;
    keel_addr_format(text, sizeof text, addr);
    errno = saved;
    return fail(fd, what, text, diag);
}

static int set_flag(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

/* Every option that must be in place before bind. Returns the name of the one that failed. */
static const char *set_options(int fd, sa_family_t family, const struct keel_sock_options *o)
{
    if (o->reuse_port && set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
        return "set SO_REUSEPORT";
    if (family == AF_INET6 && set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6_only) < 0)
        return "set IPV6_V6ONLY";
    if (o->free_bind && set_flag(fd, IPPROTO_IP, IP_FREEBIND, 1) < 0)
        return "set IP_FREEBIND";
    if (o->broadcast && set_flag(fd, SOL_SOCKET, SO_BROADCAST, 1) < 0)
        return "set SO_BROADCAST";
    if (o->packet_info && family == AF_INET6 && set_flag(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) < 0)
        return "set IPV6_RECVPKTINFO";
    if (o->packet_info && family == AF_INET && set_flag(fd, IPPROTO_IP, IP_PKTINFO, 1) < 0)
        return "set IP_PKTINFO";
    if (o->receive_buffer > 0 && set_flag(fd, SOL_SOCKET, SO_RCVBUF, o->receive_buffer) < 0)
        return "set SO_RCVBUF";
    if (o->send_buffer > 0 && set_flag(fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer) < 0)
        return "set SO_SNDBUF";
    if (o->device && o->device[0] != '\0' &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o->device, (socklen_t)strlen(o->device) + 1) <
            0)
        return "bind to the device";
    return NULL;
}

static int open_bound(const struct keel_addr *addr, int type, const struct keel_sock_options *o,
                      struct keel_diag *diag)
{
    sa_family_t family = keel_addr_family(addr);
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_addr(-1, "open a socket", addr, diag);
    /* Without it a restart waits for the old connections in TIME_WAIT. For UDP it would let a
     * second server take the address without a word. */
    if (type == SOCK_STREAM && set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        return fail_addr(fd, "set SO_REUSEADDR", addr, diag);
    const char *failed = set_options(fd, family, o);
    if (failed)
        return fail_addr(fd, failed, addr, diag);
    if (bind(fd, &addr->sa, keel_addr_size(addr)) < 0)
        return fail_addr(fd, "bind", addr, diag);
    return fd;
}

int keel_sock_listen(const struct keel_addr *addr, const struct keel_sock_options *options,
                     struct keel_diag *diag)
{
    const struct keel_sock_options *o = options ? options : &no_options;
    int fd = open_bound(addr, SOCK_STREAM, o, diag);
    if (fd < 0)
        return fd;
    /* Accepted sockets inherit both: no call for each connection. */
    if (keel_sock_nodelay(fd) < 0)
        return fail_addr(fd, "set TCP_NODELAY", addr, diag);
    if (keel_sock_set_unsent(fd, KEEL_SOCK_UNSENT_MAX) < 0)
        return fail_addr(fd, "set TCP_NOTSENT_LOWAT", addr, diag);
    if (listen(fd, o->backlog > 0 ? o->backlog : 4096) < 0)
        return fail_addr(fd, "listen", addr, diag);
    return fd;
}

int keel_sock_udp(const struct keel_addr *addr, const struct keel_sock_options *options,
                  struct keel_diag *diag)
{
    return open_bound(addr, SOCK_DGRAM, options ? options : &no_options, diag);
}

static int unix_address(struct sockaddr_un *un, const char *path, struct keel_diag *diag)
{
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof un->sun_path)
        return keel_diag_set(diag, KEEL_ERANGE, "%s: a socket path has 1 to %zu bytes", path,
                             sizeof un->sun_path - 1);
    memset(un, 0, sizeof *un);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    return 0;
}

/* Removes a socket that a dead process left behind; a refused connection proves that it is dead. */
static int remove_leftover(const struct sockaddr_un *un, int type, struct keel_diag *diag)
{
    struct stat st;
    if (lstat(un->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : fail(-1, "look at the path", un->sun_path, diag);
    if (!S_ISSOCK(st.st_mode))
        return keel_diag_set(diag, KEEL_EEXIST, "%s: exists and is no socket", un->sun_path);
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(-1, "open a socket", un->sun_path, diag);
    int refused = connect(fd, (const struct sockaddr *)un, sizeof *un) < 0 &&
                  (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    if (!refused)
        return keel_diag_set(diag, KEEL_EBUSY, "%s: another process listens there", un->sun_path);
    if (unlink(un->sun_path) < 0 && errno != ENOENT)
        return fail(-1, "remove the old socket", un->sun_path, diag);
    return 0;
}

static int open_unix(const char *path, int type, const struct keel_sock_options *o,
                     struct keel_diag *diag)
{
    struct sockaddr_un un;
    int err = unix_address(&un, path, diag);
    if (!err)
        err = remove_leftover(&un, type, diag);
    if (err)
        return err;
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(-1, "open a socket", path, diag);
    /* The mode is on the inode before it gets its name: no moment with wider permissions. */
    mode_t mode = o->mode ? o->mode : 0660;
    if (fchmod(fd, mode) < 0)
        return fail(fd, "set the permissions", path, diag);
    if (bind(fd, (struct sockaddr *)&un, sizeof un) < 0)
        return fail(fd, "bind", path, diag);
    /* The umask cut it at bind; this widens it to what was asked. */
    if (chmod(path, mode) < 0)
        return fail(fd, "set the permissions", path, diag);
    return fd;
}

int keel_sock_listen_unix(const char *path, const struct keel_sock_options *options,
                          struct keel_diag *diag)
{
    const struct keel_sock_options *o = options ? options : &no_options;
    int fd = open_unix(path, SOCK_STREAM, o, diag);
    if (fd >= 0 && listen(fd, o->backlog > 0 ? o->backlog : 4096) < 0)
        return fail(fd, "listen", path, diag);
    return fd;
}

int keel_sock_unix_dgram(const char *path, const struct keel_sock_options *options,
                         struct keel_diag *diag)
{
    return open_unix(path, SOCK_DGRAM, options ? options : &no_options, diag);
}

int keel_sock_connect(const struct keel_addr *addr, const struct keel_addr *local, int type,
                      struct keel_diag *diag)
{
    int fd = socket(keel_addr_family(addr), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_addr(-1, "open a socket", addr, diag);
    if (local && keel_addr_family(local) != AF_UNSPEC) {
        /* With only an address given, the port is chosen at connect, per destination. */
        if (keel_addr_port(local) == 0)
            set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        if (bind(fd, &local->sa, keel_addr_size(local)) < 0)
            return fail_addr(fd, "bind", local, diag);
    }
    if (type == SOCK_STREAM && keel_sock_nodelay(fd) < 0)
        return fail_addr(fd, "set TCP_NODELAY", addr, diag);
    if (connect(fd, &addr->sa, keel_addr_size(addr)) < 0 && errno != EINPROGRESS)
        return fail_addr(fd, "connect", addr, diag);
    return fd;
}

int keel_sock_connect_unix(const char *path, int type, struct keel_diag *diag)
{
    struct sockaddr_un un;
    int err = unix_address(&un, path, diag);
    if (err)
        return err;
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(-1, "open a socket", path, diag);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) < 0)
        return fail(fd, "connect", path, diag);
    return fd;
}

int keel_sock_pair(int type, int fds[2])
{
    return socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0 ? KEEL_ESYS : 0;
}

/* Takes what the kernel wrote; a family that keel_addr does not hold becomes AF_UNSPEC. */
static void addr_from_kernel(struct keel_addr *addr, const struct sockaddr_storage *ss,
                             socklen_t size)
{
    memset(addr, 0, sizeof *addr);
    if (ss->ss_family == AF_INET && size >= sizeof addr->in4)
        memcpy(&addr->in4, ss, sizeof addr->in4);
    else if (ss->ss_family == AF_INET6 && size >= sizeof addr->in6)
        memcpy(&addr->in6, ss, sizeof addr->in6);
}

int keel_sock_bound(int fd, struct keel_addr *addr)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &size) < 0)
        return KEEL_ESYS;
    addr_from_kernel(addr, &ss, size);
    return 0;
}

int keel_sock_peer(int fd, struct keel_addr *addr)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;
    if (getpeername(fd, (struct sockaddr *)&ss, &size) < 0)
        return KEEL_ESYS;
    addr_from_kernel(addr, &ss, size);
    return 0;
}

int keel_sock_error(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) < 0 ? errno : value;
}

int keel_sock_nodelay(int fd)
{
    return set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 ? KEEL_ESYS : 0;
}

int keel_sock_set_unsent(int fd, int bytes)
{
    return set_flag(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes) < 0 ? KEEL_ESYS : 0;
}

int keel_sock_accept(int fd, struct keel_accepted *out, unsigned max)
{
    unsigned n = 0;
    /* Connections that died in the queue are skipped, but not for ever. */
    for (unsigned tries = 0; n < max && tries < 2 * max + 8; tries++) {
        struct sockaddr_storage ss;
        struct keel_addr plain;
        socklen_t size = sizeof ss;
        ss.ss_family = AF_UNSPEC;
        int peer = accept4(fd, (struct sockaddr *)&ss, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer >= 0) {
            out[n].fd = peer;
            addr_from_kernel(&out[n].peer, &ss, size);
            /* a dual-stack listener shows IPv4 peers as ::ffff:a.b.c.d */
            out[n].peer = *keel_addr_unmapped(&out[n].peer, &plain);
            n++;
            continue;
        }
        if (errno == EAGAIN)
            break;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return n > 0 ? (int)n : KEEL_ELIMIT;
        if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EOPNOTSUPP ||
            errno == EFAULT)
            return n > 0 ? (int)n : KEEL_ESYS;
        /* accept(2): pending network errors of the new socket are to be treated like EAGAIN. */
    }
    return (int)n;
}

union fd_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(KEEL_SOCK_FDS_MAX * sizeof(int))];
};

ssize_t keel_sock_send_fds(int sock, const void *bytes, size_t size, const int *fds, unsigned count)
{
    union fd_control control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    KEEL_ASSERT(count <= KEEL_SOCK_FDS_MAX && size > 0, "a message carries bytes and up to 253 "
                                                        "descriptors");
    if (count > 0) {
        memset(&control, 0, CMSG_SPACE(count * sizeof(int)));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? KEEL_EAGAIN : KEEL_ESYS;
    return n;
}

/* Moves the descriptors out of the control messages; those without room are closed. */
static bool collect_fds(struct msghdr *msg, int *fds, unsigned max, unsigned *count)
{
    bool complete = true;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (*count < max) {
                fds[(*count)++] = fd;
            } else {
                close(fd);
                complete = false;
            }
        }
    }
    return complete;
}

ssize_t keel_sock_recv_fds(int sock, void *bytes, size_t size, int *fds, unsigned max,
                           unsigned *count)
{
    union fd_control control;
    struct iovec iov = {.iov_base = bytes, .iov_len = size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n;
    *count = 0;
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? KEEL_EAGAIN : KEEL_ESYS;
    bool complete = collect_fds(&msg, fds, max, count);
    if (!complete || (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
        for (unsigned i = 0; i < *count; i++)
            close(fds[i]);
        *count = 0;
        return KEEL_ETRUNC;
    }
    return n > 0 ? n : KEEL_EOF;
}

uint64_t keel_sock_raise_nofile(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            return raised.rlim_cur;
    }
    return limit.rlim_cur;
}
