/*
 * Datagram sockets in batches: recvmmsg in, a whole batch to the protocol, sendmmsg out.
 */
#ifndef KEEL_RUNTIME_DGRAM_H
#define KEEL_RUNTIME_DGRAM_H

#include "common/base/addr.h"
#include "common/runtime/loop.h"

#define KEEL_DGRAM_BATCH 64

struct keel_datagram {
    uint8_t *bytes; /* valid during on_batch only */
    uint32_t size;
    bool truncated; /* longer than the receive buffer */
    /* Who sent it; an IPv4-mapped address is given as IPv4. AF_UNIX: a token for keel_dgram_commit,
     * valid during on_batch. AF_UNSPEC when sending: the peer that the socket is connected to. */
    struct keel_addr peer;
    /* Our address for an answer, port 0 (IP_PKTINFO when the socket asks for it); the address of
     * the interface when it came by broadcast. */
    struct keel_addr local;
    uint32_t interface; /* index it came in on; 0 when not asked for */
    bool broadcast;     /* it came by broadcast or multicast (IPv4, with packet info) */
};

struct keel_dgram_options {
    uint32_t receive_size; /* longest datagram taken; 0: 4096 */
    uint32_t send_size;    /* longest reply; 0: 4096 */
    /* Fill local and interface; replies leave from the address asked. The socket was opened with
     * packet_info too. */
    bool packet_info;
    /* Full batches taken in one callback before other descriptors get their turn; 0: 3. At the end:
     * this struct stands in the records of modules. */
    uint32_t batches;
};

struct keel_dgram;
typedef void (*keel_dgram_on_batch)(struct keel_dgram *d, struct keel_datagram *batch,
                                    unsigned count);

/* Returns new, reading from fd (nonblocking, bound); fd stays the caller's. NULL: no memory. */
struct keel_dgram *keel_dgram_new(struct keel_loop *loop, int fd,
                                  const struct keel_dgram_options *options,
                                  keel_dgram_on_batch on_batch, void *arg);
/* Sends nothing more. Safe inside on_batch. */
void keel_dgram_free(struct keel_dgram *d);
void *keel_dgram_arg(const struct keel_dgram *d);
int keel_dgram_fd(const struct keel_dgram *d);
void keel_dgram_pause(struct keel_dgram *d);
void keel_dgram_resume(struct keel_dgram *d);

/* Room for one reply of up to *size bytes (set to the room there is, at least send_size). Inside
 * on_batch the replies of a batch leave in one sendmmsg when it returns; outside of it, when the
 * running callback ends. Never NULL: when the batch is full it is sent first. */
uint8_t *keel_dgram_reserve(struct keel_dgram *d, size_t *size);
/* Queues what was reserved: size bytes to `to->peer`, with packet_info from `to->local` where it is
 * known. `to` may be the received datagram itself, or one that the caller filled in; with
 * to->interface set, a broadcast, multicast or link-local peer is reached through it. */
void keel_dgram_commit(struct keel_dgram *d, const struct keel_datagram *to, size_t size);
/* The same with a copy; what is longer than the room is dropped and counted as an error. */
void keel_dgram_send(struct keel_dgram *d, const struct keel_datagram *to, const void *bytes,
                     size_t size);
/* Counters since the start: datagrams in and out, not sent because the kernel was full or said
 * an error. */
struct keel_dgram_stats {
    uint64_t received, sent, dropped, errors;
};
const struct keel_dgram_stats *keel_dgram_stats(const struct keel_dgram *d);

#endif
