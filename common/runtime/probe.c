#include "common/runtime/probe.h"

#include "common/base/wire.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERNET_SIZE 14
#define ECHO_HEADER 8
#define IPV4_LEAST 20

static int error_of(void)
{
    return errno == EAGAIN || errno == ENOBUFS ? KEEL_EAGAIN : KEEL_ESYS;
}

static int give_up(int fd, struct keel_diag *diag, const char *what)
{
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return keel_diag_set(diag, error == EPERM || error == EACCES ? KEEL_EACCES : KEEL_ESYS,
                         "cannot open a socket for %s: %s", what, strerror(error));
}

/* --- ARP -------------------------------------------------------------------------------------- */

void keel_arp_build(const struct keel_arp *arp, uint8_t *out)
{
    static const uint8_t nobody[KEEL_MAC_SIZE];
    struct keel_writer w;
    keel_writer_init(&w, out, KEEL_ARP_SIZE);
    memset(keel_write_skip(&w, KEEL_MAC_SIZE), 0xff, KEEL_MAC_SIZE);
    keel_write_bytes(&w, arp->hardware, KEEL_MAC_SIZE);
    keel_write_u16(&w, ETH_P_ARP);
    keel_write_u16(&w, ARPHRD_ETHER);
    keel_write_u16(&w, ETH_P_IP);
    keel_write_u8(&w, KEEL_MAC_SIZE);
    keel_write_u8(&w, 4);
    keel_write_u16(&w, ARPOP_REQUEST);
    keel_write_bytes(&w, arp->hardware, KEEL_MAC_SIZE);
    keel_write_u32(&w, arp->sender);
    keel_write_bytes(&w, nobody, KEEL_MAC_SIZE);
    keel_write_u32(&w, arp->target);
}

int keel_arp_parse(struct keel_arp *arp, const uint8_t *frame, size_t size)
{
    struct keel_reader r;
    keel_reader_init(&r, frame, size);
    keel_read_bytes(&r, 2 * KEEL_MAC_SIZE);
    uint16_t protocol = keel_read_u16(&r);
    uint16_t hardware = keel_read_u16(&r);
    uint16_t network = keel_read_u16(&r);
    uint8_t hardware_size = keel_read_u8(&r);
    uint8_t network_size = keel_read_u8(&r);
    uint16_t operation = keel_read_u16(&r);
    const uint8_t *sender = keel_read_bytes(&r, KEEL_MAC_SIZE);
    arp->sender = keel_read_u32(&r);
    keel_read_bytes(&r, KEEL_MAC_SIZE);
    arp->target = keel_read_u32(&r);
    if (r.bad)
        return KEEL_ETRUNC;
    if (protocol != ETH_P_ARP || hardware != ARPHRD_ETHER || network != ETH_P_IP ||
        hardware_size != KEEL_MAC_SIZE || network_size != 4 || operation != ARPOP_REPLY)
        return KEEL_ENOTSUP;
    memcpy(arp->hardware, sender, KEEL_MAC_SIZE);
    return 0;
}

int keel_arp_open(struct keel_diag *diag)
{
    /* only answers: questions are many, and no news */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETHERNET_SIZE + 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPOP_REPLY, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP)};
    /* protocol 0 until the filter is there: nothing is queued before */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ||
        bind(fd, (struct sockaddr *)&ll, sizeof ll) != 0)
        return give_up(fd, diag, "ARP");
    return fd;
}

int keel_arp_ask(int fd, const struct keel_arp *arp)
{
    uint8_t frame[KEEL_ARP_SIZE];
    struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ARP),
                             .sll_ifindex = (int)arp->interface,
                             .sll_halen = KEEL_MAC_SIZE};
    keel_arp_build(arp, frame);
    memcpy(ll.sll_addr, frame, KEEL_MAC_SIZE);
    return sendto(fd, frame, sizeof frame, 0, (struct sockaddr *)&ll, sizeof ll) < 0 ? error_of()
                                                                                     : 0;
}

int keel_arp_receive(int fd, struct keel_arp *arp)
{
    uint8_t frame[64];
    struct sockaddr_ll ll;
    for (;;) {
        socklen_t size = sizeof ll;
        ssize_t n = recvfrom(fd, frame, sizeof frame, 0, (struct sockaddr *)&ll, &size);
        if (n < 0 && errno != EINTR)
            return error_of();
        if (n < 0 || ll.sll_pkttype == PACKET_OUTGOING ||
            keel_arp_parse(arp, frame, (size_t)n) != 0)
            continue;
        arp->interface = (unsigned)ll.sll_ifindex;
        return 0;
    }
}

/* --- ICMP echo -------------------------------------------------------------------------------- */

void keel_echo_build(uint16_t id, uint16_t sequence, uint64_t cookie, uint8_t *out)
{
    struct keel_writer w;
    keel_writer_init(&w, out, KEEL_ECHO_SIZE);
    keel_write_u8(&w, ICMP_ECHO);
    keel_write_u8(&w, 0);
    keel_write_u16(&w, 0); /* checksum */
    keel_write_u16(&w, id);
    keel_write_u16(&w, sequence);
    keel_write_u64(&w, cookie);
    uint32_t sum = 0;
    for (unsigned i = 0; i < KEEL_ECHO_SIZE; i += 2)
        sum += keel_get_u16(out + i);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    keel_put_u16(out + 2, (uint16_t)~sum);
}

int keel_echo_parse(const uint8_t *bytes, size_t size, uint64_t *cookie)
{
    struct keel_reader r;
    /* the first byte of an echo reply is 0, that of an IPv4 header 4x */
    if (size > 0 && bytes[0] >> 4 == 4) {
        size_t header = (bytes[0] & 15u) * 4u;
        if (header < IPV4_LEAST || header > size)
            return KEEL_ETRUNC;
        bytes += header;
        size -= header;
    }
    keel_reader_init(&r, bytes, size);
    const uint8_t *header = keel_read_bytes(&r, ECHO_HEADER);
    *cookie = keel_read_u64(&r);
    if (r.bad)
        return KEEL_ETRUNC;
    return header[0] == ICMP_ECHOREPLY && header[1] == 0 ? 0 : KEEL_ENOTSUP;
}

int keel_echo_open(struct keel_diag *diag)
{
    const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(AF_INET, SOCK_RAW | flags, IPPROTO_ICMP);
    if (fd >= 0) {
        struct icmp_filter filter = {.data = ~(1u << ICMP_ECHOREPLY)};
        if (setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter) != 0)
            return give_up(fd, diag, "ICMP");
        return fd;
    }
    fd = socket(AF_INET, SOCK_DGRAM | flags, IPPROTO_ICMP);
    return fd < 0 ? give_up(fd, diag, "ICMP") : fd;
}

int keel_echo_ask(int fd, uint32_t address, uint64_t cookie)
{
    uint8_t bytes[KEEL_ECHO_SIZE];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    keel_echo_build((uint16_t)(cookie >> 48), 1, cookie, bytes);
    return sendto(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&to, sizeof to) < 0 ? error_of()
                                                                                     : 0;
}

int keel_echo_receive(int fd, uint32_t *address, uint64_t *cookie)
{
    uint8_t bytes[128];
    struct sockaddr_in from;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
        if (n < 0 && errno != EINTR)
            return error_of();
        if (n < 0 || keel_echo_parse(bytes, (size_t)n, cookie) != 0)
            continue;
        *address = ntohl(from.sin_addr.s_addr);
        return 0;
    }
}
