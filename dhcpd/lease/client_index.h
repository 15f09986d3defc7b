/*
 * Which address a client has, or had last: found in memory, made from the lease records, so that a
 * new lease is one record on disk and not two.
 *
 * A client has one entry, in a subnet, however many records speak of it: who went from address to
 * address a thousand times is still found in one step. What the index says is looked up in the
 * store before it is believed.
 */
#ifndef DHCPD_LEASE_CLIENT_INDEX_H
#define DHCPD_LEASE_CLIENT_INDEX_H

#include "common/base/hash.h"
#include "dhcpd/lease/store.h"

struct dhcp_client_index {
    struct keel_table table; /* of addresses */
    struct keel_hash_key secret;
    struct dhcp_store *store; /* borrowed; only `get` is called */
};

void dhcp_client_index_init(struct dhcp_client_index *index, struct dhcp_store *store);
void dhcp_client_index_fini(struct dhcp_client_index *index);
/* What stands for a client in calls that come when its record may be gone. */
uint64_t dhcp_client_index_hash(const struct dhcp_client_index *index,
                                const struct dhcp_client *client);
/* 0 or KEEL_ENOENT. The store must be readable, here and below. */
int dhcp_client_index_find(const struct dhcp_client_index *index, const struct dhcp_client *client,
                           uint32_t *address);
/* The address is to have this record, which names a client. It is found by it afterwards, unless
 * another of its addresses is the better one: active before all others, then the one granted last.
 * *replaced: the address that it was found by before, 0: none. 0 or KEEL_ENOMEM, and nothing is
 * changed. */
int dhcp_client_index_note(struct dhcp_client_index *index, const struct dhcp_lease *lease,
                           uint32_t *replaced);
/* The client, by its hash, is not found by this address any more, if it was. */
void dhcp_client_index_forget(struct dhcp_client_index *index, uint64_t client, uint32_t address);

#endif
