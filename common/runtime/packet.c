#include "common/runtime/packet.h"

#include "common/base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum { ETHERNET_SIZE = 14, IPV4_SIZE = 20, UDP_SIZE = 8 };
enum { FRAGMENT_MORE = 0x2000, FRAGMENT_OFFSET = 0x1fff };

/* --- frames ---------------------------------------------------------------------------------- */

/* The ones' complement sum of 16-bit words, unfolded (RFC 1071); an odd byte counts as high. */
static uint32_t sum_bytes(uint32_t sum, const uint8_t *p, size_t n)
{
    for (; n > 1; p += 2, n -= 2)
        sum += keel_get_u16(p);
    return n ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Over the pseudo header (RFC 768) and the whole datagram; addresses is source and destination. */
static uint16_t udp_sum(const uint8_t *addresses, const uint8_t *udp, size_t size)
{
    uint32_t sum = sum_bytes(IPPROTO_UDP + (uint32_t)size, addresses, 8);
    return fold(sum_bytes(sum, udp, size));
}

int keel_udp_frame_build(const struct keel_udp_frame *frame, uint8_t *out, size_t size)
{
    if (keel_addr_family(&frame->from) != AF_INET || keel_addr_family(&frame->to) != AF_INET ||
        frame->size > UINT16_MAX - IPV4_SIZE - UDP_SIZE)
        return KEEL_EINVAL;
    size_t udp_size = UDP_SIZE + frame->size;
    if (size < ETHERNET_SIZE + IPV4_SIZE + udp_size)
        return KEEL_ENOSPC;
    uint8_t *ip = out + ETHERNET_SIZE, *udp = ip + IPV4_SIZE;
    struct keel_writer w;
    keel_writer_init(&w, out, size);
    keel_write_bytes(&w, frame->destination, KEEL_MAC_SIZE);
    keel_write_bytes(&w, frame->source, KEEL_MAC_SIZE);
    keel_write_u16(&w, ETH_P_IP);
    keel_write_u8(&w, 0x45);
    keel_write_u8(&w, 0); /* type of service */
    keel_write_u16(&w, (uint16_t)(IPV4_SIZE + udp_size));
    keel_write_u16(&w, 0); /* identification: means nothing in what is no fragment, RFC 6864, 4.1 */
    keel_write_u16(&w, 0); /* fragment */
    keel_write_u8(&w, frame->ttl ? frame->ttl : 64);
    keel_write_u8(&w, IPPROTO_UDP);
    keel_write_u16(&w, 0); /* checksum */
    keel_write_bytes(&w, &frame->from.in4.sin_addr, 4);
    keel_write_bytes(&w, &frame->to.in4.sin_addr, 4);
    keel_write_u16(&w, keel_addr_port(&frame->from));
    keel_write_u16(&w, keel_addr_port(&frame->to));
    keel_write_u16(&w, (uint16_t)udp_size);
    keel_write_u16(&w, 0); /* checksum */
    keel_write_bytes(&w, frame->payload, frame->size);
    keel_put_u16(ip + 10, (uint16_t)~fold(sum_bytes(0, ip, IPV4_SIZE)));
    uint16_t checksum = (uint16_t)~udp_sum(ip + 12, udp, udp_size);
    keel_put_u16(udp + 6, checksum ? checksum : 0xffff); /* 0 would say that there is none */
    return (int)keel_writer_offset(&w);
}

/* The IPv4 header: where its payload is. */
static int parse_ipv4(struct keel_reader *r, const uint8_t **header, struct keel_reader *payload)
{
    size_t left = keel_reader_left(r);
    const uint8_t *ip = keel_read_bytes(r, IPV4_SIZE);
    if (!ip)
        return KEEL_ETRUNC;
    size_t header_size = (ip[0] & 0x0fu) * 4u, total = keel_get_u16(ip + 2);
    if (ip[0] >> 4 != 4 || header_size < IPV4_SIZE || total < header_size)
        return KEEL_EINVAL;
    if (total > left)
        return KEEL_ETRUNC;
    if (fold(sum_bytes(0, ip, header_size)) != 0xffff)
        return KEEL_EINVAL;
    if (ip[9] != IPPROTO_UDP || keel_get_u16(ip + 6) & (FRAGMENT_MORE | FRAGMENT_OFFSET))
        return KEEL_ENOTSUP;
    *header = ip;
    keel_reader_init(payload, ip + header_size, total - header_size);
    return 0;
}

int keel_udp_frame_parse(struct keel_udp_frame *frame, const uint8_t *bytes, size_t size,
                         bool unverified)
{
    struct keel_reader r, datagram;
    const uint8_t *ip;
    keel_reader_init(&r, bytes, size);
    const uint8_t *ethernet = keel_read_bytes(&r, ETHERNET_SIZE);
    if (!ethernet)
        return KEEL_ETRUNC;
    if (keel_get_u16(ethernet + 12) != ETH_P_IP)
        return KEEL_ENOTSUP;
    int err = parse_ipv4(&r, &ip, &datagram);
    if (err)
        return err;
    const uint8_t *udp = keel_read_bytes(&datagram, UDP_SIZE);
    if (!udp)
        return KEEL_ETRUNC;
    size_t udp_size = keel_get_u16(udp + 4);
    if (udp_size < UDP_SIZE)
        return KEEL_EINVAL;
    if (!keel_read_bytes(&datagram, udp_size - UDP_SIZE))
        return KEEL_ETRUNC;
    if (!unverified && keel_get_u16(udp + 6) != 0 && udp_sum(ip + 12, udp, udp_size) != 0xffff)
        return KEEL_EINVAL;
    memset(frame, 0, sizeof *frame);
    memcpy(frame->destination, ethernet, KEEL_MAC_SIZE);
    memcpy(frame->source, ethernet + 6, KEEL_MAC_SIZE);
    keel_addr_set4(&frame->from, keel_get_u32(ip + 12), keel_get_u16(udp));
    keel_addr_set4(&frame->to, keel_get_u32(ip + 16), keel_get_u16(udp + 2));
    frame->ttl = ip[8];
    frame->payload = udp + UDP_SIZE;
    frame->size = udp_size - UDP_SIZE;
    return 0;
}

/* --- sockets --------------------------------------------------------------------------------- */

static int open_error(int fd, struct keel_diag *diag, const char *what)
{
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return keel_diag_set(diag, error == EPERM || error == EACCES ? KEEL_EACCES : KEEL_ESYS,
                         "cannot %s a packet socket: %s", what, strerror(error));
}

/* Protocol 0: bound to no protocol, the kernel queues nothing to it. */
static int open_packet(struct keel_diag *diag)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? open_error(fd, diag, "open") : fd;
}

int keel_packet_open_send(struct keel_diag *diag)
{
    return open_packet(diag);
}

int keel_packet_open(unsigned interface, const struct sock_filter *filter, unsigned filter_size,
                     struct keel_diag *diag)
{
    int on = 1, fd = open_packet(diag);
    if (fd < 0)
        return fd;
    struct sock_fprog program = {(unsigned short)filter_size, (struct sock_filter *)filter};
    struct sockaddr_ll ll = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)interface};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        return open_error(fd, diag, "filter");
    /* our own answers are not news; an old kernel gives them all the same, which the filter of a
     * protocol sorts out */
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&ll, sizeof ll) != 0)
        return open_error(fd, diag, "bind");
    return fd;
}

unsigned keel_udp_filter(struct sock_filter *filter, uint16_t port)
{
    enum { DROP = 10 };
#define TO_DROP(at) (DROP - (at)-1)
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, TO_DROP(1)),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETHERNET_SIZE + 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, TO_DROP(3)),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETHERNET_SIZE + 6),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FRAGMENT_OFFSET, TO_DROP(5), 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, ETHERNET_SIZE), /* X: size of the IPv4 header */
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, ETHERNET_SIZE + 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, TO_DROP(8)),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        [DROP] = BPF_STMT(BPF_RET | BPF_K, 0),
    };
#undef TO_DROP
    memcpy(filter, code, sizeof code);
    return sizeof code / sizeof *code;
}

ssize_t keel_packet_receive(int fd, uint8_t *out, size_t size, bool *unverified)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct iovec iov = {out, size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(fd, &msg, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? KEEL_EAGAIN : KEEL_ESYS;
    *unverified = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        struct tpacket_auxdata aux;
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
            c->cmsg_len < CMSG_LEN(sizeof aux))
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        *unverified = aux.tp_status & TP_STATUS_CSUMNOTREADY;
    }
    return n;
}

int keel_packet_send(int fd, unsigned interface, const uint8_t *frame, size_t size)
{
    struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_IP),
                             .sll_ifindex = (int)interface,
                             .sll_halen = KEEL_MAC_SIZE};
    if (size < ETHERNET_SIZE) {
        errno = EINVAL;
        return KEEL_ESYS;
    }
    memcpy(ll.sll_addr, frame, KEEL_MAC_SIZE);
    ssize_t n;
    do
        n = sendto(fd, frame, size, 0, (struct sockaddr *)&ll, sizeof ll);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    return errno == EAGAIN || errno == ENOBUFS ? KEEL_EAGAIN : KEEL_ESYS;
}

int keel_packet_send_udp(int fd, unsigned interface, const struct keel_udp_frame *frame)
{
    uint8_t bytes[KEEL_UDP_FRAME_OVERHEAD + 9000]; /* the largest MTU of Ethernet cards */
    int size = keel_udp_frame_build(frame, bytes, sizeof bytes);
    return size < 0 ? size : keel_packet_send(fd, interface, bytes, (size_t)size);
}
