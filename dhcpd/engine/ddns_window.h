/*
 * The front of the queue of updates: what may be sent now, in what order, and how long to wait
 * after a failure. Work on one name or one address is done in the order in which it was queued;
 * different ones go side by side. While the server is away only the oldest piece is tried, less and
 * less often. Pure: time is an argument (monotonic ns).
 */
#ifndef DHCPD_ENGINE_DDNS_WINDOW_H
#define DHCPD_ENGINE_DDNS_WINDOW_H

#include "dhcpd/engine/ddns.h"

#define DHCP_DDNS_WINDOW 32
/* Answers that say "not now" before a piece of work is given up; silence never counts. */
#define DHCP_DDNS_REFUSALS 8

enum dhcp_ddns_state {
    DHCP_DDNS_EMPTY,
    DHCP_DDNS_READY, /* to be sent */
    DHCP_DDNS_SENT,  /* an answer is awaited */
    DHCP_DDNS_OVER,  /* its record can be removed from the queue */
};

struct dhcp_ddns_slot {
    enum dhcp_ddns_state state;
    enum dhcp_ddns_step step;
    uint64_t sequence; /* its place in the queue */
    uint64_t deadline; /* SENT */
    uint16_t id;       /* SENT: of the message */
    uint8_t refusals, rounds;
    struct dhcp_ddns_op op;
};

struct dhcp_ddns_window {
    struct dhcp_ddns_slot slots[DHCP_DDNS_WINDOW];
    uint64_t patience; /* ns that an answer is waited for */
    uint64_t pause;    /* after the next failure; 0: all is well */
    uint64_t resume;   /* while pause > 0: when to try again */
};

void dhcp_ddns_window_init(struct dhcp_ddns_window *window, uint64_t patience);
/* An empty slot, NULL: it is full. */
struct dhcp_ddns_slot *dhcp_ddns_window_room(struct dhcp_ddns_window *window);
/* Puts work into an empty slot. Sequences go up. */
void dhcp_ddns_window_add(struct dhcp_ddns_slot *slot, uint64_t sequence,
                          const struct dhcp_ddns_op *op);
/* What is to be sent now, NULL: nothing. */
struct dhcp_ddns_slot *dhcp_ddns_window_next(struct dhcp_ddns_window *window, uint64_t now);
/* It was sent. Or it never can be. */
void dhcp_ddns_window_sent(struct dhcp_ddns_window *window, struct dhcp_ddns_slot *slot,
                           uint16_t id, uint64_t now);
/* It has to be sent anew, another way. */
void dhcp_ddns_window_again(struct dhcp_ddns_slot *slot);
void dhcp_ddns_window_give_up(struct dhcp_ddns_slot *slot);
/* The slot that waits for this message; NULL: none does. */
struct dhcp_ddns_slot *dhcp_ddns_window_find(struct dhcp_ddns_window *window, uint16_t id);
/* An answer came. */
void dhcp_ddns_window_answer(struct dhcp_ddns_window *window, struct dhcp_ddns_slot *slot,
                             unsigned rcode, uint64_t now);
/* No answer came, or none that can be believed. */
void dhcp_ddns_window_lost(struct dhcp_ddns_window *window, struct dhcp_ddns_slot *slot,
                           uint64_t now);
/* One whose deadline passed; NULL: none. */
struct dhcp_ddns_slot *dhcp_ddns_window_late(struct dhcp_ddns_window *window, uint64_t now);
/* When something is to be done again; UINT64_MAX: never, by itself. */
uint64_t dhcp_ddns_window_wake(const struct dhcp_ddns_window *window);

#endif
