/*
 * A laboratory for the DHCP engine: a configuration, a fake clock, a store in memory, and clients
 * that are one line each. No socket.
 */
#ifndef KEEL_TESTS_DHCP_LAB_H
#define KEEL_TESTS_DHCP_LAB_H

#include "dhcpd/engine/engine.h"
#include "tests/support/dhcp_memory_store.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))
#define LAB_SERVER IP(192, 0, 2, 1)
#define LAB_RELAY IP(10, 0, 0, 1)
#define LAB_START 1700000000ull

/* What a client sends; zeros are left out. */
struct lab_message {
    enum dhcp_type type;
    uint8_t client; /* last octet of its hardware address, never 0 */
    const char *id; /* client identifier */
    uint32_t ciaddr, giaddr, requested, server;
    uint32_t lease_time;
    uint16_t flags;
    const char *wants; /* parameter list, as octets */
    const char *hostname;
    const char *relay;     /* option 82, as octets without NUL */
    const char *interface; /* NULL: "lan0", with giaddr: "" */
    uint16_t max_size;
};

struct lab {
    struct keel_arena arena;
    struct dhcp_config config;
    struct keel_fake_clock clock;
    struct keel_prng prng;
    struct memory_store store;
    struct dhcp_engine *engine;
    struct dhcp_events events; /* of the last message, when lab_listen was called */
    uint32_t xid;
    /* of the last message */
    struct dhcp_decision decision;
    uint8_t reply[1500];
    struct dhcp_message answer; /* parsed, when there is a reply */
};

/* 192.0.2.0/24 on lan0 with 192.0.2.100-103, 192.0.2.7 reserved for client 7 ("printer"), 103 for
 * client 9; 10.0.0.0/8 behind relays with 10.1.0.1-10.1.0.200. Lease 3600 s (60..7200). */
void lab_init(struct lab *lab);
void lab_fini(struct lab *lab);
/* Makes the engine anew from what is in the store, as a standby does. */
int lab_restart(struct lab *lab);
/* The same with somebody who wants events. */
int lab_listen(struct lab *lab);
/* Builds the message; returns its size. out has 1024 octets. */
size_t lab_build(struct lab *lab, const struct lab_message *m, uint8_t *out);
/* Plays it; the reply type, DHCP_NONE when there is none. */
enum dhcp_type lab_send(struct lab *lab, const struct lab_message *m);
/* DISCOVER and REQUEST; the address that was acknowledged, 0: none. */
uint32_t lab_lease(struct lab *lab, uint8_t client);
void lab_wait(struct lab *lab, uint64_t seconds);
/* State of an address in the store, 0: no record. */
enum dhcp_lease_state lab_state(struct lab *lab, uint32_t address);

#endif
