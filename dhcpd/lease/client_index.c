#include "dhcpd/lease/client_index.h"

#include "common/base/rand.h"

/* The table holds pointers; an address, which is never 0, is as good. */
static void *value_of(uint32_t address)
{
    return (void *)(uintptr_t)address;
}

void dhcp_client_index_init(struct dhcp_client_index *index, struct dhcp_store *store)
{
    *index =
        (struct dhcp_client_index){.secret = {keel_rand_u64(), keel_rand_u64()}, .store = store};
    keel_table_init(&index->table);
}

void dhcp_client_index_fini(struct dhcp_client_index *index)
{
    keel_table_fini(&index->table);
}

uint64_t dhcp_client_index_hash(const struct dhcp_client_index *index,
                                const struct dhcp_client *client)
{
    uint8_t key[DHCP_CLIENT_KEY_MAX];
    return keel_hash(&index->secret, key, dhcp_client_key(client, key));
}

/* Who is looked for, and the record that was found. */
struct search {
    const struct dhcp_client_index *index;
    const struct dhcp_client *client;
    struct dhcp_lease lease;
};

static int is_of_client(const void *value, const void *key, size_t size)
{
    struct search *search = *(struct search *const *)key;
    struct dhcp_store *store = search->index->store;
    (void)size;
    return store->get(store, (uint32_t)(uintptr_t)value, &search->lease) == 0 &&
           dhcp_client_equal(&search->lease.client, search->client);
}

/* 0: none. */
static uint32_t find(const struct dhcp_client_index *index, uint64_t hash, struct search *search)
{
    return (uint32_t)(uintptr_t)keel_table_find(&index->table, hash, &search, sizeof search,
                                                is_of_client);
}

int dhcp_client_index_find(const struct dhcp_client_index *index, const struct dhcp_client *client,
                           uint32_t *address)
{
    struct search search = {.index = index, .client = client};
    *address = find(index, dhcp_client_index_hash(index, client), &search);
    return *address ? 0 : KEEL_ENOENT;
}

static bool is_better(const struct dhcp_lease *lease, const struct dhcp_lease *than)
{
    bool active = lease->state == DHCP_LEASE_ACTIVE, other = than->state == DHCP_LEASE_ACTIVE;
    return active != other ? active : lease->granted >= than->granted;
}

int dhcp_client_index_note(struct dhcp_client_index *index, const struct dhcp_lease *lease,
                           uint32_t *replaced)
{
    struct search search = {.index = index, .client = &lease->client};
    uint64_t hash = dhcp_client_index_hash(index, &lease->client);
    uint32_t old = find(index, hash, &search);
    *replaced = 0;
    if (old == lease->address || (old && !is_better(lease, &search.lease)))
        return 0;
    int err = keel_table_add(&index->table, hash, value_of(lease->address));
    if (err || !old)
        return err;
    *replaced = old;
    dhcp_client_index_forget(index, hash, old);
    return 0;
}

void dhcp_client_index_forget(struct dhcp_client_index *index, uint64_t client, uint32_t address)
{
    keel_table_remove(&index->table, client, value_of(address));
}
