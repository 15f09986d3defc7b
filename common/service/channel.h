/*
 * The channel between the master and one of its processes: a SOCK_SEQPACKET pair with typed
 * messages and descriptors. Sending never waits: what does not fit is queued (with copies of the
 * descriptors) and leaves when there is room.
 */
#ifndef KEEL_SERVICE_CHANNEL_H
#define KEEL_SERVICE_CHANNEL_H

#include "common/base/err.h"
#include "common/runtime/loop.h"

#include <stddef.h>
#include <stdint.h>

enum keel_message_type {
    /* master -> worker */
    KEEL_MSG_ADOPT = 1,   /* serve this descriptor: a = endpoint, b = slot; 1 fd */
    KEEL_MSG_RELEASE,     /* stop serving it: a = endpoint, b = slot */
    KEEL_MSG_CONNECTIONS, /* accepted connections: payload is an u32 endpoint for each fd */
    KEEL_MSG_ACTIVATE,    /* schedule single: your turn */
    KEEL_MSG_RETIRE,      /* helper: a newer one takes over; answer with RETIRED */
    KEEL_MSG_DRAIN,       /* a = deadline in ms */
    KEEL_MSG_COMMAND,     /* a = id; payload: one JSON request */
    KEEL_MSG_LOG_FD,      /* 1 fd: a reopened log file; a = 0: the daemon's, 1 + i: the protocol's
                             file number i */
    KEEL_MSG_LOG_LEVEL,   /* a = level */
    KEEL_MSG_PEER,        /* a channel to helper a (in a helper: to worker a); 1 fd */
    KEEL_MSG_FILE,        /* a watched file has another content: payload: its path; 1 fd */
    KEEL_MSG_TICKET_KEYS, /* a = how many; payload: the secrets, the newest first */
    /* worker -> master */
    KEEL_MSG_READY = 64,
    KEEL_MSG_FAILED, /* a = exit status to use; payload: text */
    KEEL_MSG_ACTIVATED,
    KEEL_MSG_RETIRED, /* helper: what may have one owner only is given up */
    KEEL_MSG_REPLY, /* a = id, b = 1 when more follows; payload: a piece of the JSON reply */
    /* between the old and the new master of an upgrade; payload JSON */
    KEEL_MSG_HANDOVER = 128, /* new -> old: I serve; leave */
    KEEL_MSG_OWNERLESS,      /* old -> new: my helper of this name has retired; payload: the name */
    KEEL_MSG_COUNTERS,       /* old -> new: what I have counted; b = 1 when more follows. First at
                                the hand-over, and again when my workers are gone */
};

struct keel_message {
    uint32_t type, a, b;
    const uint8_t *bytes; /* payload, borrowed during the callback */
    size_t size;
    int *fds; /* received: the receiver takes each it sets to -1; the rest is closed */
    unsigned fd_count;
};
/* Most payload of one message, and most descriptors. */
#define KEEL_MESSAGE_MAX 32768
#define KEEL_MESSAGE_FDS 64

struct keel_channel {
    struct keel_io io;
    int fd; /* -1: closed */
    struct keel_list queue;
    void (*on_message)(struct keel_channel *channel, struct keel_message *message);
    /* The other side is gone. May be NULL. */
    void (*on_end)(struct keel_channel *channel);
};

/* A pair of connected descriptors, CLOEXEC and nonblocking. 0 or KEEL_ESYS. */
int keel_channel_pair(int fds[2]);
/* Takes fd. 0; or KEEL_ESYS, and then fd is still the caller's and the channel closed. */
int keel_channel_start(struct keel_channel *channel, struct keel_loop *loop, int fd,
                       void (*on_message)(struct keel_channel *, struct keel_message *),
                       void (*on_end)(struct keel_channel *));
void keel_channel_stop(struct keel_channel *channel);
/* Sends a copy; descriptors stay the caller's. 0 (sent or queued), KEEL_ENOMEM, or KEEL_EOF. */
int keel_channel_send(struct keel_channel *channel, uint32_t type, uint32_t a, uint32_t b,
                      const void *bytes, size_t size, const int *fds, unsigned fd_count);
/* The same without queueing: KEEL_EAGAIN when there is no room now. */
int keel_channel_try(struct keel_channel *channel, uint32_t type, uint32_t a, uint32_t b,
                     const void *bytes, size_t size, const int *fds, unsigned fd_count);
/* Reads one message from a descriptor without a loop: what a dead process left unread. Returns 1,
 * 0 (none) or KEEL_ESYS. `space` has KEEL_MESSAGE_MAX + 16 bytes, fds KEEL_MESSAGE_FDS. */
int keel_channel_receive(int fd, struct keel_message *message, uint8_t *space, int *fds);
/* Takes back what the other side, whose end is `other_end`, has not read, and what is still queued
 * for it: each message is shown to `wanted`, which takes it (true) with the descriptors it sets
 * to -1, or leaves it; those left are queued again, in their order. */
void keel_channel_take_back(struct keel_channel *channel, int other_end,
                            bool (*wanted)(void *arg, struct keel_message *message), void *arg);
/* Sends what is queued, waiting at most wait_ms: before a process exits. */
void keel_channel_flush(struct keel_channel *channel, int wait_ms);

#endif
