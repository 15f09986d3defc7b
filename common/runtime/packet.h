/*
 * Packet sockets: UDP over IPv4 to a host that has no address yet, and what they need to know of
 * the interfaces: their hardware addresses, and when one appears or changes.
 */
#ifndef KEEL_RUNTIME_PACKET_H
#define KEEL_RUNTIME_PACKET_H

#include "common/base/addr.h"
#include "common/base/err.h"
#include "common/runtime/loop.h"

#include <linux/filter.h>

#define KEEL_MAC_SIZE 6

/* An Ethernet frame with IPv4 (no options when built) and UDP. */
struct keel_udp_frame {
    uint8_t destination[KEEL_MAC_SIZE], source[KEEL_MAC_SIZE];
    struct keel_addr from, to; /* IPv4 with port */
    uint8_t ttl;               /* built: 0 means 64 */
    const uint8_t *payload;    /* borrowed; parsed: inside the frame */
    size_t size;               /* of the payload */
};
#define KEEL_UDP_FRAME_OVERHEAD (14 + 20 + 8)

/* Pure. Returns the frame's length; KEEL_ENOSPC when it does not fit into size bytes,
 * KEEL_EINVAL when an address is not IPv4 or the payload exceeds 65507 bytes. */
int keel_udp_frame_build(const struct keel_udp_frame *frame, uint8_t *out, size_t size);
/* Pure and strict. 0; KEEL_ENOTSUP: not IPv4, not UDP, or a fragment; KEEL_ETRUNC: shorter than
 * its headers say; KEEL_EINVAL: a header is malformed or a checksum wrong (a UDP checksum of 0 is
 * none, RFC 768). Bytes behind the IPv4 packet are padding. unverified: the UDP checksum is not
 * looked at (PACKET_AUXDATA said TP_STATUS_CSUMNOTREADY: a local sender left it to the card). */
int keel_udp_frame_parse(struct keel_udp_frame *frame, const uint8_t *bytes, size_t size,
                         bool unverified);

/* Returns a descriptor that can only send: no packet is ever queued to it. KEEL_EACCES without
 * CAP_NET_RAW, KEEL_ESYS; diag may be NULL. */
int keel_packet_open_send(struct keel_diag *diag);
/* Returns a nonblocking descriptor that receives whole frames from one interface that pass the
 * filter (classic BPF; installed before the first packet can come). */
int keel_packet_open(unsigned interface, const struct sock_filter *filter, unsigned filter_size,
                     struct keel_diag *diag);
/* Receives one frame. Returns its bytes (cut to size); KEEL_EAGAIN, KEEL_ESYS. *unverified: for
 * keel_udp_frame_parse. */
ssize_t keel_packet_receive(int fd, uint8_t *out, size_t size, bool *unverified);
/* The filter for UDP over IPv4 to this port, first fragments only; for keel_packet_open. Returns
 * the number of instructions, at most KEEL_UDP_FILTER_SIZE. */
#define KEEL_UDP_FILTER_SIZE 16
unsigned keel_udp_filter(struct sock_filter *filter, uint16_t port);
/* Sends one frame out of an interface. 0, KEEL_EAGAIN (no room), KEEL_ESYS. */
int keel_packet_send(int fd, unsigned interface, const uint8_t *frame, size_t size);
/* Builds and sends. */
int keel_packet_send_udp(int fd, unsigned interface, const struct keel_udp_frame *frame);

/* What an interface is at the moment. */
#define KEEL_INTERFACE_ADDRS 16
struct keel_interface {
    unsigned index;
    char name[16];
    uint16_t hardware_type;          /* ARPHRD_ETHER ... */
    uint8_t hardware[KEEL_MAC_SIZE]; /* zeros when its address has another size */
    unsigned mtu;
    bool up, running, loopback;
    unsigned addr_count; /* IPv4 addresses; those beyond the array are left out */
    struct {
        struct in_addr addr;
        uint8_t prefix_length;
    } addrs[KEEL_INTERFACE_ADDRS];
};
/* 0, KEEL_ENOENT, KEEL_ESYS. */
int keel_interface_by_name(const char *name, struct keel_interface *out);
int keel_interface_by_index(unsigned index, struct keel_interface *out);
/* Calls visit for each until it returns non-zero (returned) or the end (0). */
int keel_interface_each(int (*visit)(void *arg, const struct keel_interface *interface), void *arg);

/* Follows links and IPv4 addresses (NETLINK_ROUTE). Embedded. */
struct keel_link_watch {
    struct keel_io io;
    int fd; /* -1 while stopped */
    /* Something about this interface changed: it appeared, went, got or lost an address, went up
     * or down. name is "" when it is gone and was not told. index 0: messages were lost, look at
     * all. Several changes that come together are one call for each interface. */
    void (*on_change)(struct keel_link_watch *watch, unsigned index, const char *name);
};
/* 0, or KEEL_ESYS. Changes from now on; the state before is keel_interface_each's. */
int keel_link_watch_start(struct keel_link_watch *watch, struct keel_loop *loop,
                          void (*on_change)(struct keel_link_watch *watch, unsigned index,
                                            const char *name));
void keel_link_watch_stop(struct keel_link_watch *watch);

#endif
