#include "tests/support/dhcp_memory_store.h"

static struct memory_store *of(struct dhcp_store *store)
{
    return (struct memory_store *)store;
}

static bool fails(struct memory_store *m)
{
    m->calls++;
    return m->fail_in && m->calls >= m->fail_in;
}

static int get(struct dhcp_store *store, uint32_t address, struct dhcp_lease *lease)
{
    struct memory_store *m = of(store);
    if (fails(m))
        return KEEL_ESYS;
    for (unsigned i = 0; i < MEMORY_STORE_ROWS; i++)
        if (m->leases[i].size && m->leases[i].address == address)
            return dhcp_lease_decode(lease, m->leases[i].record, m->leases[i].size);
    return KEEL_ENOENT;
}

static int put(struct dhcp_store *store, const struct dhcp_lease *lease)
{
    struct memory_store *m = of(store);
    if (fails(m))
        return KEEL_ESYS;
    unsigned at = MEMORY_STORE_ROWS;
    for (unsigned i = MEMORY_STORE_ROWS; i-- > 0;)
        if (!m->leases[i].size)
            at = i;
    for (unsigned i = 0; i < MEMORY_STORE_ROWS; i++)
        if (m->leases[i].size && m->leases[i].address == lease->address)
            at = i;
    if (at == MEMORY_STORE_ROWS)
        return KEEL_ENOSPC;
    /* as with a real store: what was borrowed of the old record is gone */
    uint8_t record[DHCP_LEASE_MAX];
    size_t size = dhcp_lease_encode(lease, record);
    memset(m->leases[at].record, 0xee, sizeof m->leases[at].record);
    memcpy(m->leases[at].record, record, size);
    m->leases[at].size = size;
    m->leases[at].address = lease->address;
    return 0;
}

static int del(struct dhcp_store *store, uint32_t address)
{
    struct memory_store *m = of(store);
    if (fails(m))
        return KEEL_ESYS;
    for (unsigned i = 0; i < MEMORY_STORE_ROWS; i++)
        if (m->leases[i].address == address)
            m->leases[i].size = 0;
    return 0;
}

static int find(struct dhcp_store *store, const struct dhcp_client *client, uint32_t *address)
{
    struct memory_store *m = of(store);
    struct dhcp_lease best = {.address = 0}, lease;
    if (fails(m))
        return KEEL_ESYS;
    for (unsigned i = 0; i < MEMORY_STORE_ROWS; i++) {
        if (!m->leases[i].size ||
            dhcp_lease_decode(&lease, m->leases[i].record, m->leases[i].size) != 0 ||
            !dhcp_client_equal(&lease.client, client))
            continue;
        bool active = lease.state == DHCP_LEASE_ACTIVE, other = best.state == DHCP_LEASE_ACTIVE;
        if (!best.address || (active != other ? active : lease.granted >= best.granted))
            best = lease;
    }
    *address = best.address;
    return best.address ? 0 : KEEL_ENOENT;
}

static int each(struct dhcp_store *store, dhcp_lease_visit *visit, void *arg)
{
    struct memory_store *m = of(store);
    if (fails(m))
        return KEEL_ESYS;
    for (unsigned i = 0; i < MEMORY_STORE_ROWS; i++) {
        struct dhcp_lease lease;
        if (!m->leases[i].size)
            continue;
        int err = dhcp_lease_decode(&lease, m->leases[i].record, m->leases[i].size);
        err = visit(arg, m->leases[i].address, err ? NULL : &lease);
        if (err)
            return err;
    }
    return 0;
}

void memory_store_init(struct memory_store *m)
{
    memset(m, 0, sizeof *m);
    m->store = (struct dhcp_store){
        .get = get,
        .put = put,
        .del = del,
        .find = find,
        .each = each,
    };
}

void memory_store_break(struct memory_store *m, uint32_t address)
{
    unsigned at = 0;
    for (unsigned i = MEMORY_STORE_ROWS; i-- > 0;)
        if (!m->leases[i].size || m->leases[i].address == address)
            at = i;
    m->leases[at].address = address;
    m->leases[at].size = 4;
    memcpy(m->leases[at].record, "what", 4);
}

unsigned memory_store_count(const struct memory_store *m)
{
    unsigned count = 0;
    for (unsigned i = 0; i < MEMORY_STORE_ROWS; i++)
        count += m->leases[i].size > 0;
    return count;
}
