/*
 * Probes: does anybody answer at an IPv4 address? By ARP on a link (RFC 826), by ICMP echo
 * (RFC 792) beyond it. The sockets need CAP_NET_RAW to be opened and nothing to be used.
 */
#ifndef KEEL_RUNTIME_PROBE_H
#define KEEL_RUNTIME_PROBE_H

#include "common/runtime/packet.h"

/* A frame of ARP. */
#define KEEL_ARP_SIZE 42
struct keel_arp {
    unsigned interface;              /* index; received */
    uint8_t hardware[KEEL_MAC_SIZE]; /* of the sender */
    uint32_t sender, target;         /* host order */
};
/* Pure. A question, by broadcast: who has `target`? out has KEEL_ARP_SIZE bytes. */
void keel_arp_build(const struct keel_arp *arp, uint8_t *out);
/* Pure and strict. 0; KEEL_ENOTSUP: no answer of ARP for IPv4 over Ethernet; KEEL_ETRUNC. */
int keel_arp_parse(struct keel_arp *arp, const uint8_t *frame, size_t size);

/* Returns a nonblocking descriptor that receives the answers of ARP of all links and can ask.
 * KEEL_EACCES without CAP_NET_RAW, KEEL_ESYS; diag may be NULL. */
int keel_arp_open(struct keel_diag *diag);
/* Asks on the link arp->interface. 0, KEEL_EAGAIN, KEEL_ESYS. */
int keel_arp_ask(int fd, const struct keel_arp *arp);
/* The next answer. 0, KEEL_EAGAIN, KEEL_ESYS; what is no answer is skipped. */
int keel_arp_receive(int fd, struct keel_arp *arp);

/* Echo. `cookie` is a number that nobody can guess: it says that an answer is one to us. */
#define KEEL_ECHO_SIZE 16
/* Pure. A request; out has KEEL_ECHO_SIZE bytes. */
void keel_echo_build(uint16_t id, uint16_t sequence, uint64_t cookie, uint8_t *out);
/* Pure. Reads an answer, with the IPv4 header before it or without. 0, KEEL_ENOTSUP, KEEL_ETRUNC.
 */
int keel_echo_parse(const uint8_t *bytes, size_t size, uint64_t *cookie);

/* Returns a nonblocking descriptor: a raw socket that gets echo replies only, or one of those that
 * the kernel lends to users. KEEL_EACCES when neither may be opened, KEEL_ESYS; diag may be NULL.
 */
int keel_echo_open(struct keel_diag *diag);
/* address: host order. 0, KEEL_EAGAIN, KEEL_ESYS (no route, for one). */
int keel_echo_ask(int fd, uint32_t address, uint64_t cookie);
/* The next answer: who, and the cookie. 0, KEEL_EAGAIN, KEEL_ESYS. */
int keel_echo_receive(int fd, uint32_t *address, uint64_t *cookie);

#endif
