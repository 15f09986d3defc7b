/*
 * Sockets: opened, bound, connected, accepted and passed on. Every descriptor made here is
 * nonblocking and closed on exec.
 */
#ifndef KEEL_RUNTIME_SOCK_H
#define KEEL_RUNTIME_SOCK_H

#include "common/base/addr.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* All zero is a plain socket: SO_REUSEADDR on listeners, the kernel's buffer sizes. */
struct keel_sock_options {
    bool reuse_port;    /* SO_REUSEPORT: one descriptor a worker on the same address */
    bool free_bind;     /* IP_FREEBIND: the address need not exist yet */
    bool v6_only;       /* IPv6: no IPv4-mapped peers; otherwise "any" takes both families */
    bool broadcast;     /* UDP: SO_BROADCAST */
    bool packet_info;   /* UDP: IP_PKTINFO or IPV6_RECVPKTINFO */
    int backlog;        /* listeners; 0: 4096 (the kernel cuts it to net.core.somaxconn) */
    int receive_buffer; /* SO_RCVBUF in bytes; 0: the kernel's default */
    int send_buffer;    /* SO_SNDBUF in bytes; 0: the kernel's default */
    const char *device; /* SO_BINDTODEVICE; NULL or "": none */
    mode_t mode;        /* unix: permissions of the path; 0: 0660 */
};

/* Each returns new (a descriptor) or a negative keel_err, with a sentence that names the address in
 * diag (may be NULL). options may be NULL. */
int keel_sock_listen(const struct keel_addr *addr, const struct keel_sock_options *options,
                     struct keel_diag *diag);
int keel_sock_udp(const struct keel_addr *addr, const struct keel_sock_options *options,
                  struct keel_diag *diag);
/* A leftover path that nobody listens on is replaced; one with a live listener is KEEL_EBUSY; a
 * path that is no socket is KEEL_EEXIST. */
int keel_sock_listen_unix(const char *path, const struct keel_sock_options *options,
                          struct keel_diag *diag);
int keel_sock_unix_dgram(const char *path, const struct keel_sock_options *options,
                         struct keel_diag *diag);
/* Begins a connection of type SOCK_STREAM (TCP_NODELAY set) or SOCK_DGRAM; local may be NULL. A
 * stream connects in the background: wait for it to be writable, then keel_sock_error. */
int keel_sock_connect(const struct keel_addr *addr, const struct keel_addr *local, int type,
                      struct keel_diag *diag);
int keel_sock_connect_unix(const char *path, int type, struct keel_diag *diag);
/* A connected unix pair of this type. 0 or KEEL_ESYS. */
int keel_sock_pair(int type, int fds[2]);

/* The address that a socket is bound to (with the port that the kernel chose), or its peer's.
 * 0 or KEEL_ESYS; a unix socket gives family AF_UNSPEC. */
int keel_sock_bound(int fd, struct keel_addr *addr);
int keel_sock_peer(int fd, struct keel_addr *addr);
/* Takes the pending error (SO_ERROR): 0 or an errno value. */
int keel_sock_error(int fd);
/* 0 or KEEL_ESYS. Accepted sockets have it from keel_sock_listen already. */
int keel_sock_nodelay(int fd);
/* Bytes that the peer of a TCP connection has acknowledged; 0: not known. */
uint64_t keel_sock_acked(int fd);
/* What the kernel has counted of a TCP connection, payload and TLS records alike. False: it is
 * none.
 */
struct keel_sock_traffic {
    uint64_t received, sent; /* bytes; sent: acknowledged by the peer */
    uint64_t idle_ns;        /* since bytes last came or went */
    uint64_t rtt_ns;         /* smoothed round-trip time */
};
bool keel_sock_traffic(int fd, struct keel_sock_traffic *out);
/* How much a TCP socket takes that cannot leave yet (TCP_NOTSENT_LOWAT). Accepted sockets have the
 * bound from keel_sock_listen: without it every client that does not read fills megabytes of the
 * kernel's memory, and the time that takes is the others'. 0 or KEEL_ESYS. */
#define KEEL_SOCK_UNSENT_MAX (128 * 1024)
#define KEEL_SOCK_UNSENT_ANY INT32_MAX
int keel_sock_set_unsent(int fd, int bytes);

struct keel_accepted {
    int fd;
    struct keel_addr peer; /* an IPv4-mapped peer is given as IPv4; AF_UNSPEC for unix */
};
/* Accepts up to max connections. Returns how many (0: none waiting), or, only when none was
 * accepted: KEEL_ELIMIT (descriptors or memory are out: stop polling for a while, because the
 * socket stays readable) or KEEL_ESYS. */
int keel_sock_accept(int fd, struct keel_accepted *out, unsigned max);

#define KEEL_SOCK_FDS_MAX 253 /* SCM_MAX_FD of the kernel */
/* One message with descriptors over a unix socket; the receiver gets duplicates. size > 0.
 * Returns the bytes sent, KEEL_EAGAIN or KEEL_ESYS. */
ssize_t keel_sock_send_fds(int sock, const void *bytes, size_t size, const int *fds,
                           unsigned count);
/* Returns the bytes received and in *count the descriptors (the caller's, closed on exec);
 * KEEL_EOF; KEEL_EAGAIN; KEEL_ESYS; KEEL_ETRUNC when there were more bytes (of a message socket)
 * or descriptors than room: those received are closed. */
ssize_t keel_sock_recv_fds(int sock, void *bytes, size_t size, int *fds, unsigned max,
                           unsigned *count);

/* Raises the soft limit of descriptors to the hard one; returns the limit in force. */
uint64_t keel_sock_raise_nofile(void);

#endif
