/*
 * Which addresses are leased at a circuit or to a hardware address: a table of fixed size that may
 * hold what is over since. Who counts asks for each address whether that is so; the store is right.
 */
#ifndef DHCPD_ENGINE_LIMIT_H
#define DHCPD_ENGINE_LIMIT_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct dhcp_limit_entry {
    uint64_t key; /* keyed hash of what is counted by */
    uint32_t address;
    uint32_t next; /* with the same bucket, or the next unused; 0: none, entries begin at 1 */
};
struct dhcp_limits {
    struct dhcp_limit_entry *entries; /* NULL: nothing is counted */
    uint32_t *buckets;
    uint32_t mask, capacity, used, unused, cursor;
};

/* 0 or KEEL_ENOMEM. */
int dhcp_limits_init(struct dhcp_limits *limits, uint32_t capacity);
void dhcp_limits_fini(struct dhcp_limits *limits);
/* The address is leased under this key; nothing happens when that is known. When the table is full
 * another entry makes room, which then is not counted any more. */
void dhcp_limits_note(struct dhcp_limits *limits, uint64_t key, uint32_t address);
/* How many addresses under this key count, of which `counts` decides: 1 yes, 0 not now, -1 it is
 * over and can be forgotten. */
unsigned dhcp_limits_count(struct dhcp_limits *limits, uint64_t key,
                           int (*counts)(void *arg, uint64_t key, uint32_t address), void *arg);

#endif
