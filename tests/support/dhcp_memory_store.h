/*
 * A lease store in plain memory, for the tests: no durability, but failures on demand.
 */
#ifndef KEEL_TESTS_DHCP_MEMORY_STORE_H
#define KEEL_TESTS_DHCP_MEMORY_STORE_H

#include "dhcpd/lease/store.h"

#define MEMORY_STORE_ROWS 512

struct memory_store {
    struct dhcp_store store; /* first: the functions find the rest behind it */
    struct {
        uint32_t address;
        size_t size; /* 0: unused */
        uint8_t record[DHCP_LEASE_MAX];
    } leases[MEMORY_STORE_ROWS];
    unsigned
        fail_in; /* the n-th call from now fails with KEEL_ESYS, as do all behind it; 0: none */
    unsigned calls;
};
void memory_store_init(struct memory_store *m);
/* The address gets a record that cannot be read. There is room. */
void memory_store_break(struct memory_store *m, uint32_t address);
unsigned memory_store_count(const struct memory_store *m);

#endif
